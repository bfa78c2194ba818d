//! Weights and inputs as the kernels read them.

use super::correlation::{Axis, Phase};
use super::params::{PackParams, StageParams};
use super::plan::{Form, Pack, Plan, Problem, Stage, Step};
use super::tiles::{Gather, LARGE};
use crate::error::{Error, Result};

/// Weights that are packed together: of some groups, or of some output channels of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
    group: usize,
    pub groups: usize,
    /// Of each group.
    channel: usize,
    pub outputs: usize,
}

impl Problem<'_> {
    /// The first channel of x that a chunk reads, and the first of y that it writes.
    fn channels_of(&self, chunk: Chunk) -> (usize, usize) {
        (chunk.group * self.ic_pad, chunk.group * self.corr.outputs + chunk.channel)
    }

    /// Makes a dispatch over all channels one over those of a chunk.
    pub(super) fn within(&self, chunk: Chunk, step: &mut Step) {
        let (input, output) = self.channels_of(chunk);
        step.channel = output;
        step.y = (step.y.0 + output, step.y.1 - output);
        if step.x.1 > 0 {
            step.x = (step.x.0 + input, step.x.1 - input);
        }
    }

    /// Adds packed weights of a phase: `rows` of a chunk.
    pub(super) fn pack(&self, plan: &mut Plan, phase: &Phase, chunk: Chunk, rows: usize) -> usize {
        let corr = &self.corr;
        let depthwise = self.form == Form::Depthwise;
        let [z, y, x] = *phase;
        let [wo, wi, wg] = corr.weight_pitch;
        let [pz, py, px] = corr.tap_pitch;
        let along = |axis: Axis, pitch: usize| (axis.tap_step * pitch as isize) as u32;
        let first = z.first_tap * pz + y.first_tap * py + x.first_tap * px;
        // A depthwise kernel's channels are its groups.
        let (groups, wo, outputs) =
            if depthwise { (1, wg, corr.groups) } else { (chunk.groups, wo, chunk.outputs) };
        let columns = self.columns(outputs);
        let row_len = x.taps * self.ic_pad;
        let row_pad = if self.gather() == Gather::Stem { row_len.next_multiple_of(4) } else { row_len };
        let total = groups * rows * columns;
        let start = chunk.group * wg + chunk.channel * wo;
        // The output channels that it takes where these are outermost in a group of w, else all of its groups.
        let outermost = chunk.groups == 1 && wo > wi;
        let range = if outermost { (start, outputs * wo) } else { (chunk.group * wg, chunk.groups * wg) };
        let params = PackParams {
            // Relative to the range.
            w_first: (first + start - range.0) as u32,
            total: total as u32,
            columns: columns as u32,
            rows: rows as u32,
            row_pad: row_pad as u32,
            row_len: row_len as u32,
            ic_pad: self.ic_pad as u32,
            in_channels: corr.inputs as u32,
            out_channels: outputs as u32,
            kd: z.taps as u32,
            kh: y.taps as u32,
            wg: wg as u32,
            wo: wo as u32,
            wi: wi as u32,
            wz: along(z, pz),
            wy: along(y, py),
            wx: along(x, px),
            ..PackParams::default()
        };
        plan.packs.push(Pack {
            words: params.to_bytes(),
            groups: total.div_ceil(64),
            w: range,
            size: total * 4,
        });
        plan.packs.len() - 1
    }

    /// Chunks whose packed weights, of so many rows, fit a binding.
    pub(super) fn chunks(&self, rows: usize) -> Result<Vec<Chunk>> {
        let (groups, outputs, limit) = (self.corr.groups, self.corr.outputs, self.target.max_binding);
        let depthwise = self.form == Form::Depthwise;
        // A depthwise kernel's columns are its groups.
        let row = rows * self.item();
        let group = row * self.columns(outputs) * 4;
        let all = if depthwise { group } else { group * groups };
        if all <= limit {
            return Ok(vec![Chunk { group: 0, groups, channel: 0, outputs }]);
        }
        let each = limit / group;
        if each > 0 {
            let chunk = |group| Chunk { group, groups: each.min(groups - group), channel: 0, outputs };
            return Ok((0..groups).step_by(each).map(chunk).collect());
        }
        let block = match self.form {
            Form::Direct => 4,
            Form::Depthwise => groups,
            Form::Gemm { .. } => LARGE.bn,
        };
        let most = limit / (row * block) * block;
        if most == 0 || depthwise {
            return Err(Error::Argument(format!(
                "the packed weights of {block} output channels, {} bytes, are more than the {limit} bytes that the \
                 device binds at once, and cannot be split: {} channels to {} in {groups} groups",
                row * block,
                groups * self.corr.inputs,
                groups * outputs,
            )));
        }
        let mut chunks = Vec::new();
        for group in 0..groups {
            for channel in (0..outputs).step_by(most) {
                chunks.push(Chunk { group, groups: 1, channel, outputs: most.min(outputs - channel) });
            }
        }
        Ok(chunks)
    }

    pub(super) fn stage(&self) -> Stage {
        let corr = &self.corr;
        let image = self.x_size.iter().product::<usize>() * self.x_channels();
        let most = (self.target.max_binding / (image * self.item()).max(1)).clamp(1, corr.batch.max(1));
        let [id, ih, iw] = corr.source.map(|v| v as u32);
        let [od, oh, ow] = self.x_size.map(|v| v as u32);
        let [pd, ph, pw] = self.x_place.map(|v| v as u32);
        let steps = (0..corr.batch).step_by(most).map(|n| {
            let images = most.min(corr.batch - n);
            let params = StageParams {
                total: (images * image) as u32,
                in_channels: corr.inputs as u32,
                ic_pad: self.ic_pad as u32,
                groups: corr.groups as u32,
                id,
                ih,
                iw,
                od,
                oh,
                ow,
                pd,
                ph,
                pw,
                ..StageParams::default()
            };
            (params.to_bytes(), (images * image).div_ceil(64), (n, images), (n * image, images * image))
        });
        Stage { size: corr.batch * image, steps: steps.collect() }
    }
}
