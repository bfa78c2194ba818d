//! Depthwise convolution, forward and input gradient: one summed channel, so the work is a few multiplications
//! for each load.
//!
//! A tile is up to 4 output rows x 2 vectors of pixels (fewer rows x 4). For each column of the kernel it loads the
//! image rows that it needs once, and every one feeds all the output rows that it reaches. Kernel rows are taken in
//! runs of up to seven that read neighbouring image rows; dilated ones one by one.

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
/// Kernel rows of a run, at most.
const RUN: usize = 7;
/// Columns worked on at a time where results pass through a buffer.
const COLUMNS: usize = 512;

/// Neighbouring kernel rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Where the first of them reads for output 0.
    offset: u32,
    /// How many there are.
    len: u32,
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
            tile::<S, R, NV>(t, at);
            at += NV * S::L;
        }
        while at < t.width {
            tile::<S, R, 1>(t, at);
            at += S::L;
        }
    }
}

#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const NV: usize>(t: &RowTile<S::T>, at: usize) {
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

/// How a phase is read: its runs, its columns, and the kernel element of each weight.
struct Reads {
    runs: Vec<Run>,
    columns: Vec<u32>,
    order: Vec<usize>,
    /// One past the last element that output 0 reads; 0 if there is none.
    end: usize,
}

impl Reads {
    /// For every output the weights come in the same order, whatever its place in a tile.
    fn new(corr: &Correlation, plan: &BandPlan, taps: &[Tap]) -> Reads {
        // Taps are all rows times all columns: (row, column, kernel element), in this order.
        let mut places: Vec<(usize, usize, usize)> = taps
            .iter()
            .map(|tap| {
                let mut column = tap.clone();
                (column.delta[..2].fill(0), column.residue[..2].fill(0));
                let column = plan.offset(corr, &column);
                (plan.offset(corr, tap) - column, column, tap.weight)
            })
            .collect();
        places.sort_unstable();
        let count = places.iter().take_while(|place| place.0 == places[0].0).count();
        let rows: Vec<&[(usize, usize, usize)]> = places.chunks(count.max(1)).collect();
        let (mut runs, mut order) = (Vec::new(), Vec::with_capacity(taps.len()));
        let mut first = 0;
        while first < rows.len() {
            let start = rows[first][0].0;
            let follows =
                |i: usize| first + i < rows.len() && rows[first + i][0].0 == start + i * plan.pitch[1];
            let len = (1..RUN).find(|&i| !follows(i)).unwrap_or(RUN);
            runs.push(Run { offset: start as u32, len: len as u32 });
            for column in 0..count {
                order.extend(rows[first..first + len].iter().map(|row| row[column].2));
            }
            first += len;
        }
        let columns: Vec<u32> = places[..count].iter().map(|place| place.1 as u32).collect();
        let last_column = columns.last().map_or(0, |&column| column as usize);
        let last_run =
            runs.iter().map(|run| run.offset as usize + (run.len as usize - 1) * plan.pitch[1]).max();
        let end = last_run.map_or(0, |run| run + last_column + 1);
        Reads { runs, columns, order, end }
    }
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
        let band = (part.band.len + ROWS * part.band.pitch[1]).next_multiple_of(16) * part.ahead;
        let phases = self.corr.rows.iter().map(|row| row.phases.len()).max().unwrap_or(1);
        [band, phases * ROWS * (COLUMNS + self.kernels.lanes)].map(|n| n.next_multiple_of(16))
    }

    /// `(partition, scratch bytes of a thread)`, for `explain`.
    pub(crate) fn resources(&self, batch: usize, threads: usize) -> (Partition, usize) {
        let part = partition(self.corr, &self.choice, self.kernels, batch * self.groups, threads);
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
        let bias: Vec<E::Acc> = bias.map(|b| b.iter().map(|v| v.widen()).collect()).unwrap_or_default();
        if corr.sparse {
            for (row, channel) in output.chunks_exact_mut(target).zip((0..corr.m * self.groups).cycle()) {
                row.fill(E::narrow(bias.get(channel).copied().unwrap_or_default()));
            }
        }
        let units = output.len() / (corr.m * target);
        let part = partition(corr, &self.choice, self.kernels, units, threads);
        let sizes = self.scratch(&part);
        let bytes = sizes.iter().sum::<usize>() * size_of::<E::Acc>();
        let reads: Vec<Reads> = corr.phases().map(|taps| Reads::new(corr, &part.band, taps)).collect();
        // The weights of every channel in the order of its phases' reads.
        let taps = weights.len() / (self.groups * corr.m);
        let order: Vec<usize> = reads.iter().flat_map(|reads| reads.order.iter().copied()).collect();
        let channels = weights.chunks_exact(taps);
        let weights: Vec<E::Acc> =
            channels.flat_map(|channel| order.iter().map(|&tap| channel[tap])).collect();
        let plane: usize = corr.source.iter().product();
        let output = Output::new(output);
        let failed = std::sync::OnceLock::new();
        threads::run(part.tasks(), part.threads, interrupt, &|task| {
            let done = with_scratch(bytes, |scratch| {
                let (band, tiles) = bytemuck::cast_slice_mut::<u8, E::Acc>(scratch).split_at_mut(sizes[0]);
                let (range, index, slice) = part.task(task);
                // Several small images are copied before the first is read: loads that span recent stores wait.
                let each = band.len() / part.ahead;
                let units: Vec<usize> = range.collect();
                for units in units.chunks(part.ahead) {
                    let outputs = part.band.outputs(corr, index);
                    for (&unit, band) in units.iter().zip(band.chunks_exact_mut(each)) {
                        let source = &source[unit * plane..][..plane];
                        part.band.fill(corr, self.kernels, source, 0, 1, &outputs, band);
                    }
                    for (&unit, band) in units.iter().zip(band.chunks_exact(each)) {
                        self.unit(&part, unit, index, slice, &reads, &weights, &bias, band, tiles, &output);
                    }
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
        reads: &[Reads],
        weights: &[E::Acc],
        bias: &[E::Acc],
        band: &[E::Acc],
        tiles: &mut [E::Acc],
        output: &Output<'_, E>,
    ) {
        let (corr, kernels, plan) = (self.corr, self.kernels, &part.band);
        let target: usize = corr.target.iter().product();
        let outputs = plan.outputs(corr, index);
        let n = [0, 1, 2].map(|d| outputs.end[d] - outputs.first[d]);
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
            let mut row_weights = weights;
            for row in &corr.rows {
                let phases = row.phases.len();
                let weights = row_weights;
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
                            let mut weights = weights;
                            for (p, reads) in reads[phase..phase + phases].iter().enumerate() {
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
                                let last =
                                    (rows - 1) * plan.pitch[1] + columns.next_multiple_of(kernels.lanes);
                                assert!(reads.end == 0 || reads.end - 1 + last <= image.len());
                                let mine;
                                (mine, weights) = weights.split_at(reads.order.len());
                                let tile = RowTile {
                                    image: image.as_ptr(),
                                    pitch: plan.pitch[1],
                                    runs: reads.runs.as_ptr(),
                                    run_count: reads.runs.len(),
                                    columns: reads.columns.as_ptr(),
                                    column_count: reads.columns.len(),
                                    weights: mine.as_ptr(),
                                    bias,
                                    rows,
                                    width: columns,
                                    out,
                                    out_pitch,
                                };
                                // SAFETY: the farthest read was checked; there is a weight for each run's row and
                                // column; the output range was checked or is a buffer of `ROWS * pitch`.
                                unsafe { (kernels.rows)(&tile) };
                            }
                            if direct.is_none() {
                                let bias = [bias; ROWS];
                                let room = corr.target[2] - w;
                                let len = columns.min(room.div_ceil(step));
                                let end = if phases == 1 { len } else { (len * step).min(room) };
                                let sums = TileSums {
                                    buffer: tiles,
                                    size: ROWS * pitch,
                                    phases,
                                    step,
                                    pitch,
                                    rows,
                                    bias: &bias,
                                };
                                let segment = Segment { lane: 0, len, target: 0, end };
                                store(kernels, &sums, &[segment], output, to, row_pitch);
                            }
                        }
                        h += rows;
                    }
                }
                row_weights =
                    &row_weights[reads[phase..phase + phases].iter().map(|r| r.order.len()).sum()..];
                phase += phases;
            }
        }
    }
}
