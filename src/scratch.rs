//! Working memory of a thread, kept from one use to the next.
//!
//! Kernels need some scratch for every task: fresh memory would cost a page fault for every 4 KiB. Each thread
//! therefore keeps one buffer, as large as the largest that it has needed. Buffers above 4 MiB are freed after
//! their use, so that an unusual layer does not pin its memory for the rest of the process.

use std::cell::Cell;

use crate::error::{Error, Result};

/// Buffers start at a multiple of this many bytes, a cache line and the widest vector.
pub const ALIGNMENT: usize = 64;

/// The largest buffer that a thread keeps.
pub const KEPT_BYTES: usize = 4 << 20;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Calls `f` with `bytes` bytes of this thread's scratch, aligned to [`ALIGNMENT`].
///
/// The contents are what the last use on this thread left there, and zeros where nothing did. A use inside of
/// `f` gets a buffer of its own. If the memory cannot be had, `f` is not called and the error is
/// [`Error::Alloc`].
pub fn with_scratch<R>(bytes: usize, f: impl FnOnce(&mut [u8]) -> R) -> Result<R> {
    // While it is in use, an empty buffer stands in its place. A thread that is ending has none.
    let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
    grow(&mut buffer, bytes)?;
    let skip = buffer.as_ptr().addr().wrapping_neg() % ALIGNMENT;
    let result = f(&mut buffer[skip..skip + bytes]);
    if buffer.capacity() <= KEPT_BYTES + ALIGNMENT {
        let _ = BUFFER.try_with(|kept| kept.set(buffer));
    }
    Ok(result)
}

fn grow(buffer: &mut Vec<u8>, bytes: usize) -> Result<()> {
    // The address of a vector is a multiple of 1 only: as many bytes are added as alignment may skip.
    let refused = Error::Alloc { bytes };
    let Some(needed) = bytes.checked_add(ALIGNMENT) else {
        return Err(refused);
    };
    if buffer.len() < needed {
        *buffer = Vec::new();
        buffer.try_reserve_exact(needed).map_err(|_| refused)?;
        buffer.resize(needed, 0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept_bytes() -> usize {
        let buffer = BUFFER.take();
        let kept = buffer.capacity();
        BUFFER.set(buffer);
        kept
    }

    #[test]
    fn is_aligned_zeroed_and_reused() {
        with_scratch(1000, |scratch| {
            assert_eq!(scratch.len(), 1000);
            assert_eq!(scratch.as_ptr().addr() % ALIGNMENT, 0);
            assert!(scratch.iter().all(|&byte| byte == 0));
            scratch.fill(3);
        })
        .unwrap();
        with_scratch(500, |scratch| assert!(scratch.iter().all(|&byte| byte == 3))).unwrap();
        assert_eq!(kept_bytes(), 1000 + ALIGNMENT);
        with_scratch(2000, |scratch| assert!(scratch.iter().all(|&byte| byte == 0))).unwrap();
        assert_eq!(with_scratch(0, |scratch| scratch.len()), Ok(0));
    }

    #[test]
    fn nested_uses_do_not_share() {
        let sum = with_scratch(64, |outer| {
            outer.fill(1);
            with_scratch(128, |inner| inner.fill(2)).unwrap();
            outer.iter().map(|&byte| u32::from(byte)).sum::<u32>()
        });
        assert_eq!(sum, Ok(64));
    }

    #[test]
    fn large_buffers_are_freed() {
        with_scratch(KEPT_BYTES, |_| ()).unwrap();
        assert_eq!(kept_bytes(), KEPT_BYTES + ALIGNMENT);
        with_scratch(KEPT_BYTES + 1, |scratch| scratch.fill(1)).unwrap();
        assert_eq!(kept_bytes(), 0);
    }

    #[test]
    fn impossible_sizes_are_errors() {
        for bytes in [usize::MAX, usize::MAX - ALIGNMENT, isize::MAX as usize / 2] {
            assert_eq!(with_scratch(bytes, |_| ()), Err(Error::Alloc { bytes }));
        }
        assert_eq!(with_scratch(8, |scratch| scratch.len()), Ok(8));
    }

    #[test]
    fn a_panic_leaves_the_thread_usable() {
        let caught = std::panic::catch_unwind(|| with_scratch(64, |_| panic!("on purpose")));
        assert!(caught.is_err());
        assert_eq!(with_scratch(64, |scratch| scratch.len()), Ok(64));
    }
}
