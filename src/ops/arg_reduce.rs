//! Where the largest or smallest elements along an axis stand: the first of equals, or the first NaN.

use super::reduce::{COLUMNS, Job, PIECE, Plan, Share};
use super::reducers::{Fold, Largest, Reducer, Smallest};
use super::strided::View;
use crate::element::Element;
use crate::error::Result;
use crate::expr::Computed;
use crate::simd::Body;
use crate::threads::Interrupt;
use crate::view::Output;
use std::marker::PhantomData;

/// Which element is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extremum {
    /// The largest.
    Max,
    /// The smallest.
    Min,
}

/// Indices along `axis` of a view of `shape`; `out` holds the other axes in C order.
pub fn run<E: Element>(
    which: Extremum,
    shape: &[usize],
    view: &View<'_, E>,
    axis: usize,
    out: &mut [i64],
    threads: usize,
    interrupt: &dyn Interrupt,
) -> Result<()>
where
    E::Acc: Computed,
{
    let reduced: Vec<bool> = (0..shape.len()).map(|other| other == axis).collect();
    let plan = Plan::new(shape, &view.strides, &reduced, false);
    let (job, out, share) = (Job::new(&plan, view)?, Output::new(out), Share { threads, interrupt });
    match which {
        Extremum::Max => find::<E, Largest>(&job, &out, &share),
        Extremum::Min => find::<E, Smallest>(&job, &out, &share),
    }
}

fn find<E: Element, F: Fold>(job: &Job<'_, '_, E>, out: &Output<'_, i64>, share: &Share<'_>) -> Result<()>
where
    E::Acc: Computed,
{
    let (outer, places) = (&job.plan.outer, &job.plan.outer_out);
    let (length, step) = (job.plan.reduced.dims[0], job.plan.reduced.strides[0]);
    let Some(columns) = &job.plan.columns else {
        return share.run(outer.count(), length, &|k| {
            let (start, mut best, mut at) = (outer.offset(k), F::start(), 0);
            for begin in (0..length).step_by(PIECE) {
                let n = PIECE.min(length - begin);
                let found = job.with_piece(start + begin as isize * step, step, n, |x| {
                    let extreme = <F as Reducer<E::Acc>>::row(job.isa, x);
                    // The first element counts even if it is no better than nothing.
                    let better = F::step(best, extreme) != best || begin == 0;
                    let here = |x: &E::Acc| x.exact() == extreme || x.is_nan();
                    better.then(|| (extreme, x.iter().position(here).unwrap_or(0)))
                });
                if let Some((extreme, place)) = found {
                    (best, at) = (extreme, begin + place);
                    if extreme.is_nan() {
                        break;
                    }
                }
            }
            out.write(places.offset(k) as usize, at as i64);
        });
    };
    let blocks = columns.count.div_ceil(COLUMNS);
    share.run(outer.count() * blocks, length * columns.count.min(COLUMNS), &|unit| {
        let (k, first) = (unit / blocks, unit % blocks * COLUMNS);
        let width = COLUMNS.min(columns.count - first);
        let mut best = [E::Acc::nearest(F::start()); COLUMNS];
        let mut index = [0u32; COLUMNS];
        let mut row = 0;
        let start = outer.offset(k) + columns.offset(first);
        job.tiles(columns, start, (0, length), width, |x, pitch, rows, n| {
            let (best, index) = (&mut best[..n], &mut index[..n]);
            job.isa.run(Tile { x, pitch, rows, row, best, index, fold: PhantomData::<F> });
            row += rows as u32;
        });
        for (i, &index) in index[..width].iter().enumerate() {
            let at = places.offset(k) + (first + i) as isize * columns.out;
            out.write(at as usize, i64::from(index));
        }
    })
}

/// Rows of a tile, the first of which is number `row` along the axis.
struct Tile<'a, F, T> {
    x: &'a [T],
    pitch: usize,
    rows: usize,
    row: u32,
    best: &'a mut [T],
    index: &'a mut [u32],
    fold: PhantomData<F>,
}

impl<F: Fold, T: Computed> Body for Tile<'_, F, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let n = self.best.len();
        let index = &mut self.index[..n];
        for r in 0..self.rows {
            let x = &self.x[r * self.pitch..][..n];
            let row = self.row + r as u32;
            for j in 0..n {
                // A NaN is better than all but another one.
                let best = self.best[j];
                let better = F::better(x[j], best) || (x[j].is_nan() && !best.is_nan());
                self.best[j] = if better { x[j] } else { best };
                index[j] = if better { row } else { index[j] };
            }
        }
    }
}
