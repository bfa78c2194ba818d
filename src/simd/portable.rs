//! Vectors in plain Rust: one lane, and four lanes, which run the same kernel bodies as the intrinsics.

use super::{Float, Simd};
use std::marker::PhantomData;

/// One lane: the body without vectors.
#[derive(Clone, Copy)]
pub(crate) struct Scalar<T>(PhantomData<T>);

/// Four lanes, the twin of a 128-bit instruction set.
#[derive(Clone, Copy)]
pub(crate) struct Lanes4<T>(PhantomData<T>);

/// `[T; N]` as a vector, for any `N`.
macro_rules! array_vector {
    ($name:ident, $lanes:literal) => {
        impl<T: Float> Simd for $name<T> {
            type T = T;
            type V = [T; $lanes];
            const L: usize = $lanes;

            #[inline(always)]
            unsafe fn zero() -> Self::V {
                [T::default(); $lanes]
            }
            #[inline(always)]
            unsafe fn splat(p: *const T) -> Self::V {
                // SAFETY: the caller vouches for one element at `p`.
                unsafe { [*p; $lanes] }
            }
            #[inline(always)]
            unsafe fn load(p: *const T) -> Self::V {
                // SAFETY: the caller vouches for all lanes at `p`.
                unsafe { p.cast::<Self::V>().read_unaligned() }
            }
            #[inline(always)]
            unsafe fn store(p: *mut T, v: Self::V) {
                // SAFETY: as for `load`.
                unsafe { p.cast::<Self::V>().write_unaligned(v) }
            }
            #[inline(always)]
            unsafe fn load_n(p: *const T, n: usize) -> Self::V {
                let mut v = [T::default(); $lanes];
                for i in 0..n {
                    // SAFETY: the caller vouches for `n <= L` elements at `p`.
                    v[i] = unsafe { *p.add(i) };
                }
                v
            }
            #[inline(always)]
            unsafe fn store_n(p: *mut T, v: Self::V, n: usize) {
                for i in 0..n {
                    // SAFETY: as for `load_n`.
                    unsafe { *p.add(i) = v[i] };
                }
            }
            #[inline(always)]
            unsafe fn fma(a: Self::V, b: Self::V, mut c: Self::V) -> Self::V {
                // Not `mul_add`: without a hardware FMA that is a library call.
                for i in 0..$lanes {
                    c[i] = a[i] * b[i] + c[i];
                }
                c
            }
            #[inline(always)]
            unsafe fn add(a: Self::V, mut b: Self::V) -> Self::V {
                for i in 0..$lanes {
                    b[i] = a[i] + b[i];
                }
                b
            }
            #[inline(always)]
            unsafe fn sum(v: Self::V) -> T {
                let mut total = v[0];
                for &lane in &v[1..] {
                    total += lane;
                }
                total
            }
            #[inline(always)]
            unsafe fn store_interleaved(p: *mut T, a: Self::V, b: Self::V) {
                for i in 0..$lanes {
                    // SAFETY: the caller vouches for two vectors at `p`.
                    unsafe {
                        *p.add(2 * i) = a[i];
                        *p.add(2 * i + 1) = b[i];
                    }
                }
            }
            #[inline(always)]
            unsafe fn load_even(p: *const T) -> Self::V {
                let mut v = [T::default(); $lanes];
                for i in 0..$lanes {
                    // SAFETY: the caller vouches for `2 * L - 1` elements at `p`.
                    v[i] = unsafe { *p.add(2 * i) };
                }
                v
            }
            #[inline(always)]
            unsafe fn mul(a: Self::V, mut b: Self::V) -> Self::V {
                for i in 0..$lanes {
                    b[i] = a[i] * b[i];
                }
                b
            }
            #[inline(always)]
            #[allow(clippy::eq_op, reason = "only NaN differs from itself")]
            unsafe fn larger(a: Self::V, mut b: Self::V) -> Self::V {
                for i in 0..$lanes {
                    let largest = if a[i] > b[i] { a[i] } else { b[i] };
                    b[i] = if a[i] != a[i] { a[i] } else { largest };
                }
                b
            }
            #[inline(always)]
            unsafe fn even_odd(a: Self::V, b: Self::V) -> (Self::V, Self::V) {
                let lane = |i: usize| if i < $lanes { a[i] } else { b[i - $lanes] };
                (std::array::from_fn(|i| lane(2 * i)), std::array::from_fn(|i| lane(2 * i + 1)))
            }
            #[inline(always)]
            unsafe fn shifted(mut a: Self::V, b: Self::V) -> Self::V {
                a.rotate_left(1);
                a[$lanes - 1] = b[$lanes - 1];
                a
            }
        }
    };
}

array_vector!(Scalar, 1);
array_vector!(Lanes4, 4);
