//! The depthwise tile: up to 4 output rows x 2 vectors of pixels, or fewer rows x 4.
//!
//! For each column of the kernel it loads the image rows that it needs once, and every one feeds all the output rows
//! that it reaches. Kernel rows come in runs of up to seven that read neighbouring image rows.

use super::kernels::Kernels;
use crate::simd::{Float, Simd};
use crate::view::Output;

/// Output rows of a tile, at most.
pub(crate) const ROWS: usize = 4;
/// Kernel rows of a run, at most.
pub(crate) const RUN: usize = 7;
/// Neighbouring kernel rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Where the first of them reads for output 0.
    pub offset: u32,
    /// How many there are.
    pub len: u32,
}

/// Arguments of a row tile.
pub(crate) struct RowTile<T> {
    /// The band, where output 0 reads.
    pub image: *const T,
    /// Elements from one image row to the next.
    pub pitch: usize,
    pub runs: *const Run,
    pub run_count: usize,
    /// Offsets of the kernel's columns.
    pub columns: *const u32,
    pub column_count: usize,
    /// For each run, column and row of the run, in this order.
    pub weights: *const T,
    pub bias: T,
    pub rows: usize,
    /// Outputs of a row.
    pub width: usize,
    pub out: *mut T,
    pub out_pitch: usize,
}

/// See [`RowTile`].
pub(crate) type RowsFn<T> = unsafe fn(&RowTile<T>);

/// Computes `rows` rows of `width` outputs, by tiles of `NV` vectors, twice as many for up to two rows.
///
/// # Safety
/// Every offset, extended by `width` rounded up to whole vectors, lies inside the band; `out` has room.
#[inline(always)]
pub(crate) unsafe fn row_tile<S: Simd, const NV: usize, const WIDE: usize>(t: &RowTile<S::T>) {
    // SAFETY: this function's contract.
    unsafe {
        match t.rows {
            1 => strips::<S, 1, WIDE>(t),
            2 => strips::<S, 2, WIDE>(t),
            3 => strips::<S, 3, NV>(t),
            _ => strips::<S, 4, NV>(t),
        }
    }
}

#[inline(always)]
unsafe fn strips<S: Simd, const R: usize, const NV: usize>(t: &RowTile<S::T>) {
    let mut at = 0;
    // SAFETY: as for `row_tile`.
    unsafe {
        // No tile reads beyond the width rounded up to whole vectors.
        while at + (NV - 1) * S::L < t.width {
            block::<S, R, NV>(t, at);
            at += NV * S::L;
        }
        while at < t.width {
            block::<S, R, 1>(t, at);
            at += S::L;
        }
    }
}

#[inline(always)]
unsafe fn block<S: Simd, const R: usize, const NV: usize>(t: &RowTile<S::T>, at: usize) {
    // SAFETY: as for `row_tile`.
    unsafe {
        let mut acc = [[S::zero(); NV]; R];
        let mut weights = t.weights;
        for run in std::slice::from_raw_parts(t.runs, t.run_count) {
            let image = t.image.add(at + run.offset as usize);
            // Seven copies of one body, so that each has its loops unrolled.
            match run.len {
                1 => step::<S, R, NV, 1>(t, image, weights, &mut acc),
                2 => step::<S, R, NV, 2>(t, image, weights, &mut acc),
                3 => step::<S, R, NV, 3>(t, image, weights, &mut acc),
                4 => step::<S, R, NV, 4>(t, image, weights, &mut acc),
                5 => step::<S, R, NV, 5>(t, image, weights, &mut acc),
                6 => step::<S, R, NV, 6>(t, image, weights, &mut acc),
                _ => step::<S, R, NV, 7>(t, image, weights, &mut acc),
            }
            weights = weights.add(run.len as usize * t.column_count);
        }
        let bias = S::splat(&raw const t.bias);
        for i in 0..R {
            for j in 0..NV {
                let at = at + j * S::L;
                let to = t.out.add(i * t.out_pitch + at);
                let sum = S::add(acc[i][j], bias);
                if at + S::L <= t.width {
                    S::store(to, sum);
                } else if at < t.width {
                    S::store_n(to, sum, t.width - at);
                }
            }
        }
    }
}

/// One run of `K` kernel rows.
#[inline(always)]
unsafe fn step<S: Simd, const R: usize, const NV: usize, const K: usize>(
    t: &RowTile<S::T>,
    image: *const S::T,
    mut weights: *const S::T,
    acc: &mut [[S::V; NV]; R],
) {
    // SAFETY: as for `row_tile`; rows `0..R + K - 1` are those that the tile needs.
    unsafe {
        for column in 0..t.column_count {
            let from = image.add(*t.columns.add(column) as usize);
            let mut rows = [[S::zero(); NV]; ROWS + RUN - 1];
            for r in 0..R + K - 1 {
                for j in 0..NV {
                    rows[r][j] = S::load(from.add(r * t.pitch + j * S::L));
                }
            }
            for k in 0..K {
                let w = S::splat(weights.add(k));
                for i in 0..R {
                    for j in 0..NV {
                        acc[i][j] = S::fma(w, rows[i + k][j], acc[i][j]);
                    }
                }
            }
            weights = weights.add(K);
        }
    }
}

/// How a phase is read: its runs, its columns, and how far they reach.
pub(crate) struct Reads {
    pub runs: Vec<Run>,
    /// Offsets of the kernel's columns.
    pub columns: Vec<u32>,
    /// One past the last element that output 0 reads; 0 if there is none.
    pub end: usize,
}

/// A block of output rows to compute.
pub(crate) struct RowWork<'a, T> {
    /// The band, where output 0 reads.
    pub image: &'a [T],
    /// Elements from one image row to the next.
    pub pitch: usize,
    pub reads: &'a Reads,
    /// For each run, column and row of the run, in this order.
    pub weights: &'a [T],
    pub bias: T,
    /// At most [`ROWS`].
    pub rows: usize,
    /// Outputs of a row.
    pub width: usize,
}

/// Where the rows go.
pub(crate) enum Target<'a, 'b, T> {
    /// A buffer, rows `pitch` apart.
    Buffer { buffer: &'a mut [T], pitch: usize },
    /// The output, from an element on.
    Output { output: &'a Output<'b, T>, start: usize, pitch: usize },
}

impl<T: Float> Kernels<T> {
    /// Computes a block of rows.
    pub(crate) fn run_rows(&self, work: &RowWork<'_, T>, target: Target<'_, '_, T>) {
        let &RowWork { image, pitch, reads, weights, bias, rows, width } = work;
        assert!((1..=ROWS).contains(&rows));
        let last = (rows - 1) * pitch + width.next_multiple_of(self.lanes);
        assert!(reads.end == 0 || reads.end - 1 + last <= image.len());
        let products: usize = reads.runs.iter().map(|run| run.len as usize * reads.columns.len()).sum();
        assert!(products <= weights.len());
        let (out, out_pitch) = match target {
            Target::Buffer { buffer, pitch } => {
                assert!((rows - 1) * pitch + width <= buffer.len());
                (buffer.as_mut_ptr(), pitch)
            }
            Target::Output { output, start, pitch } => {
                output.check(start + (rows - 1) * pitch, width);
                (output.at(start), pitch)
            }
        };
        let tile = RowTile {
            image: image.as_ptr(),
            pitch,
            runs: reads.runs.as_ptr(),
            run_count: reads.runs.len(),
            columns: reads.columns.as_ptr(),
            column_count: reads.columns.len(),
            weights: weights.as_ptr(),
            bias,
            rows,
            width,
            out,
            out_pitch,
        };
        // SAFETY: the farthest read, the number of weights and the last row written were checked.
        unsafe { (self.rows)(&tile) }
    }
}
