//! Max pooling over the last one to three axes.
//!
//! | | how |
//! |---|---|
//! | values only | the rows of a window are merged into one, element by element; then windows along that row
//! | | with indices | tap after tap over whole output rows, so that the first of equals is known | | with
//! indices, adaptive or few outputs | output by output |

use super::keys::{Pooled, larger, wins};
use super::shares::{Run, share_rows};
use super::windows::Window;
use crate::error::Result;
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
    let [d, h, w] = windows;
    let (plane, rows) = (d.size * h.size * w.size, d.outputs * h.outputs);
    let planes = x.len().checked_div(plane).unwrap_or(0);
    assert!(x.len() == planes * plane && y.len() == planes * rows * w.outputs);
    assert!(indices.as_ref().is_none_or(|indices| indices.len() == y.len()));
    let segments = w.outputs.div_ceil(SEGMENT);
    let per_plane = rows * segments;
    let bytes = (plane + rows * w.outputs) * size_of::<T>() / per_plane.max(1);
    let (y, indices) = (Output::new(y), indices.map(Output::new));
    share_rows(planes * per_plane, bytes, run, &|units| {
        let mut buffers = Buffers::default();
        for unit in units {
            let (p, r) = (unit / per_plane, unit % per_plane);
            let (row, first) = (r / segments, r % segments * SEGMENT);
            let part = first..(first + SEGMENT).min(w.outputs);
            let at = (p * rows + row) * w.outputs + first;
            let to = y.run(at, part.len());
            let job = Job {
                x: &x[p * plane..(p + 1) * plane],
                windows: &windows,
                row: (row / h.outputs, row % h.outputs),
                part,
            };
            match &indices {
                None => job.values(to, &mut buffers, run.isa),
                Some(indices) => {
                    let places = indices.run(at, to.len());
                    if w.adaptive || w.outputs < FEW {
                        job.one_by_one(to, places, &mut buffers);
                    } else {
                        job.with_indices(to, places, &mut buffers, run.isa);
                    }
                }
            }
        }
    })
}

/// A part of one output row of one plane.
struct Job<'a, T> {
    x: &'a [T],
    windows: &'a [Window; 3],
    row: (usize, usize),
    part: Range<usize>,
}

/// Working memory of a task.
struct Buffers<K> {
    merged: Vec<K>,
    converted: Vec<K>,
    best: Vec<K>,
    taps: Vec<i32>,
    offsets: Vec<i64>,
}

impl<K> Default for Buffers<K> {
    fn default() -> Self {
        Buffers { merged: vec![], converted: vec![], best: vec![], taps: vec![], offsets: vec![] }
    }
}

impl<T: Pooled> Job<'_, T> {
    /// First elements of the rows that the part sees.
    fn rows(&self) -> impl Iterator<Item = usize> {
        let [d, h, w] = *self.windows;
        let (od, oh) = self.row;
        d.elements(od).flat_map(move |i| h.elements(oh).map(move |j| (i * h.size + j) * w.size))
    }

    fn values(&self, to: &mut [T], buffers: &mut Buffers<T::Key>, isa: Isa) {
        let w = &self.windows[2];
        // Elements that the part sees, some of them outside.
        let (start, end) = w.span(&self.part);
        let low = (start.min(0)).unsigned_abs();
        let inside = start.max(0) as usize..(end.max(0) as usize).min(w.size).max(start.max(0) as usize);
        let merged = &mut buffers.merged;
        merged.clear();
        merged.resize((end - start) as usize, T::LOWEST);
        let middle = &mut merged[low.min((end - start) as usize)..][..inside.len()];
        let mut rows = self.rows().map(|at| &self.x[at + inside.start..at + inside.end]);
        buffers.converted.resize(inside.len(), T::LOWEST);
        if let Some(first) = rows.next() {
            T::keys(first, middle);
            for row in rows {
                match T::as_keys(row) {
                    Some(keys) => isa.run(Merge { keys, into: middle }),
                    None => {
                        T::keys(row, &mut buffers.converted);
                        isa.run(Merge { keys: &buffers.converted, into: middle });
                    }
                }
            }
        }
        if w.adaptive {
            buffers.best.clear();
            buffers.best.extend(self.part.clone().map(|i| {
                let (taps, at) = w.taps(i);
                let from = (at - start) as usize;
                merged[from..from + taps.len()].iter().fold(T::LOWEST, |old, &new| larger(new, old))
            }));
            return T::store(&buffers.best, to);
        }
        match T::as_keys_mut(to) {
            Some(to) => isa.run(Along { row: merged, window: w, to }),
            None => {
                buffers.best.resize(to.len(), T::LOWEST);
                isa.run(Along { row: merged, window: w, to: &mut buffers.best });
                T::store(&buffers.best, to);
            }
        }
    }

    fn with_indices(&self, to: &mut [T], places: &mut [i64], buffers: &mut Buffers<T::Key>, isa: Isa) {
        let [d, h, w] = *self.windows;
        let Buffers { converted, best, taps, offsets, .. } = buffers;
        best.clear();
        best.resize(to.len(), T::LOWEST);
        taps.clear();
        taps.resize(to.len(), -1);
        let ((d_taps, d_start), (h_taps, h_start)) = (d.taps(self.row.0), h.taps(self.row.1));
        if offsets.is_empty() {
            for i in 0..d.kernel {
                for j in 0..h.kernel {
                    let row = (i * d.dilation * h.size + j * h.dilation) * w.size;
                    offsets.extend((0..w.kernel).map(|k| (row + k * w.dilation) as i64));
                }
            }
        }
        for i in d_taps {
            for j in h_taps.clone() {
                let element = |start: isize, tap: usize, window: &Window| {
                    (start + (tap * window.dilation) as isize) as usize
                };
                let at = (element(d_start, i, &d) * h.size + element(h_start, j, &h)) * w.size;
                let row = &self.x[at..at + w.size];
                let row = match T::as_keys(row) {
                    Some(row) => row,
                    None => {
                        converted.resize(w.size, T::LOWEST);
                        T::keys(row, converted);
                        &converted[..]
                    }
                };
                let first_tap = ((i * h.kernel + j) * w.kernel) as i32;
                isa.run(Contest { row, window: &w, part: &self.part, first_tap, best, taps });
            }
        }
        T::store(best, to);
        let plane_start = (d_start * h.size as isize + h_start) * w.size as isize - w.low as isize;
        for ((i, place), &tap) in self.part.clone().zip(places).zip(&*taps) {
            *place =
                if tap < 0 { -1 } else { plane_start as i64 + (i * w.stride) as i64 + offsets[tap as usize] };
        }
    }

    fn one_by_one(&self, to: &mut [T], places: &mut [i64], buffers: &mut Buffers<T::Key>) {
        let w = &self.windows[2];
        let Buffers { converted, best, .. } = buffers;
        best.clear();
        for (i, place) in self.part.clone().zip(places) {
            let (mut largest, mut at) = (T::LOWEST, -1);
            for row in self.rows() {
                let (taps, start) = w.taps(i);
                let Some(last) = taps.clone().last() else { continue };
                let element = |tap: usize| (start + (tap * w.dilation) as isize) as usize;
                let first = row + element(taps.start);
                let seen = &self.x[first..=row + element(last)];
                let seen = match T::as_keys(seen) {
                    Some(seen) => seen,
                    None => {
                        converted.resize(seen.len(), T::LOWEST);
                        T::keys(seen, converted);
                        &converted[..]
                    }
                };
                for (j, &value) in seen.iter().step_by(w.dilation).enumerate() {
                    if wins(value, largest) || at < 0 {
                        (largest, at) = (value, (first + j * w.dilation) as i64);
                    }
                }
            }
            best.push(largest);
            *place = at;
        }
        T::store(best, to);
    }
}

/// `into` is the larger of it and `keys`.
struct Merge<'a, K> {
    keys: &'a [K],
    into: &'a mut [K],
}

impl<K: Copy + PartialOrd> Body for Merge<'_, K> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for (old, &new) in self.into.iter_mut().zip(self.keys) {
            *old = larger(new, *old);
        }
    }
}

/// Regular windows along a row that has an element for every tap.
struct Along<'a, K> {
    row: &'a [K],
    window: &'a Window,
    to: &'a mut [K],
}

impl<K: Copy + PartialOrd> Along<'_, K> {
    #[inline(always)]
    fn taps<const TAPS: usize>(self, stride: usize) {
        let step = self.window.dilation;
        let n = self.to.len();
        let rows: [&[K]; TAPS] = std::array::from_fn(|tap| &self.row[tap * step..][..(n - 1) * stride + 1]);
        for i in 0..n {
            let mut best = rows[0][i * stride];
            for tap in 1..TAPS {
                best = larger(rows[tap][i * stride], best);
            }
            self.to[i] = best;
        }
    }

    #[inline(always)]
    fn strided(self, stride: usize) {
        match self.window.kernel {
            1 => self.taps::<1>(stride),
            2 => self.taps::<2>(stride),
            3 => self.taps::<3>(stride),
            kernel => {
                let n = self.to.len();
                let Along { row, window, to } = self;
                Along { row, window, to: &mut *to }.taps::<3>(stride);
                for tap in 3..kernel {
                    let row = &row[tap * window.dilation..][..(n - 1) * stride + 1];
                    for i in 0..n {
                        to[i] = larger(row[i * stride], to[i]);
                    }
                }
            }
        }
    }
}

impl<K: Copy + PartialOrd> Body for Along<'_, K> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        match self.window.stride {
            _ if self.to.is_empty() => {}
            1 => self.strided(1),
            2 => self.strided(2),
            stride => self.strided(stride),
        }
    }
}

/// The taps along one input row against the best of each output so far.
struct Contest<'a, K> {
    row: &'a [K],
    window: &'a Window,
    part: &'a Range<usize>,
    first_tap: i32,
    best: &'a mut [K],
    taps: &'a mut [i32],
}

impl<K: Copy + PartialOrd> Contest<'_, K> {
    #[inline(always)]
    fn strided(self, stride: usize) {
        for tap in 0..self.window.kernel {
            let all = self.window.outputs_of(tap);
            let (first, end) = (all.start.max(self.part.start), all.end.min(self.part.end));
            if first >= end {
                continue;
            }
            let from = first * stride + tap * self.window.dilation - self.window.low;
            let row = &self.row[from..][..(end - first - 1) * stride + 1];
            let n = end - first;
            let best = &mut self.best[first - self.part.start..][..n];
            let taps = &mut self.taps[first - self.part.start..][..n];
            let number = self.first_tap + tap as i32;
            for i in 0..n {
                let (new, old, held) = (row[i * stride], best[i], taps[i]);
                let won = wins(new, old) | (held < 0);
                best[i] = if won { new } else { old };
                taps[i] = if won { number } else { held };
            }
        }
    }
}

impl<K: Copy + PartialOrd> Body for Contest<'_, K> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        match self.window.stride {
            1 => self.strided(1),
            2 => self.strided(2),
            stride => self.strided(stride),
        }
    }
}
