//! Dispatches of the implicit GEMM.

use super::choose::{tiles, wanted};
use super::correlation::Phase;
use super::plan::{Plan, Problem, Role, Step, step};
use super::steps::Cut;
use super::tiles::{Gather, Gemm, LARGE, LIGHT, Tile, dtype, store};
use crate::error::{Error, Result};

impl Problem<'_> {
    /// Stages of a phase's sum, of each part, and the number of parts that are not empty.
    pub(super) fn stages(&self, phase: &Phase, tile: Tile, parts: usize) -> (usize, usize) {
        let total = self.sum_vectors(phase).div_ceil(tile.bk() / 4);
        // Two at a time.
        let each = total.div_ceil(parts).next_multiple_of(2);
        (each, total.div_ceil(each).max(1))
    }

    /// (vectors of a row of the innermost digit, columns of taps that count as a digit)
    pub(super) fn digits(&self, phase: &Phase) -> (usize, usize) {
        if self.gather() == Gather::Stem {
            ((phase[2].taps * self.ic_pad).div_ceil(4), 1)
        } else {
            (self.ic_pad / 4, phase[2].taps)
        }
    }

    pub(super) fn sum_vectors(&self, phase: &Phase) -> usize {
        let (n_ic, kw) = self.digits(phase);
        n_ic * kw * phase[0].taps * phase[1].taps
    }

    pub(super) fn tile_for(&self, parts: usize) -> Tile {
        if let Some(tile) = self.tile {
            return tile;
        }
        let list = tiles(self.target.class, self.gather());
        if parts > 1 {
            return list[list.len() - 1];
        }
        let columns = self.corr.outputs.div_ceil(LARGE.bn) * self.corr.groups;
        let pixels = self.corr.batch * self.corr.phases[0].iter().map(|axis| axis.count).product::<usize>();
        let busy = |tile: &&Tile| {
            tile.has(self.gather(), false)
                && pixels.div_ceil(tile.bm) * columns >= wanted(self.target.class)
                && (self.target.class != "software" || **tile == LIGHT)
        };
        list.iter().find(busy).copied().unwrap_or(list[list.len() - 1])
    }

    pub(super) fn gemm(&self, plan: &mut Plan, phase: &Phase, gather: Gather, parts: usize) -> Result<()> {
        let tile = self.tile_for(parts);
        let (each, parts) = self.stages(phase, tile, parts);
        let (n_ic, kw) = self.digits(phase);
        let k4 = tile.bk() / 4;
        let (split, f16) = (parts > 1, self.target.f16);
        let gather = match gather {
            Gather::Any if self.ic_pad.is_multiple_of(tile.bk()) => Gather::Tap,
            other => other,
        };
        let kernel = Gemm {
            tile,
            gather,
            rank3: self.rank3 && gather != Gather::Pointwise,
            split,
            vec4: split || self.vec4,
            f16,
        };
        let name = kernel.name();
        // The last loads of a loop run two stages ahead.
        let rows = (each * parts + 2) * tile.bk();
        let units = (self.x_unit(), if self.vec4 { 4 } else { 1 });
        let scale = 4 / units.0;
        for chunk in self.chunks(rows)? {
            let pack = self.pack(plan, phase, chunk, rows);
            let columns = self.columns(chunk.outputs);
            let workspace = parts * chunk.groups * columns * 4;
            let bytes = if split { workspace * 4 } else { 0 };
            let products = each * parts * tile.bk() * columns * 4 * chunk.groups;
            for part in Cut::new(self, phase, self.corr.target_step, products, bytes).parts()? {
                let mut params = self.params(&part, units);
                let [z, y, x] = part.phase;
                // The outermost digit takes the rest.
                let (ic, tap) = (k4 % n_ic, k4 / n_ic);
                let (kx, tap_row) = (tap % kw, tap / kw);
                let (ky, kz) = if self.rank3 { (tap_row % y.taps, tap_row / y.taps) } else { (tap_row, 0) };
                let (step_x, step_y) = (x.distance as u32 * params.xw, y.distance as u32 * params.xh);
                let step_z = z.distance as u32 * params.xd;
                params.k_stages = each as u32;
                params.columns = columns as u32;
                params.out_channels = chunk.outputs as u32;
                params.n_ic = n_ic as u32;
                params.step_ic = ic as u32;
                params.step_kx = (kx * x.distance) as u32;
                params.step_ky = (ky * y.distance) as u32;
                params.step_kz = (kz * z.distance) as u32;
                let row = (n_ic * scale) as u32;
                params.step_off = (ic * scale) as u32
                    + if kw > 1 { kx as u32 * step_x } else { 0 }
                    + (ky as u32).wrapping_mul(step_y)
                    + (kz as u32).wrapping_mul(step_z);
                params.wrap_ic = if gather == Gather::Stem { step_y } else { step_x }.wrapping_sub(row);
                params.wrap_kx = step_y.wrapping_sub(x.taps as u32 * step_x);
                params.wrap_ky = step_z.wrapping_sub((y.taps as u32).wrapping_mul(step_y));
                params.row_len = (x.taps * self.ic_pad) as u32;
                params.w_group = (rows * columns) as u32;
                params.column_tiles = (columns * 4 / tile.bn) as u32;
                params.splits = parts as u32;
                let count = part.pixels().div_ceil(tile.bm) * columns * 4 / tile.bn;
                let groups = (count, chunk.groups * parts);
                if groups.1 > 65535 {
                    return Err(Error::Argument(format!(
                        "{} groups in {parts} parts are too many",
                        self.corr.groups
                    )));
                }
                let role = if split { Role::Part } else { Role::Whole };
                let mut made = step(role, &name, &params, groups, &part, pack, units);
                self.within(chunk, &mut made);
                plan.steps.push(made.clone());
                if split {
                    plan.workspace = plan.workspace.max(workspace * part.pixels());
                    let used = chunk.outputs.div_ceil(4) * chunk.groups;
                    params.column_tiles = used as u32;
                    let reduce = format!("conv_reduce_{}_{}", dtype(f16), store(self.vec4));
                    let count = (part.pixels() * used).div_ceil(64);
                    let bytes = params.to_bytes();
                    plan.steps.push(Step {
                        role: Role::Reduce,
                        variant: reduce,
                        words: bytes,
                        groups: (count, 1),
                        ..made
                    });
                }
            }
        }
        plan.tile = [tile.bm, tile.bn];
        plan.threads = tile.threads();
        plan.kernel = name;
        Ok(())
    }
}
