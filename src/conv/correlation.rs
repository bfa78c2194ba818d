//! Forward and input gradient as one thing: `out[m, q] = Σ_c Σ_t w[m, c, t] · source[c, q · step + shift(t)]`.
//!
//! The forward pass is one such correlation with the convolution's stride as its step. The input gradient of
//! stride `s` falls into phases: outputs `i = s · q + r` see only the taps with `t · dilation ≡ r + pad (mod s)`,
//! at shifts that are whole numbers, so each phase is a correlation of step 1 whose outputs lie `s` apart.

use crate::geometry::Geometry;

/// One kernel element: where it reads and which weight it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tap {
    /// Distance from the first element that any tap reads, in the source thinned out by `step`.
    pub delta: [usize; 3],
    /// Index into `Correlation::residues` of each dimension.
    pub residue: [usize; 3],
    /// Index of the kernel element.
    pub weight: usize,
}

/// The outputs `offset + q · target_step` and, of further phases, their right neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PhaseRow {
    /// First output.
    pub offset: [usize; 3],
    /// The kernel elements of each phase along the last dimension, in the kernel's order: one phase, or as many
    /// as the stride so that whole rows can be stored.
    pub phases: Vec<Vec<Tap>>,
}

/// One group of one sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Correlation {
    /// Output channels of a group.
    pub m: usize,
    /// Summed channels of a group.
    pub c: usize,
    /// Elements between weights of neighbouring output channels, and of neighbouring summed channels.
    pub weight_pitch: (usize, usize),
    /// Spatial size of the source.
    pub source: [usize; 3],
    /// Source elements from one output to the next.
    pub step: [usize; 3],
    /// Remainders modulo `step` that taps use, for each dimension.
    pub residues: [Vec<usize>; 3],
    /// Smallest shift of any tap, in the source thinned out by `step`; negative in the padding.
    pub first: [isize; 3],
    /// Largest `delta` of any tap.
    pub reach: [usize; 3],
    /// Outputs of a phase, at most.
    pub grid: [usize; 3],
    /// Spatial size of the output.
    pub target: [usize; 3],
    /// Outputs from one output of a phase to its next.
    pub target_step: [usize; 3],
    /// All phases that any tap belongs to.
    pub rows: Vec<PhaseRow>,
    /// Whether outputs exist that no tap reaches: they are the bias, or zero.
    pub sparse: bool,
}

/// Phases along the last dimension that are stored together, at most.
const MAX_INTERLEAVED: usize = 8;

/// A kernel element along one dimension: index, residue, shift.
type Tap1 = (usize, usize, isize);

/// A phase row by dimensions: its taps are all combinations.
struct Along {
    offset: [usize; 3],
    outer: [Vec<Tap1>; 2],
    /// Of each phase.
    inner: Vec<Vec<Tap1>>,
}

impl Correlation {
    /// `y` from `x`.
    pub(crate) fn forward(geometry: &Geometry) -> Correlation {
        let (stride, dilation, pad) = (geometry.stride(), geometry.dilation(), geometry.pad_low());
        let (x, y) = (geometry.x_size(), geometry.y_size());
        // Taps that read nothing but padding are left out: they would only widen the band.
        let along = |d: usize| -> Vec<Tap1> {
            let s = stride[d] as isize;
            (0..geometry.kernel()[d])
                .filter_map(|t| {
                    let shift = (t * dilation[d]) as isize - pad[d] as isize;
                    let first = if shift < 0 { (-shift - 1) / s + 1 } else { 0 };
                    let reads = first < y[d] as isize && first * s + shift < x[d] as isize;
                    reads.then(|| (t, shift.rem_euclid(s) as usize, shift.div_euclid(s)))
                })
                .collect()
        };
        let rows = vec![Along { offset: [0; 3], outer: [along(0), along(1)], inner: vec![along(2)] }];
        Correlation::assemble(geometry, true, rows)
    }

    /// `x` from `y`.
    pub(crate) fn input_grad(geometry: &Geometry) -> Correlation {
        let (stride, dilation, pad) = (geometry.stride(), geometry.dilation(), geometry.pad_low());
        let (x, y) = (geometry.x_size(), geometry.y_size());
        let along = |d: usize, r: usize| -> Vec<Tap1> {
            let s = stride[d] as isize;
            (0..geometry.kernel()[d])
                .filter_map(|t| {
                    let at = (r + pad[d]) as isize - (t * dilation[d]) as isize;
                    let shift = at.div_euclid(s);
                    let outputs = x[d].saturating_sub(r).div_ceil(stride[d]) as isize;
                    let reads = shift < y[d] as isize && shift + outputs > 0;
                    (at.rem_euclid(s) == 0 && reads).then_some((t, 0, shift))
                })
                .collect()
        };
        // Residues that have taps, found from the taps: a stride may be far larger than the kernel.
        let residues = |d: usize| -> Vec<usize> {
            let s = stride[d] as isize;
            let at = |t: usize| ((t * dilation[d]) as isize - pad[d] as isize).rem_euclid(s) as usize;
            let mut all: Vec<usize> = (0..geometry.kernel()[d]).map(at).collect();
            all.sort_unstable();
            all.dedup();
            all.retain(|&r| r < x[d]);
            all
        };
        let together = stride[2] <= MAX_INTERLEAVED;
        let mut rows = Vec::new();
        for rd in residues(0) {
            for rh in residues(1) {
                if together {
                    let phases = (0..stride[2]).map(|rw| along(2, rw)).collect();
                    rows.push(Along {
                        offset: [rd, rh, 0],
                        outer: [along(0, rd), along(1, rh)],
                        inner: phases,
                    });
                } else {
                    for rw in residues(2) {
                        let inner = vec![along(2, rw)];
                        rows.push(Along { offset: [rd, rh, rw], outer: [along(0, rd), along(1, rh)], inner });
                    }
                }
            }
        }
        Correlation::assemble(geometry, false, rows)
    }

    /// Brings the rows' taps to a common origin.
    fn assemble(geometry: &Geometry, forward: bool, rows: Vec<Along>) -> Correlation {
        let (x, y) = (geometry.x_size(), geometry.y_size());
        let (cx, cy) = (geometry.x_channels() / geometry.groups(), geometry.y_channels() / geometry.groups());
        let taps = geometry.taps();
        let (m, c, weight_pitch) =
            if forward { (cy, cx, (cx * taps, taps)) } else { (cx, cy, (taps, cx * taps)) };
        let (source, target) = if forward { (x, y) } else { (y, x) };
        let (step, target_step) =
            if forward { (geometry.stride(), [1; 3]) } else { ([1; 3], geometry.stride()) };
        let kernel = geometry.kernel();
        let (mut first, mut last) = ([isize::MAX; 3], [isize::MIN; 3]);
        let mut residues: [Vec<usize>; 3] = Default::default();
        for Along { outer, inner, .. } in &rows {
            let all = outer.iter().enumerate().chain(inner.iter().map(|taps| (2, taps)));
            for (d, taps) in all {
                for &(_, residue, shift) in taps {
                    first[d] = first[d].min(shift);
                    last[d] = last[d].max(shift);
                    residues[d].push(residue);
                }
            }
        }
        let mut reach = [0; 3];
        for d in 0..3 {
            residues[d].sort_unstable();
            residues[d].dedup();
            if first[d] > last[d] {
                (first[d], last[d]) = (0, 0);
            }
            reach[d] = (last[d] - first[d]) as usize;
        }
        let index =
            |d: usize, r: usize| residues[d].iter().position(|&v| v == r).expect("a residue of a tap");
        let tap = |td: Tap1, th: Tap1, tw: Tap1| Tap {
            delta: [(td.2 - first[0]) as usize, (th.2 - first[1]) as usize, (tw.2 - first[2]) as usize],
            residue: [index(0, td.1), index(1, th.1), index(2, tw.1)],
            weight: (td.0 * kernel[1] + th.0) * kernel[2] + tw.0,
        };
        let rows: Vec<PhaseRow> = rows
            .into_iter()
            .map(|Along { offset, outer, inner }| {
                let phase = |along: &Vec<Tap1>| {
                    let mut taps = Vec::with_capacity(outer[0].len() * outer[1].len() * along.len());
                    for &td in &outer[0] {
                        for &th in &outer[1] {
                            taps.extend(along.iter().map(|&tw| tap(td, th, tw)));
                        }
                    }
                    taps
                };
                PhaseRow { offset, phases: inner.iter().map(phase).collect() }
            })
            .collect();
        let all: usize = (0..3).map(|d| target_step[d].min(target[d])).fold(1, usize::saturating_mul);
        let reached: usize = rows.iter().map(|row| row.phases.len().min(target[2])).sum();
        let mut grid = [0; 3];
        for d in 0..3 {
            grid[d] = target[d].div_ceil(target_step[d]);
        }
        Correlation {
            m,
            c,
            weight_pitch,
            source,
            step,
            residues,
            first,
            reach,
            grid,
            target,
            target_step,
            rows,
            sparse: reached < all,
        }
    }

    /// Whether every tap of every output lies inside the source, one element apart: no copy is needed.
    pub(crate) fn is_direct(&self) -> bool {
        (0..3).all(|d| {
            self.step[d] == 1
                && self.first[d] >= 0
                && self.first[d] as usize + self.grid[d] - 1 + self.reach[d] < self.source[d]
        })
    }

    /// The kernel elements of every phase.
    pub(crate) fn phases(&self) -> impl Iterator<Item = &Vec<Tap>> {
        self.rows.iter().flat_map(|row| &row.phases)
    }

    /// The largest number of kernel elements of a phase.
    pub(crate) fn most_taps(&self) -> usize {
        self.phases().map(Vec::len).max().unwrap_or(0)
    }

    /// The largest number of kernel elements of a phase row.
    pub(crate) fn row_taps(&self) -> usize {
        self.rows.iter().map(|row| row.phases.iter().map(Vec::len).sum()).max().unwrap_or(0)
    }

    /// Multiplications of one group of one sample.
    pub(crate) fn products(&self) -> usize {
        let taps: usize = self.phases().map(Vec::len).sum();
        self.grid.iter().product::<usize>().saturating_mul(taps).saturating_mul(self.m).saturating_mul(self.c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{ConvSpec, Padding};

    fn geometry(
        transposed: bool,
        size: usize,
        kernel: usize,
        stride: i64,
        pad: i64,
        dilation: i64,
    ) -> Geometry {
        let (input, weight) = ([1, 2, size], [2, 2, kernel]);
        Geometry::new(&ConvSpec {
            rank: 1,
            input: &input,
            weight: &weight,
            bias: None,
            stride: &[stride],
            padding: Padding::Explicit(vec![(pad, pad)]),
            output_padding: &[0],
            groups: 1,
            dilation: &[dilation],
            transposed,
        })
        .expect("valid")
    }

    #[test]
    fn a_strided_forward_pass_reads_one_residue_for_each_parity() {
        let c = Correlation::forward(&geometry(false, 9, 3, 2, 1, 1));
        assert_eq!(c.residues[2], [0, 1]);
        assert_eq!((c.first[2], c.reach[2], c.grid[2]), (-1, 1, 5));
        let taps: Vec<_> = c.rows[0].phases[0].iter().map(|t| (t.residue[2], t.delta[2])).collect();
        assert_eq!(taps, [(1, 0), (0, 1), (1, 1)]);
    }

    #[test]
    fn phases_of_the_input_gradient_share_out_the_taps() {
        let c = Correlation::input_grad(&geometry(true, 5, 4, 3, 0, 1));
        let taps: Vec<Vec<usize>> = c.phases().map(|taps| taps.iter().map(|t| t.weight).collect()).collect();
        assert_eq!(taps, [vec![0, 3], vec![1], vec![2]]);
    }

    #[test]
    fn a_pointwise_layer_needs_no_copy() {
        assert!(Correlation::forward(&geometry(false, 9, 1, 1, 0, 1)).is_direct());
        assert!(Correlation::forward(&geometry(false, 9, 3, 1, 0, 2)).is_direct());
        assert!(!Correlation::forward(&geometry(false, 9, 3, 1, 1, 1)).is_direct());
        assert!(Correlation::input_grad(&geometry(true, 9, 2, 2, 0, 1)).is_direct());
    }
}
