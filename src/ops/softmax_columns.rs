//! Softmaxes that lie side by side: what is along columns of a tile.

use super::reduce::ROWS;
use super::reducers::{Highest, Reducer, Sum};
use super::softmax::{Job, Softmaxed};
use crate::element::Element;
use crate::error::Result;
use crate::expr::Computed as _;
use crate::expr::lane::{Lane as _, Number};
use crate::scratch::with_scratch;
use crate::simd::{Body, prefetch};
use crate::view::{Output, as_accumulators};

/// Elements that stay in the second-level cache, about, and the most columns of a unit.
const UNIT: usize = 1 << 16;
const WIDTH: usize = 512;
/// Elements of a tile, about, and its fewest columns.
const TILE: usize = 1 << 12;
const NARROW: usize = 16;

/// How many of `columns` columns of `length` elements make a unit of sharing out.
pub(super) fn unit_width(length: usize, columns: usize) -> usize {
    let units = columns.div_ceil((UNIT / length).clamp(NARROW, WIDTH));
    columns.div_ceil(units).next_multiple_of(NARROW)
}

impl<E: Element> Job<'_, '_, E>
where
    E::Acc: Softmaxed,
{
    /// `columns` softmaxes, `stride` apart in the view and side by side in the output.
    pub(super) fn columns(&self, x: isize, stride: isize, y: usize, columns: usize) -> Result<()> {
        let n = self.length;
        let data = as_accumulators(self.view.data).filter(|_| stride == 1 && self.step >= 0);
        let out = self.out.as_accumulator();
        let most = (TILE / n).clamp(NARROW, WIDTH).min(columns);
        let sizes = [data.map_or(n * columns, |_| 0), n * most, out.as_ref().map_or(n * most, |_| 0)];
        with_scratch(sizes.iter().sum::<usize>() * size_of::<E::Acc>(), |scratch| {
            let (source, scratch) = bytemuck::cast_slice_mut(scratch).split_at_mut(sizes[0]);
            let (tile, finished) = scratch.split_at_mut(sizes[1]);
            for (i, row) in source.chunks_exact_mut(columns).enumerate() {
                self.bring(self.view.position(x + i as isize * self.step), stride, row);
            }
            let source = match data {
                Some(data) => {
                    Rows { all: &data[self.view.position(x)..], pitch: self.step as usize, count: n }
                }
                None => Rows { all: source, pitch: columns, count: n },
            };
            let (mut max, mut sums) = ([E::Acc::default(); WIDTH], [E::Acc::default(); WIDTH]);
            self.reduced::<Highest>(&source, &mut max[..columns], E::Acc::nearest);
            for first in (0..columns).step_by(most) {
                let width = most.min(columns - first);
                let (tile, sums) = (&mut tile[..n * width], &mut sums[..width]);
                let x = Rows { all: &source.all[first..], ..source };
                let max = &max[first..][..width];
                self.isa.run(TileExponentials {
                    x,
                    max,
                    tile: &mut *tile,
                    next: columns,
                    out: out.as_ref(),
                    y: y + first,
                    pitch: self.pitch,
                });
                self.reduced::<Sum>(&Rows { all: tile, pitch: width, count: n }, sums, |sum| {
                    self.finish(sum)
                });
                let finish = |out: &Output<'_, E::Acc>, y, pitch| {
                    self.isa.run(FinishTile { x, max, tile, sums, log: self.log, out, y, pitch });
                };
                if let Some(out) = &out {
                    finish(out, y + first, self.pitch);
                    continue;
                }
                finish(&Output::new(&mut finished[..n * width]), 0, width);
                for (i, row) in finished.chunks_exact(width).take(n).enumerate() {
                    E::narrow_row(row, self.out.run(y + first + i * self.pitch, width));
                }
            }
        })
    }

    /// Columns reduced.
    fn reduced<R: Reducer<E::Acc, Wide = f64>>(
        &self,
        rows: &Rows<'_, E::Acc>,
        to: &mut [E::Acc],
        finish: impl Fn(f64) -> E::Acc,
    ) {
        let mut wide = [R::nothing(); WIDTH];
        let wide = &mut wide[..to.len()];
        for first in (0..rows.count).step_by(ROWS) {
            R::columns(
                self.isa,
                &rows.all[first * rows.pitch..],
                rows.pitch,
                ROWS.min(rows.count - first),
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
    count: usize,
}

/// exp(x - max) to a tile, with a `max` for every column. Meanwhile memory brings what is written after it, and what
/// is read for the next unit, most likely: each is too short for machines to foresee.
struct TileExponentials<'a, 'o, T> {
    x: Rows<'a, T>,
    max: &'a [T],
    tile: &'a mut [T],
    next: usize,
    out: Option<&'a Output<'o, T>>,
    y: usize,
    pitch: usize,
}

impl<T: Softmaxed> Body for TileExponentials<'_, '_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let n = self.max.len();
        for (i, tile) in self.tile.chunks_exact_mut(n).enumerate() {
            let x = &self.x.all[i * self.x.pitch..];
            if let Some(out) = self.out {
                prefetch(x.as_ptr().wrapping_add(self.next), n);
                prefetch(out.at(self.y + i * self.pitch), n);
            }
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
