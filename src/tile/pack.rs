//! Weights in the order in which tiles read them, and tile buffers turned on their side.

use super::kernels::Kernels;
use crate::element::Element;
use crate::simd::Float;
use std::ops::Range;

/// Where weights lie: `w[m * row + c * column + tap]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WeightView<'a, E> {
    /// The weights of one group.
    pub data: &'a [E],
    /// Elements from one output channel to the next.
    pub row: usize,
    /// Elements from one summed channel to the next.
    pub column: usize,
    /// Summed channels.
    pub channels: usize,
    /// The kernel elements to take.
    pub taps: &'a [usize],
}

/// One panel: `out[(c * taps.len() + t) * width + i] = w[rows.start + i, c, taps[t]]`; the lanes beyond the rows
/// stay as they are: what is computed from them is never stored.
pub(crate) fn panel<E: Element>(
    kernels: &Kernels<E::Acc>,
    view: &WeightView<'_, E>,
    rows: Range<usize>,
    width: usize,
    out: &mut [E::Acc],
) {
    let &WeightView { taps, channels, .. } = view;
    let (m0, rows) = (rows.start, rows.len());
    let depth = channels * taps.len();
    let dense = view.column == taps.len() && taps.iter().enumerate().all(|(i, &t)| i == t);
    let mut done = 0;
    // Rows that are contiguous in k are transposed in blocks of eight.
    if let (Some(data), true) = (crate::view::as_accumulators(view.data), dense) {
        while done + 8 <= rows {
            let from = &data[(m0 + done) * view.row..];
            let blocks = depth / 8;
            for block in 0..blocks {
                kernels.transpose_block(
                    &from[block * 8..],
                    view.row,
                    &mut out[block * 8 * width + done..],
                    width,
                );
            }
            for k in blocks * 8..depth {
                for i in 0..8 {
                    out[k * width + done + i] = from[i * view.row + k];
                }
            }
            done += 8;
        }
    }
    // Channel by channel: the writes of one stay near each other.
    for (c, block) in out.chunks_exact_mut((taps.len() * width).max(1)).take(channels).enumerate() {
        for i in done..rows {
            let column = &view.data[(m0 + i) * view.row + c * view.column..];
            for (lane, &tap) in block[i..].iter_mut().step_by(width).zip(taps) {
                *lane = column[tap].widen();
            }
        }
    }
}

/// Turns a tile of `rows` x `columns` (pitch `from_pitch`) into `columns` x `rows` (pitch `to_pitch`). Both
/// buffers extend to multiples of eight rows and columns.
pub(crate) fn transpose<T: Float>(
    kernels: &Kernels<T>,
    from: &[T],
    from_pitch: usize,
    rows: usize,
    columns: usize,
    to: &mut [T],
    to_pitch: usize,
) {
    for i in (0..rows).step_by(8) {
        for j in (0..columns).step_by(8) {
            kernels.transpose_block(
                &from[i * from_pitch + j..],
                from_pitch,
                &mut to[j * to_pitch + i..],
                to_pitch,
            );
        }
    }
}
