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
    // SAFETY: this function's contract.
    unsafe {
        for row in 0..shape.rows {
            let (from, to) = (from.add(row * from_pitch), to.add(row * to_pitch));
            zeros::<S>(to, shape.left);
            let inside = to.add(shape.left);
            let mut i = 0;
            if shape.step == 1 {
                while i + S::L <= shape.columns {
                    S::store(inside.add(i), S::load(from.add(i)));
                    i += S::L;
                }
                if i < shape.columns {
                    let left = shape.columns - i;
                    S::store_n(inside.add(i), S::load_n(from.add(i), left), left);
                }
            } else {
                while i + S::L <= shape.columns {
                    S::store(inside.add(i), S::load_even(from.add(2 * i)));
                    i += S::L;
                }
                while i < shape.columns {
                    *inside.add(i) = *from.add(2 * i);
                    i += 1;
                }
            }
            zeros::<S>(inside.add(shape.columns), shape.right);
        }
    }
}

#[inline(always)]
unsafe fn zeros<S: Simd>(to: *mut S::T, n: usize) {
    let mut i = 0;
    // SAFETY: the caller vouches for `n` elements.
    unsafe {
        while i + S::L <= n {
            S::store(to.add(i), S::zero());
            i += S::L;
        }
        if i < n {
            S::store_n(to.add(i), S::zero(), n - i);
        }
    }
}
