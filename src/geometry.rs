//! One convolution's shapes, validated at construction.
//!
//! `Geometry` is the only place where an output size, a pad or a tap range is computed. Ranks 1 and 2 become
//! rank 3 with leading ones. A transposed convolution is the input gradient of the direct one with the roles of
//! x and y swapped: `x_*` and `y_*` name the two sides of that *direct* convolution, so kernels never hear of
//! transposition.

use crate::error::{Error, Result};
use crate::spec::{ConvSpec, Padding};

/// A validated convolution over rank-3 sizes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Geometry {
    rank: usize,
    batched: bool,
    transposed: bool,
    batch: usize,
    groups: usize,
    in_channels: usize,
    out_channels: usize,
    input: [usize; 3],
    output: [usize; 3],
    kernel: [usize; 3],
    stride: [usize; 3],
    dilation: [usize; 3],
    pad_low: [usize; 3],
    pad_high: [usize; 3],
    output_padding: [usize; 3],
}

/// The largest kernel, in elements per channel pair.
const MAX_TAPS: usize = 1 << 24;

fn op_name(rank: usize, transposed: bool) -> String {
    format!("conv{}{rank}d", if transposed { "_transpose" } else { "" })
}

/// `(8 x 8)`, as PyTorch writes sizes per channel.
fn times(sizes: &[usize]) -> String {
    let parts: Vec<String> = sizes.iter().map(usize::to_string).collect();
    format!("({})", parts.join(" x "))
}

/// One value for each dimension, rank 3, leading entries `fill`.
fn per_dimension(name: &str, values: &[i64], rank: usize, fill: i64) -> Result<[i64; 3]> {
    let mut out = [fill; 3];
    for (i, slot) in out[3 - rank..].iter_mut().enumerate() {
        *slot = match values {
            [one] => *one,
            all if all.len() == rank => all[i],
            _ => {
                return Err(Error::Argument(format!(
                    "expected {name} to be a single integer value or a list of {rank} values to match the \
                     convolution dimensions, but got {name}={values:?}"
                )));
            }
        };
    }
    Ok(out)
}

fn at_least(name: &str, kind: &str, least: i64, values: &[i64], all: [i64; 3]) -> Result<[usize; 3]> {
    if all.iter().any(|&v| v < least) {
        return Err(Error::Argument(format!("{kind} {name} is not supported, but got {name}={values:?}")));
    }
    Ok(all.map(|v| v as usize))
}

fn overflow(what: &str, shape: &[usize]) -> Error {
    Error::Shape(format!("{what} of shape {shape:?} has more elements than a 64-bit size can hold"))
}

/// The number of elements of a shape, if its size in bytes fits too (complex128 is the widest element).
fn element_count(what: &str, shape: &[usize]) -> Result<usize> {
    let count = shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s));
    count.filter(|&n| n <= isize::MAX as usize / 16).ok_or_else(|| overflow(what, shape))
}

impl Geometry {
    /// Checks a call's arguments and computes every derived size.
    pub fn new(spec: &ConvSpec<'_>) -> Result<Geometry> {
        let &ConvSpec { rank, input, weight, groups, transposed, .. } = spec;
        if !(1..=3).contains(&rank) {
            return Err(Error::Argument(format!("rank must be 1, 2 or 3, but got rank={rank}")));
        }
        let name = op_name(rank, transposed);
        if input.len() != rank + 1 && input.len() != rank + 2 {
            return Err(Error::Shape(format!(
                "Expected {}D (unbatched) or {}D (batched) input to {name}, but got input of size: {input:?}",
                rank + 1,
                rank + 2
            )));
        }
        if weight.len() != rank + 2 {
            return Err(Error::Shape(format!(
                "Expected {}D weight for {name}, but got weight of size {weight:?}",
                rank + 2
            )));
        }
        element_count("input", input)?;
        element_count("weight", weight)?;
        let stride = per_dimension("stride", spec.stride, rank, 1)?;
        let dilation = per_dimension("dilation", spec.dilation, rank, 1)?;
        let output_padding = per_dimension("output_padding", spec.output_padding, rank, 0)?;
        let stride = at_least("stride", "non-positive", 1, spec.stride, stride)?;
        let dilation = at_least("dilation", "non-positive", 1, spec.dilation, dilation)?;
        let output_padding = at_least("output_padding", "negative", 0, spec.output_padding, output_padding)?;
        if groups < 1 {
            return Err(Error::Argument(format!(
                "non-positive groups is not supported, but got groups={groups}"
            )));
        }
        let groups = groups as usize;
        let batched = input.len() == rank + 2;
        let (batch, channels) = if batched { (input[0], input[1]) } else { (1, input[0]) };
        let (in_channels, out_channels) = channel_counts(spec, groups, channels)?;
        if let Some(bias) = spec.bias
            && bias != [out_channels]
        {
            let head = if transposed { "transposed=1, " } else { "" };
            return Err(Error::Shape(format!(
                "Given {head}weight of size {weight:?}, expected bias to be 1-dimensional with {out_channels} \
                 elements, but got bias of size {bias:?} instead"
            )));
        }
        let mut kernel = [1; 3];
        kernel[3 - rank..].copy_from_slice(&weight[2..]);
        let mut size = [1; 3];
        size[3 - rank..].copy_from_slice(&input[input.len() - rank..]);
        let mut geometry = Geometry {
            rank,
            batched,
            transposed,
            batch,
            groups,
            in_channels,
            out_channels,
            input: size,
            output: [1; 3],
            kernel,
            stride,
            dilation,
            pad_low: [0; 3],
            pad_high: [0; 3],
            output_padding,
        };
        (geometry.pad_low, geometry.pad_high) = geometry.resolve_padding(spec)?;
        geometry.output =
            if transposed { geometry.transposed_size(spec)? } else { geometry.direct_size(spec)? };
        element_count("output", &geometry.output_shape())?;
        geometry.check_arithmetic(spec)?;
        Ok(geometry)
    }

    /// Refuses sizes with which positions in the padded input could not be computed, and kernels whose tables would
    /// not fit memory.
    fn check_arithmetic(&self, spec: &ConvSpec<'_>) -> Result<()> {
        const LIMIT: usize = isize::MAX as usize / 8;
        let fits = (0..3).all(|d| {
            let padded =
                self.x_size()[d].checked_add(self.pad_low[d]).and_then(|n| n.checked_add(self.pad_high[d]));
            let last = self.y_size()[d].checked_mul(self.stride[d]);
            [padded, last, self.extent(d)].into_iter().all(|n| n.is_some_and(|n| n <= LIMIT))
        });
        if !fits {
            return Err(Error::Shape(format!(
                "sizes are too large for 64-bit positions: input {:?}, weight {:?}, stride={:?}, padding={}, \
                 dilation={:?}",
                spec.input,
                spec.weight,
                spec.stride,
                spec.padding.text(),
                spec.dilation
            )));
        }
        if self.taps() > MAX_TAPS {
            return Err(Error::Shape(format!(
                "kernels of more than {MAX_TAPS} elements are not supported, but got weight of size {:?}",
                spec.weight
            )));
        }
        Ok(())
    }

    /// `(before, after)` of every dimension.
    fn resolve_padding(&self, spec: &ConvSpec<'_>) -> Result<([usize; 3], [usize; 3])> {
        let refuse = |text: String| Err(Error::Argument(text));
        let total_same = |d: usize| self.dilation[d].saturating_mul(self.kernel[d].max(1) - 1);
        let (mut low, mut high) = ([0; 3], [0; 3]);
        if self.transposed && !matches!(spec.padding, Padding::Explicit(_)) {
            return refuse(format!(
                "{} takes padding as integers or (low, high) pairs, but got padding={}",
                op_name(self.rank, true),
                spec.padding.text()
            ));
        }
        match &spec.padding {
            Padding::Valid => {}
            Padding::Same => {
                if self.stride != [1; 3] {
                    return refuse(format!(
                        "padding='same' is not supported for strided convolutions, but got stride={:?} \
                         (padding='same_upper' or 'same_lower' is)",
                        spec.stride
                    ));
                }
                for d in 0..3 {
                    low[d] = total_same(d) / 2;
                    high[d] = total_same(d) - low[d];
                }
            }
            Padding::SameUpper | Padding::SameLower => {
                for d in 3 - self.rank..3 {
                    let covered = self.input[d].div_ceil(self.stride[d]).saturating_sub(1) * self.stride[d];
                    let total =
                        covered.saturating_add(total_same(d)).saturating_add(1).saturating_sub(self.input[d]);
                    let small = total / 2;
                    (low[d], high[d]) = match spec.padding {
                        Padding::SameUpper => (small, total - small),
                        _ => (total - small, small),
                    };
                }
            }
            Padding::Causal => {
                if self.rank != 1 {
                    return refuse(format!(
                        "padding='causal' is for conv1d only, but got conv{}d",
                        self.rank
                    ));
                }
                low[2] = total_same(2);
            }
            Padding::Explicit(pairs) => {
                if pairs.iter().any(|&(a, b)| a < 0 || b < 0) {
                    return refuse(format!(
                        "negative padding is not supported, but got padding={}",
                        spec.padding.text()
                    ));
                }
                if pairs.len() != 1 && pairs.len() != self.rank {
                    return refuse(format!(
                        "expected padding to be a single value or a list of {} values to match the convolution \
                         dimensions, but got padding={}",
                        self.rank,
                        spec.padding.text()
                    ));
                }
                let lows: Vec<i64> = pairs.iter().map(|p| p.0).collect();
                let highs: Vec<i64> = pairs.iter().map(|p| p.1).collect();
                low = per_dimension("padding", &lows, self.rank, 0)?.map(|v| v as usize);
                high = per_dimension("padding", &highs, self.rank, 0)?.map(|v| v as usize);
            }
        }
        Ok((low, high))
    }

    /// `dilation * (kernel - 1) + 1` of a dimension, if it fits.
    fn extent(&self, d: usize) -> Option<usize> {
        self.dilation[d].checked_mul(self.kernel[d].checked_sub(1)?)?.checked_add(1)
    }

    fn direct_size(&self, spec: &ConvSpec<'_>) -> Result<[usize; 3]> {
        let mut output = [1; 3];
        let tail = 3 - self.rank;
        let mut padded = self.input;
        for d in tail..3 {
            let sum =
                self.input[d].checked_add(self.pad_low[d]).and_then(|v| v.checked_add(self.pad_high[d]));
            padded[d] = sum.ok_or_else(|| overflow("padded input", spec.input))?;
        }
        for d in tail..3 {
            let extent = match (self.kernel[d], self.extent(d)) {
                (0, _) => {
                    return Err(Error::Shape(format!(
                        "kernel size must be at least 1 in every dimension, but got weight of size {:?}",
                        spec.weight
                    )));
                }
                (_, Some(extent)) => extent,
                (_, None) => usize::MAX,
            };
            if extent > padded[d] || self.input[d] == 0 {
                let extents: Vec<usize> = (tail..3).map(|d| self.extent(d).unwrap_or(usize::MAX)).collect();
                return Err(Error::Shape(format!(
                    "Calculated padded input size per channel: {}. Kernel size: {}. Kernel size can't be greater \
                     than actual input size, which must not be zero (input of size {:?})",
                    times(&padded[tail..]),
                    times(&extents),
                    spec.input
                )));
            }
            output[d] = (padded[d] - extent) / self.stride[d] + 1;
        }
        Ok(output)
    }

    fn transposed_size(&self, spec: &ConvSpec<'_>) -> Result<[usize; 3]> {
        let tail = 3 - self.rank;
        let mut output = [1i128; 3];
        for d in tail..3 {
            if self.output_padding[d] >= self.stride[d].max(self.dilation[d]) {
                return Err(Error::Argument(format!(
                    "output padding must be smaller than either stride or dilation, but got output_padding={:?} \
                     stride={:?} dilation={:?}",
                    spec.output_padding, spec.stride, spec.dilation
                )));
            }
            let wide = |v: usize| v as i128;
            output[d] = (wide(self.input[d]) - 1) * wide(self.stride[d])
                - wide(self.pad_low[d])
                - wide(self.pad_high[d])
                + wide(self.dilation[d]) * (wide(self.kernel[d]) - 1)
                + wide(self.output_padding[d])
                + 1;
        }
        let empty = (tail..3).any(|d| self.input[d] == 0 || self.kernel[d] == 0);
        if empty || output.iter().any(|&v| v < 1) {
            return Err(Error::Shape(format!(
                "Given input size per channel: {}. Calculated output size per channel: {:?}. Output size is too \
                 small (weight of size {:?})",
                times(&self.input[tail..]),
                &output[tail..],
                spec.weight
            )));
        }
        if output.iter().any(|&v| v > i128::from(i64::MAX)) {
            return Err(overflow("output", spec.input));
        }
        Ok(output.map(|v| v as usize))
    }

    /// The same convolution over an input that already holds its padding.
    pub fn without_padding(&self) -> Geometry {
        let mut geometry = self.clone();
        for d in 0..3 {
            if self.transposed {
                geometry.output[d] += self.pad_low[d] + self.pad_high[d];
            } else {
                geometry.input[d] += self.pad_low[d] + self.pad_high[d];
            }
        }
        (geometry.pad_low, geometry.pad_high) = ([0; 3], [0; 3]);
        geometry
    }

    fn shape(&self, channels: usize, size: [usize; 3]) -> Vec<usize> {
        let mut shape = Vec::with_capacity(5);
        if self.batched {
            shape.push(self.batch);
        }
        shape.push(channels);
        shape.extend_from_slice(&size[3 - self.rank..]);
        shape
    }

    /// Number of spatial dimensions the user sees.
    pub fn rank(&self) -> usize {
        self.rank
    }
    /// Whether the input has a batch dimension.
    pub fn batched(&self) -> bool {
        self.batched
    }
    /// Whether this is a transposed convolution.
    pub fn transposed(&self) -> bool {
        self.transposed
    }
    /// Samples in the batch; 1 if unbatched.
    pub fn batch(&self) -> usize {
        self.batch
    }
    /// Number of groups.
    pub fn groups(&self) -> usize {
        self.groups
    }
    /// Channels of the input.
    pub fn in_channels(&self) -> usize {
        self.in_channels
    }
    /// Channels of the output.
    pub fn out_channels(&self) -> usize {
        self.out_channels
    }
    /// Kernel size, rank 3.
    pub fn kernel(&self) -> [usize; 3] {
        self.kernel
    }
    /// Stride, rank 3.
    pub fn stride(&self) -> [usize; 3] {
        self.stride
    }
    /// Dilation, rank 3.
    pub fn dilation(&self) -> [usize; 3] {
        self.dilation
    }
    /// Padding before the first element, rank 3.
    pub fn pad_low(&self) -> [usize; 3] {
        self.pad_low
    }
    /// Padding after the last element, rank 3.
    pub fn pad_high(&self) -> [usize; 3] {
        self.pad_high
    }
    /// Output padding, rank 3.
    pub fn output_padding(&self) -> [usize; 3] {
        self.output_padding
    }
    /// The input's shape as the user sees it.
    pub fn input_shape(&self) -> Vec<usize> {
        self.shape(self.in_channels, self.input)
    }
    /// The output's shape as the user sees it.
    pub fn output_shape(&self) -> Vec<usize> {
        self.shape(self.out_channels, self.output)
    }
    /// The weight's shape as the user sees it.
    pub fn weight_shape(&self) -> Vec<usize> {
        let mut shape = vec![self.y_channels(), self.x_channels() / self.groups];
        shape.extend_from_slice(&self.kernel[3 - self.rank..]);
        shape
    }

    /// Channels on the x side of the direct convolution.
    pub fn x_channels(&self) -> usize {
        if self.transposed { self.out_channels } else { self.in_channels }
    }
    /// Channels on the y side of the direct convolution.
    pub fn y_channels(&self) -> usize {
        if self.transposed { self.in_channels } else { self.out_channels }
    }
    /// Spatial size of the x side of the direct convolution, rank 3.
    pub fn x_size(&self) -> [usize; 3] {
        if self.transposed { self.output } else { self.input }
    }
    /// Spatial size of the y side of the direct convolution, rank 3.
    pub fn y_size(&self) -> [usize; 3] {
        if self.transposed { self.input } else { self.output }
    }
    /// Elements of the input array.
    pub fn input_len(&self) -> usize {
        self.batch * self.in_channels * self.input.iter().product::<usize>()
    }
    /// Elements of the output array.
    pub fn output_len(&self) -> usize {
        self.batch * self.out_channels * self.output.iter().product::<usize>()
    }
    /// Elements of the weight array.
    pub fn weight_len(&self) -> usize {
        self.y_channels() * (self.x_channels() / self.groups) * self.taps()
    }
    /// Kernel elements per channel pair.
    pub fn taps(&self) -> usize {
        self.kernel.iter().product()
    }
}

/// `(in_channels, out_channels)` once weight, input and groups agree.
fn channel_counts(spec: &ConvSpec<'_>, groups: usize, channels: usize) -> Result<(usize, usize)> {
    let &ConvSpec { input, weight, transposed, .. } = spec;
    if weight[0] < groups {
        return Err(Error::Shape(format!(
            "Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size \
             {weight:?} instead"
        )));
    }
    if weight[0] % groups != 0 {
        return Err(Error::Shape(format!(
            "Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of \
             size {weight:?} instead"
        )));
    }
    let other = weight[1].checked_mul(groups).ok_or_else(|| overflow("weight", weight))?;
    let (expected, out_channels) = if transposed { (weight[0], other) } else { (other, weight[0]) };
    if channels != expected {
        let head = if transposed { "transposed=1".into() } else { format!("groups={groups}") };
        return Err(Error::Shape(format!(
            "Given {head}, weight of size {weight:?}, expected input{input:?} to have {expected} channels, but got \
             {channels} channels instead"
        )));
    }
    if out_channels == 0 {
        return Err(Error::Shape(format!(
            "expected at least one output channel, but got weight of size {weight:?}"
        )));
    }
    Ok((expected, out_channels))
}

#[cfg(test)]
#[path = "geometry_tests.rs"]
mod tests;
