//! Buffers that end, or start, flush against a page that must not be touched: a kernel that reads or writes one
//! element beyond an array dies with SIGSEGV instead of passing by luck.

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// `len` elements between two inaccessible regions, without a gap on one side.
///
/// `T` must be a plain number: elements start as zero bytes and are not dropped. Where there is no `mmap`, the
/// buffer is an ordinary one.
pub struct GuardedBuf<T> {
    first: NonNull<T>,
    len: usize,
    map: Map,
}

impl<T: Copy> GuardedBuf<T> {
    /// The end is flush: an access to element `len` faults.
    pub fn at_end(len: usize) -> GuardedBuf<T> {
        GuardedBuf::new(len, true)
    }

    /// The start is flush: an access to element -1 faults.
    pub fn at_start(len: usize) -> GuardedBuf<T> {
        GuardedBuf::new(len, false)
    }

    fn new(len: usize, at_end: bool) -> GuardedBuf<T> {
        let bytes = len.checked_mul(size_of::<T>()).expect("a size in bytes");
        let map = Map::new(bytes);
        let skip = if at_end { map.usable - bytes } else { 0 };
        // SAFETY: `skip` is at most the usable size, which is part of the map.
        let first = unsafe { map.start.add(skip) }.cast::<T>();
        assert!(first.is_aligned(), "elements of {} bytes", size_of::<T>());
        GuardedBuf { first, len, map }
    }
}

impl<T> Deref for GuardedBuf<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `len` elements from `first` on are mapped, aligned and initialised (zero, or written since).
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.len) }
    }
}

impl<T> DerefMut for GuardedBuf<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; `self` owns them.
        unsafe { std::slice::from_raw_parts_mut(self.first.as_ptr(), self.len) }
    }
}

// SAFETY: the buffer owns its memory and gives it out by the rules of references only.
unsafe impl<T: Send> Send for GuardedBuf<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for GuardedBuf<T> {}

impl<T> Drop for GuardedBuf<T> {
    fn drop(&mut self) {
        self.map.unmap();
    }
}

/// Zeroed memory of whole pages between two inaccessible ones.
struct Map {
    start: NonNull<u8>,
    usable: usize,
    #[cfg(unix)]
    page: usize,
}

#[cfg(unix)]
impl Map {
    fn new(bytes: usize) -> Map {
        // SAFETY: `sysconf` only reads its argument.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).expect("a page size");
        let usable = bytes.next_multiple_of(page).max(page);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
        // SAFETY: a new mapping at an address of the kernel's choice; the part that is opened lies within it.
        let start = unsafe {
            let start = libc::mmap(std::ptr::null_mut(), usable + 2 * page, libc::PROT_NONE, flags, -1, 0);
            assert_ne!(start, libc::MAP_FAILED, "mmap of {usable} bytes");
            let start = start.byte_add(page);
            assert_eq!(libc::mprotect(start, usable, libc::PROT_READ | libc::PROT_WRITE), 0, "mprotect");
            start
        };
        Map { start: NonNull::new(start.cast()).expect("a mapped address"), usable, page }
    }

    fn unmap(&mut self) {
        // SAFETY: this is the whole mapping that `new` made, and nothing uses it any more.
        let status = unsafe {
            libc::munmap(self.start.as_ptr().byte_sub(self.page).cast(), self.usable + 2 * self.page)
        };
        assert_eq!(status, 0, "munmap");
    }
}

#[cfg(not(unix))]
impl Map {
    const ALIGNMENT: usize = 64;

    fn layout(usable: usize) -> std::alloc::Layout {
        std::alloc::Layout::from_size_align(usable, Self::ALIGNMENT).expect("a size in bytes")
    }

    fn new(bytes: usize) -> Map {
        let usable = bytes.next_multiple_of(Self::ALIGNMENT).max(Self::ALIGNMENT);
        // SAFETY: the size is not zero.
        let start = unsafe { std::alloc::alloc_zeroed(Self::layout(usable)) };
        Map { start: NonNull::new(start).expect("memory"), usable }
    }

    fn unmap(&mut self) {
        // SAFETY: allocated by `new` with this layout.
        unsafe { std::alloc::dealloc(self.start.as_ptr(), Self::layout(self.usable)) };
    }
}
