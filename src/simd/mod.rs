//! The vector trait that kernels are written over, and the choice of instruction set.
//!
//! Every method is `#[inline(always)]` and carries no `target_feature` of its own: a kernel body generic over
//! [`Simd`] is inlined into an entry point that enables the features (see `tile::kernels`), and only that entry
//! is ever called, after detection. Holding an [`Isa`] proves that the machine has it.

#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
mod body;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod philox;
mod portable;
pub(crate) mod rows;

use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::knobs;

pub(crate) use body::Body;
pub(crate) use portable::{Lanes4, Scalar};

/// A floating-point type that kernels compute in.
pub trait Float:
    bytemuck::Pod
    + Default
    + PartialOrd
    + Send
    + Sync
    + std::fmt::Debug
    + std::ops::Add<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::AddAssign
    + 'static
{
    /// Its name in kernel names.
    const NAME: &'static str;
    /// Its vectors of AVX2.
    #[cfg(target_arch = "x86_64")]
    type Avx2: Simd<T = Self>;
    /// Its vectors of AVX-512.
    #[cfg(target_arch = "x86_64")]
    type Avx512: Simd<T = Self>;
    /// Its vectors of NEON.
    #[cfg(target_arch = "aarch64")]
    type Neon: Simd<T = Self>;
}

impl Float for f32 {
    const NAME: &'static str = "f32";
    #[cfg(target_arch = "x86_64")]
    type Avx2 = avx2::F32x8;
    #[cfg(target_arch = "x86_64")]
    type Avx512 = avx512::F32x16;
    #[cfg(target_arch = "aarch64")]
    type Neon = neon::F32x4;
}
impl Float for f64 {
    const NAME: &'static str = "f64";
    #[cfg(target_arch = "x86_64")]
    type Avx2 = avx2::F64x4;
    #[cfg(target_arch = "x86_64")]
    type Avx512 = avx512::F64x8;
    #[cfg(target_arch = "aarch64")]
    type Neon = neon::F64x2;
}

/// A vector of `L` lanes of `T`.
///
/// # Safety
/// Methods may only be called where the instruction set of the implementation is enabled; pointers must be
/// valid for the lanes that a method touches (no alignment is needed).
pub trait Simd: Copy + 'static {
    /// Lane type.
    type T: Float;
    /// Vector type.
    type V: Copy;
    /// Lanes of a vector.
    const L: usize;

    /// All lanes zero.
    unsafe fn zero() -> Self::V;
    /// All lanes equal to `*p`.
    unsafe fn splat(p: *const Self::T) -> Self::V;
    /// `L` lanes from `p`.
    unsafe fn load(p: *const Self::T) -> Self::V;
    /// `L` lanes to `p`.
    unsafe fn store(p: *mut Self::T, v: Self::V);
    /// The first `n <= L` lanes from `p`, the rest zero; touches nothing beyond them.
    unsafe fn load_n(p: *const Self::T, n: usize) -> Self::V;
    /// The first `n <= L` lanes to `p`; touches nothing beyond them.
    unsafe fn store_n(p: *mut Self::T, v: Self::V, n: usize);
    /// Lanes `low..high` from `p + low` on, the rest zero; touches nothing else, so that `p` may lie outside.
    #[inline(always)]
    unsafe fn load_range(p: *const Self::T, low: usize, high: usize) -> Self::V {
        let mut lanes = [Self::T::default(); 16];
        for i in low..high {
            // SAFETY: the caller vouches for these elements.
            lanes[i] = unsafe { *p.wrapping_add(i) };
        }
        // SAFETY: no vector has more than 16 lanes.
        unsafe { Self::load(lanes.as_ptr()) }
    }
    /// As `load_range`, with lane `i` from `p + 2 * i`.
    #[inline(always)]
    unsafe fn load_even_range(p: *const Self::T, low: usize, high: usize) -> Self::V {
        let mut lanes = [Self::T::default(); 16];
        for i in low..high {
            // SAFETY: as for `load_range`.
            lanes[i] = unsafe { *p.wrapping_add(2 * i) };
        }
        // SAFETY: as for `load_range`.
        unsafe { Self::load(lanes.as_ptr()) }
    }
    /// `a * b + c`.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a + b`.
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// The sum of the lanes, in an order fixed for the instruction set.
    unsafe fn sum(v: Self::V) -> Self::T;
    /// Transposes the 8x8 block at `src` (rows `src_ld` apart) into `dst` (rows `dst_ld` apart).
    unsafe fn transpose8(src: *const Self::T, src_ld: usize, dst: *mut Self::T, dst_ld: usize) {
        for i in 0..8 {
            for j in 0..8 {
                // SAFETY: the caller vouches for 8 rows of 8 lanes on both sides.
                unsafe { *dst.add(j * dst_ld + i) = *src.add(i * src_ld + j) };
            }
        }
    }
    /// Asks for the cache line at `p`, which will be written soon. A hint: any address is allowed.
    #[inline(always)]
    unsafe fn prefetch(_p: *const Self::T) {}
    /// Stores `2 * L` lanes `a0 b0 a1 b1 ...`.
    unsafe fn store_interleaved(p: *mut Self::T, a: Self::V, b: Self::V);
    /// Lanes `p[0], p[2], .. p[2 * L - 2]`; touches the `2 * L - 1` elements from `p` on and none beyond.
    unsafe fn load_even(p: *const Self::T) -> Self::V;
    /// `a * b`.
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// The larger of two lanes, or NaN if either is NaN.
    unsafe fn larger(a: Self::V, b: Self::V) -> Self::V;
    /// The lanes at even places of `a` followed by `b`, and those at odd places.
    unsafe fn even_odd(a: Self::V, b: Self::V) -> (Self::V, Self::V);
    /// Lanes `1..L` of `a`, and the last of `b`.
    unsafe fn shifted(a: Self::V, b: Self::V) -> Self::V;
}

/// An instruction set that this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Isa(IsaKind);

/// The instruction sets that kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum IsaKind {
    Scalar,
    Portable,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// All that this machine has, the most capable first.
    pub fn available() -> Vec<Isa> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw");
            if avx512 {
                all.push(Isa(IsaKind::Avx512));
            }
            if avx2 {
                all.push(Isa(IsaKind::Avx2));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            all.push(Isa(IsaKind::Neon));
        }
        all.push(Isa(IsaKind::Portable));
        all.push(Isa(IsaKind::Scalar));
        all
    }

    /// The set in use: the best of the machine, or what `RSCONV_ISA` names.
    pub fn current() -> Result<Isa> {
        static CURRENT: OnceLock<Result<Isa>> = OnceLock::new();
        CURRENT.get_or_init(Isa::detect).clone()
    }

    fn detect() -> Result<Isa> {
        let all = Isa::available();
        match knobs::isa() {
            None => Ok(all[0]),
            Some(name) => all.iter().copied().find(|isa| isa.name() == name).ok_or_else(|| {
                let names: Vec<&str> = all.iter().map(|isa| isa.name()).collect();
                let names = names.join(", ");
                Error::Argument(format!("RSCONV_ISA={name} is not one that this machine has: {names}"))
            }),
        }
    }

    /// Which one it is.
    pub fn kind(self) -> IsaKind {
        self.0
    }

    /// Its name, as `RSCONV_ISA` takes it.
    pub fn name(self) -> &'static str {
        match self.0 {
            IsaKind::Scalar => "scalar",
            IsaKind::Portable => "portable",
            #[cfg(target_arch = "aarch64")]
            IsaKind::Neon => "neon",
            #[cfg(target_arch = "x86_64")]
            IsaKind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            IsaKind::Avx512 => "avx512",
        }
    }
}

#[cfg(test)]
mod tests;
