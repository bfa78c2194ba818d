//! Softmaxes that lie side by side: what is along columns of a tile.

use super::reduce::ROWS;
use super::reducers::{Highest, Reducer, Sum};
use super::softmax::{Job, Softmaxed};
use crate::element::Element;
use crate::error::Result;
use crate::expr::Computed as _;
use crate::expr::lane::{Lane as _, Number};
use crate::scratch::with_scratch;
use crate::simd::Body;
use crate::view::{Output, as_accumulators};

/// The most columns of a unit of sharing out, and the most where there are more threads than rows of units. Machines
/// foresee where a long row goes on; short ones, far from each other, take several times as long.
const WIDTH: usize = 4096;
const SHARED_WIDTH: usize = 512;
/// Elements of a unit, about, but for `NARROW` columns.
const UNIT: usize = 1 << 18;
const NARROW: usize = 16;

/// How many of `columns` columns of `length` elements make a unit, if there are `units` of them at least.
pub(super) fn unit_width(length: usize, columns: usize, units: usize, threads: usize) -> usize {
    let most = if units < threads { SHARED_WIDTH } else { WIDTH };
    let blocks = columns.div_ceil((UNIT / length).clamp(NARROW, most));
    columns.div_ceil(blocks)
}

impl<E: Element> Job<'_, '_, E>
where
    E::Acc: Softmaxed,
{
    /// `columns` softmaxes, `stride` apart in the view and side by side in the output.
    pub(super) fn columns(&self, x: isize, stride: isize, y: usize, columns: usize) -> Result<()> {
        let size = self.length * columns;
        let data = as_accumulators(self.view.data).filter(|_| stride == 1 && self.step >= 0);
        let out = self.out.as_accumulator();
        let (brought, finished) = (data.map_or(size, |_| 0), out.as_ref().map_or(size, |_| 0));
        with_scratch((brought + size + finished) * size_of::<E::Acc>(), |scratch| {
            let (source, scratch) = bytemuck::cast_slice_mut(scratch).split_at_mut(brought);
            let (tile, finished) = scratch.split_at_mut(size);
            for (i, row) in source.chunks_exact_mut(columns).enumerate() {
                self.bring(self.view.position(x + i as isize * self.step), stride, row);
            }
            let x = match data {
                Some(data) => Rows { all: &data[self.view.position(x)..], pitch: self.step as usize },
                None => Rows { all: source, pitch: columns },
            };
            let (mut max, mut sums) = ([E::Acc::default(); WIDTH], [E::Acc::default(); WIDTH]);
            let (max, sums) = (&mut max[..columns], &mut sums[..columns]);
            self.reduced::<Highest>(x, max, E::Acc::nearest);
            self.isa.run(TileExponentials { x, max, tile: &mut *tile });
            self.reduced::<Sum>(Rows { all: tile, pitch: columns }, sums, |sum| self.finish(sum));
            let finish = |out: &Output<'_, E::Acc>, y, pitch| {
                self.isa.run(FinishTile { x, max, tile, sums, log: self.log, out, y, pitch });
            };
            if let Some(out) = &out {
                return finish(out, y, self.pitch);
            }
            finish(&Output::new(&mut *finished), 0, columns);
            for (i, row) in finished.chunks_exact(columns).enumerate() {
                E::narrow_row(row, self.out.run(y + i * self.pitch, columns));
            }
        })
    }

    /// Columns reduced.
    fn reduced<R: Reducer<E::Acc, Wide = f64>>(
        &self,
        rows: Rows<'_, E::Acc>,
        to: &mut [E::Acc],
        finish: impl Fn(f64) -> E::Acc,
    ) {
        let mut wide = [R::nothing(); WIDTH];
        let wide = &mut wide[..to.len()];
        for first in (0..self.length).step_by(ROWS) {
            R::columns(
                self.isa,
                &rows.all[first * rows.pitch..],
                rows.pitch,
                ROWS.min(self.length - first),
                wide,
            );
        }
        for (to, &wide) in to.iter_mut().zip(&*wide) {
            *to = finish(wide);
        }
    }
}

/// Rows of a tile, `pitch` apart.
#[derive(Clone, Copy)]
struct Rows<'a, T> {
    all: &'a [T],
    pitch: usize,
}

/// exp(x - max) to a tile, with a `max` for every column.
struct TileExponentials<'a, T> {
    x: Rows<'a, T>,
    max: &'a [T],
    tile: &'a mut [T],
}

impl<T: Softmaxed> Body for TileExponentials<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let n = self.max.len();
        for (i, tile) in self.tile.chunks_exact_mut(n).enumerate() {
            let x = &self.x.all[i * self.x.pitch..];
            for ((to, &x), &max) in tile.iter_mut().zip(x).zip(self.max) {
                *to = <T::Lane<FUSED> as Number>::of(x - max).exp_of_negative().get();
            }
        }
    }
}

/// From a tile of exponentials to softmaxes, or from `x` to their logarithms.
struct FinishTile<'a, 'o, T> {
    x: Rows<'a, T>,
    max: &'a [T],
    tile: &'a [T],
    sums: &'a [T],
    log: bool,
    out: &'a Output<'o, T>,
    y: usize,
    pitch: usize,
}

impl<T: Softmaxed> Body for FinishTile<'_, '_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let n = self.max.len();
        for (i, tile) in self.tile.chunks_exact(n).enumerate() {
            let out = self.out.run(self.y + i * self.pitch, n);
            if self.log {
                let x = &self.x.all[i * self.x.pitch..];
                for (((out, &x), &max), &sum) in out.iter_mut().zip(x).zip(self.max).zip(self.sums) {
                    *out = (x - max) - sum;
                }
            } else {
                for ((out, &e), &sum) in out.iter_mut().zip(tile).zip(self.sums) {
                    *out = e * sum;
                }
            }
        }
    }
}
