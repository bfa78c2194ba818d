//! Buffers that start on a cache line, so that no vector of a packed panel straddles two.

use crate::error::{Error, Result};
use bytemuck::allocation::try_zeroed_slice_box;
use bytemuck::{Pod, Zeroable};
use std::cell::Cell;
use std::marker::PhantomData;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// The largest buffer that a thread keeps for reuse: fresh memory costs a page fault for every 4 KiB.
const SPARE_BYTES: usize = 16 << 20;

thread_local! {
    static SPARE: Cell<Box<[Line]>> = Cell::default();
}

/// A zeroed, 64-byte aligned buffer of `len` elements.
pub struct AlignedVec<T> {
    lines: Box<[Line]>,
    len: usize,
    element: PhantomData<T>,
}

impl<T: Pod> AlignedVec<T> {
    /// Allocates; `Error::Alloc` if there is no memory.
    pub fn zeroed(len: usize) -> Result<Self> {
        let bytes = len.checked_mul(size_of::<T>()).ok_or(Error::Alloc { bytes: usize::MAX })?;
        let count = bytes.div_ceil(64);
        // Asks for zeroed pages rather than writing zeros.
        let lines = try_zeroed_slice_box(count).map_err(|()| Error::Alloc { bytes })?;
        Ok(AlignedVec { lines, len, element: PhantomData })
    }

    /// As [`AlignedVec::zeroed`], but in memory that this thread gave back, if it is large enough; its contents are
    /// what they were.
    pub fn reused(len: usize) -> Result<Self> {
        let lines = SPARE.try_with(Cell::take).unwrap_or_default();
        if len.checked_mul(size_of::<T>()).is_some_and(|bytes| bytes.div_ceil(64) <= lines.len()) {
            return Ok(AlignedVec { lines, len, element: PhantomData });
        }
        drop(lines);
        Self::zeroed(len)
    }

    /// Gives the memory back for this thread's next [`AlignedVec::reused`].
    pub fn recycle(self) {
        if self.lines.len() <= SPARE_BYTES / 64 {
            // A thread that is ending keeps nothing.
            let _ = SPARE.try_with(|spare| spare.set(self.lines));
        }
    }

    /// All elements.
    pub fn as_slice(&self) -> &[T] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }

    /// All elements.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }

    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        self.len * size_of::<T>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_aligned_zeroed_and_reused() {
        let mut first = AlignedVec::<f32>::zeroed(100).unwrap();
        assert!(first.as_slice().iter().all(|&v| v == 0.0) && first.as_slice().len() == 100);
        assert_eq!(first.as_slice().as_ptr().addr() % 64, 0);
        first.as_mut_slice().fill(3.0);
        first.recycle();
        assert_eq!(AlignedVec::<f32>::reused(90).unwrap().as_slice(), [3.0; 90]);
        assert_eq!(AlignedVec::<f32>::reused(90).unwrap().as_slice(), [0.0; 90]);
        assert!(AlignedVec::<f64>::zeroed(usize::MAX / 4).is_err());
        assert!(AlignedVec::<f64>::reused(usize::MAX / 64).is_err());
    }
}
