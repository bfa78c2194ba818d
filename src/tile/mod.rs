//! The register tile of implicit GEMM, written once: `acc[i][j] += splat(A(i, k)) * load(B(j, k))`.
//!
//! | mode | A, broadcast | B, vectors | used by |
//! |---|---|---|---|
//! | pixels in vectors (PV) | packed weights, `a[k * MR + i]` | image, `b[off[k] + j * L]` | large maps, weight gradient |
//! | channels in vectors (CV) | image, `a[off[k] + i]` | packed weights, `b[(k * NV + j) * L]` | small maps |
//!
//! `off` turns the reduction index into a place of the image, so GEMM never hears of kernel sizes, strides or
//! dilations. A tile leaves its sums in a small buffer, `MR` rows of `NV * L`; what happens to them at the store
//! is `epilogue`'s business. Tile sizes: 8 x 3 vectors is the largest that leaves AVX-512 and NEON registers for
//! the operands and still loads less than it multiplies; 14 x 2 and 6 x 4 do the same for few pixels.

#![allow(unsafe_code)]

pub(crate) mod copy;
pub(crate) mod dot;
pub(crate) mod epilogue;
pub(crate) mod kernels;
#[cfg(feature = "python")]
pub(crate) mod machine;
pub(crate) mod pack;
pub(crate) mod products;
pub(crate) mod rows;

use crate::simd::Simd;

/// Where a tile's operands are: `(k, a, b, off, c)`, see the module's table.
///
/// # Safety
/// `off` holds `k` offsets; `a` and `b` are readable wherever the table's formulas point to; `c` has room for
/// `MR` rows of `NV * L`.
pub(crate) type TileFn<T> = unsafe fn(usize, *const T, *const T, *const u32, *mut T);

/// The body of every tile.
#[inline(always)]
pub(crate) unsafe fn tile<S: Simd, const MR: usize, const NV: usize, const CV: bool>(
    k: usize,
    a: *const S::T,
    b: *const S::T,
    off: *const u32,
    c: *mut S::T,
) {
    // SAFETY: `TileFn`'s contract.
    unsafe {
        let mut acc = [[S::zero(); NV]; MR];
        let (mut packed_a, mut packed_b) = (a, b);
        for kk in 0..k {
            let shift = *off.add(kk) as usize;
            let (pa, pb) = if CV { (a.add(shift), packed_b) } else { (packed_a, b.add(shift)) };
            let mut column = [S::zero(); NV];
            for j in 0..NV {
                column[j] = S::load(pb.add(j * S::L));
            }
            for i in 0..MR {
                let row = S::splat(pa.add(i));
                for j in 0..NV {
                    acc[i][j] = S::fma(row, column[j], acc[i][j]);
                }
            }
            if CV {
                packed_b = packed_b.add(NV * S::L);
            } else {
                packed_a = packed_a.add(MR);
            }
        }
        for i in 0..MR {
            for j in 0..NV {
                S::store(c.add((i * NV + j) * S::L), acc[i][j]);
            }
        }
    }
}
