//! Softmax along one axis, and its logarithm.
//!
//! | form | what is computed at once | when |
//! |---|---|---|
//! | rows | the elements of one softmax, side by side | the axis lies innermost |
//! | columns | some neighbouring softmaxes, in scratch that the second-level cache holds | the rest |
//!
//! Memory is read once and written once. float16 is computed in float32. Where the largest element is not finite,
//! all results are NaN: the exponentials do not tell, so its product with 0 is added to the factor.

use super::reduce::{PIECE, Share};
use super::reducers::{Largest, Reducer};
use super::strided::{View, collapse};
use crate::element::Element;
use crate::error::Result;
use crate::expr::Computed;
use crate::expr::lane::{Lane as _, Number};
use crate::scratch::with_scratch;
use crate::simd::{Body, Isa};
use crate::threads::Interrupt;
use crate::view::{Output, as_accumulators};

/// Elements of a tile, about, and its fewest and most columns.
const TILE: usize = 1 << 15;
const COLUMNS: (usize, usize) = (16, 512);

/// Along `axis` of a view of `shape`, whose axes are in the memory order of the output, which is dense.
pub fn run<E: Element>(
    shape: &[usize],
    view: &View<'_, E>,
    axis: usize,
    log: bool,
    out: &mut [E],
    threads: usize,
    interrupt: &dyn Interrupt,
) -> Result<()>
where
    E::Acc: Softmaxed,
{
    if out.is_empty() {
        return Ok(());
    }
    let mut dense = vec![1isize; shape.len()];
    for axis in (1..shape.len()).rev() {
        dense[axis - 1] = dense[axis] * shape[axis] as isize;
    }
    let along: Vec<bool> = (0..shape.len()).map(|other| other == axis).collect();
    let (dims, strides, kinds) = collapse(shape, &[&view.strides, &dense], &along);
    let place = kinds.iter().position(|&along| along);
    // An axis of one element is in no place.
    let length = place.map_or(1, |at| dims[at]);
    let (step, pitch) = place.map_or((0, 1), |at| (strides[0][at], strides[1][at] as usize));
    let others: Vec<usize> = (0..dims.len()).filter(|&at| Some(at) != place).collect();
    let job = Job { isa: Isa::current()?, view, out: &Output::new(out), log, length, step, pitch };
    let share = Share { threads, interrupt };
    let offsets = |axes: &[usize], mut index: usize| {
        let (mut x, mut y) = (0, 0);
        for &at in axes.iter().rev() {
            let i = (index % dims[at]) as isize;
            x += i * strides[0][at];
            y += i * strides[1][at];
            index /= dims[at];
        }
        (x, y as usize)
    };
    let count = |axes: &[usize]| axes.iter().map(|&at| dims[at]).product::<usize>();
    let failed = std::sync::Mutex::new(Ok(()));
    let note = |result: Result<()>| {
        if result.is_err() {
            *failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = result;
        }
    };
    match others.split_last() {
        Some((&inner, outer)) if place.is_some() && place != Some(dims.len() - 1) => {
            let blocks = dims[inner].div_ceil((TILE / length).clamp(COLUMNS.0, COLUMNS.1));
            let width = dims[inner].div_ceil(blocks);
            share.run(count(outer) * blocks, length * width, &|unit| {
                let (x, y) = offsets(outer, unit / blocks);
                let first = unit % blocks * width;
                let columns = width.min(dims[inner] - first);
                let stride = strides[0][inner];
                note(job.columns(x + first as isize * stride, stride, y + first, columns));
            })?;
        }
        _ => share.run(count(&others), length, &|unit| {
            let (x, y) = offsets(&others, unit);
            note(job.row(x, y));
        })?,
    }
    failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A type with its lanes.
pub trait Softmaxed: Computed {
    /// The lane for an instruction set with or without fused products.
    type Lane<const FUSED: bool>: Number<Scalar = Self>;
}
impl Softmaxed for f32 {
    type Lane<const FUSED: bool> = crate::expr::lane::Real<f32, FUSED>;
}
impl Softmaxed for f64 {
    type Lane<const FUSED: bool> = crate::expr::lane::Real<f64, FUSED>;
}

struct Job<'a, 'v, E> {
    isa: Isa,
    view: &'a View<'v, E>,
    out: &'a Output<'a, E>,
    log: bool,
    length: usize,
    step: isize,
    pitch: usize,
}

impl<E: Element> Job<'_, '_, E>
where
    E::Acc: Softmaxed,
{
    /// One softmax whose results lie side by side.
    fn row(&self, x: isize, y: usize) -> Result<()> {
        let from = self.view.position(x);
        let n = self.length;
        if let (Some(out), Some(data)) = (self.out.as_accumulator(), as_accumulators(self.view.data))
            && (self.step == 1 || n == 1)
        {
            self.softmax_row(&data[from..from + n], out.run(y, n));
            return Ok(());
        }
        with_scratch(2 * n * size_of::<E::Acc>(), |scratch| {
            let (source, result) = bytemuck::cast_slice_mut(scratch).split_at_mut(n);
            self.bring(from, self.step, source);
            self.softmax_row(source, result);
            E::narrow_row(result, self.out.run(y, n));
        })
    }

    fn softmax_row(&self, x: &[E::Acc], out: &mut [E::Acc]) {
        let pieces = x.chunks(PIECE).map(|piece| <Largest as Reducer<E::Acc>>::row(self.isa, piece));
        let max = pieces.reduce(<Largest as Reducer<E::Acc>>::join).expect("not empty");
        let max = E::Acc::nearest(max);
        let mut sum = 0.0;
        for (x, out) in x.chunks(PIECE).zip(out.chunks_mut(PIECE)) {
            sum += self.isa.run(Exponentials { x, max, out });
        }
        let sum = E::Acc::nearest(if self.log { sum.ln() } else { 1.0 / sum });
        let (log, sum) = (self.log, sum + max * E::Acc::default());
        self.isa.run(Finish { x, max, sum, log, out });
    }

    fn bring(&self, from: usize, step: isize, to: &mut [E::Acc]) {
        if step == 1 {
            E::widen_row(&self.view.data[from..from + to.len()], to);
        } else {
            for (i, to) in to.iter_mut().enumerate() {
                *to = self.view.data[from.wrapping_add_signed(i as isize * step)].widen();
            }
        }
    }

    /// `columns` softmaxes, `stride` apart in the view and side by side in the output.
    fn columns(&self, x: isize, stride: isize, y: usize, columns: usize) -> Result<()> {
        with_scratch((self.length + 1) * columns * size_of::<E::Acc>(), |scratch| {
            let scratch: &mut [E::Acc] = bytemuck::cast_slice_mut(scratch);
            let (tile, max) = scratch.split_at_mut(self.length * columns);
            for (i, row) in tile.chunks_mut(columns).enumerate() {
                self.bring(self.view.position(x + i as isize * self.step), stride, row);
            }
            self.isa.run(ColumnSoftmax { tile, max, log: self.log });
            let direct = self.out.as_accumulator();
            for (i, row) in tile.chunks_mut(columns).enumerate() {
                let at = y + i * self.pitch;
                match &direct {
                    Some(out) => {
                        self.isa.run(FinishRow { row, sums: max, log: self.log, out: out.run(at, columns) })
                    }
                    None => {
                        let mut finished = [E::Acc::default(); COLUMNS.1];
                        let out = &mut finished[..columns];
                        self.isa.run(FinishRow { row, sums: max, log: self.log, out: &mut *out });
                        E::narrow_row(out, self.out.run(at, columns));
                    }
                }
            }
        })
    }
}

const LANES: usize = 32;
/// Rows that are summed before their sum goes to float64.
const SUMMED: usize = 32;

/// exp(x - max) to `out`; gives the sum.
struct Exponentials<'a, T> {
    x: &'a [T],
    max: T,
    out: &'a mut [T],
}

impl<T: Softmaxed> Body for Exponentials<'_, T> {
    type Out = f64;
    #[inline(always)]
    fn run<const FUSED: bool>(self) -> f64 {
        let Exponentials { x, max, out } = self;
        let mut lanes = [T::default(); LANES];
        let exp = |x: T| <T::Lane<FUSED> as Number>::of(x - max).exp_of_negative().get();
        let mut outs = out.chunks_exact_mut(LANES);
        let mut xs = x.chunks_exact(LANES);
        for (out, x) in outs.by_ref().zip(xs.by_ref()) {
            for j in 0..LANES {
                out[j] = exp(x[j]);
                lanes[j] += out[j];
            }
        }
        let (out, x) = (outs.into_remainder(), xs.remainder());
        for j in 0..x.len().min(out.len()) {
            out[j] = exp(x[j]);
            lanes[j] += out[j];
        }
        lanes.iter().map(|lane| lane.exact()).sum()
    }
}

/// From exponentials to the softmax, or from `x` to its logarithm.
struct Finish<'a, T> {
    x: &'a [T],
    max: T,
    sum: T,
    log: bool,
    out: &'a mut [T],
}

impl<T: Softmaxed> Body for Finish<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Finish { x, max, sum, log, out } = self;
        if log {
            for (out, &x) in out.iter_mut().zip(x) {
                *out = (x - max) - sum;
            }
        } else {
            for out in out {
                *out = *out * sum;
            }
        }
    }
}

/// Exponentials of a tile, or what they are of (`log`), in place: with every column's largest element taken away.
struct ColumnSoftmax<'a, T> {
    tile: &'a mut [T],
    /// In the end what the exponentials are multiplied with, or what is taken away from the logarithms.
    max: &'a mut [T],
    log: bool,
}

impl<T: Softmaxed> Body for ColumnSoftmax<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let ColumnSoftmax { tile, max, log } = self;
        let n = max.len();
        let (mut sums, mut part) = ([0.0f64; COLUMNS.1], [T::default(); COLUMNS.1]);
        let (sums, part) = (&mut sums[..n], &mut part[..n]);
        max.fill(T::nearest(f64::NEG_INFINITY));
        for row in tile.chunks_exact(n) {
            largest(row, max);
        }
        for rows in tile.chunks_mut(SUMMED * n) {
            part.fill(T::default());
            for row in rows.chunks_exact_mut(n) {
                if log {
                    exponentials::<T, FUSED, true>(row, max, part);
                } else {
                    exponentials::<T, FUSED, false>(row, max, part);
                }
            }
            for (sum, part) in sums.iter_mut().zip(&*part) {
                *sum += part.exact();
            }
        }
        for (max, sum) in max.iter_mut().zip(&*sums) {
            *max = T::nearest(if log { sum.ln() } else { 1.0 / sum }) + *max * T::default();
        }
    }
}

#[inline(always)]
fn largest<T: Softmaxed>(row: &[T], max: &mut [T]) {
    for (max, &x) in max.iter_mut().zip(row) {
        *max = if x > *max || x.is_nan() { x } else { *max };
    }
}

#[inline(always)]
fn exponentials<T: Softmaxed, const FUSED: bool, const LOG: bool>(row: &mut [T], max: &[T], sums: &mut [T]) {
    for ((x, &max), sum) in row.iter_mut().zip(max).zip(sums) {
        let shifted = *x - max;
        let e = <T::Lane<FUSED> as Number>::of(shifted).exp_of_negative().get();
        *sum += e;
        *x = if LOG { shifted } else { e };
    }
}

/// One row of the results of a tile.
struct FinishRow<'a, T> {
    row: &'a [T],
    sums: &'a [T],
    log: bool,
    out: &'a mut [T],
}

impl<T: Softmaxed> Body for FinishRow<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let FinishRow { row, sums, log, out } = self;
        if log {
            for ((out, &x), &sum) in out.iter_mut().zip(row).zip(sums) {
                *out = x - sum;
            }
        } else {
            for ((out, &x), &sum) in out.iter_mut().zip(row).zip(sums) {
                *out = x * sum;
            }
        }
    }
}
