//! Implicit GEMM: `out[m, q] = Σ_k w[m, k] · image[off[k] + q]` for the forward pass and the input gradient.
//!
//! | mode | tile rows | tile vectors | loops, outer to inner |
//! |---|---|---|---|
//! | `Pixels` | output channels | pixels of a band's flat axis | band, channel block, strip, phase row, panel |
//! | `Channels` | pixels of one output row | output channels | band, panel, pixels, phase row |
//!
//! Weights are packed into panels in the order of the reduction; the image is read through the band's offset table.

use super::band::{BandPlan, Box3, segments};
use super::correlation::{Correlation, PhaseRow};
use super::panels::Panels;
use super::plan::{Choice, Mode, Partition, even_parts, partition};
use crate::element::Element;
use crate::error::{Error, Result};
use crate::scratch::with_scratch;
use crate::simd::Float;
use crate::threads::{self, Interrupt};
use crate::tile::epilogue::{TileSums, add_into, prefetch, store};
use crate::tile::kernels::{Kernels, Offsets};
use crate::tile::pack;
use crate::view::{Output, as_accumulators};

/// Weights that stay in the second-level cache while strips of pixels pass by, in bytes.
const WEIGHT_BLOCK_BYTES: usize = 256 << 10;

/// Products of a tile's element that make asking ahead for its output line worth the instruction.
const PREFETCH_DEPTH: usize = 256;

/// A pass over one kind of element: what is computed, and by which kernel.
pub(crate) struct Gemm<'a, E: Element> {
    pub corr: &'a Correlation,
    pub choice: Choice,
    pub kernels: &'static Kernels<E::Acc>,
    /// Channel groups.
    pub groups: usize,
}

impl<E: Element> Gemm<'_, E> {
    /// Scratch of one task, in elements: band, ragged end, waiting sums, tiles and their transpose.
    fn scratch(&self, part: &Partition) -> [usize; 5] {
        let (corr, lanes) = (self.corr, self.kernels.lanes);
        let phases = corr.rows.iter().map(|row| row.phases.len()).max().unwrap_or(1);
        let tail = match (self.choice.mode, self.choice.direct) {
            (Mode::Pixels, true) => corr.c * corr.row_taps() * lanes,
            _ => 0,
        };
        let tile = self.tile_len();
        let turned = if self.choice.mode == Mode::Channels { phases * tile } else { 0 };
        [part.band.len, tail, part.waiting, phases * tile, turned].map(|n| n.next_multiple_of(16))
    }

    /// Elements of a tile buffer, with room for whole blocks of eight.
    fn tile_len(&self) -> usize {
        let rows = self.choice.rows.next_multiple_of(8);
        let width = (self.choice.vectors * self.kernels.lanes).next_multiple_of(8);
        rows * width + 8 * rows.max(width)
    }

    /// What a call needs beside its arrays, for `explain`: `(partition, scratch bytes of a thread)`.
    pub(crate) fn resources(&self, batch: usize, threads: usize) -> (Partition, usize) {
        let part = partition(self.corr, &self.choice, self.kernels, batch * self.groups, threads);
        let elements: usize = self.scratch(&part).iter().sum();
        (part, elements * size_of::<E::Acc>())
    }

    /// Computes a batch.
    pub(crate) fn run(
        &self,
        panels: &Panels<E::Acc>,
        source: &[E],
        bias: Option<&[E]>,
        output: &mut [E],
        threads: usize,
        interrupt: &dyn Interrupt,
    ) -> Result<()> {
        let corr = self.corr;
        let target: usize = corr.target.iter().product();
        let per_unit = corr.m * target;
        if per_unit == 0 || output.is_empty() {
            return Ok(());
        }
        let units = output.len() / per_unit;
        let bias = super::widened(bias);
        if corr.sparse || corr.c == 0 {
            super::fill_with_bias(&bias, corr.m * self.groups, target, output);
        }
        if corr.c == 0 {
            return Ok(());
        }
        let part = partition(corr, &self.choice, self.kernels, units, threads);
        let sizes = self.scratch(&part);
        let bytes = sizes.iter().sum::<usize>() * size_of::<E::Acc>();
        if bytes > super::plan::OFFSET_LIMIT {
            return Err(Error::Alloc { bytes });
        }
        let tail = if sizes[1] > 0 { corr.c * corr.most_taps() } else { 0 };
        let pass = Pass {
            gemm: self,
            part: &part,
            panels,
            source,
            bias: &bias,
            offsets: self.offsets(&part.band),
            tail_offsets: (0..tail).map(|k| (k * self.kernels.lanes) as u32).collect(),
        };
        let output = Output::new(output);
        let failed = std::sync::OnceLock::new();
        threads::run(part.tasks(), part.threads, interrupt, &|task| {
            let done = with_scratch(bytes, |scratch| {
                let mut scratch = bytemuck::cast_slice_mut::<u8, E::Acc>(scratch);
                let mut parts = sizes.map(|size| {
                    let (head, rest) = std::mem::take(&mut scratch).split_at_mut(size);
                    scratch = rest;
                    head
                });
                let (units, band, part) = pass.part.task(task);
                for unit in units {
                    pass.unit(unit, band, part, &mut parts, &output);
                }
            });
            if let Err(error) = done {
                let _ = failed.set(error);
            }
        })?;
        failed.into_inner().map_or(Ok(()), Err::<(), Error>)
    }

    /// The offset table of every phase, for the channels of a band.
    fn offsets(&self, band: &BandPlan) -> Vec<Vec<u32>> {
        let channels = band.channels.min(self.corr.c);
        self.corr
            .phases()
            .map(|taps| {
                let first: Vec<usize> = taps.iter().map(|tap| band.offset(self.corr, tap)).collect();
                let mut table = Vec::with_capacity(channels * taps.len());
                for c in 0..channels {
                    table.extend(first.iter().map(|&at| (c * band.channel + at) as u32));
                }
                table
            })
            .collect()
    }
}

/// One call: everything that its tasks share.
struct Pass<'a, E: Element> {
    gemm: &'a Gemm<'a, E>,
    part: &'a Partition,
    panels: &'a Panels<E::Acc>,
    source: &'a [E],
    bias: &'a [E::Acc],
    offsets: Vec<Vec<u32>>,
    /// The offset table of a ragged end's panel.
    tail_offsets: Vec<u32>,
}

/// A run of channels that a band holds, and whether sums begin or end with it.
#[derive(Clone, Copy)]
struct Chunk {
    first: usize,
    channels: usize,
    begins: bool,
    ends: bool,
}

impl Chunk {
    /// Lets a tile's sums wait for the next channels, or adds those that waited.
    fn wait<T: Float>(self, waiting: &mut [T], start: usize, tile: &mut [T]) {
        if self.begins && self.ends {
            return;
        }
        let slot = &mut waiting[start..start + tile.len()];
        match self {
            Chunk { begins: true, .. } => slot.copy_from_slice(tile),
            Chunk { ends: false, .. } => add_into(slot, tile),
            _ => add_into(tile, slot),
        }
    }
}

/// One band of one unit on its way through the panels.
struct Work<'a, E: Element> {
    chunk: Chunk,
    /// The image, from where output 0 of the band reads.
    image: &'a [E::Acc],
    outputs: Box3,
    flat: usize,
    /// This group's panels and bias.
    weights: &'a [E::Acc],
    bias: &'a [E::Acc],
    /// First element of this unit's output.
    start: usize,
}

/// A phase row with the place of its first phase in the offset tables and the panels.
struct RowAt<'a> {
    row: &'a PhaseRow,
    phase: usize,
    weights: usize,
}

impl<E: Element> Pass<'_, E> {
    fn unit(
        &self,
        unit: usize,
        band: usize,
        part: usize,
        scratch: &mut [&mut [E::Acc]; 5],
        output: &Output<'_, E>,
    ) {
        let (gemm, plan) = (self.gemm, &self.part.band);
        let corr = gemm.corr;
        let plane: usize = corr.source.iter().product();
        let source = &self.source[unit * corr.c * plane..][..corr.c * plane];
        let g = unit % gemm.groups;
        let outputs = plan.outputs(corr, band);
        let [copy, tail, waiting, tiles, turned] = scratch;
        let panels: Vec<(usize, usize)> = gemm.panels().collect();
        let mine = part * panels.len() / self.part.parts..(part + 1) * panels.len() / self.part.parts;
        let panels = &panels[mine];
        let mut c0 = 0;
        loop {
            let channels = plan.channels.min(corr.c - c0);
            let image = if plan.direct {
                let source = as_accumulators(source).expect("read in place");
                &source[c0 * plan.channel + plan.origin(corr, &outputs)..]
            } else {
                plan.fill(corr, gemm.kernels, source, c0..c0 + channels, &outputs, copy);
                &**copy
            };
            let work = Work {
                chunk: Chunk { first: c0, channels, begins: c0 == 0, ends: c0 + channels == corr.c },
                image,
                outputs,
                flat: plan.flat_len(&outputs),
                weights: &self.panels.data.as_slice()[g * self.panels.group..][..self.panels.group],
                bias: if self.bias.is_empty() { &[] } else { &self.bias[g * corr.m..][..corr.m] },
                start: unit * corr.m * corr.target.iter().product::<usize>(),
            };
            match gemm.choice.mode {
                Mode::Channels => self.channels(&work, panels, waiting, tiles, turned, output),
                _ => self.pixels(&work, panels, tail, waiting, tiles, output),
            }
            c0 += channels;
            if c0 == corr.c {
                break;
            }
        }
    }

    /// The phase rows and where their first phase lies.
    fn rows(&self) -> impl Iterator<Item = RowAt<'_>> {
        let (mut phase, mut weights) = (0, 0);
        let padded = self.gemm.padded_channels();
        self.gemm.corr.rows.iter().map(move |row| {
            let at = RowAt { row, phase, weights };
            phase += row.phases.len();
            weights += row.phases.iter().map(|taps| taps.len() * self.gemm.corr.c * padded).sum::<usize>();
            at
        })
    }

    /// The part of a phase's offset table for the channels at hand.
    fn table(&self, phase: usize, taps: usize, channels: usize) -> Offsets<'_> {
        let table = &self.offsets[phase][..taps * channels];
        let last = &table[table.len() - taps.min(table.len())..];
        Offsets { table, largest: last.iter().copied().max().unwrap_or(0) }
    }

    /// Pixels in vectors.
    fn pixels(
        &self,
        work: &Work<'_, E>,
        panels: &[(usize, usize)],
        tail: &mut [E::Acc],
        waiting: &mut [E::Acc],
        tiles: &mut [E::Acc],
        output: &Output<'_, E>,
    ) {
        let (gemm, plan) = (self.gemm, &self.part.band);
        let (corr, kernels) = (gemm.corr, gemm.kernels);
        let lanes = kernels.lanes;
        let depth = corr.c * corr.phases().map(Vec::len).sum::<usize>();
        let per_block = (WEIGHT_BLOCK_BYTES / (depth * gemm.choice.rows * size_of::<E::Acc>()).max(1)).max(1);
        // A source read in place ends with its last output; the lanes beyond are copied to a panel.
        let ragged = if plan.direct { work.flat % lanes } else { 0 };
        let whole = (work.flat - ragged).div_ceil(lanes);
        let strips = even_parts(whole, gemm.choice.vectors)
            .map(|(start, vectors)| {
                (start * lanes, vectors, (vectors * lanes).min(work.flat - start * lanes))
            })
            .chain((ragged > 0).then_some((whole * lanes, 1, ragged)));
        let (size, columns) = (gemm.tile_len(), self.part.columns);
        let channels: usize = panels.iter().map(|panel| panel.1).sum();
        let target: usize = corr.target.iter().product();
        let mut runs = Vec::with_capacity(8);
        for block in panels.chunks(per_block) {
            for (flat, vectors, count) in strips.clone() {
                let width = vectors * lanes;
                let copied = plan.direct && count < width;
                for at in self.rows() {
                    let phases = at.row.phases.len();
                    segments(corr, plan, &work.outputs, at.row, flat..flat + count, &mut runs);
                    if copied {
                        self.copy_tail(work, &at, flat, count, tail);
                    }
                    for &(m0, rows) in block {
                        let (mut weights, mut from) = (at.weights, 0);
                        if phases == 1 && work.chunk.ends && depth >= PREFETCH_DEPTH {
                            prefetch(kernels, rows, &runs, output, work.start + m0 * target, target);
                        }
                        for (p, taps) in at.row.phases.iter().enumerate() {
                            let off = self.table(at.phase + p, taps.len(), work.chunk.channels);
                            let depth = corr.c * taps.len();
                            let a =
                                &work.weights[weights + m0 * depth + work.chunk.first * taps.len() * rows..];
                            let buffer = &mut tiles[p * size..][..size];
                            if copied {
                                let b = &tail[from..from + depth * width];
                                let largest = self.tail_offsets[..depth].last().copied().unwrap_or(0);
                                let off = Offsets { table: &self.tail_offsets[..depth], largest };
                                kernels.run_pv(rows, vectors, a, b, off, buffer);
                                from += depth * width;
                            } else {
                                kernels.run_pv(rows, vectors, a, &work.image[flat..], off, buffer);
                            }
                            let slot = ((at.phase + p) * channels + m0 - panels[0].0) * columns + flat * rows;
                            work.chunk.wait(waiting, slot, &mut buffer[..rows * width]);
                            weights += depth * corr.m;
                        }
                        if !work.chunk.ends {
                            continue;
                        }
                        let sums = TileSums {
                            buffer: tiles,
                            size,
                            phases,
                            step: corr.target_step[2],
                            pitch: width,
                            rows,
                            bias: if work.bias.is_empty() { &[] } else { &work.bias[m0..m0 + rows] },
                        };
                        store(kernels, &sums, &runs, output, work.start + m0 * target, target);
                    }
                }
            }
        }
    }

    /// Copies the last lanes of every reduction row of a source that is read in place.
    fn copy_tail(&self, work: &Work<'_, E>, at: &RowAt<'_>, flat: usize, count: usize, tail: &mut [E::Acc]) {
        let lanes = self.gemm.kernels.lanes;
        let tables = at
            .row
            .phases
            .iter()
            .enumerate()
            .flat_map(|(p, taps)| self.table(at.phase + p, taps.len(), work.chunk.channels).table);
        for (to, &off) in tail.chunks_exact_mut(lanes).zip(tables) {
            to[..count].copy_from_slice(&work.image[off as usize + flat..][..count]);
        }
    }

    /// Channels in vectors.
    fn channels(
        &self,
        work: &Work<'_, E>,
        panels: &[(usize, usize)],
        waiting: &mut [E::Acc],
        tiles: &mut [E::Acc],
        turned: &mut [E::Acc],
        output: &Output<'_, E>,
    ) {
        let (gemm, plan) = (self.gemm, &self.part.band);
        let (corr, kernels) = (gemm.corr, gemm.kernels);
        let lanes = kernels.lanes;
        let size = gemm.tile_len();
        let pitch = gemm.choice.rows.next_multiple_of(8);
        let padded = gemm.padded_channels();
        let (target, columns) = (corr.target.iter().product::<usize>(), self.part.columns);
        let channels: usize = panels.iter().map(|panel| panel.1 * lanes).sum();
        // Runs of pixels that follow each other in the band.
        let n = [0, 1, 2].map(|d| work.outputs.end[d] - work.outputs.first[d]);
        let run = match (plan.pitch[1] == n[2], plan.pitch[0] == n[1]) {
            (true, true) => n[0] * n[1] * n[2],
            (true, false) => n[1] * n[2],
            _ => n[2],
        };
        let starts = (0..n[0]).flat_map(|d| (0..n[1]).map(move |h| (d * plan.pitch[0] + h) * plan.pitch[1]));
        let starts = starts.step_by(run / n[2]);
        let mut runs = Vec::with_capacity(8);
        for &(v0, vectors) in panels {
            let (m0, width) = (v0 * lanes, vectors * lanes);
            for start in starts.clone() {
                for (first, rows) in even_parts(run, gemm.choice.rows) {
                    let flat = start + first;
                    for at in self.rows() {
                        let phases = at.row.phases.len();
                        segments(corr, plan, &work.outputs, at.row, flat..flat + rows, &mut runs);
                        let mut weights = at.weights;
                        for (p, taps) in at.row.phases.iter().enumerate() {
                            let off = self.table(at.phase + p, taps.len(), work.chunk.channels);
                            let depth = corr.c * taps.len();
                            let b =
                                &work.weights[weights + m0 * depth + work.chunk.first * taps.len() * width..];
                            let buffer = &mut tiles[p * size..][..size];
                            kernels.run_cv(rows, vectors, &work.image[flat..], b, off, buffer);
                            let slot = ((at.phase + p) * channels + m0 - panels[0].0 * lanes) * columns;
                            work.chunk.wait(waiting, slot + flat * width, &mut buffer[..rows * width]);
                            if work.chunk.ends {
                                let to = &mut turned[p * size..][..size];
                                pack::transpose(kernels, buffer, width, rows, width, to, pitch);
                            }
                            weights += depth * padded;
                        }
                        if !work.chunk.ends {
                            continue;
                        }
                        let rows = width.min(corr.m - m0);
                        let sums = TileSums {
                            buffer: turned,
                            size,
                            phases,
                            step: corr.target_step[2],
                            pitch,
                            rows,
                            bias: if work.bias.is_empty() { &[] } else { &work.bias[m0..m0 + rows] },
                        };
                        store(kernels, &sums, &runs, output, work.start + m0 * target, target);
                    }
                }
            }
        }
    }
}
