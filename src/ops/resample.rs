//! Weighted sums of taps along one or more of the last axes: average pooling, interpolation, their gradients.
//!
//! | axes | how |
//! |---|---|
//! | the last two | row by row: resampled along the last axis, then added up; in the other order if that is less |
//! | the last | row by row |
//! | another | rows of all that follows are added up, in parts that stay in cache |
//!
//! Rows that several outputs share are kept resampled in a small ring. More than two axes take more than one step, over an intermediate array of the type of sums.

use super::along::{Along, Combine};
use super::shares::{Run, share_rows};
use super::taps::{TapTable, Weight};
use crate::element::Element;
use crate::error::{Error, Result};
use crate::simd::Isa;
use crate::view::{Output, as_accumulators};

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
    let sums = as_accumulators(x);
    // Rows that must be converted are converted once.
    let parts = if sums.is_some() { to_width.div_ceil(PART) } else { 1 };
    let bytes = (width * size_of::<I>() + to_width * size_of::<O>()) / parts.max(1);
    let y = Sink::new(y);
    share_rows(count * parts, bytes, run, &|units| {
        let (mut converted, mut buffer) = (Vec::new(), Vec::new());
        for unit in units {
            let (r, part) = (unit / parts, unit % parts);
            let part = part * to_width / parts..(part + 1) * to_width / parts;
            let row = r * width..(r + 1) * width;
            let row = match sums {
                Some(sums) => &sums[row],
                None => widened(&x[row], &mut converted),
            };
            y.write(r * to_width + part.start, part.len(), &mut buffer, |to| {
                run.isa.run(Along { table: along, row, part, to });
            });
        }
    })
}

/// A row in the type of sums.
fn widened<'a, I: Element<Acc: Weight>>(row: &[I], to: &'a mut Vec<I::Acc>) -> &'a [I::Acc] {
    to.resize(row.len(), I::Acc::default());
    I::widen_row(row, to);
    to
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

    /// Lets `f` write a run, by way of `buffer` if it must be converted.
    fn write(&self, start: usize, len: usize, buffer: &mut Vec<O::Acc>, f: impl FnOnce(&mut [O::Acc])) {
        match &self.sums {
            Some(sums) => f(sums.run(start, len)),
            None => {
                buffer.resize(len, O::Acc::default());
                f(buffer);
                O::narrow_row(buffer, self.output.run(start, len));
            }
        }
    }
}

/// `(outer, above.size(), inner)` resampled along the middle axis, and along the last if `along` is its
/// table.
struct Planes<'a, I> {
    x: &'a [I],
    outer: usize,
    inner: usize,
    above: &'a TapTable,
    along: Option<&'a TapTable>,
}

/// What is done to rows before they are added up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Widen,
    Resample,
}

impl<I: Element<Acc: Weight>> Planes<'_, I> {
    fn run<O: Element<Acc = I::Acc>>(&self, y: &mut [O], run: Run<'_>) -> Result<()> {
        let (above, inner) = (self.above, self.inner);
        let (height, to_height) = (above.size(), above.outputs());
        let to_width = self.along.map_or(inner, TapTable::outputs);
        assert!(self.along.is_none_or(|along| along.size() == inner));
        assert_eq!(self.x.len(), self.outer * height * inner);
        assert_eq!(y.len(), self.outer * to_height * to_width);
        let sums = as_accumulators(self.x);
        // Whichever comes first works on the fewer rows.
        let before = match self.along {
            Some(_) if to_height >= height => Before::Resample,
            _ if sums.is_some() => Before::Nothing,
            _ => Before::Widen,
        };
        let parts = if self.along.is_some() { 1 } else { inner.div_ceil(PART) };
        let per_plane = parts * to_height;
        let bytes = height * inner * size_of::<I>() + to_height * to_width * size_of::<O>();
        let weights = &I::Acc::weights(above).of;
        let y = Sink::new(y);
        share_rows(self.outer * per_plane, bytes / per_plane.max(1), run, &|units| {
            let (mut summed, mut buffer) = (Vec::new(), Vec::new());
            let mut ring = Ring::default();
            for unit in units {
                let (o, rest) = (unit / per_plane, unit % per_plane);
                let (part, i) = (rest / to_height, rest % to_height);
                let columns = part * inner / parts..(part + 1) * inner / parts;
                let taps = above.row(i);
                let (heights, weights) = (&above.indices()[taps.clone()], &weights[taps]);
                let row = |h: u32| {
                    let at = (o * height + h as usize) * inner;
                    at + columns.start..at + columns.end
                };
                let rows: Vec<&[I::Acc]> = match sums.filter(|_| before == Before::Nothing) {
                    Some(sums) => heights.iter().map(|&h| &sums[row(h)]).collect(),
                    None => {
                        let along = self.along.filter(|_| before == Before::Resample);
                        ring.hold(self, (o, part), along.map_or(columns.len(), TapTable::outputs));
                        for &h in heights {
                            ring.fill(h, &self.x[row(h)], along, run.isa);
                        }
                        heights.iter().map(|&h| ring.row(h)).collect()
                    }
                };
                let at = (o * to_height + i) * to_width;
                match self.along.filter(|_| before != Before::Resample) {
                    Some(table) => {
                        summed.resize(inner, I::Acc::default());
                        run.isa.run(Combine { rows: &rows, weights, to: &mut summed });
                        y.write(at, to_width, &mut buffer, |to| {
                            run.isa.run(Along { table, row: &summed, part: 0..to_width, to });
                        });
                    }
                    None => {
                        let at = if self.along.is_some() { at } else { at + columns.start };
                        let len = if self.along.is_some() { to_width } else { columns.len() };
                        y.write(at, len, &mut buffer, |to| run.isa.run(Combine { rows: &rows, weights, to }));
                    }
                }
            }
        })
    }
}

/// Prepared rows of one plane: as many as the taps of one output span, each in the slot that its number
/// leaves.
struct Ring<A> {
    of: Option<(usize, usize)>,
    width: usize,
    rows: Vec<A>,
    held: Vec<Option<u32>>,
    converted: Vec<A>,
}

impl<A> Default for Ring<A> {
    fn default() -> Self {
        Ring { of: None, width: 0, rows: vec![], held: vec![], converted: vec![] }
    }
}

impl<A: Weight> Ring<A> {
    /// Forgets its rows unless they are of this part of a plane.
    fn hold<I>(&mut self, planes: &Planes<'_, I>, of: (usize, usize), width: usize) {
        if self.of != Some(of) {
            self.of = Some(of);
            self.width = width;
            let slots = planes.above.span();
            self.held.clear();
            self.held.resize(slots, None);
            self.rows.resize(slots * width, A::default());
        }
    }

    fn slot(&self, h: u32) -> usize {
        h as usize % self.held.len()
    }

    fn fill<I: Element<Acc = A>>(&mut self, h: u32, row: &[I], along: Option<&TapTable>, isa: Isa) {
        let slot = self.slot(h);
        if self.held[slot] == Some(h) {
            return;
        }
        self.held[slot] = Some(h);
        let to = &mut self.rows[slot * self.width..][..self.width];
        let Some(table) = along else {
            return I::widen_row(row, to);
        };
        let row = match as_accumulators(row) {
            Some(row) => row,
            None => widened(row, &mut self.converted),
        };
        isa.run(Along { table, row, part: 0..self.width, to });
    }

    fn row(&self, h: u32) -> &[A] {
        &self.rows[self.slot(h) * self.width..][..self.width]
    }
}
