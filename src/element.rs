//! The element types of arrays and the types they are summed in.

use crate::simd::Float;
use half::f16;
use half::slice::HalfFloatSliceExt;
use std::any::TypeId;

/// A floating-point element: what is stored, and what is summed.
pub trait Element: Copy + Send + Sync + 'static {
    /// The type of sums: float16 is summed in float32.
    type Acc: Float;
    /// NumPy's name.
    const NAME: &'static str;
    /// To the type of sums, exactly.
    fn widen(self) -> Self::Acc;
    /// From the type of sums, rounded to nearest even.
    fn narrow(sum: Self::Acc) -> Self;
    /// `widen` for a row; both are equally long.
    fn widen_row(from: &[Self], to: &mut [Self::Acc]);
    /// `narrow` for a row; both are equally long.
    fn narrow_row(from: &[Self::Acc], to: &mut [Self]);
    /// Whether arrays hold sums as they are, so that kernels may read and write them in place.
    fn is_acc() -> bool {
        TypeId::of::<Self>() == TypeId::of::<Self::Acc>()
    }
}

macro_rules! plain_element {
    ($t:ty, $name:literal) => {
        impl Element for $t {
            type Acc = $t;
            const NAME: &'static str = $name;
            #[inline]
            fn widen(self) -> $t {
                self
            }
            #[inline]
            fn narrow(sum: $t) -> $t {
                sum
            }
            #[inline]
            fn widen_row(from: &[$t], to: &mut [$t]) {
                to.copy_from_slice(from);
            }
            #[inline]
            fn narrow_row(from: &[$t], to: &mut [$t]) {
                to.copy_from_slice(from);
            }
        }
    };
}
plain_element!(f32, "float32");
plain_element!(f64, "float64");

impl Element for f16 {
    type Acc = f32;
    const NAME: &'static str = "float16";
    // Written out, so that loops over elements become vectors of any instruction set.
    #[inline(always)]
    fn widen(self) -> f32 {
        let bits = u32::from(self.to_bits());
        let magnitude = (bits & 0x7fff) << 13;
        // Moves the exponent by the difference of the biases; exact for subnormal numbers too.
        let scaled = f32::from_bits(magnitude) * f32::from_bits((254 - 15) << 23);
        let special = if magnitude >= 0x1f << 23 { 0xff << 23 } else { 0 };
        f32::from_bits(scaled.to_bits() | special | (bits & 0x8000) << 16)
    }
    #[inline(always)]
    fn narrow(sum: f32) -> f16 {
        let bits = sum.to_bits();
        let magnitude = bits & 0x7fff_ffff;
        // Adding a half leaves just the bits of a subnormal result, rounded to nearest even by the addition.
        let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
        let odd = (magnitude >> 13) & 1;
        let rounded = magnitude.wrapping_sub((127 - 15) << 23).wrapping_add(0xfff + odd) >> 13;
        let special = if magnitude > 0xff << 23 { 0x7e00 } else { 0x7c00 };
        let finite = if magnitude < (127 - 14) << 23 { subnormal } else { rounded };
        let result = if magnitude >= (127 + 16) << 23 { special } else { finite };
        f16::from_bits((result | (bits >> 16) & 0x8000) as u16)
    }
    fn widen_row(from: &[f16], to: &mut [f32]) {
        from.convert_to_f32_slice(to);
    }
    fn narrow_row(from: &[f32], to: &mut [f16]) {
        to.convert_from_f32_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn float16_converts_as_the_half_crate_does() {
        for bits in 0..=u16::MAX {
            let x = f16::from_bits(bits);
            let (got, expected) = (x.widen(), x.to_f32());
            assert!(got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan(), "{bits:#x}");
            assert!(
                f16::narrow(got).to_bits() == bits || x.is_nan() && f16::narrow(got).is_nan(),
                "{bits:#x}"
            );
        }
        // Every pattern of exponent and high mantissa bits, with what decides the rounding below them.
        for high in 0..1u32 << 20 {
            for low in [0, 1, 0x7ff, 0x800, 0x801, 0xfff] {
                let x = f32::from_bits(high << 12 | low);
                let (got, expected) = (f16::narrow(x), f16::from_f32(x));
                assert!(got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan(), "{x:e}");
            }
        }
    }
}
