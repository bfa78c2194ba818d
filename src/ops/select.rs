//! Resampling where every output is one element as it is, of any type: nearest neighbours, borders.
//!
//! Output rows are copied from the input rows that the tables name, element by element along the last axis; a
//! row that comes from the same place as the one before it is copied from that.

use super::along::divide;
use super::shares::{Run, share_rows};
use super::taps::{Periodic, TapTable, Weight};
use crate::error::Result;
use crate::simd::Body;
use crate::view::Output;
use std::ops::Range;

/// Elements of a part of a row.
const PART: usize = 32768;

/// Takes the elements of the last `tables.len()` axes of `x` that the tables name; axes without one stay.
pub fn select<T: Copy + Send + Sync>(
    x: &[T],
    shape: &[usize],
    tables: &[Option<&TapTable>],
    y: &mut [T],
    run: Run<'_>,
) -> Result<()> {
    assert!(tables.iter().flatten().all(|table| table.selects()));
    let (mut shape, mut tables) = (shape.to_vec(), tables.to_vec());
    // What follows the last table is copied whole.
    let mut inner = 1;
    while let Some(None) = tables.last() {
        tables.pop();
        inner *= shape.pop().expect("an axis for every table");
    }
    let along = if inner == 1 { tables.pop().flatten() } else { None };
    let (width, to_width) = match along {
        Some(along) => (shape.pop().expect("an axis for every table"), along.outputs()),
        None => (inner, inner),
    };
    let axes: Vec<(usize, Option<&TapTable>)> =
        shape.split_off(shape.len() - tables.len()).into_iter().zip(tables).collect();
    let heights: usize = axes.iter().map(|(size, table)| table.map_or(*size, TapTable::outputs)).product();
    let plane: usize = axes.iter().map(|axis| axis.0).product();
    let rows = shape.iter().product::<usize>() * heights;
    assert!(y.len() == rows * to_width && x.len() == shape.iter().product::<usize>() * plane * width);
    // The input row of an output row.
    let source = |row: usize| {
        let (mut at, mut step, mut rest) = (0, 1, row % heights);
        for &(size, table) in axes.iter().rev() {
            let outputs = table.map_or(size, TapTable::outputs);
            let (i, above) = (rest % outputs, rest / outputs);
            at += step * table.map_or(i, |table| table.indices()[i] as usize);
            (step, rest) = (step * size, above);
        }
        row / heights * plane + at
    };
    let parts = to_width.div_ceil(PART);
    let bytes = size_of_val(x) / (rows * parts).max(1) + to_width * size_of::<T>() / parts.max(1);
    let y = Output::new(y);
    share_rows(rows * parts, bytes, run, &|units| {
        let mut before: Option<(usize, &[T])> = None;
        for unit in units {
            let (row, part) = (unit / parts, unit % parts);
            let part = part * to_width / parts..(part + 1) * to_width / parts;
            let to = y.run(row * to_width + part.start, part.len());
            let from = source(row);
            match before.filter(|(same, _)| *same == from && parts == 1) {
                Some((_, copied)) => to.copy_from_slice(copied),
                None => {
                    let row = &x[from * width..(from + 1) * width];
                    match along {
                        None => to.copy_from_slice(&row[part]),
                        Some(table) => run.isa.run(Taken { table, row, part, to }),
                    }
                }
            }
            before = Some((from, to));
        }
    })
}

/// Outputs `part` of a table along a row.
struct Taken<'a, T> {
    table: &'a TapTable,
    row: &'a [T],
    part: Range<usize>,
    to: &'a mut [T],
}

impl<T: Copy> Body for Taken<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Taken { table, row, part, to } = self;
        assert!(row.len() == table.size() && to.len() == part.len());
        let known = f32::weights(table).periodic.as_ref();
        let [before, outputs, after] = divide(&part, known);
        for ragged in [before, after] {
            let to = &mut to[ragged.start - part.start..ragged.end - part.start];
            for (to, &i) in to.iter_mut().zip(&table.indices()[ragged]) {
                *to = row[i as usize];
            }
        }
        let Some(found) = known.filter(|_| !outputs.is_empty()) else { return };
        let to = &mut to[outputs.start - part.start..outputs.end - part.start];
        let Periodic { outputs_step, elements_step, .. } = *found;
        let n = to.len() / outputs_step;
        let first = |phase: usize| table.indices()[outputs.start + phase] as usize;
        match (outputs_step, elements_step) {
            (1, 1) => to.copy_from_slice(&row[first(0)..][..n]),
            (1, 2) => strided(&row[first(0)..], 2, to),
            (2, 1) => {
                let (even, odd) = (&row[first(0)..][..n], &row[first(1)..][..n]);
                for (i, to) in to.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                    *to = [even[i], odd[i]];
                }
            }
            (4, 1) => {
                let rows: [&[T]; 4] = std::array::from_fn(|phase| &row[first(phase)..][..n]);
                for (i, to) in to.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                    *to = [rows[0][i], rows[1][i], rows[2][i], rows[3][i]];
                }
            }
            (1, step) => strided(&row[first(0)..], step, to),
            _ => {
                for phase in 0..outputs_step {
                    let row = &row[first(phase)..][..(n - 1) * elements_step + 1];
                    for i in 0..n {
                        to[phase + i * outputs_step] = row[i * elements_step];
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn strided<T: Copy>(row: &[T], step: usize, to: &mut [T]) {
    let row = &row[..(to.len() - 1) * step + 1];
    for (i, to) in to.iter_mut().enumerate() {
        *to = row[i * step];
    }
}
