//! Softmax along one axis, and its logarithm.
//!
//! | form | what is computed at once | when |
//! |---|---|---|
//! | rows | the elements of one softmax, side by side | the axis lies innermost |
//! | columns | neighbouring softmaxes, by loops over long rows | the rest |
//!
//! Memory is read once and written once. float16 is computed in float32. Where an element is NaN or the largest one is
//! not finite, an exponential is NaN, and with the sum of them all results. Loops that do one thing each keep their
//! sums in registers.

use super::reduce::{PIECE, Share};
use super::reducers::{Highest, Reducer, Sum};
use super::softmax_columns::unit_width;
use super::strided::{View, collapse};
use crate::element::Element;
use crate::error::Result;
use crate::expr::Computed;
use crate::expr::lane::{Lane as _, Number};
use crate::scratch::with_scratch;
use crate::simd::{Body, Isa};
use crate::threads::Interrupt;
use crate::view::{Output, as_accumulators};

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
            let width = unit_width(length, dims[inner], count(outer), threads);
            let blocks = dims[inner].div_ceil(width);
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

pub(super) struct Job<'a, 'v, E> {
    pub(super) isa: Isa,
    pub(super) view: &'a View<'v, E>,
    pub(super) out: &'a Output<'a, E>,
    pub(super) log: bool,
    pub(super) length: usize,
    pub(super) step: isize,
    pub(super) pitch: usize,
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
        let pieces = x.chunks(PIECE).map(|piece| <Highest as Reducer<E::Acc>>::row(self.isa, piece));
        let max = E::Acc::nearest(pieces.reduce(f64::max).expect("not empty"));
        let mut sum = 0.0;
        for (x, out) in x.chunks(PIECE).zip(out.chunks_mut(PIECE)) {
            self.isa.run(Exponentials { x, max, out: &mut *out });
            sum += <Sum as Reducer<E::Acc>>::row(self.isa, out);
        }
        self.isa.run(Finish { x, max, sum: self.finish(sum), log: self.log, out });
    }

    /// What the exponentials are multiplied with, or what is taken away from their logarithms.
    pub(super) fn finish(&self, sum: f64) -> E::Acc {
        E::Acc::nearest(if self.log { sum.ln() } else { 1.0 / sum })
    }

    pub(super) fn bring(&self, from: usize, step: isize, to: &mut [E::Acc]) {
        if step == 1 {
            E::widen_row(&self.view.data[from..from + to.len()], to);
        } else {
            for (i, to) in to.iter_mut().enumerate() {
                *to = self.view.data[from.wrapping_add_signed(i as isize * step)].widen();
            }
        }
    }
}

/// exp(x - max) to `out`.
struct Exponentials<'a, T> {
    x: &'a [T],
    max: T,
    out: &'a mut [T],
}

impl<T: Softmaxed> Body for Exponentials<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for (out, &x) in self.out.iter_mut().zip(self.x) {
            *out = <T::Lane<FUSED> as Number>::of(x - self.max).exp_of_negative().get();
        }
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
