//! Forward and input gradient as one thing for the GPU: correlations over lattices of outputs.
//!
//! An output `start + q · target_step` of a phase sums taps at `q · step + shift + j · distance` of the source. The
//! forward pass is one phase. The input gradient of stride `s` has a phase for each residue modulo `s`; its taps are
//! every `s / gcd(s, dilation)`-th of the kernel, taken backwards, so that they step forwards through the source.

use crate::geometry::Geometry;

/// One dimension of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Axis {
    /// First output, and their number.
    pub start: usize,
    pub count: usize,
    /// Position of the first tap of the first output; negative in the padding.
    pub shift: isize,
    /// Positions from an output to the next, and from a tap to the next.
    pub step: usize,
    pub distance: usize,
    /// Number of taps, the first one's index in the kernel, and from one's to the next.
    pub taps: usize,
    pub first_tap: usize,
    pub tap_step: isize,
}

/// The dimensions of a phase.
pub(crate) type Phase = [Axis; 3];

/// A pass over one geometry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Correlation {
    pub batch: usize,
    pub groups: usize,
    /// Summed and output channels of a group.
    pub inputs: usize,
    pub outputs: usize,
    /// Spatial sizes of what is read and written.
    pub source: [usize; 3],
    pub target: [usize; 3],
    /// Outputs from one output of a phase to its next.
    pub target_step: [usize; 3],
    /// Phases that have taps.
    pub phases: Vec<Phase>,
    /// Whether outputs exist that no phase computes.
    pub sparse: bool,
    /// Elements of w, in C order, from an output channel, an input channel, a group to the next.
    pub weight_pitch: [usize; 3],
    /// Elements of w from a plane, row, column of taps to the next.
    pub tap_pitch: [usize; 3],
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Correlation {
    /// y from x.
    pub(crate) fn forward(geometry: &Geometry) -> Correlation {
        let axis = |d: usize| Axis {
            start: 0,
            count: geometry.y_size()[d],
            shift: -(geometry.pad_low()[d] as isize),
            step: geometry.stride()[d],
            distance: geometry.dilation()[d],
            taps: geometry.kernel()[d],
            first_tap: 0,
            tap_step: 1,
        };
        Correlation::new(geometry, true, vec![[axis(0), axis(1), axis(2)]])
    }

    /// x from y.
    pub(crate) fn input_grad(geometry: &Geometry) -> Correlation {
        let along: [Vec<Axis>; 3] = [0, 1, 2].map(|d| phases_along(geometry, d));
        let mut phases = Vec::new();
        for &z in &along[0] {
            for &y in &along[1] {
                phases.extend(along[2].iter().map(|&x| [z, y, x]));
            }
        }
        Correlation::new(geometry, false, phases)
    }

    fn new(geometry: &Geometry, forward: bool, phases: Vec<Phase>) -> Correlation {
        let (x, y) = (geometry.x_size(), geometry.y_size());
        let groups = geometry.groups();
        let (cx, cy) = (geometry.x_channels() / groups, geometry.y_channels() / groups);
        let (taps, kernel) = (geometry.taps(), geometry.kernel());
        let (outer, inner) = (cx * taps, taps);
        let computed: usize =
            phases.iter().map(|phase| phase.iter().map(|axis| axis.count).product::<usize>()).sum();
        let target = if forward { y } else { x };
        Correlation {
            batch: geometry.batch(),
            groups,
            inputs: if forward { cx } else { cy },
            outputs: if forward { cy } else { cx },
            source: if forward { x } else { y },
            target,
            target_step: if forward { [1; 3] } else { geometry.stride() },
            phases,
            sparse: computed < target.iter().product(),
            weight_pitch: if forward { [outer, inner, cy * outer] } else { [inner, outer, cy * outer] },
            tap_pitch: [kernel[1] * kernel[2], kernel[2], 1],
        }
    }
}

/// The residues of a dimension that taps belong to, found from the taps: a stride may be far larger than the kernel.
fn phases_along(geometry: &Geometry, d: usize) -> Vec<Axis> {
    let (s, dilation, pad) = (geometry.stride()[d], geometry.dilation()[d], geometry.pad_low()[d]);
    let (kernel, size) = (geometry.kernel()[d], geometry.x_size()[d]);
    let common = gcd(s, dilation);
    // Taps t and t + period lie in one phase.
    let period = s / common;
    let residue = |t: usize| ((t * dilation) as isize - pad as isize).rem_euclid(s as isize) as usize;
    let mut phases: Vec<Axis> = (0..period.min(kernel))
        .filter(|&t| residue(t) < size)
        .map(|first| {
            let start = residue(first);
            let taps = (kernel - first).div_ceil(period);
            let last = first + (taps - 1) * period;
            let shift = ((start + pad) as isize - (last * dilation) as isize).div_euclid(s as isize);
            Axis {
                start,
                count: (size - start).div_ceil(s),
                shift,
                step: 1,
                distance: dilation / common,
                taps,
                first_tap: last,
                tap_step: -(period as isize),
            }
        })
        .collect();
    phases.sort_unstable_by_key(|axis| axis.start);
    phases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{ConvSpec, Padding};

    /// A 1-D geometry: sizes of input and kernel, stride, padding, dilation.
    fn geometry(
        transposed: bool,
        size: usize,
        kernel: usize,
        stride: i64,
        pad: i64,
        dilation: i64,
    ) -> Geometry {
        Geometry::new(&ConvSpec {
            rank: 1,
            input: &[1, 2, size],
            weight: &[2, 2, kernel],
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

    /// (output, input, tap) of every product along the last dimension.
    fn products(c: &Correlation) -> Vec<(usize, usize, usize)> {
        let mut all = Vec::new();
        for phase in &c.phases {
            let axis = phase[2];
            for q in 0..axis.count {
                for j in 0..axis.taps {
                    let at = (q * axis.step + j * axis.distance) as isize + axis.shift;
                    if (0..c.source[2] as isize).contains(&at) {
                        let tap = axis.first_tap as isize + j as isize * axis.tap_step;
                        all.push((axis.start + q * c.target_step[2], at as usize, tap as usize));
                    }
                }
            }
        }
        all.sort_unstable();
        all
    }

    #[test]
    fn the_input_gradient_has_the_products_of_the_forward_pass() {
        for (kernel, stride, pad, dilation) in
            [(3, 1, 1, 1), (3, 2, 1, 1), (4, 2, 0, 2), (5, 3, 4, 2), (2, 5, 1, 1), (3, 4, 2, 6), (7, 6, 3, 4)]
        {
            let g = geometry(false, 29, kernel, stride, pad, dilation);
            let mut forward: Vec<_> =
                products(&Correlation::forward(&g)).into_iter().map(|(y, x, t)| (x, y, t)).collect();
            forward.sort_unstable();
            assert_eq!(products(&Correlation::input_grad(&g)), forward, "{kernel} {stride} {pad} {dilation}");
        }
    }

    #[test]
    fn outputs_that_no_tap_reaches_are_known() {
        assert!(Correlation::input_grad(&geometry(true, 5, 2, 3, 0, 1)).sparse);
        assert!(Correlation::input_grad(&geometry(true, 5, 3, 2, 0, 2)).sparse);
        assert!(!Correlation::input_grad(&geometry(true, 5, 3, 3, 0, 1)).sparse);
        assert!(!Correlation::forward(&geometry(false, 9, 2, 3, 0, 1)).sparse);
    }
}
