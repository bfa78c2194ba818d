//! The operands of the weight gradient's GEMM, with pixels as the reduction: packed rows of y, and the image with
//! channels (or channels and taps) contiguous.

use super::band::Box3;
use super::weight_grad::WeightGrad;
use crate::element::Element;
use crate::view::as_accumulators;
use std::ops::Range;

impl<E: Element> WeightGrad<'_, E> {
    /// `packed[pixel * count + i] = y[m0 + i, pixel]`.
    pub(super) fn pack_y(&self, y: &[E], outputs: &Box3, m0: usize, count: usize, packed: &mut [E::Acc]) {
        let grid = self.corr.grid;
        let plane: usize = grid.iter().product();
        let run = outputs.end[2] - outputs.first[2];
        let mut pixel = 0;
        for d in outputs.first[0]..outputs.end[0] {
            for h in outputs.first[1]..outputs.end[1] {
                let from = &y[m0 * plane + (d * grid[1] + h) * grid[2] + outputs.first[2]..];
                let mut done = 0;
                if let (Some(from), 8) = (as_accumulators(from), count) {
                    while done + 8 <= run {
                        self.kernels.transpose_block(
                            &from[done..],
                            plane,
                            &mut packed[(pixel + done) * 8..],
                            8,
                        );
                        done += 8;
                    }
                }
                for i in 0..count {
                    for w in done..run {
                        packed[(pixel + w) * count + i] = from[i * plane + w].widen();
                    }
                }
                pixel += run;
            }
        }
    }

    /// `image[position * width + c]` of the channels, zero outside the source; lanes beyond the channels are never
    /// looked at.
    pub(super) fn fill_last(
        &self,
        x: &[E],
        channels: Range<usize>,
        outputs: &Box3,
        size: [usize; 3],
        image: &mut [E::Acc],
    ) {
        let (g, source, width) = (self.geometry, self.corr.source, self.width);
        let plane: usize = source.iter().product();
        let x = &x[channels.start * plane..channels.end * plane];
        let channels = channels.len();
        let first = [0, 1, 2].map(|d| (outputs.first[d] * g.stride()[d]) as isize - g.pad_low()[d] as isize);
        let n = [0, 1, 2].map(|d| outputs.end[d] - outputs.first[d]);
        let used = self.positions(n);
        let low = (-first[2]).clamp(0, used[2] as isize) as usize;
        let high = (source[2] as isize - first[2]).clamp(low as isize, used[2] as isize) as usize;
        for d in 0..used[0] {
            for h in 0..used[1] {
                let to = &mut image[self.position([d, h, 0], size) * width..][..used[2] * width];
                let (at_d, at_h) = (first[0] + d as isize, first[1] + h as isize);
                let inside =
                    (0..source[0] as isize).contains(&at_d) && (0..source[1] as isize).contains(&at_h);
                if !inside || low == high {
                    to.fill(Default::default());
                    continue;
                }
                to[..low * width].fill(Default::default());
                to[high * width..].fill(Default::default());
                let row = (at_d as usize * source[1] + at_h as usize) * source[2];
                let row = row + (first[2] + low as isize) as usize;
                let mut c0 = 0;
                if let Some(x) = as_accumulators(x) {
                    while c0 + 8 <= channels {
                        let mut done = low;
                        while done + 8 <= high {
                            let from = &x[c0 * plane + row + done - low..];
                            self.kernels.transpose_block(from, plane, &mut to[done * width + c0..], width);
                            done += 8;
                        }
                        for c in c0..c0 + 8 {
                            for w in done..high {
                                to[w * width + c] = x[c * plane + row + w - low];
                            }
                        }
                        c0 += 8;
                    }
                }
                for c in c0..channels {
                    for w in low..high {
                        to[w * width + c] = x[c * plane + row + w - low].widen();
                    }
                }
            }
        }
    }

    /// `image[output * width + c * taps + t]` of the channels, zero outside the source.
    pub(super) fn fill_rows(&self, x: &[E], channels: Range<usize>, outputs: &Box3, image: &mut [E::Acc]) {
        let (source, kernel) = (self.corr.source, self.geometry.kernel());
        let plane: usize = source.iter().product();
        let mut image = image.chunks_exact_mut(self.width);
        for od in outputs.first[0]..outputs.end[0] {
            for oh in outputs.first[1]..outputs.end[1] {
                for ow in outputs.first[2]..outputs.end[2] {
                    let to = image.next().expect("a row for every output");
                    let mut runs = to.chunks_exact_mut(kernel[2]);
                    for c in channels.clone() {
                        let x = &x[c * plane..][..plane];
                        for td in 0..kernel[0] {
                            for th in 0..kernel[1] {
                                let to = runs.next().expect("a run for every kernel row");
                                let at = [self.place(0, od, td), self.place(1, oh, th), self.place(2, ow, 0)];
                                self.fill_run(x, at, to);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Where tap `t` of output `o` reads along a dimension.
    fn place(&self, d: usize, o: usize, t: usize) -> isize {
        let g = self.geometry;
        (o * g.stride()[d] + t * g.dilation()[d]) as isize - g.pad_low()[d] as isize
    }

    /// What one row of the kernel reads, its first tap at `at`.
    fn fill_run(&self, x: &[E], at: [isize; 3], to: &mut [E::Acc]) {
        let source = self.corr.source;
        let inside = |d: usize, i: isize| (0..source[d] as isize).contains(&i);
        if !inside(0, at[0]) || !inside(1, at[1]) {
            to.fill(Default::default());
            return;
        }
        let row = (at[0] as usize * source[1] + at[1] as usize) * source[2];
        let (x, step) = (&x[row..][..source[2]], self.geometry.dilation()[2]);
        if step == 1 && inside(2, at[2]) && inside(2, at[2] + to.len() as isize - 1) {
            for (to, from) in to.iter_mut().zip(&x[at[2] as usize..]) {
                *to = from.widen();
            }
            return;
        }
        for (t, to) in to.iter_mut().enumerate() {
            let w = at[2] + (t * step) as isize;
            *to = if inside(2, w) { x[w as usize].widen() } else { E::Acc::default() };
        }
    }
}
