//! Copying rows of an image into a padded band.

use crate::simd::Simd;

/// The rows to copy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub rows: usize,
    /// Zeros before each row.
    pub left: usize,
    /// Elements of each row.
    pub columns: usize,
    /// Zeros after each row.
    pub right: usize,
    /// Source elements from one to the next: 1 or 2.
    pub step: usize,
}

/// `(from, from_pitch, to, to_pitch, shape)`.
pub(crate) type CopyRowsFn<T> = unsafe fn(*const T, usize, *mut T, usize, &Shape);

/// Copies the rows of a shape.
///
/// # Safety
/// Both sides have the rows; only elements that are copied are read.
#[inline(always)]
pub(crate) unsafe fn copy_rows<S: Simd>(
    from: *const S::T,
    from_pitch: usize,
    to: *mut S::T,
    to_pitch: usize,
    shape: &Shape,
) {
    let width = shape.left + shape.columns + shape.right;
    let end = shape.left + shape.columns;
    // SAFETY: this function's contract; a vector reads only lanes `left..end` of its row.
    unsafe {
        for row in 0..shape.rows {
            // Where lane 0 of the row would be read: perhaps outside the source.
            let from = from.wrapping_add(row * from_pitch).wrapping_sub(shape.left * shape.step);
            let to = to.add(row * to_pitch);
            for lane in (0..width).step_by(S::L) {
                let low = shape.left.saturating_sub(lane).min(S::L);
                let high = end.saturating_sub(lane).min(S::L);
                let p = from.wrapping_add(lane * shape.step);
                let v = match (shape.step, low == 0 && high == S::L) {
                    (1, true) => S::load(p),
                    (1, false) => S::load_range(p, low.min(high), high),
                    (_, true) => S::load_even(p),
                    (_, false) => S::load_even_range(p, low.min(high), high),
                };
                if lane + S::L <= width {
                    S::store(to.add(lane), v);
                } else {
                    S::store_n(to.add(lane), v, width - lane);
                }
            }
        }
    }
}
