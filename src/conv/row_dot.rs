//! Weight gradient of few channels: `w[m, c, t] = Σ y[m, o] · x[c, o · stride + t · dilation - pad]` as dot products
//! along rows of pixels, so that no lane is empty however few channels a group has.
//!
//! A loaded vector of y meets up to eight kernel elements; x comes from a padded band, split by residue, in which
//! neighbouring outputs read neighbouring elements whatever the stride.

#![allow(unsafe_code)]

use super::band::BandPlan;
use super::correlation::Correlation;
use crate::element::Element;
use crate::simd::Simd;
use crate::tile::kernels::Kernels;
use crate::view::as_accumulators;

/// Kernel elements of one round.
const TAPS: usize = 8;

/// Arguments of a round of dot products.
pub(crate) struct Dot<T> {
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

/// See [`Dot`].
pub(crate) type DotFn<T> = unsafe fn(&Dot<T>);

/// Adds the products of `rows` x `columns` outputs to the sums.
///
/// # Safety
/// `y` and, at every offset, `x` have the rows and columns; `out` has `taps` elements.
#[inline(always)]
pub(crate) unsafe fn dot<S: Simd>(t: &Dot<S::T>) {
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
unsafe fn round<S: Simd, const N: usize>(t: &Dot<S::T>, tap: usize) {
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

/// One group of one sample.
pub(crate) struct RowDot<'a, E: Element> {
    /// The forward pass of the same geometry.
    pub corr: &'a Correlation,
    pub kernels: &'static Kernels<E::Acc>,
    pub plan: &'a BandPlan,
    pub offsets: &'a [u32],
}

impl<E: Element> RowDot<'_, E> {
    /// Elements of scratch: a band of one channel and y's rows in the type of sums.
    pub(crate) fn scratch(plan: &BandPlan) -> [usize; 2] {
        [plan.len, plan.size[1] * plan.size[2]].map(|n| n.next_multiple_of(16))
    }

    /// Adds band `index` to the sums of output channels `m`: `sums[(m - m.start, c, tap)]`.
    pub(crate) fn band(
        &self,
        index: usize,
        x: &[E],
        y: &[E],
        m: std::ops::Range<usize>,
        sums: &mut [E::Acc],
        band: &mut [E::Acc],
        rows: &mut [E::Acc],
    ) {
        let (corr, plan) = (self.corr, self.plan);
        let taps = self.offsets.len();
        let outputs = plan.outputs(corr, index);
        let n = [0, 1, 2].map(|d| outputs.end[d] - outputs.first[d]);
        let plane: usize = corr.grid.iter().product();
        let largest = self.offsets.iter().copied().max().unwrap_or(0) as usize;
        for c in 0..corr.c {
            plan.fill(corr, self.kernels, x, c, 1, &outputs, band);
            for (i, m) in m.clone().enumerate() {
                let y = &y[m * plane..][..plane];
                let sums = &mut sums[(i * corr.c + c) * taps..][..taps];
                for d in 0..n[0] {
                    let first = ((outputs.first[0] + d) * corr.grid[1] + outputs.first[1]) * corr.grid[2];
                    let first = first + outputs.first[2];
                    let (y, y_pitch) = match as_accumulators(y) {
                        Some(y) => (&y[first..], corr.grid[2]),
                        None => {
                            for h in 0..n[1] {
                                E::widen_row(
                                    &y[first + h * corr.grid[2]..][..n[2]],
                                    &mut rows[h * n[2]..][..n[2]],
                                );
                            }
                            (&*rows, n[2])
                        }
                    };
                    let x = &band[d * plan.pitch[0] * plan.pitch[1]..];
                    assert!((n[1] - 1) * y_pitch + n[2] <= y.len());
                    assert!(largest + (n[1] - 1) * plan.pitch[1] + n[2] <= x.len());
                    let dot = Dot {
                        y: y.as_ptr(),
                        y_pitch,
                        x: x.as_ptr(),
                        x_pitch: plan.pitch[1],
                        rows: n[1],
                        columns: n[2],
                        offsets: self.offsets.as_ptr(),
                        taps,
                        out: sums.as_mut_ptr(),
                    };
                    // SAFETY: the last row's end was checked on both sides; there is a sum for each offset.
                    unsafe { (self.kernels.dot)(&dot) };
                }
            }
        }
    }
}
