//! Buffers that start on a cache line, so that no vector of a packed panel straddles two.

use crate::error::{Error, Result};
use bytemuck::allocation::try_zeroed_slice_box;
use bytemuck::{Pod, Zeroable};
use std::marker::PhantomData;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

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
