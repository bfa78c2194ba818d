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
    #[inline]
    fn widen(self) -> f32 {
        self.to_f32()
    }
    #[inline]
    fn narrow(sum: f32) -> f16 {
        f16::from_f32(sum)
    }
    fn widen_row(from: &[f16], to: &mut [f32]) {
        from.convert_to_f32_slice(to);
    }
    fn narrow_row(from: &[f32], to: &mut [f16]) {
        to.convert_from_f32_slice(from);
    }
}
