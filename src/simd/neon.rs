//! NEON vectors: 4 lanes of f32, 2 of f64. There are no masked accesses: tails are put together from whole
//! halves and single lanes.

use super::Simd;
use std::arch::aarch64::*;

#[derive(Clone, Copy)]
pub struct F32x4;
#[derive(Clone, Copy)]
pub struct F64x2;

// SAFETY of every block in this file: `Simd`'s contract; NEON is part of the target's baseline and the caller
// vouches for the lanes that are touched.

/// 4x4 block of f32: pairs of rows, then pairs of pairs.
#[inline(always)]
unsafe fn transpose4_f32(src: *const f32, src_ld: usize, dst: *mut f32, dst_ld: usize) {
    unsafe {
        let row = |i: usize| vld1q_f32(src.add(i * src_ld));
        let (r0, r1, r2, r3) = (row(0), row(1), row(2), row(3));
        let (a0, a1) = (vreinterpretq_f64_f32(vtrn1q_f32(r0, r1)), vreinterpretq_f64_f32(vtrn2q_f32(r0, r1)));
        let (a2, a3) = (vreinterpretq_f64_f32(vtrn1q_f32(r2, r3)), vreinterpretq_f64_f32(vtrn2q_f32(r2, r3)));
        let store = |i: usize, v: float64x2_t| vst1q_f32(dst.add(i * dst_ld), vreinterpretq_f32_f64(v));
        store(0, vtrn1q_f64(a0, a2));
        store(1, vtrn1q_f64(a1, a3));
        store(2, vtrn2q_f64(a0, a2));
        store(3, vtrn2q_f64(a1, a3));
    }
}

impl Simd for F32x4 {
    type T = f32;
    type V = float32x4_t;
    const L: usize = 4;

    #[inline(always)]
    unsafe fn zero() -> float32x4_t {
        unsafe { vdupq_n_f32(0.0) }
    }
    #[inline(always)]
    unsafe fn splat(p: *const f32) -> float32x4_t {
        unsafe { vld1q_dup_f32(p) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> float32x4_t {
        unsafe { vld1q_f32(p) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: float32x4_t) {
        unsafe { vst1q_f32(p, v) }
    }
    #[inline(always)]
    unsafe fn load_n(p: *const f32, n: usize) -> float32x4_t {
        unsafe {
            match n {
                0 => vdupq_n_f32(0.0),
                1 => vld1q_lane_f32::<0>(p, vdupq_n_f32(0.0)),
                2 => vcombine_f32(vld1_f32(p), vdup_n_f32(0.0)),
                3 => vcombine_f32(vld1_f32(p), vld1_lane_f32::<0>(p.add(2), vdup_n_f32(0.0))),
                _ => vld1q_f32(p),
            }
        }
    }
    #[inline(always)]
    unsafe fn store_n(p: *mut f32, v: float32x4_t, n: usize) {
        unsafe {
            match n {
                0 => {}
                1 => vst1q_lane_f32::<0>(p, v),
                2 => vst1_f32(p, vget_low_f32(v)),
                3 => {
                    vst1_f32(p, vget_low_f32(v));
                    vst1q_lane_f32::<2>(p.add(2), v);
                }
                _ => vst1q_f32(p, v),
            }
        }
    }
    #[inline(always)]
    unsafe fn fma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn sum(v: float32x4_t) -> f32 {
        unsafe { vaddvq_f32(v) }
    }
    #[inline(always)]
    unsafe fn transpose8(src: *const f32, src_ld: usize, dst: *mut f32, dst_ld: usize) {
        unsafe {
            for (i, j) in [(0, 0), (0, 4), (4, 0), (4, 4)] {
                transpose4_f32(src.add(i * src_ld + j), src_ld, dst.add(j * dst_ld + i), dst_ld);
            }
        }
    }
    #[inline(always)]
    unsafe fn store_interleaved(p: *mut f32, a: float32x4_t, b: float32x4_t) {
        unsafe { vst2q_f32(p, float32x4x2_t(a, b)) }
    }
    #[inline(always)]
    unsafe fn load_even(p: *const f32) -> float32x4_t {
        unsafe {
            // The second load starts one element early, so that it ends with the last element wanted.
            let (low, high) = (vld1q_f32(p), vld1q_f32(p.add(3)));
            vuzp1q_f32(low, vextq_f32::<1>(high, high))
        }
    }
    #[inline(always)]
    unsafe fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn larger(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vbslq_f32(vceqq_f32(a, a), vbslq_f32(vcgtq_f32(a, b), a, b), a) }
    }
    #[inline(always)]
    unsafe fn even_odd(a: float32x4_t, b: float32x4_t) -> (float32x4_t, float32x4_t) {
        unsafe { (vuzp1q_f32(a, b), vuzp2q_f32(a, b)) }
    }
    #[inline(always)]
    unsafe fn shifted(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vextq_f32::<1>(a, vextq_f32::<3>(b, b)) }
    }
}

impl Simd for F64x2 {
    type T = f64;
    type V = float64x2_t;
    const L: usize = 2;

    #[inline(always)]
    unsafe fn zero() -> float64x2_t {
        unsafe { vdupq_n_f64(0.0) }
    }
    #[inline(always)]
    unsafe fn splat(p: *const f64) -> float64x2_t {
        unsafe { vld1q_dup_f64(p) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f64) -> float64x2_t {
        unsafe { vld1q_f64(p) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f64, v: float64x2_t) {
        unsafe { vst1q_f64(p, v) }
    }
    #[inline(always)]
    unsafe fn load_n(p: *const f64, n: usize) -> float64x2_t {
        unsafe {
            match n {
                0 => vdupq_n_f64(0.0),
                1 => vld1q_lane_f64::<0>(p, vdupq_n_f64(0.0)),
                _ => vld1q_f64(p),
            }
        }
    }
    #[inline(always)]
    unsafe fn store_n(p: *mut f64, v: float64x2_t, n: usize) {
        unsafe {
            match n {
                0 => {}
                1 => vst1q_lane_f64::<0>(p, v),
                _ => vst1q_f64(p, v),
            }
        }
    }
    #[inline(always)]
    unsafe fn fma(a: float64x2_t, b: float64x2_t, c: float64x2_t) -> float64x2_t {
        unsafe { vfmaq_f64(c, a, b) }
    }
    #[inline(always)]
    unsafe fn add(a: float64x2_t, b: float64x2_t) -> float64x2_t {
        unsafe { vaddq_f64(a, b) }
    }
    #[inline(always)]
    unsafe fn sum(v: float64x2_t) -> f64 {
        unsafe { vaddvq_f64(v) }
    }
    #[inline(always)]
    unsafe fn store_interleaved(p: *mut f64, a: float64x2_t, b: float64x2_t) {
        unsafe { vst2q_f64(p, float64x2x2_t(a, b)) }
    }
    #[inline(always)]
    unsafe fn load_even(p: *const f64) -> float64x2_t {
        unsafe {
            let (low, high) = (vld1q_f64(p), vld1q_f64(p.add(1)));
            vcopyq_laneq_f64::<1, 1>(low, high)
        }
    }
    #[inline(always)]
    unsafe fn mul(a: float64x2_t, b: float64x2_t) -> float64x2_t {
        unsafe { vmulq_f64(a, b) }
    }
    #[inline(always)]
    unsafe fn larger(a: float64x2_t, b: float64x2_t) -> float64x2_t {
        unsafe { vbslq_f64(vceqq_f64(a, a), vbslq_f64(vcgtq_f64(a, b), a, b), a) }
    }
    #[inline(always)]
    unsafe fn even_odd(a: float64x2_t, b: float64x2_t) -> (float64x2_t, float64x2_t) {
        unsafe { (vuzp1q_f64(a, b), vuzp2q_f64(a, b)) }
    }
    #[inline(always)]
    unsafe fn shifted(a: float64x2_t, b: float64x2_t) -> float64x2_t {
        unsafe { vextq_f64::<1>(a, vextq_f64::<1>(b, b)) }
    }
}
