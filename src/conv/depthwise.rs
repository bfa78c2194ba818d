//! Depthwise convolution, forward and input gradient: one summed channel, so the work is a few multiplications
//! for each load. The tile is `tile::rows`; this module cuts images into bands that fit the first-level cache and
//! turns kernels into runs of neighbouring rows (dilated rows come one by one).

use super::band::{BandPlan, Box3};
use super::correlation::{Correlation, PhaseRow, Tap};
use super::plan::{Choice, Partition, partition};
use crate::aligned::AlignedVec;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::scratch::with_scratch;
use crate::threads::{self, Interrupt};
use crate::tile::epilogue::{Segment, TileSums, store};
use crate::tile::kernels::Kernels;
use crate::tile::rows::{ROWS, RUN, Reads, RowWork, Run, Target};
use crate::view::Output;

/// Columns worked on at a time where results pass through a buffer.
const COLUMNS: usize = 512;

/// How a phase is read, and the kernel element of each weight. For every output the weights come in the same order,
/// whatever its place in a tile.
fn reads(corr: &Correlation, plan: &BandPlan, taps: &[Tap]) -> (Reads, Vec<usize>) {
    // Taps are all rows times all columns: (row, column, tap), in this order.
    let mut places: Vec<(usize, usize, &Tap)> = taps
        .iter()
        .map(|tap| {
            let mut column = tap.clone();
            column.delta[..2].fill(0);
            column.residue[..2].fill(0);
            let column = plan.offset(corr, &column);
            (plan.offset(corr, tap) - column, column, tap)
        })
        .collect();
    places.sort_unstable_by_key(|place| (place.0, place.1));
    let count = places.iter().take_while(|place| place.0 == places[0].0).count();
    let rows: Vec<&[(usize, usize, &Tap)]> = places.chunks(count.max(1)).collect();
    let (mut runs, mut order) = (Vec::new(), Vec::with_capacity(taps.len()));
    let mut first = 0;
    while first < rows.len() {
        let (start, _, top) = rows[first][0];
        // Neighbours in the kernel: rows of another depth or residue may lie next to each other in a low band, but
        // the order of the sum must not depend on how the image is cut.
        let follows = |i: usize| {
            rows.get(first + i).is_some_and(|row| {
                let tap = row[0].2;
                (tap.delta[0], &tap.residue[..2]) == (top.delta[0], &top.residue[..2])
                    && tap.delta[1] == top.delta[1] + i
            })
        };
        let len = (1..RUN).find(|&i| !follows(i)).unwrap_or(RUN);
        runs.push(Run { offset: start as u32, len: len as u32 });
        for column in 0..count {
            order.extend(rows[first..first + len].iter().map(|row| row[column].2.weight));
        }
        first += len;
    }
    let columns: Vec<u32> = places[..count].iter().map(|place| place.1 as u32).collect();
    let last_column = columns.last().map_or(0, |&column| column as usize);
    let last_run = runs.iter().map(|run| run.offset as usize + (run.len as usize - 1) * plan.pitch[1]).max();
    let end = last_run.map_or(0, |run| run + last_column + 1);
    (Reads { runs, columns, end }, order)
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
        let band = part.band.len.next_multiple_of(16) * part.ahead;
        let phases = self.corr.rows.iter().map(|row| row.phases.len()).max().unwrap_or(1);
        [band, phases * ROWS * (COLUMNS + self.kernels.lanes)].map(|n| n.next_multiple_of(16))
    }

    /// `(partition, scratch bytes of a thread)`, for `explain`.
    pub(crate) fn resources(&self, batch: usize, threads: usize) -> (Partition, usize) {
        let part = partition(self.corr, &self.choice, self.kernels, batch * self.groups, threads);
        let elements: usize = self.scratch(&part).iter().sum();
        (part, elements * size_of::<E::Acc>())
    }

    /// The weights of every channel in the order of its phases' reads, which no partition changes.
    pub(crate) fn pack(&self, weights: &[E]) -> Result<AlignedVec<E::Acc>> {
        let corr = self.corr;
        let plan = partition(corr, &self.choice, self.kernels, 1, 1).band;
        let order = corr.phases().map(|taps| reads(corr, &plan, taps).1).collect::<Vec<_>>().concat();
        let channels = self.groups * corr.m;
        let mut packed = AlignedVec::zeroed(channels * order.len())?;
        let rows = weights.chunks_exact((weights.len() / channels).max(1));
        for (to, from) in packed.as_mut_slice().chunks_exact_mut(order.len().max(1)).zip(rows) {
            for (to, &tap) in to.iter_mut().zip(&order) {
                *to = from[tap].widen();
            }
        }
        Ok(packed)
    }

    /// Computes a batch with packed weights.
    pub(crate) fn run(
        &self,
        weights: &[E::Acc],
        source: &[E],
        bias: Option<&[E]>,
        output: &mut [E],
        threads: usize,
        interrupt: &dyn Interrupt,
    ) -> Result<()> {
        debug_assert!(self.corr.c == 1);
        let corr = self.corr;
        let target: usize = corr.target.iter().product();
        if output.is_empty() {
            return Ok(());
        }
        let bias = super::widened(bias);
        if corr.sparse {
            super::fill_with_bias(&bias, corr.m * self.groups, target, output);
        }
        let units = output.len() / (corr.m * target);
        let part = partition(corr, &self.choice, self.kernels, units, threads);
        let sizes = self.scratch(&part);
        let bytes = sizes.iter().sum::<usize>() * size_of::<E::Acc>();
        if bytes > super::plan::OFFSET_LIMIT {
            return Err(Error::Alloc { bytes });
        }
        let (reads, orders): (Vec<Reads>, Vec<Vec<usize>>) =
            corr.phases().map(|taps| reads(corr, &part.band, taps)).unzip();
        let plane: usize = corr.source.iter().product();
        let counts: Vec<usize> = orders.iter().map(Vec::len).collect();
        assert_eq!(weights.len(), self.groups * corr.m * counts.iter().sum::<usize>());
        let pass =
            Pass { depthwise: self, part: &part, reads, counts, weights, bias, output: Output::new(output) };
        let failed = std::sync::OnceLock::new();
        threads::run(part.tasks(), part.threads, interrupt, &|task| {
            let done = with_scratch(bytes, |scratch| {
                let (band, tiles) = bytemuck::cast_slice_mut::<u8, E::Acc>(scratch).split_at_mut(sizes[0]);
                let (range, index, slice) = part.task(task);
                let outputs = part.band.outputs(corr, index);
                // Several small images are copied before the first is read: loads that span recent stores wait.
                let each = band.len() / part.ahead;
                let units: Vec<usize> = range.collect();
                for units in units.chunks(part.ahead) {
                    for (&unit, band) in units.iter().zip(band.chunks_exact_mut(each)) {
                        let source = &source[unit * plane..][..plane];
                        part.band.fill(corr, self.kernels, source, 0..1, &outputs, band);
                    }
                    for (&unit, band) in units.iter().zip(band.chunks_exact(each)) {
                        pass.unit(unit, slice, &outputs, band, tiles);
                    }
                }
            });
            if let Err(error) = done {
                let _ = failed.set(error);
            }
        })?;
        failed.into_inner().map_or(Ok(()), Err)
    }
}

/// One call: everything that its tasks share.
struct Pass<'a, E: Element> {
    depthwise: &'a Depthwise<'a, E>,
    part: &'a Partition,
    reads: Vec<Reads>,
    /// Weights of each phase.
    counts: Vec<usize>,
    weights: &'a [E::Acc],
    bias: Vec<E::Acc>,
    output: Output<'a, E>,
}

impl<E: Element> Pass<'_, E> {
    /// One band of one sample's channel, for a part of its output channels.
    fn unit(&self, unit: usize, slice: usize, outputs: &Box3, band: &[E::Acc], tiles: &mut [E::Acc]) {
        let corr = self.depthwise.corr;
        let target: usize = corr.target.iter().product();
        let count: usize = self.counts.iter().sum();
        for m in slice * corr.m / self.part.parts..(slice + 1) * corr.m / self.part.parts {
            let channel = unit % self.depthwise.groups * corr.m + m;
            let mut weights = &self.weights[channel * count..][..count];
            let bias = self.bias.get(channel).copied().unwrap_or_default();
            let start = (unit * corr.m + m) * target;
            let mut phase = 0;
            for row in &corr.rows {
                let end = phase + row.phases.len();
                let (mine, rest) = weights.split_at(self.counts[phase..end].iter().sum());
                let work = PhaseWork { row, phases: phase..end, weights: mine, bias, start };
                self.phase_row(&work, outputs, band, tiles);
                (phase, weights) = (end, rest);
            }
        }
    }

    /// The outputs of one phase row.
    fn phase_row(&self, work: &PhaseWork<'_, E::Acc>, outputs: &Box3, band: &[E::Acc], tiles: &mut [E::Acc]) {
        let (corr, plan) = (self.depthwise.corr, &self.part.band);
        let n = [0, 1, 2].map(|d| outputs.end[d] - outputs.first[d]);
        // Outputs of the box along a dimension that lie inside the output, and the first of them.
        let inside = |d: usize| {
            let first = outputs.first[d] * corr.target_step[d] + work.row.offset[d];
            (n[d].min(corr.target[d].saturating_sub(first).div_ceil(corr.target_step[d])), first)
        };
        let ((depths, d0), (heights, h0), (widths, w0)) = (inside(0), inside(1), inside(2));
        let [step_d, step_h, step] = corr.target_step;
        let most = if step == 1 && E::is_acc() { widths.max(1) } else { COLUMNS };
        for d in 0..depths {
            for h in (0..heights).step_by(ROWS) {
                for w in (0..widths).step_by(most) {
                    let block = Block {
                        flat: (d * plan.pitch[0] + h) * plan.pitch[1] + w,
                        target: ((d0 + d * step_d) * corr.target[1] + h0 + h * step_h) * corr.target[2]
                            + w0
                            + w * step,
                        room: corr.target[2] - (w0 + w * step),
                        rows: ROWS.min(heights - h),
                        width: most.min(widths - w),
                    };
                    self.block(work, &block, band, tiles);
                }
            }
        }
    }

    /// A few rows of outputs, written in place or, with several phases or another element type, by way of a buffer.
    fn block(&self, work: &PhaseWork<'_, E::Acc>, block: &Block, band: &[E::Acc], tiles: &mut [E::Acc]) {
        let (corr, plan, kernels) = (self.depthwise.corr, &self.part.band, self.depthwise.kernels);
        let &Block { flat, target, room, rows, width } = block;
        let step = corr.target_step[2];
        let row_pitch = corr.target_step[1] * corr.target[2];
        let direct = self.output.as_accumulator().filter(|_| step == 1);
        let buffer_pitch = width.next_multiple_of(kernels.lanes);
        let size = ROWS * buffer_pitch;
        let mut weights = work.weights;
        for (p, phase) in work.phases.clone().enumerate() {
            let mine;
            (mine, weights) = weights.split_at(self.counts[phase]);
            let bias = if direct.is_some() { work.bias } else { E::Acc::default() };
            let to = match &direct {
                Some(output) => Target::Output { output, start: work.start + target, pitch: row_pitch },
                None => Target::Buffer { buffer: &mut tiles[p * size..][..size], pitch: buffer_pitch },
            };
            let image = &band[flat..];
            let reads = &self.reads[phase];
            let rows = RowWork { image, pitch: plan.pitch[1], reads, weights: mine, bias, rows, width };
            kernels.run_rows(&rows, to);
        }
        if direct.is_none() {
            let phases = work.phases.len();
            let end = if phases == 1 { width } else { (width * step).min(room) };
            let bias = [work.bias; ROWS];
            let sums = TileSums { buffer: tiles, size, phases, step, pitch: buffer_pitch, rows, bias: &bias };
            let segment = Segment { lane: 0, len: width, target, end };
            store(kernels, &sums, &[segment], &self.output, work.start, row_pitch);
        }
    }
}

/// One phase row of one output channel.
struct PhaseWork<'a, T> {
    row: &'a PhaseRow,
    phases: std::ops::Range<usize>,
    weights: &'a [T],
    bias: T,
    /// First element of the channel's output.
    start: usize,
}

/// A few rows of outputs.
struct Block {
    /// Lane of the first on the band's flat axis.
    flat: usize,
    /// Where the first goes, from the channel's start.
    target: usize,
    /// Elements from there to the end of its row.
    room: usize,
    rows: usize,
    width: usize,
}
