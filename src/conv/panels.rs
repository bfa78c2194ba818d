//! Weights of implicit GEMM in the order of its tiles.

use super::implicit_gemm::Gemm;
use super::plan::{Mode, even_parts};
use crate::aligned::AlignedVec;
use crate::element::Element;
use crate::error::Result;
use crate::threads::{self, Interrupt};
use crate::tile::pack::{self, WeightView};
use crate::view::Output;

/// Weights in the order of the tiles: for each group, phase and panel, all `k`, all rows or lanes.
pub(crate) struct Panels<T> {
    pub(super) data: AlignedVec<T>,
    /// Elements of one group.
    pub(super) group: usize,
}

impl<T: bytemuck::Pod> Panels<T> {
    /// Gives the memory back for the next call's.
    pub(crate) fn recycle(self) {
        self.data.recycle();
    }

    /// Size in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.data.bytes()
    }
}

impl<E: Element> Gemm<'_, E> {
    /// Output channels with their padding to whole vectors.
    pub(super) fn padded_channels(&self) -> usize {
        match self.choice.mode {
            Mode::Channels => self.corr.m.next_multiple_of(self.kernels.lanes),
            _ => self.corr.m,
        }
    }

    /// `(start, length)` of the panels: output channels in `Pixels` mode, vectors of them in `Channels` mode.
    pub(super) fn panels(&self) -> impl Iterator<Item = (usize, usize)> + Clone {
        match self.choice.mode {
            Mode::Channels => even_parts(self.corr.m.div_ceil(self.kernels.lanes), self.choice.vectors),
            _ => even_parts(self.corr.m, self.choice.rows),
        }
    }

    /// Packs the weights of all groups, `(out, in / groups, taps)`, on up to `threads` threads; for use `once` into
    /// memory that is at hand.
    pub(crate) fn pack(
        &self,
        weights: &[E],
        once: bool,
        threads: usize,
        interrupt: &dyn Interrupt,
    ) -> Result<Panels<E::Acc>> {
        let corr = self.corr;
        let all_taps: usize = corr.phases().map(Vec::len).sum();
        let group = self.padded_channels() * corr.c * all_taps;
        let len = group * self.groups;
        let mut data = if once { AlignedVec::reused(len)? } else { AlignedVec::zeroed(len)? };
        let panels: Vec<(usize, usize)> = self.panels().collect();
        let taps: Vec<Vec<usize>> =
            corr.phases().map(|taps| taps.iter().map(|tap| tap.weight).collect()).collect();
        let output = Output::new(data.as_mut_slice());
        let threads = if len < 64 << 10 { 1 } else { threads };
        threads::run(self.groups * panels.len(), threads, interrupt, &|task| {
            let (g, (start, len)) = (task / panels.len(), panels[task % panels.len()]);
            let (row, column) = corr.weight_pitch;
            let data = &weights[g * weights.len() / self.groups..];
            let unit = if self.choice.mode == Mode::Channels { self.kernels.lanes } else { 1 };
            let (m0, width) = (start * unit, len * unit);
            let mut base = g * group;
            for taps in &taps {
                let depth = corr.c * taps.len();
                let out = output.run(base + m0 * depth, width * depth);
                let view = WeightView { data, row, column, channels: corr.c, taps };
                pack::panel(self.kernels, &view, m0..corr.m.min(m0 + width), width, out);
                base += self.padded_channels() * depth;
            }
        })?;
        Ok(Panels { data, group })
    }
}
