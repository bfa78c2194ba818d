//! Max pooling over the last one to three axes.
//!
//! | | how |
//! |---|---|
//! | values of float32 or float64, two or three taps every two elements | vectors of the rows of a window |
//! | values of float32 or float64, three or five taps around every element | vectors over many rows of a plane |
//! | values only | the rows of a window are merged into one, element by element; then windows along that row |
//! | with indices | tap after tap over whole output rows, so that the first of equals is known |
//! | with indices, adaptive or few outputs | output by output |

use super::around::{Around, Merge};
use super::keys::{Pooled, larger, wins};
use super::shares::{Run, share_rows};
use super::windows::Window;
use crate::error::Result;
use crate::simd::rows::MOST_ROWS;
use crate::simd::{Body, Isa};
use crate::view::Output;
use std::ops::Range;

/// Outputs of a row that are computed together, so that working memory stays in the first-level cache.
const SEGMENT: usize = 1024;
/// Rows of fewer outputs than this are not worth vectors.
const FEW: usize = 8;

/// The largest element of each window over the last three axes of `x`, whose sizes `windows` tell; with
/// `indices`, also where it stands in the flattened axes (-1 for a window without elements). NaN wins.
pub fn max_pool<T: Pooled>(
    x: &[T],
    windows: [Window; 3],
    y: &mut [T],
    indices: Option<&mut [i64]>,
    run: Run<'_>,
) -> Result<()> {
    let [d, h, w] = &windows;
    let (plane, rows) = (d.size * h.size * w.size, d.outputs * h.outputs);
    let planes = x.len().checked_div(plane).unwrap_or(0);
    assert!(x.len() == planes * plane && y.len() == planes * rows * w.outputs);
    assert!(indices.as_ref().is_none_or(|indices| indices.len() == y.len()));
    let segments = w.outputs.div_ceil(SEGMENT);
    let units = rows * segments;
    let bytes = (plane + rows * w.outputs) * size_of::<T>() / units.max(1);
    let elements = [d, h].map(|window| (0..window.outputs).map(|i| window.elements(i).collect()).collect());
    let flat = T::VECTORS && indices.is_none() && d.size == 1 && d.outputs == 1 && segments == 1;
    let around = h.around().zip(w.around()).filter(|_| flat);
    if let Some(around) = around.and_then(|(rows, columns)| Around::new([rows, columns], [h.size, w.size])) {
        return around.share(x, &Output::new(y), run, &Largest { isa: run.isa });
    }
    let pool = Pool {
        x,
        windows: &windows,
        elements: &elements,
        segments,
        isa: run.isa,
        y: Output::new(y),
        indices: indices.map(Output::new),
    };
    share_rows(planes * units, bytes, run, &|units| run.isa.run(Task { pool: &pool, units }))
}

/// A call. Its units are parts of output rows.
struct Pool<'a, T> {
    x: &'a [T],
    windows: &'a [Window; 3],
    /// For the first two axes, the elements that each output sees.
    elements: &'a [Vec<Vec<usize>>; 2],
    segments: usize,
    isa: Isa,
    y: Output<'a, T>,
    indices: Option<Output<'a, i64>>,
}

struct Task<'a, T> {
    pool: &'a Pool<'a, T>,
    units: Range<usize>,
}

impl<T: Pooled> Body for Task<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Pool { x, windows, segments, y, indices, .. } = self.pool;
        let [d, h, w] = windows;
        let (rows, plane) = (d.outputs * h.outputs, d.size * h.size * w.size);
        let mut buffers = Buffers { merged: vec![], best: vec![], taps: vec![], offsets: vec![] };
        let (mut row, mut segment) = (self.units.start / segments, self.units.start % segments);
        let (mut p, mut od, mut oh) = (row / rows, row % rows / h.outputs, row % h.outputs);
        for _ in self.units {
            let part = segment * SEGMENT..((segment + 1) * SEGMENT).min(w.outputs);
            let at = row * w.outputs + part.start;
            let to = y.run(at, part.len());
            let seen = [&self.pool.elements[0][od][..], &self.pool.elements[1][oh][..]];
            let job = Job { x: &x[p * plane..][..plane], windows, row: (od, oh), seen, part };
            match indices {
                None if job.pairs(self.pool.isa, to) => {}
                None => job.values(to, &mut buffers),
                Some(indices) if w.adaptive || w.outputs < FEW => {
                    job.one_by_one(to, indices.run(at, to.len()))
                }
                Some(indices) => job.with_indices(to, indices.run(at, to.len()), &mut buffers),
            }
            segment += 1;
            if segment == *segments {
                (segment, row, oh) = (0, row + 1, oh + 1);
            }
            if oh == h.outputs {
                (oh, od) = (0, od + 1);
            }
            if od == d.outputs {
                (od, p) = (0, p + 1);
            }
        }
    }
}

struct Largest {
    isa: Isa,
}

impl<T: Pooled> Merge<T> for Largest {
    #[inline(always)]
    fn rows(&self, _row: usize, seen: &[&[T]], to: &mut [T]) {
        let done = T::largest_rows(self.isa, seen, to);
        debug_assert!(done);
    }
    #[inline(always)]
    fn columns(&self, seen: &[&[T]], to: &mut [T]) {
        <Self as Merge<T>>::rows(self, 0, seen, to);
    }
    #[inline(always)]
    fn edge<const N: usize>(&self, _column: usize, seen: &[T; N]) -> T {
        T::of(seen.iter().fold(T::LOWEST, |best, &new| larger(new.key(), best)))
    }
}

/// A part of one output row of one plane.
struct Job<'a, T> {
    x: &'a [T],
    windows: &'a [Window; 3],
    row: (usize, usize),
    /// Elements of the first two axes that the row sees.
    seen: [&'a [usize]; 2],
    part: Range<usize>,
}

/// Working memory of a task.
struct Buffers<K> {
    merged: Vec<K>,
    best: Vec<K>,
    taps: Vec<i32>,
    offsets: Vec<i64>,
}

/// Rows that are merged at once.
const ROWS: usize = 3;

impl<T: Pooled> Job<'_, T> {
    /// `values` where windows of two or three taps start every two elements; false where that is not so.
    #[inline(always)]
    fn pairs(&self, isa: Isa, to: &mut [T]) -> bool {
        let [_, h, w] = self.windows;
        let [first, second] = self.seen;
        let count = first.len() * second.len();
        let fits = !w.adaptive && w.stride == 2 && w.dilation == 1 && matches!(w.kernel, 2 | 3);
        if !fits || !(1..=MOST_ROWS).contains(&count) {
            return false;
        }
        let mut rows = [&self.x[..0]; MOST_ROWS];
        let all = first.iter().flat_map(|i| second.iter().map(move |j| i * h.size + j));
        for (row, at) in rows.iter_mut().zip(all) {
            *row = &self.x[at * w.size..][..w.size];
        }
        // Outputs of which all taps are inside, and those before and after.
        let start = w.low.div_ceil(2).clamp(self.part.start, self.part.end);
        let inside = (w.size + w.low).checked_sub(w.kernel).map_or(0, |last| last / 2 + 1);
        let end = inside.clamp(start, self.part.end);
        if start == end {
            return false;
        }
        let from = 2 * start - w.low;
        let tails = rows.map(|row| row.get(from..).unwrap_or_default());
        let middle = &mut to[start - self.part.start..end - self.part.start];
        if !T::largest_of_pairs(isa, &tails[..count], w.kernel, middle) {
            return false;
        }
        for i in (self.part.start..start).chain(end..self.part.end) {
            let mut best = T::LOWEST;
            for at in w.elements(i) {
                best = rows[..count].iter().fold(best, |best, row| larger(row[at].key(), best));
            }
            to[i - self.part.start] = T::of(best);
        }
        true
    }

    #[inline(always)]
    fn values(&self, to: &mut [T], buffers: &mut Buffers<T::Key>) {
        let [_, h, w] = self.windows;
        // Elements that the part sees, some of them outside.
        let (start, end) = w.span(&self.part);
        let len = (end - start) as usize;
        let first = start.max(0) as usize;
        let inside = first..(end.max(0) as usize).min(w.size).max(first);
        let low = start.min(0).unsigned_abs().min(len);
        let merged = &mut buffers.merged;
        // Whole strides for every output, which spares the loops along the row their checks.
        merged.resize(len + w.stride, T::LOWEST);
        merged[..low].fill(T::LOWEST);
        merged[low + inside.len()..].fill(T::LOWEST);
        let middle = &mut merged[low..low + inside.len()];
        let (mut rows, mut count, mut merges) = ([&self.x[..0]; ROWS], 0, false);
        for &i in self.seen[0] {
            for &j in self.seen[1] {
                rows[count] = &self.x[(i * h.size + j) * w.size + inside.start..][..inside.len()];
                count += 1;
                if count == ROWS {
                    merge::<T, ROWS>(&rows, middle, merges);
                    (count, merges) = (0, true);
                }
            }
        }
        match count {
            0 if merges => {}
            0 => middle.fill(T::LOWEST),
            1 => merge::<T, 1>(&rows, middle, merges),
            _ => merge::<T, 2>(&rows, middle, merges),
        }
        match (w.adaptive, w.stride) {
            (true, _) => {
                for (to, i) in to.iter_mut().zip(self.part.clone()) {
                    let (taps, at) = w.taps(i);
                    let seen = &merged[(at - start) as usize..][..taps.len()];
                    *to = T::of(seen.iter().fold(T::LOWEST, |old, &new| larger(new, old)));
                }
            }
            (_, 1) => along::<T, 1>(merged, w, to),
            (_, 2) => along::<T, 2>(merged, w, to),
            (_, stride) => {
                for (i, to) in to.iter_mut().enumerate() {
                    let seen = merged[i * stride..].iter().step_by(w.dilation).take(w.kernel);
                    *to = T::of(seen.fold(T::LOWEST, |old, &new| larger(new, old)));
                }
            }
        }
    }

    #[inline(always)]
    fn with_indices(&self, to: &mut [T], places: &mut [i64], buffers: &mut Buffers<T::Key>) {
        let [d, h, w] = self.windows;
        let Buffers { best, taps, offsets, .. } = buffers;
        best.clear();
        best.resize(to.len(), T::LOWEST);
        taps.clear();
        taps.resize(to.len(), -1);
        if offsets.is_empty() {
            for i in 0..d.kernel {
                for j in 0..h.kernel {
                    let row = (i * d.dilation * h.size + j * h.dilation) * w.size;
                    offsets.extend((0..w.kernel).map(|k| (row + k * w.dilation) as i64));
                }
            }
        }
        let ((d_taps, d_start), (h_taps, h_start)) = (d.taps(self.row.0), h.taps(self.row.1));
        for (i, &d_at) in d_taps.zip(self.seen[0]) {
            for (j, &h_at) in h_taps.clone().zip(self.seen[1]) {
                let row = &self.x[(d_at * h.size + h_at) * w.size..][..w.size];
                let first_tap = (i * h.kernel + j) * w.kernel;
                let contest = Contest { row, window: w, part: &self.part, first_tap, best, taps };
                match w.stride {
                    1 => contest.run(|row, best, taps, number| challenge::<T, 1>(row, best, taps, number)),
                    2 => contest.run(|row, best, taps, number| challenge::<T, 2>(row, best, taps, number)),
                    stride => contest.run(|row, best, taps, number| {
                        for (i, (best, held)) in best.iter_mut().zip(taps).enumerate() {
                            duel::<T>(row[i * stride], best, held, number);
                        }
                    }),
                }
            }
        }
        let plane_start = (d_start * h.size as isize + h_start) * w.size as isize - w.low as isize;
        for (i, (to, &best)) in to.iter_mut().zip(&*best).enumerate() {
            *to = T::of(best);
            let at = plane_start as i64 + ((self.part.start + i) * w.stride) as i64;
            places[i] = if taps[i] < 0 { -1 } else { at + offsets[taps[i] as usize] };
        }
    }

    #[inline(always)]
    fn one_by_one(&self, to: &mut [T], places: &mut [i64]) {
        let [_, h, w] = self.windows;
        for ((i, to), place) in self.part.clone().zip(to).zip(places) {
            let (taps, start) = w.taps(i);
            let first = start + (taps.start * w.dilation) as isize;
            let (mut largest, mut at) = (T::LOWEST, None);
            for &d_at in self.seen[0] {
                for &h_at in self.seen[1] {
                    let row = (d_at * h.size + h_at) * w.size;
                    for tap in 0..taps.len() {
                        let element = row + first as usize + tap * w.dilation;
                        let value = self.x[element].key();
                        if wins(value, largest) || at.is_none() {
                            (largest, at) = (value, Some(element));
                        }
                    }
                }
            }
            *to = T::of(largest);
            *place = at.map_or(-1, |at| at as i64);
        }
    }
}

/// `into` is the largest of `rows` and, if it `merges`, of itself.
#[inline(always)]
fn merge<T: Pooled, const N: usize>(rows: &[&[T]; ROWS], into: &mut [T::Key], merges: bool) {
    let n = into.len();
    let rows: [&[T]; N] = std::array::from_fn(|row| &rows[row][..n]);
    for i in 0..n {
        let mut best = rows[0][i].key();
        for row in 1..N {
            best = larger(rows[row][i].key(), best);
        }
        into[i] = if merges { larger(best, into[i]) } else { best };
    }
}

/// Regular windows along a row that has `STRIDE` elements for every tap of every output.
#[inline(always)]
fn along<T: Pooled, const STRIDE: usize>(row: &[T::Key], window: &Window, to: &mut [T]) {
    match (window.kernel, window.dilation) {
        (2, 1) => few_taps::<T, STRIDE, 2>(row, to),
        (3, 1) => few_taps::<T, STRIDE, 3>(row, to),
        (kernel, dilation) => {
            few_taps::<T, STRIDE, 1>(row, to);
            for tap in 1..kernel {
                let row = &row[tap * dilation..].as_chunks::<STRIDE>().0[..to.len()];
                for (to, element) in to.iter_mut().zip(row) {
                    *to = T::of(larger(element[0], to.key()));
                }
            }
        }
    }
}

#[inline(always)]
fn few_taps<T: Pooled, const STRIDE: usize, const TAPS: usize>(row: &[T::Key], to: &mut [T]) {
    let n = to.len();
    let rows: [&[[T::Key; STRIDE]]; TAPS] =
        std::array::from_fn(|tap| &row[tap..].as_chunks::<STRIDE>().0[..n]);
    for i in 0..n {
        let mut best = rows[0][i][0];
        for tap in 1..TAPS {
            best = larger(rows[tap][i][0], best);
        }
        to[i] = T::of(best);
    }
}

/// The taps along one input row against the best of each output so far.
struct Contest<'a, T: Pooled> {
    row: &'a [T],
    window: &'a Window,
    part: &'a Range<usize>,
    first_tap: usize,
    best: &'a mut [T::Key],
    taps: &'a mut [i32],
}

impl<T: Pooled> Contest<'_, T> {
    #[inline(always)]
    fn run(self, challenge: impl Fn(&[T], &mut [T::Key], &mut [i32], i32)) {
        for tap in 0..self.window.kernel {
            let all = self.window.outputs_of(tap);
            let (first, end) = (all.start.max(self.part.start), all.end.min(self.part.end));
            if first < end {
                let from = first * self.window.stride + tap * self.window.dilation - self.window.low;
                let outputs = first - self.part.start..end - self.part.start;
                let (best, taps) = (&mut self.best[outputs.clone()], &mut self.taps[outputs]);
                challenge(&self.row[from..], best, taps, (self.first_tap + tap) as i32);
            }
        }
    }
}

/// A tap of each output, `STRIDE` elements apart, against the best so far.
#[inline(always)]
fn challenge<T: Pooled, const STRIDE: usize>(row: &[T], best: &mut [T::Key], taps: &mut [i32], number: i32) {
    let whole = row.as_chunks::<STRIDE>().0;
    let n = best.len();
    for ((new, best), held) in whole.iter().zip(&mut *best).zip(&mut *taps) {
        duel::<T>(new[0], best, held, number);
    }
    // The row may end with the last output's element.
    if whole.len() < n {
        duel::<T>(row[(n - 1) * STRIDE], &mut best[n - 1], &mut taps[n - 1], number);
    }
}

#[inline(always)]
fn duel<T: Pooled>(new: T, best: &mut T::Key, held: &mut i32, number: i32) {
    let new = new.key();
    let won = wins(new, *best) | (*held < 0);
    *best = if won { new } else { *best };
    *held = if won { number } else { *held };
}
