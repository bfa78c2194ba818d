//! AVX2 + FMA vectors: 8 lanes of f32, 4 of f64. Tails go through `maskload` and `maskstore`.

use super::Simd;
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub struct F32x8;
#[derive(Clone, Copy)]
pub struct F64x4;

// SAFETY of every block in this file: `Simd`'s contract; the caller enabled AVX2 and FMA and vouches for the
// lanes that are not masked off.

#[inline(always)]
unsafe fn mask32(n: usize) -> __m256i {
    unsafe { _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)) }
}

#[inline(always)]
unsafe fn mask64(n: usize) -> __m256i {
    unsafe { _mm256_cmpgt_epi64(_mm256_set1_epi64x(n as i64), _mm256_setr_epi64x(0, 1, 2, 3)) }
}

/// 8x8 block of f32: three rounds of shuffles over eight registers.
#[inline(always)]
pub(crate) unsafe fn transpose8_f32(src: *const f32, src_ld: usize, dst: *mut f32, dst_ld: usize) {
    unsafe {
        let row = |i: usize| _mm256_loadu_ps(src.add(i * src_ld));
        let (r0, r1, r2, r3) = (row(0), row(1), row(2), row(3));
        let (r4, r5, r6, r7) = (row(4), row(5), row(6), row(7));
        let (a0, a1) = (_mm256_unpacklo_ps(r0, r1), _mm256_unpackhi_ps(r0, r1));
        let (a2, a3) = (_mm256_unpacklo_ps(r2, r3), _mm256_unpackhi_ps(r2, r3));
        let (a4, a5) = (_mm256_unpacklo_ps(r4, r5), _mm256_unpackhi_ps(r4, r5));
        let (a6, a7) = (_mm256_unpacklo_ps(r6, r7), _mm256_unpackhi_ps(r6, r7));
        let (b0, b1) = (_mm256_shuffle_ps::<0x44>(a0, a2), _mm256_shuffle_ps::<0xee>(a0, a2));
        let (b2, b3) = (_mm256_shuffle_ps::<0x44>(a1, a3), _mm256_shuffle_ps::<0xee>(a1, a3));
        let (b4, b5) = (_mm256_shuffle_ps::<0x44>(a4, a6), _mm256_shuffle_ps::<0xee>(a4, a6));
        let (b6, b7) = (_mm256_shuffle_ps::<0x44>(a5, a7), _mm256_shuffle_ps::<0xee>(a5, a7));
        let store = |i: usize, v: __m256| _mm256_storeu_ps(dst.add(i * dst_ld), v);
        store(0, _mm256_permute2f128_ps::<0x20>(b0, b4));
        store(1, _mm256_permute2f128_ps::<0x20>(b1, b5));
        store(2, _mm256_permute2f128_ps::<0x20>(b2, b6));
        store(3, _mm256_permute2f128_ps::<0x20>(b3, b7));
        store(4, _mm256_permute2f128_ps::<0x31>(b0, b4));
        store(5, _mm256_permute2f128_ps::<0x31>(b1, b5));
        store(6, _mm256_permute2f128_ps::<0x31>(b2, b6));
        store(7, _mm256_permute2f128_ps::<0x31>(b3, b7));
    }
}

impl Simd for F32x8 {
    type T = f32;
    type V = __m256;
    const L: usize = 8;

    #[inline(always)]
    unsafe fn zero() -> __m256 {
        unsafe { _mm256_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn splat(p: *const f32) -> __m256 {
        unsafe { _mm256_set1_ps(*p) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: __m256) {
        unsafe { _mm256_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn load_n(p: *const f32, n: usize) -> __m256 {
        unsafe { _mm256_maskload_ps(p, mask32(n)) }
    }
    #[inline(always)]
    unsafe fn load_range(p: *const f32, low: usize, high: usize) -> __m256 {
        unsafe { _mm256_maskload_ps(p, _mm256_andnot_si256(mask32(low), mask32(high))) }
    }
    #[inline(always)]
    unsafe fn store_n(p: *mut f32, v: __m256, n: usize) {
        unsafe { _mm256_maskstore_ps(p, mask32(n), v) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sum(v: __m256) -> f32 {
        unsafe {
            let half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
            _mm_cvtss_f32(_mm_add_ss(pair, _mm_shuffle_ps::<1>(pair, pair)))
        }
    }
    #[inline(always)]
    unsafe fn transpose8(src: *const f32, src_ld: usize, dst: *mut f32, dst_ld: usize) {
        unsafe { transpose8_f32(src, src_ld, dst, dst_ld) }
    }
    #[inline(always)]
    unsafe fn prefetch(p: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
    #[inline(always)]
    unsafe fn store_interleaved(p: *mut f32, a: __m256, b: __m256) {
        unsafe {
            let (low, high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            _mm256_storeu_ps(p, _mm256_permute2f128_ps::<0x20>(low, high));
            _mm256_storeu_ps(p.add(8), _mm256_permute2f128_ps::<0x31>(low, high));
        }
    }
    #[inline(always)]
    unsafe fn load_even(p: *const f32) -> __m256 {
        unsafe {
            // The second load starts one element early, so that it ends with the last element wanted.
            let (low, high) = (_mm256_loadu_ps(p), _mm256_loadu_ps(p.add(7)));
            let mixed = _mm256_shuffle_ps::<0b11_01_10_00>(low, high);
            _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(_mm256_castps_pd(mixed)))
        }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn larger(a: __m256, b: __m256) -> __m256 {
        unsafe {
            // The instruction gives `b` if either is NaN.
            _mm256_blendv_ps(_mm256_max_ps(a, b), a, _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a))
        }
    }
    #[inline(always)]
    unsafe fn even_odd(a: __m256, b: __m256) -> (__m256, __m256) {
        unsafe {
            let even = _mm256_castps_pd(_mm256_shuffle_ps::<0b10_00_10_00>(a, b));
            let odd = _mm256_castps_pd(_mm256_shuffle_ps::<0b11_01_11_01>(a, b));
            (
                _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(even)),
                _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(odd)),
            )
        }
    }
    #[inline(always)]
    unsafe fn shifted(a: __m256, b: __m256) -> __m256 {
        unsafe {
            let turned = _mm256_permutevar8x32_ps(a, _mm256_setr_epi32(1, 2, 3, 4, 5, 6, 7, 0));
            _mm256_blend_ps::<0b1000_0000>(turned, b)
        }
    }
}

impl Simd for F64x4 {
    type T = f64;
    type V = __m256d;
    const L: usize = 4;

    #[inline(always)]
    unsafe fn zero() -> __m256d {
        unsafe { _mm256_setzero_pd() }
    }
    #[inline(always)]
    unsafe fn splat(p: *const f64) -> __m256d {
        unsafe { _mm256_set1_pd(*p) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f64) -> __m256d {
        unsafe { _mm256_loadu_pd(p) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f64, v: __m256d) {
        unsafe { _mm256_storeu_pd(p, v) }
    }
    #[inline(always)]
    unsafe fn load_n(p: *const f64, n: usize) -> __m256d {
        unsafe { _mm256_maskload_pd(p, mask64(n)) }
    }
    #[inline(always)]
    unsafe fn load_range(p: *const f64, low: usize, high: usize) -> __m256d {
        unsafe { _mm256_maskload_pd(p, _mm256_andnot_si256(mask64(low), mask64(high))) }
    }
    #[inline(always)]
    unsafe fn store_n(p: *mut f64, v: __m256d, n: usize) {
        unsafe { _mm256_maskstore_pd(p, mask64(n), v) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m256d, b: __m256d, c: __m256d) -> __m256d {
        unsafe { _mm256_fmadd_pd(a, b, c) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256d, b: __m256d) -> __m256d {
        unsafe { _mm256_add_pd(a, b) }
    }
    #[inline(always)]
    unsafe fn sum(v: __m256d) -> f64 {
        unsafe {
            let half = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd::<1>(v));
            _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)))
        }
    }
    #[inline(always)]
    unsafe fn prefetch(p: *const f64) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
    #[inline(always)]
    unsafe fn store_interleaved(p: *mut f64, a: __m256d, b: __m256d) {
        unsafe {
            let (low, high) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
            _mm256_storeu_pd(p, _mm256_permute2f128_pd::<0x20>(low, high));
            _mm256_storeu_pd(p.add(4), _mm256_permute2f128_pd::<0x31>(low, high));
        }
    }
    #[inline(always)]
    unsafe fn load_even(p: *const f64) -> __m256d {
        unsafe {
            let (low, high) = (_mm256_loadu_pd(p), _mm256_loadu_pd(p.add(3)));
            let mixed = _mm256_shuffle_pd::<0b1010>(low, high);
            _mm256_permute4x64_pd::<0b11_01_10_00>(mixed)
        }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256d, b: __m256d) -> __m256d {
        unsafe { _mm256_mul_pd(a, b) }
    }
    #[inline(always)]
    unsafe fn larger(a: __m256d, b: __m256d) -> __m256d {
        unsafe {
            // The instruction gives `b` if either is NaN.
            _mm256_blendv_pd(_mm256_max_pd(a, b), a, _mm256_cmp_pd::<_CMP_UNORD_Q>(a, a))
        }
    }
    #[inline(always)]
    unsafe fn even_odd(a: __m256d, b: __m256d) -> (__m256d, __m256d) {
        unsafe {
            let (even, odd) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
            (_mm256_permute4x64_pd::<0b11_01_10_00>(even), _mm256_permute4x64_pd::<0b11_01_10_00>(odd))
        }
    }
    #[inline(always)]
    unsafe fn shifted(a: __m256d, b: __m256d) -> __m256d {
        unsafe { _mm256_blend_pd::<0b1000>(_mm256_permute4x64_pd::<0b00_11_10_01>(a), b) }
    }
}
