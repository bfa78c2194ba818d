//! Weight gradient of few channels: `w[m, c, t] = Σ y[m, o] · x[c, o · stride + t · dilation - pad]` as dot products
//! along rows of pixels (`tile::dot`), so that no lane is empty however few channels a group has.
//!
//! x comes from a padded band, split by residue, in which
//! neighbouring outputs read neighbouring elements whatever the stride.

use super::band::BandPlan;
use super::correlation::Correlation;
use crate::element::Element;
use crate::tile::dot::Rows2;
use crate::tile::kernels::Kernels;
use crate::view::as_accumulators;

/// One group of one sample.
pub(crate) struct RowDot<'a, E: Element> {
    /// The forward pass of the same geometry.
    pub corr: &'a Correlation,
    pub kernels: &'static Kernels<E::Acc>,
    pub plan: &'a BandPlan,
    pub offsets: &'a [u32],
}

impl<E: Element> RowDot<'_, E> {
    /// Elements of scratch: a band of one channel, and rows of y in the type of sums.
    pub(crate) fn scratch(plan: &BandPlan) -> usize {
        plan.len.next_multiple_of(16) + plan.size[1] * plan.size[2]
    }

    /// Adds band `index` to the sums of output channels `m`: `sums[(m - m.start, c, tap)]`.
    pub(crate) fn band(
        &self,
        index: usize,
        x: &[E],
        y: &[E],
        m: std::ops::Range<usize>,
        sums: &mut [E::Acc],
        scratch: &mut [E::Acc],
    ) {
        let (band, rows) = scratch.split_at_mut(self.plan.len.next_multiple_of(16));
        let (corr, plan) = (self.corr, self.plan);
        let taps = self.offsets.len();
        let outputs = plan.outputs(corr, index);
        let n = [0, 1, 2].map(|d| outputs.end[d] - outputs.first[d]);
        let plane: usize = corr.grid.iter().product();
        let largest = self.offsets.iter().copied().max().unwrap_or(0) as usize;
        for c in 0..corr.c {
            plan.fill(corr, self.kernels, x, c..c + 1, &outputs, band);
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
                    let work = Rows2 {
                        y,
                        y_pitch,
                        x,
                        x_pitch: plan.pitch[1],
                        rows: n[1],
                        columns: n[2],
                        offsets: self.offsets,
                        largest,
                    };
                    self.kernels.run_dot(&work, sums);
                }
            }
        }
    }
}
