//! Expressions of the table on views that broadcast.
//!
//! The output is dense, in some order of the axes. It is cut into blocks that the first-level cache holds with all
//! operands; an operand that lies otherwise (strided, repeated, float16, bool) is brought into a block of scratch.

use super::strided::{View, collapse, runs};
use crate::element::Element;
use crate::error::{Error, Result};
use crate::expr::Computed;
use crate::expr::cpu::{Kernel, MAX_ARITY, Run};
use crate::expr::table::{Gives, Op};
use crate::simd::Isa;
use crate::threads::{self, Interrupt};
use crate::view::Output;
use std::ops::Range;

/// Elements of a block.
const BLOCK: usize = 2048;
/// Elements of a block if nothing is brought.
const LONG_BLOCK: usize = 4 * BLOCK;
/// Elements of a task, about: some ten microseconds.
const TASK: usize = 32 * BLOCK;

/// An operand; views have strides for every axis of the output.
pub enum Operand<'a, E> {
    /// Numbers.
    Elements(View<'a, E>),
    /// Bools, bytes of 0 and 1: a condition.
    Bools(View<'a, u8>),
    /// One number for all.
    Number(f64),
}

/// Where the result goes.
pub enum Target<'a, E> {
    /// Numbers.
    Elements(&'a mut [E]),
    /// Bools, bytes of 0 and 1.
    Bools(&'a mut [u8]),
}

/// How a task finds the blocks of an operand.
enum Source<'a, E: Element> {
    /// Where the output's elements are, in the type of computation.
    Same(&'a [E::Acc]),
    /// The same for all.
    Constant(E::Acc),
    /// In any strides.
    Elements(View<'a, E>, Vec<isize>),
    Bools(View<'a, u8>, Vec<isize>),
}

impl<E: Element> Source<'_, E> {
    /// Whether it is one number along the last axis.
    fn repeats(&self) -> bool {
        match self {
            Source::Constant(_) => true,
            Source::Elements(_, strides) => strides.last() == Some(&0),
            _ => false,
        }
    }
}

/// Computes `op` for all places of an output of shape `shape`, whose axes are in its memory order.
///
/// # Errors
/// [`Error::Argument`] unless the operands and constants are as many as the expression has, [`Error::Dtype`] if it
/// has no meaning for floats or its result has another type than the target, [`Error::Interrupted`].
pub fn run<E: Element>(
    op: &Op,
    shape: &[usize],
    operands: Vec<Operand<'_, E>>,
    params: &[f64],
    target: Target<'_, E>,
    threads: usize,
    interrupt: &dyn Interrupt,
) -> Result<()>
where
    E::Acc: Computed,
{
    if operands.len() != op.arity || params.len() != op.params {
        return Err(Error::Argument(format!(
            "{} takes {} operands and {} constants, but got {} and {}",
            op.name,
            op.arity,
            op.params,
            operands.len(),
            params.len()
        )));
    }
    let Some(kernel) = E::Acc::kernel(op) else {
        return Err(Error::Dtype(format!("{} is not defined for {}", op.name, E::NAME)));
    };
    let params: Vec<E::Acc> = params.iter().map(|&value| E::Acc::nearest(value)).collect();
    let total: usize = shape.iter().product();
    let (dims, sources) = plan(shape, operands);
    let isa = Isa::current()?;
    let blocks = Blocks::new(&dims, &sources);
    let lone = sources.len() > 2
        && blocks.row == dims[dims.len() - 1]
        && !sources[0].repeats()
        && sources[1..].iter().all(Source::repeats);
    let job = Job { blocks, dims: &dims, sources: &sources, params: &params, lone };
    let each = (TASK / job.blocks.len.max(1)).max(1);
    let tasks = job.blocks.count.div_ceil(each);
    let range = |task: usize| task * each..job.blocks.count.min((task + 1) * each);
    match (kernel, target) {
        (Kernel::Value(kernel), Target::Elements(out)) => {
            assert_eq!(out.len(), total, "the output has the shape's size");
            let out = Output::new(out);
            let direct = out.as_accumulator();
            threads::run(tasks, threads, interrupt, &|task| match &direct {
                Some(out) => job.run(range(task), |at, x| {
                    let out = out.run(at, x[0].len());
                    kernel(Run { isa, x, params: job.params, out });
                }),
                None => {
                    let mut sums = [E::Acc::default(); BLOCK];
                    job.run(range(task), |at, x| {
                        let n = x[0].len();
                        kernel(Run { isa, x, params: job.params, out: &mut sums[..n] });
                        E::narrow_row(&sums[..n], out.run(at, n));
                    });
                }
            })
        }
        (Kernel::Predicate(kernel), Target::Bools(out)) => {
            assert_eq!(out.len(), total, "the output has the shape's size");
            let out = Output::new(out);
            threads::run(tasks, threads, interrupt, &|task| {
                job.run(range(task), |at, x| {
                    kernel(Run { isa, x, params: job.params, out: out.run(at, x[0].len()) });
                });
            })
        }
        _ => {
            let gives = if op.gives == Gives::Bool { "bool" } else { E::NAME };
            Err(Error::Dtype(format!("{} of {} gives {gives}", op.name, E::NAME)))
        }
    }
}

/// The fewest axes that all operands can be walked along, and the operands in them.
fn plan<'a, E: Element>(shape: &[usize], operands: Vec<Operand<'a, E>>) -> (Vec<usize>, Vec<Source<'a, E>>)
where
    E::Acc: Computed,
{
    let strides: Vec<&[isize]> = operands
        .iter()
        .filter_map(|operand| match operand {
            Operand::Elements(view) => Some(&view.strides[..]),
            Operand::Bools(view) => Some(&view.strides[..]),
            Operand::Number(_) => None,
        })
        .collect();
    // The output, which is dense, is an operand too.
    let mut dense = vec![1isize; shape.len()];
    for axis in (1..shape.len()).rev() {
        dense[axis - 1] = dense[axis] * shape[axis].max(1) as isize;
    }
    let all: Vec<&[isize]> = strides.iter().copied().chain([&dense[..]]).collect();
    let (dims, joined, _) = collapse(shape, &all, &vec![false; shape.len()]);
    let total: usize = dims.iter().product();
    let mut joined = joined.into_iter();
    let sources = operands
        .into_iter()
        .map(|operand| match operand {
            Operand::Number(value) => Source::Constant(E::Acc::nearest(value)),
            Operand::Bools(view) => Source::Bools(view, joined.next().expect("every view has strides")),
            Operand::Elements(view) => {
                let strides = joined.next().expect("every view has strides");
                if strides.iter().all(|&stride| stride == 0) && total > 0 {
                    return Source::Constant(view.data[view.start].widen());
                }
                if strides == [1]
                    && let Some(data) = crate::view::as_accumulators(view.data)
                {
                    return Source::Same(&data[view.start..]);
                }
                Source::Elements(view, strides)
            }
        })
        .collect();
    (dims, sources)
}

/// How the output is cut: into rows, and these into blocks of about the same length.
struct Blocks {
    /// Elements of a row.
    row: usize,
    /// Blocks of a row.
    each: usize,
    /// Elements of a block but for the last one of a row.
    len: usize,
    count: usize,
}

impl Blocks {
    /// Rows end where an operand goes on to another number that it repeats along the last axis.
    fn new<E: Element>(dims: &[usize], sources: &[Source<'_, E>]) -> Blocks {
        let total: usize = dims.iter().product();
        let last = dims[dims.len() - 1];
        let row = if last >= BLOCK / 4
            && sources.iter().any(|source| source.repeats() && !matches!(source, Source::Constant(_)))
        {
            last
        } else {
            total
        };
        let direct = sources.iter().all(|source| matches!(source, Source::Same(_)));
        let each = row.div_ceil(if direct { LONG_BLOCK } else { BLOCK }).max(1);
        Blocks { row, each, len: row.div_ceil(each), count: if total == 0 { 0 } else { total / row * each } }
    }

    /// First element and length of a block.
    fn place(&self, block: usize) -> (usize, usize) {
        let within = block % self.each * self.len;
        (block / self.each * self.row + within, self.len.min(self.row - within))
    }
}

/// What the tasks of a call have in common.
struct Job<'a, E: Element> {
    blocks: Blocks,
    dims: &'a [usize],
    sources: &'a [Source<'a, E>],
    params: &'a [E::Acc],
    /// All operands but the first repeat one number along rows: they are passed as one element.
    lone: bool,
}

impl<E: Element> Job<'_, E>
where
    E::Acc: Computed,
{
    /// Calls `f(at, operands)` for some blocks.
    fn run(&self, blocks: Range<usize>, mut f: impl FnMut(usize, &[&[E::Acc]])) {
        // A block for each operand that does not lie as the output does.
        let count = self.sources.iter().filter(|source| !matches!(source, Source::Same(_))).count();
        let mut scratch = vec![[E::Acc::default(); BLOCK]; count];
        // What fills the block of an operand that repeats one number along rows.
        let mut filled: [Option<E::Acc>; MAX_ARITY] = [None; MAX_ARITY];
        let others = self.sources.iter().filter(|source| !matches!(source, Source::Same(_)));
        for (block, source) in scratch.iter_mut().zip(others) {
            if let Source::Constant(value) = source {
                block.fill(*value);
            }
        }
        for (at, n) in blocks.map(|block| self.blocks.place(block)) {
            let mut x: [&[E::Acc]; MAX_ARITY] = [&[]; MAX_ARITY];
            let mut blocks = scratch.iter_mut();
            for ((x, filled), source) in x.iter_mut().zip(&mut filled).zip(self.sources) {
                if let Source::Same(data) = source {
                    *x = &data[at..at + n];
                    continue;
                }
                let block = blocks.next().expect("one for each operand that is brought");
                *x = match source {
                    Source::Elements(view, strides)
                        if strides.last() == Some(&0)
                            && at % self.dims[strides.len() - 1] + n <= self.dims[strides.len() - 1] =>
                    {
                        let mut from = 0;
                        runs(self.dims, strides, at, n, |_, offset, _| from = view.position(offset));
                        let value = view.data[from].widen();
                        let places = if self.lone { 1 } else { self.blocks.len };
                        // Zeros of both signs are not the same.
                        if !filled.is_some_and(|old| bytemuck::bytes_of(&old) == bytemuck::bytes_of(&value)) {
                            block[..places].fill(value);
                            *filled = Some(value);
                        }
                        &block[..places.min(n)]
                    }
                    Source::Same(_) => unreachable!("it was seen to"),
                    Source::Constant(_) => &block[..if self.lone { 1 } else { n }],
                    Source::Elements(view, strides) => {
                        *filled = None;
                        bring(view, self.dims, strides, at, &mut block[..n])
                    }
                    Source::Bools(view, strides) => {
                        bring_bools::<E>(view, self.dims, strides, at, &mut block[..n]);
                        &block[..n]
                    }
                };
            }
            f(at, &x[..self.sources.len()]);
        }
    }
}

/// The elements of the places from `at` on: where they are if they lie so, else in `block`.
pub(super) fn bring<'a, E: Element>(
    view: &'a View<'_, E>,
    dims: &[usize],
    strides: &[isize],
    at: usize,
    block: &'a mut [E::Acc],
) -> &'a [E::Acc] {
    let n = block.len();
    let step = strides[strides.len() - 1];
    if step == 1
        && let row = dims[dims.len() - 1]
        && at % row + n <= row
        && let Some(data) = crate::view::as_accumulators(view.data)
    {
        let mut from = 0;
        runs(dims, strides, at, n, |_, offset, _| from = view.position(offset));
        return &data[from..from + n];
    }
    runs(dims, strides, at, n, |to, offset, len| {
        let (from, to) = (view.position(offset), &mut block[to..to + len]);
        match step {
            0 => to.fill(view.data[from].widen()),
            1 => E::widen_row(&view.data[from..from + len], to),
            _ => {
                for (i, to) in to.iter_mut().enumerate() {
                    *to = view.data[from.wrapping_add_signed(i as isize * step)].widen();
                }
            }
        }
    });
    block
}

/// Bools as numbers.
fn bring_bools<E: Element>(
    view: &View<'_, u8>,
    dims: &[usize],
    strides: &[isize],
    at: usize,
    block: &mut [E::Acc],
) where
    E::Acc: Computed,
{
    let step = strides[strides.len() - 1];
    let (zero, one) = (E::Acc::default(), E::Acc::nearest(1.0));
    runs(dims, strides, at, block.len(), |to, offset, len| {
        let from = view.position(offset);
        for (i, to) in block[to..to + len].iter_mut().enumerate() {
            let holds = view.data[from.wrapping_add_signed(i as isize * step)] != 0;
            *to = if holds { one } else { zero };
        }
    });
}
