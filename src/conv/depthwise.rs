//! Depthwise convolution, forward and input gradient: one summed channel, so the work is a few multiplications
//! for each load.
//!
//! A tile is up to 4 output rows x 2 vectors of pixels, or fewer rows x 4. Each row of the image is loaded once for each column of
//! the kernel and feeds every output row that needs it; a table made once for a call says which weights those are.

#![allow(unsafe_code)]

use super::band::BandPlan;
use super::correlation::{Correlation, Tap};
use super::plan::{Choice, Mode, Partition, partition};
use crate::element::Element;
use crate::error::Result;
use crate::scratch::with_scratch;
use crate::simd::Simd;
use crate::threads::{self, Interrupt};
use crate::tile::epilogue::{Segment, TileSums, store};
use crate::tile::kernels::Kernels;
use crate::view::Output;

/// Output rows of a tile, at most.
pub(crate) const ROWS: usize = 4;
/// Vectors of a tile, at most: few rows need more of them to hide the latency of the addition.
pub(crate) const VECTORS: usize = 4;
/// Columns worked on at a time where results pass through a buffer.
const COLUMNS: usize = 512;

/// One load of image rows and the weight that it meets in each output row, or -1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Read {
    offset: u32,
    weights: [i32; ROWS],
}

/// Arguments of a row tile.
pub(crate) struct RowTile<T> {
    /// The band, where column 0 of the first output row reads.
    pub image: *const T,
    pub reads: *const Read,
    pub count: usize,
    pub weights: *const T,
    pub bias: T,
    pub rows: usize,
    pub columns: usize,
    pub out: *mut T,
    pub out_pitch: usize,
}

/// See [`RowTile`].
pub(crate) type RowsFn<T> = unsafe fn(&RowTile<T>);

/// Computes `rows` rows of `columns` outputs.
///
/// # Safety
/// The table's offsets, extended by `columns` rounded up to whole vectors, lie inside the band; `out` has room.
#[inline(always)]
pub(crate) unsafe fn row_tile<S: Simd>(t: &RowTile<S::T>) {
    // SAFETY: this function's contract.
    unsafe {
        match t.rows {
            1 => strips::<S, 1, VECTORS>(t),
            2 => strips::<S, 2, VECTORS>(t),
            3 => strips::<S, 3, 2>(t),
            _ => strips::<S, 4, 2>(t),
        }
    }
}

#[inline(always)]
unsafe fn strips<S: Simd, const R: usize, const NV: usize>(t: &RowTile<S::T>) {
    let mut column = 0;
    // SAFETY: as for `row_tile`.
    unsafe {
        // No tile reads beyond the columns rounded up to whole vectors.
        while column + (NV - 1) * S::L < t.columns {
            body::<S, R, NV>(t, column);
            column += NV * S::L;
        }
        while column < t.columns {
            body::<S, R, 1>(t, column);
            column += S::L;
        }
    }
}

#[inline(always)]
unsafe fn body<S: Simd, const R: usize, const NV: usize>(t: &RowTile<S::T>, column: usize) {
    // SAFETY: as for `row_tile`.
    unsafe {
        let mut acc = [[S::zero(); NV]; R];
        for read in std::slice::from_raw_parts(t.reads, t.count) {
            let from = t.image.add(column + read.offset as usize);
            let mut v = [S::zero(); NV];
            for j in 0..NV {
                v[j] = S::load(from.add(j * S::L));
            }
            for i in 0..R {
                if read.weights[i] >= 0 {
                    let w = S::splat(t.weights.add(read.weights[i] as usize));
                    for j in 0..NV {
                        acc[i][j] = S::fma(w, v[j], acc[i][j]);
                    }
                }
            }
        }
        let bias = S::splat(&raw const t.bias);
        for i in 0..R {
            for j in 0..NV {
                let at = column + j * S::L;
                let to = t.out.add(i * t.out_pitch + at);
                let sum = S::add(acc[i][j], bias);
                if at + S::L <= t.columns {
                    S::store(to, sum);
                } else if at < t.columns {
                    S::store_n(to, sum, t.columns - at);
                }
            }
        }
    }
}

/// The loads of a phase for tiles of `rows` rows. For every output the weights come in the same order, whatever
/// its place in the tile.
fn reads(corr: &Correlation, plan: &BandPlan, taps: &[Tap], rows: usize) -> Vec<Read> {
    let mut all: Vec<(usize, usize, i32)> = Vec::with_capacity(taps.len() * rows);
    for i in 0..rows {
        all.extend(taps.iter().map(|tap| {
            (
                plan.offset(corr, tap) + i * plan.pitch[1],
                i,
                tap.weight as i32,
            )
        }));
    }
    all.sort_unstable();
    let mut table: Vec<Read> = Vec::with_capacity(all.len());
    for (offset, row, weight) in all {
        match table.last_mut() {
            Some(last) if last.offset == offset as u32 && last.weights[row] < 0 => {
                last.weights[row] = weight
            }
            _ => {
                let mut weights = [-1; ROWS];
                weights[row] = weight;
                table.push(Read {
                    offset: offset as u32,
                    weights,
                });
            }
        }
    }
    table
}

/// A pass with one summed channel.
pub(crate) struct Depthwise<'a, E: Element> {
    pub corr: &'a Correlation,
    pub choice: Choice,
    pub kernels: &'static Kernels<E::Acc>,
    pub groups: usize,
}

impl<E: Element> Depthwise<'_, E> {
    fn scratch(&self, part: &Partition) -> [usize; 2] {
        // A tile may read the rows of a full tile at the end of the band.
        let band = part.band.len + ROWS * part.band.pitch[1];
        let phases = self
            .corr
            .rows
            .iter()
            .map(|row| row.phases.len())
            .max()
            .unwrap_or(1);
        [
            band,
            phases * ROWS * (COLUMNS + VECTORS * self.kernels.lanes),
        ]
        .map(|n| n.next_multiple_of(16))
    }

    /// `(partition, scratch bytes of a thread)`, for `explain`.
    pub(crate) fn resources(&self, batch: usize, threads: usize) -> (Partition, usize) {
        let part = partition(
            self.corr,
            &self.choice,
            self.kernels,
            batch * self.groups,
            threads,
        );
        let elements: usize = self.scratch(&part).iter().sum();
        (part, elements * size_of::<E::Acc>())
    }

    /// Computes a batch; `weights` are all groups' weights in the type of sums.
    pub(crate) fn run(
        &self,
        weights: &[E::Acc],
        source: &[E],
        bias: Option<&[E]>,
        output: &mut [E],
        threads: usize,
        interrupt: &dyn Interrupt,
    ) -> Result<()> {
        debug_assert!(self.choice.mode == Mode::Depthwise && self.corr.c == 1);
        let corr = self.corr;
        let target: usize = corr.target.iter().product();
        if output.is_empty() {
            return Ok(());
        }
        let bias: Vec<E::Acc> = bias
            .map(|b| b.iter().map(|v| v.widen()).collect())
            .unwrap_or_default();
        if corr.sparse {
            for (row, channel) in output
                .chunks_exact_mut(target)
                .zip((0..corr.m * self.groups).cycle())
            {
                row.fill(E::narrow(bias.get(channel).copied().unwrap_or_default()));
            }
        }
        let units = output.len() / (corr.m * target);
        let part = partition(corr, &self.choice, self.kernels, units, threads);
        let sizes = self.scratch(&part);
        let bytes = sizes.iter().sum::<usize>() * size_of::<E::Acc>();
        let tables: Vec<Vec<Vec<Read>>> = corr
            .phases()
            .map(|taps| {
                (1..=ROWS)
                    .map(|rows| reads(corr, &part.band, taps, rows))
                    .collect()
            })
            .collect();
        let output = Output::new(output);
        let failed = std::sync::OnceLock::new();
        threads::run(part.tasks(), part.threads, interrupt, &|task| {
            let done = with_scratch(bytes, |scratch| {
                let (band, tiles) =
                    bytemuck::cast_slice_mut::<u8, E::Acc>(scratch).split_at_mut(sizes[0]);
                let (range, index, slice) = part.task(task);
                for unit in range {
                    self.unit(
                        &part, unit, index, slice, &tables, weights, source, &bias, band, tiles,
                        &output,
                    );
                }
            });
            if let Err(error) = done {
                let _ = failed.set(error);
            }
        })?;
        failed.into_inner().map_or(Ok(()), Err)
    }

    /// One band of one sample's channel, for a part of its output channels.
    #[allow(clippy::too_many_arguments)]
    fn unit(
        &self,
        part: &Partition,
        unit: usize,
        index: usize,
        slice: usize,
        tables: &[Vec<Vec<Read>>],
        weights: &[E::Acc],
        source: &[E],
        bias: &[E::Acc],
        band: &mut [E::Acc],
        tiles: &mut [E::Acc],
        output: &Output<'_, E>,
    ) {
        let (corr, kernels, plan) = (self.corr, self.kernels, &part.band);
        let plane: usize = corr.source.iter().product();
        let target: usize = corr.target.iter().product();
        let outputs = plan.outputs(corr, index);
        let n = [0, 1, 2].map(|d| outputs.end[d] - outputs.first[d]);
        plan.fill(
            corr,
            kernels,
            &source[unit * plane..][..plane],
            0,
            1,
            &outputs,
            band,
        );
        let g = unit % self.groups;
        let taps = weights.len() / (self.groups * corr.m);
        let [step_d, step_h, step] = corr.target_step;
        let row_pitch = step_h * corr.target[2];
        for m in slice * corr.m / part.parts..(slice + 1) * corr.m / part.parts {
            let channel = g * corr.m + m;
            let weights = &weights[channel * taps..][..taps];
            let bias = bias.get(channel).copied().unwrap_or_default();
            let start = (unit * corr.m + m) * target;
            let mut phase = 0;
            for row in &corr.rows {
                let phases = row.phases.len();
                for d in 0..n[0] {
                    let at_d = (outputs.first[0] + d) * step_d + row.offset[0];
                    if at_d >= corr.target[0] {
                        continue;
                    }
                    let mut h = 0;
                    while h < n[1] {
                        let at_h = (outputs.first[1] + h) * step_h + row.offset[1];
                        if at_h >= corr.target[1] {
                            break;
                        }
                        let inside = (corr.target[1] - at_h).div_ceil(step_h);
                        let rows = ROWS.min(n[1] - h).min(inside);
                        let direct = output.as_accumulator().filter(|_| step == 1);
                        let most = if direct.is_some() { n[2] } else { COLUMNS };
                        for column in (0..n[2]).step_by(most) {
                            let columns = most.min(n[2] - column);
                            let w = (outputs.first[2] + column) * step + row.offset[2];
                            if w >= corr.target[2] {
                                break;
                            }
                            let flat = (d * plan.pitch[0] + h) * plan.pitch[1] + column;
                            let to = start + (at_d * corr.target[1] + at_h) * corr.target[2] + w;
                            let pitch = columns.next_multiple_of(kernels.lanes);
                            for p in 0..phases {
                                let reads = &tables[phase + p][rows - 1];
                                let image = &band[flat..];
                                let (out, out_pitch, bias) = match &direct {
                                    Some(direct) => {
                                        direct.check(to + (rows - 1) * row_pitch, columns);
                                        (direct.at(to), row_pitch, bias)
                                    }
                                    None => {
                                        let buffer = &mut tiles[p * ROWS * pitch..][..ROWS * pitch];
                                        (buffer.as_mut_ptr(), pitch, E::Acc::default())
                                    }
                                };
                                let last = reads.last().map_or(0, |read| read.offset as usize);
                                let width = columns.next_multiple_of(kernels.lanes);
                                assert!(reads.is_empty() || last + width <= image.len());
                                let tile = RowTile {
                                    image: image.as_ptr(),
                                    reads: reads.as_ptr(),
                                    count: reads.len(),
                                    weights: weights.as_ptr(),
                                    bias,
                                    rows,
                                    columns,
                                    out,
                                    out_pitch,
                                };
                                // SAFETY: the farthest read was checked (the table is sorted), weights cover all
                                // taps, and the output range was checked or is a buffer of `ROWS * pitch`.
                                unsafe { (kernels.rows)(&tile) };
                            }
                            if direct.is_none() {
                                let bias = [bias; ROWS];
                                let room = corr.target[2] - w;
                                let len = columns.min(room.div_ceil(step));
                                let end = if phases == 1 {
                                    len
                                } else {
                                    (len * step).min(room)
                                };
                                let sums = TileSums {
                                    buffer: tiles,
                                    size: ROWS * pitch,
                                    phases,
                                    step,
                                    pitch,
                                    rows,
                                    bias: &bias,
                                };
                                let segment = Segment {
                                    lane: 0,
                                    len,
                                    target: 0,
                                    end,
                                };
                                store(kernels, &sums, &[segment], output, to, row_pitch);
                            }
                        }
                        h += rows;
                    }
                }
                phase += phases;
            }
        }
    }
}
