//! What a machine has and reaches, for `rsconv info` and the benchmark.

use super::kernels::{HasKernels, Kernels, Offsets};
use crate::simd::Isa;

/// How many kernel instances an instruction set has, over both element types.
pub(crate) fn instances(isa: Isa) -> usize {
    f32::kernels(isa).count() + f64::kernels(isa).count()
}

/// Products of a round of [`peak_products`]: long enough to time, short enough to be in the first-level cache.
const PEAK_DEPTH: usize = 256;

/// Multiplies with the largest tile on data in the first-level cache, `rounds` times: the rate is what the machine can
/// reach. Returns the number of products.
pub(crate) fn peak_products(isa: Isa, rounds: usize) -> usize {
    let kernels = f32::kernels(isa);
    let rows = kernels.pv.iter().rposition(|row| row.iter().any(Option::is_some)).map_or(1, |i| i + 1);
    let vectors = Kernels::vectors(&kernels.pv, rows);
    let width = vectors * kernels.lanes;
    let (a, b) = (vec![0.5; PEAK_DEPTH * rows], vec![0.25; PEAK_DEPTH / 8 * width]);
    let mut c = vec![0.0; rows * width];
    // Eight reduction indices share a row of b, so that it stays small.
    let table: Vec<u32> = (0..PEAK_DEPTH).map(|k| (k / 8 * width) as u32).collect();
    let off = Offsets { largest: table[PEAK_DEPTH - 1], table: &table };
    for _ in 0..rounds {
        kernels.run_pv(rows, vectors, &a, &b, off, &mut c);
        std::hint::black_box(&mut c);
    }
    rounds * PEAK_DEPTH * rows * width
}
