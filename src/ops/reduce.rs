//! Reductions over any axes of a view in any strides.
//!
//! | form | along the last axis in memory | when |
//! |---|---|---|
//! | rows | elements of one result, in pieces of `PIECE` | that axis is reduced and long, or all are |
//! | columns | elements of many results, in tiles of `ROWS` by `COLUMNS` | the rest |
//!
//! Where columns are few and lie side by side, several rows are taken as one. Pieces and tiles are summed in the type
//! of computation and joined in float64, in an order that depends on the shape alone: the bits do not depend on
//! threads. A result with many elements is cut into parts, which are joined at the end.

use super::reducers::Reducer;
use super::strided::{View, collapse, memory_order, runs};
use crate::element::Element;
use crate::error::Result;
use crate::expr::Computed;
use crate::simd::Isa;
use crate::threads::{self, Interrupt};
use crate::view::{Output, as_accumulators};

/// Elements of a piece of a row.
pub(crate) const PIECE: usize = 2048;
/// Elements of a piece that is not worth clearing a long one.
const SHORT_PIECE: usize = 256;
/// Rows of a tile.
pub(crate) const ROWS: usize = 32;
/// Columns of a tile.
pub(crate) const COLUMNS: usize = 4096;
/// Elements of a part, and the fewest of a task.
const PART: usize = 1 << 16;
/// The shortest rows worth a piece of their own.
const SHORT: usize = 16;

/// Axes with their distances between elements.
#[derive(Default, Clone)]
pub(super) struct Axes {
    pub(super) dims: Vec<usize>,
    pub(super) strides: Vec<isize>,
}

impl Axes {
    fn push(&mut self, size: usize, stride: isize) {
        self.dims.push(size);
        self.strides.push(stride);
    }

    pub(super) fn count(&self) -> usize {
        self.dims.iter().product()
    }

    /// At least one axis, as `runs` wants it.
    fn closed(mut self) -> Axes {
        if self.dims.is_empty() {
            self.push(1, 0);
        }
        self
    }

    pub(super) fn offset(&self, mut index: usize) -> isize {
        let mut offset = 0;
        for (&size, &stride) in self.dims.iter().zip(&self.strides).rev() {
            offset += (index % size) as isize * stride;
            index /= size;
        }
        offset
    }
}

/// A reduction of one shape.
pub(super) struct Plan {
    /// Kept axes but for the columns: strides of the view, then of the output.
    pub(super) outer: Axes,
    pub(super) outer_out: Axes,
    /// Reduced axes, the last of which holds the rows' elements (`rows`) or steps from row to row.
    pub(super) reduced: Axes,
    pub(super) columns: Option<Columns>,
}

/// The kept axis that lies innermost.
pub(super) struct Columns {
    pub(super) count: usize,
    stride: isize,
    pub(super) out: isize,
    /// Rows taken as one, and the elements that the last reduced axis has in all.
    folded: usize,
    run: usize,
}

impl Plan {
    /// For a view of `shape`; the output holds the kept axes in C order. `fold`: rows may be taken as one.
    pub(super) fn new(shape: &[usize], strides: &[isize], reduced: &[bool], fold: bool) -> Plan {
        let mut out = vec![0isize; shape.len()];
        let mut step = 1isize;
        for axis in (0..shape.len()).rev().filter(|&axis| !reduced[axis]) {
            out[axis] = step;
            step *= shape[axis] as isize;
        }
        let order = memory_order(shape, strides);
        let pick = |from: &[isize]| -> Vec<isize> { order.iter().map(|&axis| from[axis]).collect() };
        let sizes: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
        let classes: Vec<bool> = order.iter().map(|&axis| reduced[axis]).collect();
        let (dims, joined, kinds) = collapse(&sizes, &[&pick(strides), &pick(&out)], &classes);
        let last = dims.len() - 1;
        let kept = kinds.iter().rposition(|&reduced| !reduced);
        let by_rows = kept.is_none() || (kinds[last] && dims[last] >= SHORT);
        let mut plan = Plan {
            outer: Axes::default(),
            outer_out: Axes::default(),
            reduced: Axes::default(),
            columns: None,
        };
        for axis in 0..dims.len() {
            let (size, x, y) = (dims[axis], joined[0][axis], joined[1][axis]);
            if kinds[axis] {
                plan.reduced.push(size, x);
            } else if !by_rows && Some(axis) == kept {
                plan.columns = Some(Columns { count: size, stride: x, out: y, folded: 1, run: 0 });
            } else {
                plan.outer.push(size, x);
                plan.outer_out.push(size, y);
            }
        }
        plan.reduced = plan.reduced.closed();
        if let Some(columns) = plan.columns.as_mut().filter(|_| fold) {
            columns.fold(&mut plan.reduced);
        }
        plan
    }
}

impl Columns {
    /// Takes as many rows as one as a tile is wide, if they lie side by side.
    fn fold(&mut self, reduced: &mut Axes) {
        let (size, stride) = (reduced.dims.last_mut(), reduced.strides.last_mut());
        let (size, stride) = (size.expect("an axis"), stride.expect("an axis"));
        let folded = COLUMNS / self.count.max(1);
        if folded > 1 && self.stride == 1 && *stride == self.count as isize && *size > 1 {
            self.folded = folded.min(*size);
            self.run = *size;
            *size = size.div_ceil(self.folded);
            *stride *= self.folded as isize;
        }
    }

    /// How far column `i` is from the first one.
    pub(super) fn offset(&self, i: usize) -> isize {
        i as isize * self.stride
    }

    /// Columns of a row of a tile.
    fn width(&self) -> usize {
        self.count * self.folded
    }
}

/// What tasks of one reduction have in common.
pub(super) struct Job<'a, 'v, E> {
    pub(super) plan: &'a Plan,
    pub(super) isa: Isa,
    view: &'a View<'v, E>,
}

/// Where units of work are shared out.
pub(super) struct Share<'a> {
    pub(super) threads: usize,
    pub(super) interrupt: &'a dyn Interrupt,
}

impl Share<'_> {
    /// Calls `unit(u)` for units of about `size` elements, enough of them in each task.
    pub(super) fn run(&self, units: usize, size: usize, unit: &(dyn Fn(usize) + Sync)) -> Result<()> {
        let each = (PART / size.max(1)).max(1);
        threads::run(units.div_ceil(each), self.threads, self.interrupt, &|task| {
            (task * each..units.min((task + 1) * each)).for_each(unit);
        })
    }
}

/// Reduces `view` as planned; `write(i, w)` gets the result number i of the output.
pub(super) fn run<E: Element, R: Reducer<E::Acc>>(
    plan: &Plan,
    view: &View<'_, E>,
    share: &Share<'_>,
    write: &(dyn Fn(usize, R::Wide) + Sync),
) -> Result<()>
where
    E::Acc: Computed,
{
    let job = Job::new(plan, view)?;
    match &plan.columns {
        None => job.rows::<R>(share, write),
        Some(columns) => job.columns::<R>(columns, share, write),
    }
}

/// How many of `count` steps of `size` elements make a part, and how many parts there are.
fn parts(count: usize, size: usize) -> (usize, usize) {
    let steps = (PART / size.max(1)).max(1);
    (steps, count.div_ceil(steps).max(1))
}

impl<'a, 'v, E: Element> Job<'a, 'v, E>
where
    E::Acc: Computed,
{
    pub(super) fn new(plan: &'a Plan, view: &'a View<'v, E>) -> Result<Self> {
        Ok(Job { plan, isa: Isa::current()?, view })
    }

    fn rows<R: Reducer<E::Acc>>(
        &self,
        share: &Share<'_>,
        write: &(dyn Fn(usize, R::Wide) + Sync),
    ) -> Result<()> {
        let (outer, reduced) = (&self.plan.outer, &self.plan.reduced);
        let last = reduced.dims.len() - 1;
        let (length, step) = (reduced.dims[last], reduced.strides[last]);
        // Pieces of one result, counted over its rows.
        let pieces = length.div_ceil(PIECE);
        let total = reduced.dims[..last].iter().product::<usize>() * pieces;
        let results = outer.count();
        // Rows of several results lie between the rows of one.
        let between = outer.strides.first().is_some_and(|stride| {
            last > 0 && stride.unsigned_abs() < reduced.strides[0].unsigned_abs() && length >= PIECE / 2
        });
        // Then every row is a part, so that memory is read in its order.
        let (each, parts) =
            if between { (pieces, (total / pieces).max(1)) } else { parts(total, length.min(PIECE)) };
        let (mut dims, mut strides) = (reduced.dims.clone(), reduced.strides.clone());
        dims[last] = pieces;
        strides[last] = step * PIECE as isize;
        let part = |start: isize, part: usize| {
            let mut sum = None;
            let from = part * each;
            runs(&dims, &strides, from, each.min(total - from), |at, offset, count| {
                // The place of the first piece in its row.
                let first = (from + at) % pieces.max(1);
                for i in 0..count {
                    let begin = (first + i) * PIECE;
                    let n = PIECE.min(length - begin);
                    let offset = start + offset + (i * PIECE) as isize * step;
                    let wide = self.with_piece(offset, step, n, |x| R::row(self.isa, x));
                    sum = Some(sum.map_or(wide, |sum| R::join(sum, wide)));
                }
            });
            sum.unwrap_or_else(R::nothing)
        };
        if parts == 1 {
            return share.run(results, total * length.min(PIECE), &|k| {
                write(self.plan.outer_out.offset(k) as usize, part(outer.offset(k), 0));
            });
        }
        let mut sums = vec![R::nothing(); results * parts];
        let shared = Output::new(&mut sums);
        share.run(results * parts, each * length.min(PIECE), &|unit| {
            let (k, number) =
                if between { (unit % results, unit / results) } else { (unit / parts, unit % parts) };
            shared.write(k * parts + number, part(outer.offset(k), number));
        })?;
        for (k, sums) in sums.chunks(parts).enumerate() {
            let sum = sums.iter().copied().reduce(R::join).expect("there are parts");
            write(self.plan.outer_out.offset(k) as usize, sum);
        }
        Ok(())
    }

    /// Calls `f` with `n` elements `step` apart, in the type of sums.
    #[inline]
    pub(super) fn with_piece<T>(
        &self,
        offset: isize,
        step: isize,
        n: usize,
        f: impl FnOnce(&[E::Acc]) -> T,
    ) -> T {
        let from = self.view.position(offset);
        if step == 1
            && let Some(data) = as_accumulators(self.view.data)
        {
            return f(&data[from..from + n]);
        }
        let (mut short, mut long);
        let piece: &mut [E::Acc] = if n <= SHORT_PIECE {
            short = [E::Acc::default(); SHORT_PIECE];
            &mut short[..n]
        } else {
            long = [E::Acc::default(); PIECE];
            &mut long[..n]
        };
        self.bring(from, step, piece);
        f(piece)
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

    fn columns<R: Reducer<E::Acc>>(
        &self,
        columns: &Columns,
        share: &Share<'_>,
        write: &(dyn Fn(usize, R::Wide) + Sync),
    ) -> Result<()> {
        let (outer, reduced) = (&self.plan.outer, &self.plan.reduced);
        let (width, total) = (columns.width(), reduced.count());
        let blocks = width.div_ceil(COLUMNS);
        let block_width = width.div_ceil(blocks.max(1));
        // A part has a sum for every column, which has to be stored and joined: few of them, then.
        let (each, parts) = parts(total, block_width.div_ceil(4));
        // Sums of the columns of one block over some rows.
        let part = |start: isize, block: usize, part: usize, sums: &mut [R::Wide]| {
            sums.fill(R::nothing());
            let from = part * each;
            let start = start + (block * block_width) as isize * columns.stride;
            self.tiles(columns, start, (from, each.min(total - from)), sums.len(), |x, pitch, rows, n| {
                R::columns(self.isa, x, pitch, rows, &mut sums[..n]);
            });
        };
        let size = |block: usize| block_width.min(width - block * block_width);
        let finish = |k: usize, block: usize, sums: &mut [R::Wide]| {
            let out = self.plan.outer_out.offset(k);
            let count = sums.len() / columns.folded;
            for i in 0..count {
                let sum = (0..columns.folded).map(|row| sums[row * count + i]).reduce(R::join);
                let at = out + (block * block_width + i) as isize * columns.out;
                write(at as usize, sum.expect("a row"));
            }
        };
        let units = outer.count() * blocks;
        if parts == 1 {
            return share.run(units, total * block_width, &|unit| {
                let (k, block) = (unit / blocks, unit % blocks);
                let mut sums = [R::nothing(); COLUMNS];
                let sums = &mut sums[..size(block)];
                part(outer.offset(k), block, 0, sums);
                finish(k, block, sums);
            });
        }
        let slot = block_width;
        let mut sums = vec![R::nothing(); units * parts * slot];
        let shared = Output::new(&mut sums);
        share.run(units * parts, PART, &|index| {
            let (unit, number) = (index / parts, index % parts);
            let (k, block) = (unit / blocks, unit % blocks);
            part(outer.offset(k), block, number, shared.run(index * slot, size(block)));
        })?;
        for (unit, sums) in sums.chunks_mut(parts * slot).enumerate() {
            let (first, rest) = sums.split_at_mut(slot);
            for other in rest.chunks(slot) {
                first.iter_mut().zip(other).for_each(|(a, &b)| *a = R::join(*a, b));
            }
            finish(unit / blocks, unit % blocks, &mut first[..size(unit % blocks)]);
        }
        Ok(())
    }

    /// Calls `f(elements, pitch, rows, columns)` for tiles of `width` columns over the rows `from..from + count`.
    pub(super) fn tiles(
        &self,
        columns: &Columns,
        start: isize,
        (from, count): (usize, usize),
        width: usize,
        mut f: impl FnMut(&[E::Acc], usize, usize, usize),
    ) {
        let reduced = &self.plan.reduced;
        let last = reduced.dims.len() - 1;
        let (size, step) = (reduced.dims[last], reduced.strides[last]);
        let direct = as_accumulators(self.view.data)
            .filter(|_| columns.stride == 1 && step >= 0 && (step as usize >= width || size == 1));
        let mut scratch = vec![E::Acc::default(); if direct.is_some() { 0 } else { ROWS * COLUMNS }];
        // A tile's rows in scratch lie as far apart as the tile is wide.
        let mut tile = |offset: isize, rows: usize, n: usize| {
            let begin = self.view.position(offset);
            if let Some(data) = direct {
                let pitch = if rows == 1 { n } else { step as usize };
                return f(&data[begin..begin + (rows - 1) * pitch + n], pitch, rows, n);
            }
            for row in 0..rows {
                let begin = begin.wrapping_add_signed(row as isize * step);
                self.bring(begin, columns.stride, &mut scratch[row * n..][..n]);
            }
            f(&scratch[..rows * n], n, rows, n);
        };
        runs(&reduced.dims, &reduced.strides, from, count, |at, offset, len| {
            let first = (from + at) % size;
            // With rows taken as one, the last of them may be short.
            let short =
                columns.folded > 1 && first + len == size && !columns.run.is_multiple_of(columns.folded);
            let whole = len - usize::from(short);
            for row in (0..whole).step_by(ROWS) {
                tile(start + offset + row as isize * step, ROWS.min(whole - row), width);
            }
            if short {
                let n = columns.run % columns.folded * columns.count;
                tile(start + offset + whole as isize * step, 1, n);
            }
        });
    }
}
