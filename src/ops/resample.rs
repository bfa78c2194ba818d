//! Weighted sums of taps along one or more of the last axes: average pooling, interpolation, their gradients.
//!
//! | axes | how |
//! |---|---|
//! | the last two | row by row: resampled along the last axis, then added up; in the other order if that is less |
//! | the last | row by row |
//! | another | rows of all that follows are added up, in parts that stay in cache |
//!
//! Windows around every element of a plane are summed over many rows at once (`around`), and widths are doubled so
//! (`doubled`). Regular pairs of elements of few rows, as in average pooling by two, are summed at once, vector by
//! vector.
//!
//! Rows that several outputs share are kept resampled in a small ring. More than two axes take more than one step,
//! over an intermediate array of the type of sums.

use super::along::{Along, combine};
use super::around::{Around, Merge};
use super::doubled::Doubled;
use super::shares::{Run, share_rows};
use super::taps::{TapTable, Weight};
use crate::element::Element;
use crate::error::{Error, Result};
use crate::simd::{Body, Isa, rows as vectors};
use crate::view::{Output, as_accumulators};
use std::ops::Range;

/// Elements of a part of a row.
const PART: usize = 8192;

/// Resamples the last `tables.len()` axes of `x`; those without a table stay as they are.
pub fn resample<E: Element<Acc: Weight>>(
    x: &[E],
    shape: &[usize],
    tables: &[Option<&TapTable>],
    y: &mut [E],
    run: Run<'_>,
) -> Result<()> {
    let mut shape = shape.to_vec();
    let mut steps = steps(shape.len(), tables);
    let last = steps.pop().ok_or_else(|| Error::Internal("resampling without tables".into()))?;
    let mut between: Option<Vec<E::Acc>> = None;
    for step in steps {
        let (next_shape, mut next) = (step.output_shape(&shape), Vec::new());
        let len = next_shape.iter().product();
        let bytes = len * size_of::<E::Acc>();
        next.try_reserve_exact(len).map_err(|_| Error::Alloc { bytes })?;
        next.resize(len, E::Acc::default());
        match &between {
            None => step.run(x, &shape, &mut next, run)?,
            Some(between) => step.run(between, &shape, &mut next, run)?,
        }
        (shape, between) = (next_shape, Some(next));
    }
    match &between {
        None => last.run(x, &shape, y, run),
        Some(between) => last.run(between, &shape, y, run),
    }
}

/// One pass over an array.
struct Step<'a> {
    /// The axis of `above`.
    axis: usize,
    above: Option<&'a TapTable>,
    /// The table of the last axis, which follows `axis`.
    along: Option<&'a TapTable>,
}

/// The passes of a call, those that shrink the array first.
fn steps<'a>(rank: usize, tables: &[Option<&'a TapTable>]) -> Vec<Step<'a>> {
    let mut axes: Vec<_> = tables
        .iter()
        .rev()
        .zip((0..rank).rev())
        .filter_map(|(table, axis)| Some((axis, (*table)?)))
        .collect();
    let mut steps = Vec::new();
    if axes.first().is_some_and(|&(axis, _)| axis == rank - 1) {
        let along = Some(axes.remove(0).1);
        let above = axes.first().copied().filter(|&(axis, _)| axis + 2 == rank);
        axes.drain(..usize::from(above.is_some()));
        // Without a table above, the axis above counts as outer.
        steps.push(Step {
            axis: above.map_or(rank - 1, |above| above.0),
            above: above.map(|above| above.1),
            along,
        });
    }
    steps.extend(axes.into_iter().map(|(axis, table)| Step { axis, above: Some(table), along: None }));
    steps.sort_by(|a, b| a.growth().total_cmp(&b.growth()));
    steps
}

impl Step<'_> {
    /// Elements of the result for each element of the input.
    fn growth(&self) -> f64 {
        let of = |table: &TapTable| table.outputs() as f64 / table.size().max(1) as f64;
        self.above.map_or(1.0, of) * self.along.map_or(1.0, of)
    }

    fn output_shape(&self, shape: &[usize]) -> Vec<usize> {
        let mut shape = shape.to_vec();
        if let Some(above) = self.above {
            shape[self.axis] = above.outputs();
        }
        if let Some(along) = self.along {
            *shape.last_mut().expect("an axis") = along.outputs();
        }
        shape
    }

    fn run<I, O>(&self, x: &[I], shape: &[usize], y: &mut [O], run: Run<'_>) -> Result<()>
    where
        I: Element<Acc: Weight>,
        O: Element<Acc = I::Acc>,
    {
        let Some(above) = self.above else {
            return rows(x, self.along.expect("a step has a table"), y, run);
        };
        let outer = shape[..self.axis].iter().product();
        let inner = shape[self.axis + 1..].iter().product();
        Planes { x, outer, inner, above, along: self.along }.run(y, run)
    }
}

/// Resamples the last axis, whose table is `along`.
fn rows<I, O>(x: &[I], along: &TapTable, y: &mut [O], run: Run<'_>) -> Result<()>
where
    I: Element<Acc: Weight>,
    O: Element<Acc = I::Acc>,
{
    let (width, to_width) = (along.size(), along.outputs());
    let count = y.len() / to_width.max(1);
    assert!(x.len() == count * width && y.len() == count * to_width);
    // Rows that must be converted are converted once.
    let parts = if I::is_acc() { to_width.div_ceil(PART) } else { 1 };
    let bytes = (width * size_of::<I>() + to_width * size_of::<O>()) / parts.max(1);
    let y = Sink::new(y);
    share_rows(count * parts, bytes, run, &|units| {
        run.isa.run(RowsTask { x, along, y: &y, parts, units, isa: run.isa })
    })
}

/// Units are parts of output rows.
struct RowsTask<'a, I, O: Element> {
    x: &'a [I],
    along: &'a TapTable,
    y: &'a Sink<'a, O>,
    parts: usize,
    units: Range<usize>,
    isa: Isa,
}

impl<I: Element<Acc: Weight>, O: Element<Acc = I::Acc>> Body for RowsTask<'_, I, O> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let RowsTask { x, along: table, y, parts, units, isa } = self;
        let (width, to_width) = (table.size(), table.outputs());
        let sums = as_accumulators(x);
        let (mut converted, mut buffer) = (Vec::new(), Vec::new());
        for unit in units {
            let (r, part) = (unit / parts, unit % parts);
            let part = part * to_width / parts..(part + 1) * to_width / parts;
            let row = r * width..(r + 1) * width;
            let row = match sums {
                Some(sums) => &sums[row],
                None => widened(&x[row], &mut converted),
            };
            let (at, len) = (r * to_width + part.start, part.len());
            let to = y.target(at, len, &mut buffer);
            Along { table, row, part, to, isa }.run::<FUSED>();
            y.finish(at, len, &buffer);
        }
    }
}

/// A row in the type of sums.
#[inline(always)]
fn widened<'a, I: Element<Acc: Weight>>(row: &[I], to: &'a mut Vec<I::Acc>) -> &'a [I::Acc] {
    to.resize(row.len(), I::Acc::default());
    widen(row, to);
    to
}

#[inline(always)]
fn widen<I: Element>(from: &[I], to: &mut [I::Acc]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = from.widen();
    }
}

/// An output that is written row by row in the type of sums.
struct Sink<'a, O: Element> {
    output: Output<'a, O>,
    sums: Option<Output<'a, O::Acc>>,
}

impl<'a, O: Element> Sink<'a, O> {
    fn new(y: &'a mut [O]) -> Self {
        let output = Output::new(y);
        Sink { sums: output.as_accumulator(), output }
    }

    /// Where a run is to be written: the output, or `buffer` if it must be converted.
    #[inline(always)]
    fn target<'b>(&'b self, start: usize, len: usize, buffer: &'b mut Vec<O::Acc>) -> &'b mut [O::Acc] {
        match &self.sums {
            Some(sums) => sums.run(start, len),
            None => {
                buffer.resize(len, O::Acc::default());
                buffer
            }
        }
    }

    /// Converts what `target` took.
    #[inline(always)]
    fn finish(&self, start: usize, len: usize, buffer: &[O::Acc]) {
        if self.sums.is_none() {
            for (to, &sum) in self.output.run(start, len).iter_mut().zip(buffer) {
                *to = O::narrow(sum);
            }
        }
    }
}

/// `(outer, above.size(), inner)` resampled along the middle axis, and along the last if `along` is its table.
struct Planes<'a, I> {
    x: &'a [I],
    outer: usize,
    inner: usize,
    above: &'a TapTable,
    along: Option<&'a TapTable>,
}

impl<I: Element<Acc: Weight>> Planes<'_, I> {
    fn around(&self) -> Option<Around> {
        let taps = [self.above.around::<I::Acc>()?, self.along?.around::<I::Acc>()?];
        Around::new(taps, [self.above.size(), self.inner])
    }

    fn run<O: Element<Acc = I::Acc>>(&self, y: &mut [O], run: Run<'_>) -> Result<()> {
        let (height, to_height) = (self.above.size(), self.above.outputs());
        let to_width = self.along.map_or(self.inner, TapTable::outputs);
        assert!(self.along.is_none_or(|along| along.size() == self.inner));
        assert_eq!(self.x.len(), self.outer * height * self.inner);
        assert_eq!(y.len(), self.outer * to_height * to_width);
        let parts = if self.along.is_some() { 1 } else { self.inner.div_ceil(PART) };
        let units = parts * to_height;
        let bytes = height * self.inner * size_of::<I>() + to_height * to_width * size_of::<O>();
        let y = Sink::new(y);
        if let (Some(around), Some(sums), Some(to), Some(along)) =
            (self.around(), as_accumulators(self.x), &y.sums, self.along)
        {
            return around.share(sums, to, run, &Sum { above: self.above, along, isa: run.isa });
        }
        if let (Some(sums), Some(to), Some(along)) = (as_accumulators(self.x), &y.sums, self.along)
            && let Some(doubled) = Doubled::new::<I::Acc>(self.above, along)
        {
            return doubled.share(sums, to, run);
        }
        share_rows(self.outer * units, bytes / units.max(1), run, &|units| {
            run.isa.run(PlanesTask { planes: self, y: &y, parts, units, isa: run.isa });
        })
    }
}

/// Units are output rows of a part of the columns of a plane, part after part.
struct PlanesTask<'a, I, O: Element> {
    planes: &'a Planes<'a, I>,
    y: &'a Sink<'a, O>,
    parts: usize,
    units: Range<usize>,
    isa: Isa,
}

impl<I: Element<Acc: Weight>, O: Element<Acc = I::Acc>> Body for PlanesTask<'_, I, O> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let PlanesTask { planes, y, parts, units, isa } = self;
        let Planes { x, inner, above, along, .. } = *planes;
        let (height, to_height) = (above.size(), above.outputs());
        let to_width = along.map_or(inner, TapTable::outputs);
        let weights = &I::Acc::weights(above).of;
        // Whichever comes first works on the fewer rows.
        let (before, after) = if to_height >= height { (along, None) } else { (None, along) };
        let sums = as_accumulators(x).filter(|_| before.is_none());
        let pairs = after.and_then(TapTable::pairs::<I::Acc>);
        let (mut summed, mut buffer) = (Vec::new(), Vec::new());
        let mut ring = Ring {
            width: 0,
            rows: vec![],
            held: vec![None; above.span().next_power_of_two()],
            converted: vec![],
            isa,
        };
        let mut next_row = units.start % to_height;
        let mut column_part = usize::MAX;
        for unit in units.clone() {
            let i = next_row;
            next_row = if i + 1 == to_height { 0 } else { i + 1 };
            if i == 0 || unit == units.start {
                column_part = unit / to_height;
                ring.held.fill(None);
            }
            let (o, part) = (column_part / parts, column_part % parts);
            let columns = part * inner / parts..(part + 1) * inner / parts;
            let taps = above.row(i);
            let (heights, weights) = (&above.indices()[taps.clone()], &weights[taps]);
            let first = o * height * inner + columns.start;
            let width = columns.len();
            if sums.is_none() {
                ring.widths(before.map_or(width, TapTable::outputs));
                for &h in heights {
                    ring.fill::<I, FUSED>(h, &x[first + h as usize * inner..][..width], before);
                }
            }
            let row = |h: u32| match sums {
                Some(sums) => &sums[first + h as usize * inner..][..width],
                None => ring.row(h),
            };
            let at = (o * to_height + i) * to_width + if along.is_some() { 0 } else { columns.start };
            let len = if along.is_some() { to_width } else { width };
            let to = y.target(at, len, &mut buffer);
            match after {
                Some(_) if pairs.is_some_and(|pair| summed_pairs(isa, row, heights, weights, pair, to)) => {}
                Some(table) => {
                    summed.resize(inner, I::Acc::default());
                    combine::<I::Acc, FUSED>(row, heights, weights, &mut summed, isa);
                    Along { table, row: &summed, part: 0..to_width, to, isa }.run::<FUSED>();
                }
                None => combine::<I::Acc, FUSED>(row, heights, weights, to, isa),
            }
            y.finish(at, len, &buffer);
        }
    }
}

/// Weighted sums of windows around every element.
struct Sum<'a> {
    above: &'a TapTable,
    along: &'a TapTable,
    isa: Isa,
}

impl<T: Weight> Merge<T> for Sum<'_> {
    #[inline(always)]
    fn rows(&self, row: usize, seen: &[&[T]], to: &mut [T]) {
        let weights = &T::weights(self.above).of[self.above.row(row)];
        let done = vectors::weighted_rows(self.isa, seen, weights, to);
        debug_assert!(done);
    }
    #[inline(always)]
    fn columns(&self, seen: &[&[T]], to: &mut [T]) {
        let weights = &T::weights(self.along).of[self.along.row(self.along.size() / 2)];
        let done = vectors::weighted_rows(self.isa, seen, weights, to);
        debug_assert!(done);
    }
    #[inline(always)]
    fn edge<const N: usize>(&self, column: usize, seen: &[T; N]) -> T {
        let weights = &T::weights(self.along).of[self.along.row(column)][..N];
        seen.iter().zip(weights).fold(T::default(), |sum, (&x, &w)| sum + w * x)
    }
}

/// One or two rows times weights, and pairs of elements of their sum times a pair of weights; false for other
/// numbers of rows and for short ones.
#[inline(always)]
fn summed_pairs<'a, T: Weight>(
    isa: Isa,
    row: impl Fn(u32) -> &'a [T],
    numbers: &[u32],
    weights: &[T],
    (first, pair): (usize, [T; 2]),
    to: &mut [T],
) -> bool {
    match *numbers {
        [a] => vectors::weighted_pairs(isa, &[&row(a)[first..]], weights, pair, to),
        [a, b] => vectors::weighted_pairs(isa, &[&row(a)[first..], &row(b)[first..]], weights, pair, to),
        _ => false,
    }
}

/// Prepared rows of one plane: at least as many as the taps of one output span, a power of two, each in the slot
/// that the low bits of its number name.
struct Ring<A> {
    width: usize,
    rows: Vec<A>,
    held: Vec<Option<u32>>,
    converted: Vec<A>,
    isa: Isa,
}

impl<A: Weight> Ring<A> {
    /// Makes room for rows of this width.
    #[inline(always)]
    fn widths(&mut self, width: usize) {
        self.width = width;
        self.rows.resize(self.held.len() * width, A::default());
    }

    #[inline(always)]
    fn slot(&self, h: u32) -> usize {
        h as usize & (self.held.len() - 1)
    }

    #[inline(always)]
    fn fill<I: Element<Acc = A>, const FUSED: bool>(&mut self, h: u32, row: &[I], along: Option<&TapTable>) {
        let slot = self.slot(h);
        if self.held[slot] == Some(h) {
            return;
        }
        self.held[slot] = Some(h);
        let to = &mut self.rows[slot * self.width..][..self.width];
        let Some(table) = along else {
            return widen(row, to);
        };
        let row = match as_accumulators(row) {
            Some(row) => row,
            None => widened(row, &mut self.converted),
        };
        Along { table, row, part: 0..self.width, to, isa: self.isa }.run::<FUSED>();
    }

    #[inline(always)]
    fn row(&self, h: u32) -> &[A] {
        &self.rows[self.slot(h) * self.width..][..self.width]
    }
}
