//! Dot products along rows of pixels, for weight gradients of few channels: a loaded vector of y meets up to eight
//! kernel elements.

use super::kernels::Kernels;
use crate::simd::{Float, Simd};

/// Kernel elements of one round.
pub(crate) const TAPS: usize = 8;

/// Arguments of a round of dot products.
pub(crate) struct DotTile<T> {
    pub y: *const T,
    pub y_pitch: usize,
    pub x: *const T,
    pub x_pitch: usize,
    pub rows: usize,
    pub columns: usize,
    /// Offsets of the kernel elements into `x`.
    pub offsets: *const u32,
    pub taps: usize,
    /// One sum for each kernel element, added to.
    pub out: *mut T,
}

/// See [`DotTile`].
pub(crate) type DotFn<T> = unsafe fn(&DotTile<T>);

/// Adds the products of `rows` x `columns` outputs to the sums.
///
/// # Safety
/// `y` and, at every offset, `x` have the rows and columns; `out` has `taps` elements.
#[inline(always)]
pub(crate) unsafe fn dot<S: Simd>(t: &DotTile<S::T>) {
    let mut tap = 0;
    // SAFETY: this function's contract.
    unsafe {
        while tap + TAPS <= t.taps {
            round::<S, TAPS>(t, tap);
            tap += TAPS;
        }
        while tap + 4 <= t.taps {
            round::<S, 4>(t, tap);
            tap += 4;
        }
        while tap < t.taps {
            round::<S, 1>(t, tap);
            tap += 1;
        }
    }
}

#[inline(always)]
unsafe fn round<S: Simd, const N: usize>(t: &DotTile<S::T>, tap: usize) {
    // SAFETY: as for `dot`; lanes beyond a row's end are neither read nor summed.
    unsafe {
        let mut acc = [S::zero(); N];
        let mut from = [t.x; N];
        for i in 0..N {
            from[i] = t.x.add(*t.offsets.add(tap + i) as usize);
        }
        for row in 0..t.rows {
            let y = t.y.add(row * t.y_pitch);
            let skip = row * t.x_pitch;
            let mut column = 0;
            while column + S::L <= t.columns {
                let v = S::load(y.add(column));
                for i in 0..N {
                    acc[i] = S::fma(v, S::load(from[i].add(skip + column)), acc[i]);
                }
                column += S::L;
            }
            let left = t.columns - column;
            if left > 0 {
                let v = S::load_n(y.add(column), left);
                for i in 0..N {
                    acc[i] = S::fma(v, S::load_n(from[i].add(skip + column), left), acc[i]);
                }
            }
        }
        for i in 0..N {
            *t.out.add(tap + i) += S::sum(acc[i]);
        }
    }
}

/// Rows of y, and of the image at every offset.
pub(crate) struct Rows2<'a, T> {
    pub y: &'a [T],
    pub y_pitch: usize,
    pub x: &'a [T],
    pub x_pitch: usize,
    pub rows: usize,
    pub columns: usize,
    /// Offsets of the kernel elements into `x`.
    pub offsets: &'a [u32],
    /// The largest of them.
    pub largest: usize,
}

impl<T: Float> Kernels<T> {
    /// Adds one dot product for each kernel element to `sums`.
    pub(crate) fn run_dot(&self, work: &Rows2<'_, T>, sums: &mut [T]) {
        let &Rows2 { y, y_pitch, x, x_pitch, rows, columns, offsets, largest } = work;
        assert!(rows > 0 && (rows - 1) * y_pitch + columns <= y.len());
        assert!(largest + (rows - 1) * x_pitch + columns <= x.len());
        assert!(offsets.len() <= sums.len());
        let tile = DotTile {
            y: y.as_ptr(),
            y_pitch,
            x: x.as_ptr(),
            x_pitch,
            rows,
            columns,
            offsets: offsets.as_ptr(),
            taps: offsets.len(),
            out: sums.as_mut_ptr(),
        };
        // SAFETY: the last row's end was checked on both sides; there is a sum for each offset.
        unsafe { (self.dot)(&tile) }
    }
}
