//! Weights and inputs as the kernels read them.

use super::correlation::{Axis, Phase};
use super::params::{PackParams, StageParams};
use super::plan::{Form, Pack, Plan, Problem, Range, Stage};
use super::tiles::{Gather, LARGE};
use crate::error::{Error, Result};

impl Problem<'_> {
    /// Adds packed weights of a phase: `outputs` channels of every group from `channel` on, `rows` of them.
    pub(super) fn pack(
        &self,
        plan: &mut Plan,
        phase: &Phase,
        channel: usize,
        outputs: usize,
        rows: usize,
    ) -> usize {
        let corr = &self.corr;
        let depthwise = self.form == Form::Depthwise;
        let [z, y, x] = *phase;
        let [wo, wi, wg] = corr.weight_pitch;
        let [pz, py, px] = corr.tap_pitch;
        let along = |axis: Axis, pitch: usize| (axis.tap_step * pitch as isize) as u32;
        let first = z.first_tap * pz + y.first_tap * py + x.first_tap * px;
        // A depthwise kernel's channels are its groups.
        let (groups, wo, outputs) = if depthwise { (1, wg, corr.groups) } else { (corr.groups, wo, outputs) };
        let columns = self.columns(outputs);
        let row_len = x.taps * self.ic_pad;
        let row_pad = if self.gather() == Gather::Stem { row_len.next_multiple_of(4) } else { row_len };
        let total = groups * rows * columns;
        let start = channel * wo;
        // The output channels that it takes where these are outermost in w, else all of w.
        let outermost = corr.groups == 1 && wo > wi;
        let range = if outermost { (start, outputs * wo) } else { (0, corr.groups * wg) };
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

    /// Output channels of a group whose packed weights, so many rows, fit a binding.
    pub(super) fn channel_chunks(&self, rows: usize) -> Result<Vec<Range>> {
        let outputs = self.corr.outputs;
        // A depthwise kernel's columns are its groups.
        let groups = if self.form == Form::Depthwise { 1 } else { self.corr.groups };
        let row = groups * rows * self.item();
        let all = row * self.columns(outputs) * 4;
        if all <= self.target.max_binding {
            return Ok(vec![(0, outputs)]);
        }
        let most = self.target.max_binding / (row * LARGE.bn) * LARGE.bn;
        if self.corr.groups > 1 || most == 0 || self.form == Form::Depthwise {
            return Err(Error::Argument(format!(
                "packed weights of {all} bytes do not fit a binding of {} bytes, and cannot be split: {rows} numbers \
                 for each of {outputs} output channels in {} groups",
                self.target.max_binding, self.corr.groups
            )));
        }
        Ok((0..outputs).step_by(most).map(|at| (at, most.min(outputs - at))).collect())
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
