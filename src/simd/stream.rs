//! Stores that bypass the caches: for results so large that the caches would not keep them until they are read.
//! Without this, the processor would read every line of the result before it is overwritten.

use super::{Isa, IsaKind};

/// Copies `from` to `to`, which is as long, past the caches where the machine can.
pub(crate) fn stream<T: bytemuck::Pod>(isa: Isa, from: &[T], to: &mut [T]) {
    assert_eq!(from.len(), to.len());
    match isa.kind() {
        // SAFETY: holding an `Isa` proves that the machine has it; both slices are equally long.
        #[cfg(target_arch = "x86_64")]
        IsaKind::Avx2 | IsaKind::Avx512 => unsafe {
            x86(from.as_ptr().cast(), to.as_mut_ptr().cast(), size_of_val(from))
        },
        _ => to.copy_from_slice(from),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn x86(from: *const u8, to: *mut u8, bytes: usize) {
    use std::arch::x86_64::*;
    let head = to.align_offset(32).min(bytes);
    let body = (bytes - head) / 32 * 32;
    // SAFETY: the caller vouches for `bytes` bytes on both sides; streamed stores are aligned by `head`. The fence
    // orders them before whatever tells other threads that the result is there.
    unsafe {
        std::ptr::copy_nonoverlapping(from, to, head);
        for at in (head..head + body).step_by(32) {
            _mm256_stream_si256(to.add(at).cast(), _mm256_loadu_si256(from.add(at).cast()));
        }
        std::ptr::copy_nonoverlapping(from.add(head + body), to.add(head + body), bytes - head - body);
        _mm_sfence();
    }
}
