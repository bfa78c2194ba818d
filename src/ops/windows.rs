//! Pooling windows: which elements of an axis each output sees.

use std::ops::Range;

/// The windows along one axis; see `rsconv.backends.windows`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Elements of the axis.
    pub size: usize,
    /// Windows.
    pub outputs: usize,
    /// Taps of the longest window.
    pub kernel: usize,
    /// Elements between starts.
    pub stride: usize,
    /// Elements that the first window starts before the axis.
    pub low: usize,
    /// Elements between taps.
    pub dilation: usize,
    /// Whether starts and lengths follow the output's share of the axis.
    pub adaptive: bool,
}

impl Window {
    /// The window of an axis that is not there.
    pub const NONE: Window =
        Window { size: 1, outputs: 1, kernel: 1, stride: 1, low: 0, dilation: 1, adaptive: false };

    /// The taps of windows that stand around every element of the axis.
    pub(super) fn around(&self) -> Option<usize> {
        let around = !self.adaptive && self.stride == 1 && (self.dilation == 1 || self.kernel == 1);
        (around && self.kernel == 2 * self.low + 1 && self.outputs == self.size).then_some(self.kernel)
    }

    /// Taps of output `i` that lie inside of the axis, and the element at tap 0, which may lie before it.
    #[inline(always)]
    pub(super) fn taps(&self, i: usize) -> (Range<usize>, isize) {
        if self.adaptive {
            let start = i * self.size / self.outputs;
            return (0..((i + 1) * self.size).div_ceil(self.outputs) - start, start as isize);
        }
        let start = (i * self.stride) as isize - self.low as isize;
        let first = if start < 0 { start.unsigned_abs().div_ceil(self.dilation) } else { 0 };
        let inside = self.size as isize - start;
        let end = if inside <= 0 { 0 } else { (inside as usize).div_ceil(self.dilation) };
        (first..end.min(self.kernel).max(first), start)
    }

    /// Elements that output `i` sees.
    #[inline(always)]
    pub(super) fn elements(&self, i: usize) -> impl Iterator<Item = usize> + use<> {
        let (taps, start) = self.taps(i);
        let dilation = self.dilation;
        taps.map(move |tap| (start + (tap * dilation) as isize) as usize)
    }

    /// Outputs whose tap `tap` lies inside of the axis; for regular windows.
    #[inline(always)]
    pub(super) fn outputs_of(&self, tap: usize) -> Range<usize> {
        let shift = (tap * self.dilation) as isize - self.low as isize;
        let first = if shift < 0 { shift.unsigned_abs().div_ceil(self.stride) } else { 0 };
        let inside = self.size as isize - shift;
        let end = if inside <= 0 { 0 } else { (inside as usize).div_ceil(self.stride) };
        first..end.min(self.outputs).max(first)
    }

    /// First element that a part of the outputs sees, and one past the last; they may lie outside of the
    /// axis.
    pub(super) fn span(&self, part: &Range<usize>) -> (isize, isize) {
        let (start, last) = (self.taps(part.start).1, self.taps(part.end - 1));
        let reach = if self.adaptive { last.0.end } else { (self.kernel - 1) * self.dilation + 1 };
        (start, last.1 + reach as isize)
    }
}
