//! Windows of stride 1 that keep the size of a plane, such as 3x3 with a border of one.
//!
//! A plane's memory shifted by a row or by an element is its neighbours, so both directions are loops over many
//! rows at once, however short these are. What the second one gives at the left and the right edge, where it
//! took elements of other rows, is computed anew.

use super::shares::{Run, share_rows};
use crate::error::Result;
use crate::simd::Body;
use crate::simd::rows::MOST_ROWS;
use crate::view::Output;
use std::ops::Range;

/// Elements of a block of rows, which stays in the first-level cache.
const BLOCK: usize = 2048;
/// The shortest row: the lanes of a vector, so that every row is long enough for one.
const SHORTEST: usize = 16;

/// How the elements of a window become one.
pub(super) trait Merge<T> {
    /// `to[i]` from element i of each of `seen`, the rows that output row `row` sees.
    fn rows(&self, row: usize, seen: &[&[T]], to: &mut [T]);
    /// `to[i]` from element i of each of `seen`, for outputs whose taps are all inside.
    fn columns(&self, seen: &[&[T]], to: &mut [T]);
    /// An output at an edge, from the elements that it sees.
    fn edge<const N: usize>(&self, column: usize, seen: &[T; N]) -> T;
}

/// Windows of `[height, width]`, odd and at most `MOST_ROWS`, around every element of planes of `size`.
#[derive(Clone, Copy)]
pub(super) struct Around {
    windows: [usize; 2],
    size: [usize; 2],
}

impl Around {
    /// None where another way must be taken: for short rows and large windows.
    pub(super) fn new(windows: [usize; 2], size: [usize; 2]) -> Option<Around> {
        let small = windows.iter().all(|&taps| taps % 2 == 1 && taps <= MOST_ROWS);
        (small && size[1] >= SHORTEST).then_some(Around { windows, size })
    }

    /// The windows of all planes of `x`.
    pub(super) fn share<T: Copy + Send + Sync>(
        &self,
        x: &[T],
        y: &Output<'_, T>,
        run: Run<'_>,
        merge: &(impl Merge<T> + Sync),
    ) -> Result<()> {
        let (rows, width) = (x.len() / self.size[1], self.size[1]);
        share_rows(rows, 2 * width * size_of::<T>(), run, &|rows| {
            let to = y.run(rows.start * width, rows.len() * width);
            run.isa.run(Task { around: self, x, rows, merge, to });
        })
    }

    /// Output rows `rows` of the planes `x`, counted through all of them. `scratch` is working memory.
    #[inline(always)]
    fn run<T: Copy>(
        &self,
        x: &[T],
        rows: Range<usize>,
        merge: &impl Merge<T>,
        scratch: &mut Vec<T>,
        to: &mut [T],
    ) {
        let [height, width] = self.size;
        let mut row = rows.start;
        while row < rows.end {
            let plane = &x[row / height * height * width..][..height * width];
            let start = row % height;
            let end = (start + (BLOCK / width).max(1)).min(height).min(start + rows.end - row);
            let to = &mut to[(row - rows.start) * width..][..(end - start) * width];
            self.block(plane, start..end, merge, scratch, to);
            row += end - start;
        }
    }

    #[inline(always)]
    fn block<T: Copy>(
        &self,
        plane: &[T],
        rows: Range<usize>,
        merge: &impl Merge<T>,
        scratch: &mut Vec<T>,
        to: &mut [T],
    ) {
        let [height, width] = self.size;
        let [above, before] = self.windows.map(|taps| taps / 2);
        scratch.resize(to.len() + 2 * before, plane[0]);
        let mut row = rows.start;
        while row < rows.end {
            let (first, last) = (row.saturating_sub(above), (row + above + 1).min(height));
            let count = last - first;
            let end = if count == self.windows[0] { rows.end.min(height - above) } else { row + 1 };
            let len = (end - row) * width;
            let mut seen = [&plane[..0]; MOST_ROWS];
            for (tap, seen) in seen[..count].iter_mut().enumerate() {
                *seen = &plane[(first + tap) * width..][..len];
            }
            merge.rows(row, &seen[..count], &mut scratch[before + (row - rows.start) * width..][..len]);
            row = end;
        }
        let mut seen = [&scratch[..0]; MOST_ROWS];
        for (tap, seen) in seen[..self.windows[1]].iter_mut().enumerate() {
            *seen = &scratch[tap..][..to.len()];
        }
        merge.columns(&seen[..self.windows[1]], to);
        let rows = to.chunks_exact_mut(width).zip(scratch[before..].chunks_exact(width));
        match before {
            0 => {}
            1 => rows.for_each(|(to, row)| edges::<T, 2>(0, row, merge, to)),
            _ => rows.for_each(|(to, row)| {
                edges::<T, 3>(0, row, merge, to);
                edges::<T, 4>(1, row, merge, to);
            }),
        }
    }
}

struct Task<'a, T, M> {
    around: &'a Around,
    x: &'a [T],
    rows: Range<usize>,
    merge: &'a M,
    to: &'a mut [T],
}

impl<T: Copy, M: Merge<T>> Body for Task<'_, T, M> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        self.around.run(self.x, self.rows, self.merge, &mut vec![], self.to);
    }
}

/// The outputs at a distance from the edges, of which each sees the `N` elements nearest to its own.
#[inline(always)]
fn edges<T, const N: usize>(distance: usize, row: &[T], merge: &impl Merge<T>, to: &mut [T]) {
    let last = row.len() - 1 - distance;
    to[distance] = merge.edge::<N>(distance, row.first_chunk().expect("a row is longer"));
    to[last] = merge.edge::<N>(last, row.last_chunk().expect("a row is longer"));
}
