//! Planes resampled to twice their width, as in interpolation by two.
//!
//! Output rows of a block are summed from input rows first. Of all of these, one after the other in memory, each
//! element gives two outputs by its neighbours, in one loop however short the rows are. What that gives near the
//! left and the right edge, where it took elements of other rows, is computed anew.

use super::along::combine;
use super::shares::{Run, share_rows};
use super::taps::{TapTable, Weight};
use crate::error::Result;
use crate::simd::{Body, Isa, rows};
use crate::view::Output;
use std::ops::Range;

/// Elements of a block of summed rows, which stays with its outputs in the first-level cache.
const BLOCK: usize = 2048;
/// The shortest row: the lanes of a vector.
const SHORTEST: usize = 16;
/// The most outputs at an edge of a row.
const EDGE: usize = 8;

/// Planes `(above.size(), along.size())`, resampled along both axes.
pub(super) struct Doubled<'a> {
    above: &'a TapTable,
    along: &'a TapTable,
    /// Of output `2 * i + phase`, the first tap's place from `i`.
    starts: [isize; 2],
    taps: usize,
    /// Outputs whose taps are those of every second one.
    regular: Range<usize>,
}

impl<'a> Doubled<'a> {
    /// None where another way must be taken.
    pub(super) fn new<T: Weight>(above: &'a TapTable, along: &'a TapTable) -> Option<Doubled<'a>> {
        let (width, outputs) = (along.size(), along.outputs());
        let found = T::weights(along).periodic.as_ref()?;
        let (first, end) = (found.outputs.start, found.outputs.end);
        if (found.outputs_step, found.elements_step, outputs) != (2, 1, 2 * width)
            || first.max(outputs - end) > EDGE
            || width < SHORTEST
        {
            return None;
        }
        let taps = along.row(first).len();
        // Periods repeat these two.
        let of_phase = |phase: usize| {
            let output = first + (first + phase) % 2;
            let seen = &along.indices()[along.row(output)];
            let side_by_side = seen.len() == taps && seen.windows(2).all(|pair| pair[0] + 1 == pair[1]);
            side_by_side.then(|| seen[0] as isize - (output / 2) as isize)
        };
        let starts = [of_phase(0)?, of_phase(1)?];
        let near = starts.iter().all(|&start| start.abs() <= taps as isize);
        (near && matches!(taps, 2 | 4)).then_some(Doubled { above, along, starts, taps, regular: first..end })
    }

    /// The resampled planes of `x`.
    pub(super) fn share<T: Weight>(&self, x: &[T], y: &Output<'_, T>, run: Run<'_>) -> Result<()> {
        let (height, to_height) = (self.above.size(), self.above.outputs());
        let (width, to_width) = (self.along.size(), self.along.outputs());
        let planes = x.len() / (height * width).max(1);
        let bytes = (to_width + height * width / to_height.max(1)) * size_of::<T>();
        share_rows(planes * to_height, bytes, run, &|rows| {
            let to = y.run(rows.start * to_width, rows.len() * to_width);
            run.isa.run(Task { doubled: self, x, rows, to, isa: run.isa });
        })
    }

    /// One block of output rows of a plane.
    #[inline(always)]
    fn block<T: Weight, const TAPS: usize, const FUSED: bool>(
        &self,
        plane: &[T],
        first_row: usize,
        scratch: &mut Vec<T>,
        to: &mut [T],
        isa: Isa,
    ) {
        let (width, to_width) = (self.along.size(), self.along.outputs());
        let weights = &T::weights(self.above).of;
        let len = to.len() / 2;
        let margin = 2 * TAPS;
        scratch.resize(len + 2 * margin, T::default());
        for (i, summed) in scratch[margin..margin + len].chunks_exact_mut(width).enumerate() {
            let taps = self.above.row(first_row + i);
            let row = |number: u32| &plane[number as usize * width..][..width];
            combine::<T, FUSED>(row, &self.above.indices()[taps.clone()], &weights[taps], summed, isa);
        }
        let weights = &T::weights(self.along).of;
        let first = self.regular.start;
        let phases: [_; 2] = std::array::from_fn(|phase| {
            let start = margin.wrapping_add_signed(self.starts[phase]);
            let taps = self.along.row(first + (first + phase) % 2).start;
            let seen: [&[T]; TAPS] = std::array::from_fn(|tap| &scratch[start + tap..][..len]);
            let weights: [T; TAPS] = std::array::from_fn(|tap| weights[taps + tap]);
            (seen, weights)
        });
        let done = rows::interleaved(isa, [phases[0].0, phases[1].0], [phases[0].1, phases[1].1], to);
        debug_assert!(done);
        for (to, row) in to.chunks_exact_mut(to_width).zip(scratch[margin..].chunks_exact(width)) {
            for output in (0..first).chain(self.regular.end..to_width) {
                let taps = self.along.row(output);
                let seen = self.along.indices()[taps.clone()].iter().zip(&weights[taps]);
                to[output] = seen.fold(T::default(), |sum, (&i, &weight)| sum + weight * row[i as usize]);
            }
        }
    }
}

struct Task<'a, T> {
    doubled: &'a Doubled<'a>,
    x: &'a [T],
    rows: Range<usize>,
    to: &'a mut [T],
    isa: Isa,
}

impl<T: Weight> Body for Task<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Task { doubled, x, rows, to, isa } = self;
        let (height, to_height) = (doubled.above.size(), doubled.above.outputs());
        let (width, to_width) = (doubled.along.size(), doubled.along.outputs());
        let mut scratch = vec![];
        let mut row = rows.start;
        while row < rows.end {
            let plane = &x[row / to_height * height * width..][..height * width];
            let start = row % to_height;
            let count = (BLOCK / width).max(1).min(to_height - start).min(rows.end - row);
            let to = &mut to[(row - rows.start) * to_width..][..count * to_width];
            match doubled.taps {
                2 => doubled.block::<T, 2, FUSED>(plane, start, &mut scratch, to, isa),
                _ => doubled.block::<T, 4, FUSED>(plane, start, &mut scratch, to, isa),
            }
            row += count;
        }
    }
}
