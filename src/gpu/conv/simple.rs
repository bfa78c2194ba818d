//! Dispatches of the kernels without workgroup memory: direct, depthwise, and outputs that no tap reaches.

use super::correlation::{Axis, Phase};
use super::plan::{Pack, Plan, Problem, Role, step};
use super::steps::Cut;
use super::tiles::{ANY, Depthwise, UNROLLED, dtype, store};
use crate::error::Result;

impl Problem<'_> {
    /// All of y as the epilogue of zero, before the phases that have taps.
    pub(super) fn fill(&self, plan: &mut Plan) -> Result<()> {
        let axis = |d: usize| Axis {
            start: 0,
            count: self.corr.target[d],
            shift: 0,
            step: 1,
            distance: 1,
            taps: 0,
            first_tap: 0,
            tap_step: 1,
        };
        let outputs = self.corr.outputs;
        let vec4 = outputs.is_multiple_of(4);
        let variant = format!("conv_direct_scalar_{}_{}", dtype(self.target.f16), store(vec4));
        let (columns, unit) = (outputs.div_ceil(4), if vec4 { 4 } else { 1 });
        let phase = [axis(0), axis(1), axis(2)];
        let pack = plan.packs.len();
        plan.packs.push(Pack { words: Vec::new(), groups: 0, w: (0, 0), size: 4 });
        for part in Cut::new(self, &phase, [1; 3], 1, 0).parts()? {
            let mut params = self.params(&part, (1, unit));
            params.columns = columns as u32;
            params.column_tiles = (columns * self.corr.groups) as u32;
            params.out_channels = outputs as u32;
            let groups = (part.pixels().div_ceil(4) * columns * self.corr.groups).div_ceil(64);
            plan.steps.push(step(Role::Whole, &variant, &params, (groups, 1), &part, pack, (1, unit)));
        }
        if plan.kernel.is_empty() {
            plan.kernel = variant;
        }
        Ok(())
    }

    pub(super) fn direct(&self, plan: &mut Plan, phase: &Phase) -> Result<()> {
        let corr = &self.corr;
        let units = (self.x_unit(), if self.vec4 { 4 } else { 1 });
        let taps: usize = phase.iter().map(|axis| axis.taps).product();
        let rows = taps * self.ic_pad;
        let (read, end) = (store(units.0 == 4), store(self.vec4));
        let variant = format!("conv_direct_{read}_{}_{end}", dtype(self.target.f16));
        for chunk in self.chunks(rows)? {
            let pack = self.pack(plan, phase, chunk, rows);
            let columns = self.columns(chunk.outputs);
            let products = rows * columns * 4 * chunk.groups;
            for part in Cut::new(self, phase, corr.target_step, products, 0).parts()? {
                let mut params = self.params(&part, units);
                params.columns = columns as u32;
                params.column_tiles = (columns * chunk.groups) as u32;
                params.out_channels = chunk.outputs as u32;
                params.n_ic = (self.ic_pad / units.0) as u32;
                params.w_group = (rows * columns) as u32;
                let groups = (part.pixels().div_ceil(4) * columns * chunk.groups).div_ceil(64);
                let mut made = step(Role::Whole, &variant, &params, (groups, 1), &part, pack, units);
                self.within(chunk, &mut made);
                plan.steps.push(made);
            }
        }
        plan.tile = [4, 4];
        plan.kernel = variant;
        Ok(())
    }

    pub(super) fn depthwise(&self, plan: &mut Plan, phase: &Phase) -> Result<()> {
        let channels = self.corr.groups;
        let [z, y, x] = *phase;
        let unit = if self.vec4 { 4 } else { 1 };
        let fits = |u: &&super::tiles::Unroll| {
            u.kw == x.taps
                && x.step == u.step
                && x.distance == 1
                && (u.kh == 0 || (u.kh == y.taps && y.step == u.step && y.distance == 1))
        };
        let unroll =
            if self.target.force == "any" { ANY } else { UNROLLED.iter().find(fits).copied().unwrap_or(ANY) };
        let variant =
            Depthwise { unroll, rank3: self.rank3, vec4: self.vec4, f16: self.target.f16, plain: false }
                .name();
        let taps = z.taps * y.taps * x.taps;
        // All of them, or an error.
        let chunk = self.chunks(taps)?[0];
        let pack = self.pack(plan, phase, chunk, taps);
        for part in Cut::new(self, phase, self.corr.target_step, taps * channels, 0).parts()? {
            let mut params = self.params(&part, (unit, unit));
            // The kernel strides over numbers of packed weights as over elements: rows of four are padded.
            params.columns = (channels / unit) as u32;
            params.w_group = (self.columns(1) * 4 / unit) as u32;
            let [z, y, x] = part.phase;
            params.column_tiles = x.count.div_ceil(unroll.tw) as u32;
            params.out_channels = channels as u32;
            let threads = part.images() * z.count * y.count.div_ceil(unroll.th) * x.count.div_ceil(unroll.tw);
            let groups = (threads * (channels / unit)).div_ceil(64);
            let mut made = step(Role::Whole, &variant, &params, (groups, 1), &part, pack, (unit, unit));
            made.plain = part.dense;
            plan.steps.push(made);
        }
        plan.tile = [unroll.tw * unroll.th, unit];
        plan.kernel = variant;
        Ok(())
    }
}
