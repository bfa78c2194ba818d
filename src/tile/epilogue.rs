//! What happens to a tile's sums at the store: bias, the order of the output, its element type.

use super::kernels::Kernels;
use crate::element::Element;
use crate::simd::{Float, Simd};
use crate::view::Output;

/// A run of a tile's lanes whose outputs are `TileSums::step` apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    /// First lane of the tile.
    pub lane: usize,
    /// Lanes.
    pub len: usize,
    /// Where the first lane goes, from the output row's start.
    pub target: usize,
    /// Sums that count, over all phases: the last lane need not have all of its phases inside the output.
    pub end: usize,
}

/// The rows of a tile buffer and where they belong.
pub(crate) struct Rows<T> {
    /// First element of the buffer.
    pub buffer: *const T,
    /// Elements from one row of the buffer to the next.
    pub pitch: usize,
    /// Rows.
    pub rows: usize,
    /// One value for each row, or null.
    pub bias: *const T,
    /// Elements from one row of the output to the next.
    pub target_pitch: usize,
}

/// `(rows, segments, y)`.
pub(crate) type StoreFn<T> = unsafe fn(&Rows<T>, &[Segment], *mut T);
/// `(rows, pitch, segments, y)`.
pub(crate) type PrefetchFn<T> = unsafe fn(usize, usize, &[Segment], *const T);
/// `(a, b, y, n, bias)`: `n` pairs `a[i] + bias, b[i] + bias`.
pub(crate) type InterleaveFn<T> = unsafe fn(*const T, *const T, *mut T, usize, T);

/// Stores rows whose segments are contiguous in an output of the accumulator's type.
///
/// # Safety
/// `rows` and `segments` describe valid parts of the buffer and of the output at `y`.
#[inline(always)]
pub(crate) unsafe fn store_rows<S: Simd>(rows: &Rows<S::T>, segments: &[Segment], y: *mut S::T) {
    // SAFETY: this function's contract.
    unsafe {
        for i in 0..rows.rows {
            let bias = if rows.bias.is_null() { S::zero() } else { S::splat(rows.bias.add(i)) };
            for segment in segments {
                let from = rows.buffer.add(i * rows.pitch + segment.lane);
                let to = y.add(i * rows.target_pitch + segment.target);
                let mut lane = 0;
                while lane + S::L <= segment.len {
                    S::store(to.add(lane), S::add(S::load(from.add(lane)), bias));
                    lane += S::L;
                }
                if lane < segment.len {
                    let left = segment.len - lane;
                    S::store_n(to.add(lane), S::add(S::load_n(from.add(lane), left), bias), left);
                }
            }
        }
    }
}

/// Asks for the output lines that `store_rows` will write.
#[inline(always)]
pub(crate) unsafe fn prefetch_rows<S: Simd>(rows: usize, pitch: usize, segments: &[Segment], y: *const S::T) {
    let line = 64 / size_of::<S::T>();
    for i in 0..rows {
        for segment in segments {
            for at in (0..segment.len).step_by(line) {
                // SAFETY: a hint, for any address.
                unsafe { S::prefetch(y.wrapping_add(i * pitch + segment.target + at)) };
            }
        }
    }
}

/// Stores two phases of a row alternately.
///
/// # Safety
/// `n` elements at `a` and `b`, `2 n` at `y`.
#[inline(always)]
pub(crate) unsafe fn interleave<S: Simd>(a: *const S::T, b: *const S::T, y: *mut S::T, n: usize, bias: S::T) {
    // SAFETY: this function's contract.
    unsafe {
        let add = S::splat(&raw const bias);
        let mut i = 0;
        while i + S::L <= n {
            let (va, vb) = (S::add(S::load(a.add(i)), add), S::add(S::load(b.add(i)), add));
            S::store_interleaved(y.add(2 * i), va, vb);
            i += S::L;
        }
        while i < n {
            *y.add(2 * i) = *a.add(i) + bias;
            *y.add(2 * i + 1) = *b.add(i) + bias;
            i += 1;
        }
    }
}

/// The tile buffers of one place of the output: one for each phase along the last axis, `MR x pitch` each.
pub(crate) struct TileSums<'a, T> {
    /// The buffers, one after the other.
    pub buffer: &'a [T],
    /// Elements of one buffer.
    pub size: usize,
    /// Number of buffers: phases that lie next to each other in the output.
    pub phases: usize,
    /// Elements from one lane's output to the next lane's: 1, or the phases' stride.
    pub step: usize,
    /// Elements from one row to the next.
    pub pitch: usize,
    /// Rows that count.
    pub rows: usize,
    /// One value for each row, or empty.
    pub bias: &'a [T],
}

/// Writes tile sums to the output: row `i`, lane `l` of phase `r` goes to
/// `start + i * target_pitch + segment.target + (l - segment.lane) * step + r`.
pub(crate) fn store<E: Element>(
    kernels: &Kernels<E::Acc>,
    sums: &TileSums<'_, E::Acc>,
    segments: &[Segment],
    output: &Output<'_, E>,
    start: usize,
    target_pitch: usize,
) {
    let &TileSums { buffer, size, phases, step, pitch, rows, bias } = sums;
    assert!(bias.is_empty() || bias.len() >= rows);
    assert!(phases == 1 || phases == step);
    for segment in segments {
        assert!((phases - 1) * size + (rows - 1) * pitch + segment.lane + segment.len <= buffer.len());
        assert!(segment.end <= phases * segment.len);
    }
    let direct = output.as_accumulator();
    if let (Some(direct), 1) = (&direct, step) {
        for segment in segments {
            direct.check(start + (rows - 1) * target_pitch + segment.target, segment.len);
        }
        let rows = Rows {
            buffer: buffer.as_ptr(),
            pitch,
            rows,
            bias: if bias.is_empty() { std::ptr::null() } else { bias.as_ptr() },
            target_pitch,
        };
        // SAFETY: buffer and output ranges were checked above; the instruction set was detected.
        unsafe { (kernels.store)(&rows, segments, direct.at(start)) };
        return;
    }
    for i in 0..rows {
        let add = bias.get(i).copied().unwrap_or_default();
        for segment in segments {
            let from = i * pitch + segment.lane;
            let target = start + i * target_pitch + segment.target;
            if let (Some(direct), 2, 2) = (&direct, step, phases) {
                let pairs = segment.end / 2;
                let (a, b) = (&buffer[from..from + pairs], &buffer[size + from..size + from + pairs]);
                direct.check(target, segment.end);
                // SAFETY: slices of `pairs` elements and a checked output range of at least twice as many.
                unsafe { (kernels.interleave)(a.as_ptr(), b.as_ptr(), direct.at(target), pairs, add) };
                if segment.end % 2 == 1 {
                    output.write(target + segment.end - 1, E::narrow(buffer[from + pairs] + add));
                }
                continue;
            }
            for r in 0..phases.min(segment.end) {
                for l in 0..(segment.end - r).div_ceil(phases) {
                    output.write(target + l * step + r, E::narrow(buffer[r * size + from + l] + add));
                }
            }
        }
    }
}

/// Asks for the lines that `store` will write, so that they arrive while the tile is computed.
pub(crate) fn prefetch<E: Element>(
    kernels: &Kernels<E::Acc>,
    rows: usize,
    segments: &[Segment],
    output: &Output<'_, E>,
    start: usize,
    target_pitch: usize,
) {
    if let Some(direct) = output.as_accumulator() {
        // SAFETY: a hint, for any address.
        unsafe { (kernels.prefetch)(rows, target_pitch, segments, direct.at(start)) };
    }
}

/// Adds `from` to `to`, element by element.
pub(crate) fn add_into<T: Float>(to: &mut [T], from: &[T]) {
    for (a, &b) in to.iter_mut().zip(from) {
        *a += b;
    }
}
