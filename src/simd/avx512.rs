//! AVX-512 vectors: 16 lanes of f32, 8 of f64. Tails are masked in hardware.

use super::Simd;
use super::avx2::transpose8_f32;
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub struct F32x16;
#[derive(Clone, Copy)]
pub struct F64x8;

/// The lowest `n` bits.
#[inline(always)]
fn low_bits(n: usize) -> u32 {
    (1u32 << n) - 1
}

/// Bits `low..high` of up to 32.
#[inline(always)]
fn bits(low: usize, high: usize) -> u32 {
    (((1u64 << high) - 1) & !((1u64 << low) - 1)) as u32
}

// SAFETY of every block in this file: `Simd`'s contract; the caller enabled AVX-512 and vouches for the lanes
// that are not masked off.
impl Simd for F32x16 {
    type T = f32;
    type V = __m512;
    const L: usize = 16;

    #[inline(always)]
    unsafe fn zero() -> __m512 {
        unsafe { _mm512_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn splat(p: *const f32) -> __m512 {
        unsafe { _mm512_set1_ps(*p) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: __m512) {
        unsafe { _mm512_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn load_n(p: *const f32, n: usize) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps(low_bits(n) as u16, p) }
    }
    #[inline(always)]
    unsafe fn load_range(p: *const f32, low: usize, high: usize) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps(bits(low, high) as u16, p) }
    }
    #[inline(always)]
    unsafe fn load_even_range(p: *const f32, low: usize, high: usize) -> __m512 {
        unsafe {
            // The elements are those at even places from `2 * low` to `2 * high - 2`.
            let places = 0x5555_5555 & bits(2 * low, (2 * high).saturating_sub(1));
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let near = _mm512_maskz_loadu_ps(places as u16, p);
            let far = _mm512_maskz_loadu_ps((places >> 16) as u16, p.wrapping_add(16));
            _mm512_permutex2var_ps(near, even, far)
        }
    }
    #[inline(always)]
    unsafe fn store_n(p: *mut f32, v: __m512, n: usize) {
        unsafe { _mm512_mask_storeu_ps(p, low_bits(n) as u16, v) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sum(v: __m512) -> f32 {
        unsafe { _mm512_reduce_add_ps(v) }
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
    unsafe fn store_interleaved(p: *mut f32, a: __m512, b: __m512) {
        unsafe {
            let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
            _mm512_storeu_ps(p, _mm512_permutex2var_ps(a, low, b));
            _mm512_storeu_ps(p.add(16), _mm512_permutex2var_ps(a, high, b));
        }
    }
    #[inline(always)]
    unsafe fn load_even(p: *const f32) -> __m512 {
        unsafe {
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let high = _mm512_maskz_loadu_ps(0x7fff, p.add(16));
            _mm512_permutex2var_ps(_mm512_loadu_ps(p), even, high)
        }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn larger(a: __m512, b: __m512) -> __m512 {
        unsafe {
            // The instruction gives `b` if either is NaN.
            _mm512_mask_mov_ps(_mm512_max_ps(a, b), _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a), a)
        }
    }
    #[inline(always)]
    unsafe fn even_odd(a: __m512, b: __m512) -> (__m512, __m512) {
        unsafe {
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
            (_mm512_permutex2var_ps(a, even, b), _mm512_permutex2var_ps(a, odd, b))
        }
    }
    #[inline(always)]
    unsafe fn shifted(a: __m512, b: __m512) -> __m512 {
        unsafe {
            let from = _mm512_setr_epi32(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 31);
            _mm512_permutex2var_ps(a, from, b)
        }
    }
}

impl Simd for F64x8 {
    type T = f64;
    type V = __m512d;
    const L: usize = 8;

    #[inline(always)]
    unsafe fn zero() -> __m512d {
        unsafe { _mm512_setzero_pd() }
    }
    #[inline(always)]
    unsafe fn splat(p: *const f64) -> __m512d {
        unsafe { _mm512_set1_pd(*p) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f64) -> __m512d {
        unsafe { _mm512_loadu_pd(p) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f64, v: __m512d) {
        unsafe { _mm512_storeu_pd(p, v) }
    }
    #[inline(always)]
    unsafe fn load_n(p: *const f64, n: usize) -> __m512d {
        unsafe { _mm512_maskz_loadu_pd(low_bits(n) as u8, p) }
    }
    #[inline(always)]
    unsafe fn load_range(p: *const f64, low: usize, high: usize) -> __m512d {
        unsafe { _mm512_maskz_loadu_pd(bits(low, high) as u8, p) }
    }
    #[inline(always)]
    unsafe fn load_even_range(p: *const f64, low: usize, high: usize) -> __m512d {
        unsafe {
            let places = 0x5555 & bits(2 * low, (2 * high).saturating_sub(1));
            let even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
            let near = _mm512_maskz_loadu_pd(places as u8, p);
            let far = _mm512_maskz_loadu_pd((places >> 8) as u8, p.wrapping_add(8));
            _mm512_permutex2var_pd(near, even, far)
        }
    }
    #[inline(always)]
    unsafe fn store_n(p: *mut f64, v: __m512d, n: usize) {
        unsafe { _mm512_mask_storeu_pd(p, low_bits(n) as u8, v) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m512d, b: __m512d, c: __m512d) -> __m512d {
        unsafe { _mm512_fmadd_pd(a, b, c) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512d, b: __m512d) -> __m512d {
        unsafe { _mm512_add_pd(a, b) }
    }
    #[inline(always)]
    unsafe fn sum(v: __m512d) -> f64 {
        unsafe { _mm512_reduce_add_pd(v) }
    }
    #[inline(always)]
    unsafe fn prefetch(p: *const f64) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
    #[inline(always)]
    unsafe fn store_interleaved(p: *mut f64, a: __m512d, b: __m512d) {
        unsafe {
            let low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
            let high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
            _mm512_storeu_pd(p, _mm512_permutex2var_pd(a, low, b));
            _mm512_storeu_pd(p.add(8), _mm512_permutex2var_pd(a, high, b));
        }
    }
    #[inline(always)]
    unsafe fn load_even(p: *const f64) -> __m512d {
        unsafe {
            let even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
            let high = _mm512_maskz_loadu_pd(0x7f, p.add(8));
            _mm512_permutex2var_pd(_mm512_loadu_pd(p), even, high)
        }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512d, b: __m512d) -> __m512d {
        unsafe { _mm512_mul_pd(a, b) }
    }
    #[inline(always)]
    unsafe fn larger(a: __m512d, b: __m512d) -> __m512d {
        unsafe {
            // The instruction gives `b` if either is NaN.
            _mm512_mask_mov_pd(_mm512_max_pd(a, b), _mm512_cmp_pd_mask::<_CMP_UNORD_Q>(a, a), a)
        }
    }
    #[inline(always)]
    unsafe fn even_odd(a: __m512d, b: __m512d) -> (__m512d, __m512d) {
        unsafe {
            let even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
            let odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
            (_mm512_permutex2var_pd(a, even, b), _mm512_permutex2var_pd(a, odd, b))
        }
    }
    #[inline(always)]
    unsafe fn shifted(a: __m512d, b: __m512d) -> __m512d {
        unsafe {
            let from = _mm512_setr_epi64(1, 2, 3, 4, 5, 6, 7, 15);
            _mm512_permutex2var_pd(a, from, b)
        }
    }
}
