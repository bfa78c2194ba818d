//! The part of the image that a task works on, in an order in which every tap is a plain offset.
//!
//! A band covers a box of outputs. Its copy of the source is padded with zeros and, for a step above one,
//! split by residue, so that neighbouring outputs read neighbouring elements whatever the stride:
//!
//! ```text
//! band[c][residue d, h, w][depth][row][column]       pitch = columns of the box + reach
//! ```
//!
//! Outputs are numbered along one flat axis of `pitch` elements a row; the few at the end of a row that belong to
//! no output ("junk") are dropped at the store. The copy costs one part in `taps` of an im2col matrix and stays in
//! the second-level cache. Where nothing is padded and the step is one, the source itself serves as the band.

use super::correlation::{Correlation, PhaseRow, Tap};
use crate::element::Element;
use crate::tile::copy::Shape;
use crate::tile::epilogue::Segment;
use crate::tile::kernels::Kernels;
use crate::view::as_accumulators;
use std::ops::Range;

/// What a band should fit in: a share of the second-level cache of current cores (1 to 2 MiB).
pub(crate) const SECOND_LEVEL: usize = 384 << 10;
/// The same of the first-level cache, for kernels that do little with each element.
pub(crate) const FIRST_LEVEL: usize = 16 << 10;
/// What one band may take at most; a thread's scratch stays below 4 MiB with everything else it holds.
const LIMIT_BYTES: usize = 2 << 20;

/// How outputs are cut into bands, and where things lie in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BandPlan {
    /// Outputs of a full band.
    pub size: [usize; 3],
    /// Bands along each dimension.
    pub count: [usize; 3],
    /// Summed channels that a band holds at once.
    pub channels: usize,
    /// Whether the source itself is the band.
    pub direct: bool,
    /// Rows from one depth to the next, and elements from one row to the next.
    pub pitch: [usize; 2],
    /// Elements from one residue to the next.
    pub plane: usize,
    /// Elements from one channel to the next.
    pub channel: usize,
    /// Elements of the copy, with room for a vector tile to read past the last output.
    pub len: usize,
}

/// What a plan is made for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BandSpec {
    /// Bytes of an element in the band.
    pub element: usize,
    /// Lanes of the widest tile.
    pub tile: usize,
    /// Whether the source serves as the band.
    pub direct: bool,
    /// Bytes that a band should fit in.
    pub budget: usize,
    /// Bands wanted at least.
    pub least: usize,
}

/// The outputs of one band: first, and one past the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Box3 {
    pub first: [usize; 3],
    pub end: [usize; 3],
}

impl BandPlan {
    /// Cuts one image.
    pub(crate) fn new(corr: &Correlation, spec: &BandSpec) -> BandPlan {
        let &BandSpec { element, tile, direct, budget, least } = spec;
        let residues: usize = corr.residues.iter().map(|r| r.len().max(1)).product();
        let bytes = |c: usize, size: [usize; 3]| -> usize {
            let volume = (0..3).map(|d| size[d] + corr.reach[d]).fold(1usize, usize::saturating_mul);
            volume.saturating_mul(c).saturating_mul(residues).saturating_mul(element)
        };
        let grid = corr.grid;
        let channels = corr.c.max(1);
        let mut size = [1, 1, grid[2]];
        let mut held = channels;
        if bytes(channels, size) > budget {
            // Columns are cut too, down to one tile, with rows enough that few are copied twice; then the channels.
            let most = (2 * corr.reach[1]).clamp(1, grid[1]);
            let rows = std::iter::successors(Some(most), |&rows| (rows > 1).then_some(rows / 2));
            for rows in rows {
                let per_column = bytes(channels, [1, rows, 1]) / (1 + corr.reach[2]);
                let columns = (budget / per_column.max(1)).saturating_sub(corr.reach[2]);
                size[1] = rows;
                size[2] = (columns / tile * tile).clamp(tile, grid[2].max(tile)).min(grid[2]);
                if columns >= tile {
                    break;
                }
            }
            if !direct && bytes(channels, size) > LIMIT_BYTES {
                held = (budget / bytes(1, size)).clamp(1, channels);
            }
        } else {
            for d in [1, 0] {
                // A band grows by whole slices: one of them tells how many fit.
                let mut one = size;
                one[d] = 1;
                let slice = bytes(channels, one) / (1 + corr.reach[d]);
                size[d] = (budget / slice.max(1)).saturating_sub(corr.reach[d]).clamp(1, grid[d]);
                if size[d] < grid[d] {
                    break;
                }
            }
        }
        let mut count = [0; 3];
        for d in 0..3 {
            count[d] = grid[d].div_ceil(size[d]);
        }
        // More bands for more threads: first depths, then rows, then columns by whole tiles.
        for d in 0..3 {
            let have: usize = count.iter().product();
            let unit = if d == 2 { tile } else { 1 };
            if have < least {
                let wanted = count[d] * least.div_ceil(have);
                let most = grid[d].div_ceil(unit).max(1);
                count[d] = wanted.min(most).max(count[d]);
            }
            size[d] = grid[d].div_ceil(count[d]).next_multiple_of(unit).min(grid[d]);
            count[d] = grid[d].div_ceil(size[d]);
        }
        let (pitch, plane, channel) = if direct {
            let [depth, rows, columns] = corr.source;
            ([rows, columns], depth * rows * columns, depth * rows * columns)
        } else {
            let pitch = [size[1] + corr.reach[1], size[2] + corr.reach[2]];
            let plane = (size[0] + corr.reach[0]) * pitch[0] * pitch[1];
            (pitch, plane, plane * residues)
        };
        let len = if direct { 0 } else { held * channel + tile };
        BandPlan { size, count, channels: held, direct, pitch, plane, channel, len }
    }

    /// Bands of an image.
    pub(crate) fn bands(&self) -> usize {
        self.count.iter().product()
    }

    /// The outputs of band `index`.
    pub(crate) fn outputs(&self, corr: &Correlation, index: usize) -> Box3 {
        let at = [
            index / (self.count[1] * self.count[2]),
            index / self.count[2] % self.count[1],
            index % self.count[2],
        ];
        let first = [0, 1, 2].map(|d| at[d] * self.size[d]);
        let end = [0, 1, 2].map(|d| (first[d] + self.size[d]).min(corr.grid[d]));
        Box3 { first, end }
    }

    /// Where tap `tap` of channel 0 reads for output 0 of the band.
    pub(crate) fn offset(&self, corr: &Correlation, tap: &Tap) -> usize {
        let residue = (tap.residue[0] * corr.residues[1].len() + tap.residue[1]) * corr.residues[2].len()
            + tap.residue[2];
        let inside = (tap.delta[0] * self.pitch[0] + tap.delta[1]) * self.pitch[1] + tap.delta[2];
        if self.direct { inside } else { residue * self.plane + inside }
    }

    /// Where output 0 of the band reads in a channel of the source, when the source serves as the band.
    pub(crate) fn origin(&self, corr: &Correlation, outputs: &Box3) -> usize {
        let at = [0, 1, 2].map(|d| outputs.first[d] + corr.first[d] as usize);
        (at[0] * self.pitch[0] + at[1]) * self.pitch[1] + at[2]
    }

    /// Length of a box's flat axis.
    pub(crate) fn flat_len(&self, outputs: &Box3) -> usize {
        let n = [0, 1, 2].map(|d| outputs.end[d] - outputs.first[d]);
        ((n[0] - 1) * self.pitch[0] + n[1] - 1) * self.pitch[1] + n[2]
    }

    /// Copies channels of the source (one group of one sample) into the band.
    pub(crate) fn fill<E: Element>(
        &self,
        corr: &Correlation,
        kernels: &Kernels<E::Acc>,
        source: &[E],
        channels: Range<usize>,
        outputs: &Box3,
        band: &mut [E::Acc],
    ) {
        let plane_len: usize = corr.source.iter().product();
        let rows = [0, 1].map(|d| outputs.end[d] - outputs.first[d] + corr.reach[d]);
        let columns = outputs.end[2] - outputs.first[2] + corr.reach[2];
        let start = [0, 1, 2].map(|d| outputs.first[d] as isize + corr.first[d]);
        for (slot, c) in channels.enumerate() {
            let from = &source[c * plane_len..][..plane_len];
            let mut plane = slot * self.channel;
            for &rd in &corr.residues[0] {
                for &rh in &corr.residues[1] {
                    for &rw in &corr.residues[2] {
                        let step = corr.step[2] as isize;
                        let at = |j: isize| (start[2] + j) * step + rw as isize;
                        // Columns inside the source.
                        let (left, right) = span(start[2], corr.step[2], rw, corr.source[2], columns);
                        let shape = Shape {
                            rows: 0,
                            left,
                            columns: right - left,
                            right: columns - right,
                            step: corr.step[2],
                        };
                        // Rows inside the source.
                        let (top, bottom) = span(start[1], corr.step[1], rh, corr.source[1], rows[1]);
                        for i in 0..rows[0] {
                            let d = (start[0] + i as isize) * corr.step[0] as isize + rd as isize;
                            let to = &mut band[plane + i * self.pitch[0] * self.pitch[1]..];
                            let inside = (0..corr.source[0] as isize).contains(&d) && left < right;
                            let (top, bottom) = if inside { (top, bottom) } else { (0, 0) };
                            let zeros = Shape { rows: 0, left: columns, columns: 0, right: 0, step: 1 };
                            for outside in [0..top, bottom..rows[1]] {
                                let shape = Shape { rows: outside.len(), ..zeros };
                                let to = &mut to[outside.start * self.pitch[1]..];
                                copy_rows(kernels, &from[..0], 0, to, self.pitch[1], &shape);
                            }
                            if top == bottom {
                                continue;
                            }
                            let h = (start[1] + top as isize) * corr.step[1] as isize + rh as isize;
                            let first = (d as usize * corr.source[1] + h as usize) * corr.source[2]
                                + at(left as isize) as usize;
                            let shape = Shape { rows: bottom - top, ..shape };
                            let to = &mut to[top * self.pitch[1]..];
                            let pitch = corr.step[1] * corr.source[2];
                            copy_rows(kernels, &from[first..], pitch, to, self.pitch[1], &shape);
                        }
                        plane += self.plane;
                    }
                }
            }
        }
    }
}

/// The positions `j` of `0..n` for which `(start + j) * step + residue` lies inside `0..size`.
fn span(start: isize, step: usize, residue: usize, size: usize, n: usize) -> (usize, usize) {
    let (step, first) = (step as isize, start * step as isize + residue as isize);
    let after = |gap: isize| if gap > 0 { (gap - 1) / step + 1 } else { 0 };
    let (low, high) = (after(-first), after(size as isize - first));
    let low = low.clamp(0, n as isize);
    (low as usize, high.clamp(low, n as isize) as usize)
}

/// Copies rows, from their first element on, with zeros around them.
fn copy_rows<E: Element>(
    kernels: &Kernels<E::Acc>,
    from: &[E],
    from_pitch: usize,
    to: &mut [E::Acc],
    to_pitch: usize,
    shape: &Shape,
) {
    if let (Some(from), 1 | 2) = (as_accumulators(from), shape.step) {
        kernels.copy_rows(from, from_pitch, to, to_pitch, shape);
        return;
    }
    let &Shape { rows, left, columns, right, step } = shape;
    for row in 0..rows {
        let to = &mut to[row * to_pitch..][..left + columns + right];
        let from = &from[row * from_pitch..];
        to[..left].fill(Default::default());
        to[left + columns..].fill(Default::default());
        let to = &mut to[left..left + columns];
        if step == 1 {
            E::widen_row(&from[..columns], to);
        } else {
            for (slot, value) in to.iter_mut().zip(from.iter().step_by(step)) {
                *slot = value.widen();
            }
        }
    }
}

/// The outputs of a phase row that lanes `flat` of a band stand for, as runs of one output row each.
///
/// Lanes beyond a row's end or beyond the output are left out. Runs that continue each other in the output are
/// merged.
pub(crate) fn segments(
    corr: &Correlation,
    plan: &BandPlan,
    outputs: &Box3,
    row: &PhaseRow,
    flat: Range<usize>,
    out: &mut Vec<Segment>,
) {
    let (offset, phases) = (row.offset, row.phases.len());
    let (flat, lanes) = (flat.start, flat.len());
    out.clear();
    let n = [0, 1, 2].map(|d| outputs.end[d] - outputs.first[d]);
    let [step_d, step_h, step] = corr.target_step;
    let mut lane = 0;
    let mut column = flat % plan.pitch[1];
    let mut height = flat / plan.pitch[1] % plan.pitch[0];
    let mut depth = flat / plan.pitch[1] / plan.pitch[0];
    while lane < lanes && depth < n[0] {
        let run = (plan.pitch[1] - column).min(lanes - lane);
        if height < n[1] && column < n[2] {
            let d = (outputs.first[0] + depth) * step_d + offset[0];
            let h = (outputs.first[1] + height) * step_h + offset[1];
            let w = (outputs.first[2] + column) * step + offset[2];
            let len = run.min(n[2] - column);
            if d < corr.target[0] && h < corr.target[1] && w < corr.target[2] {
                let room = corr.target[2] - w;
                let (len, end) = if phases == 1 {
                    let len = len.min(room.div_ceil(step));
                    (len, len)
                } else {
                    (len.min(room.div_ceil(step)), (len * step).min(room))
                };
                let target = (d * corr.target[1] + h) * corr.target[2] + w;
                match out.last_mut() {
                    Some(last)
                        if step == 1 && last.lane + last.len == lane && last.target + last.len == target =>
                    {
                        last.len += len;
                        last.end += end;
                    }
                    _ => out.push(Segment { lane, len, target, end }),
                }
            }
        }
        lane += run;
        column = 0;
        height += 1;
        if height == plan.pitch[0] {
            height = 0;
            depth += 1;
        }
    }
}
