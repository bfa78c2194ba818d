//! Elements as gradients sum them.

use half::f16;
use half::slice::HalfFloatSliceExt;

/// An element that can be summed; integers wrap around.
pub trait Summed: Copy + Send + Sync + 'static {
    /// The type of sums: float16 is summed in float32.
    type Sum: Copy + Send + Sync + 'static;
    /// No sum yet.
    const ZERO: Self::Sum;
    /// One more term.
    fn add(sum: Self::Sum, term: Self) -> Self::Sum;
    /// Sums as elements; both are equally long.
    fn store(from: &[Self::Sum], to: &mut [Self]);
    /// Elements that are sums.
    fn as_sums(row: &mut [Self]) -> Option<&mut [Self::Sum]>;
}

macro_rules! summed {
    ($($t:ty: $zero:expr, |$sum:ident, $term:ident| $add:expr;)*) => {
        $(impl Summed for $t {
            type Sum = $t;
            const ZERO: $t = $zero;
            #[inline(always)]
            fn add($sum: $t, $term: $t) -> $t {
                $add
            }
            fn store(from: &[$t], to: &mut [$t]) {
                to.copy_from_slice(from);
            }
            fn as_sums(row: &mut [$t]) -> Option<&mut [$t]> {
                Some(row)
            }
        })*
    };
}
summed! {
    f32: 0.0, |a, b| a + b;
    f64: 0.0, |a, b| a + b;
    i8: 0, |a, b| a.wrapping_add(b);
    i16: 0, |a, b| a.wrapping_add(b);
    i32: 0, |a, b| a.wrapping_add(b);
    i64: 0, |a, b| a.wrapping_add(b);
    u8: 0, |a, b| a.wrapping_add(b);
    u16: 0, |a, b| a.wrapping_add(b);
    u32: 0, |a, b| a.wrapping_add(b);
    u64: 0, |a, b| a.wrapping_add(b);
}

impl Summed for f16 {
    type Sum = f32;
    const ZERO: f32 = 0.0;
    #[inline(always)]
    fn add(sum: f32, term: f16) -> f32 {
        sum + term.to_f32()
    }
    fn store(from: &[f32], to: &mut [f16]) {
        to.convert_from_f32_slice(from);
    }
    fn as_sums(_: &mut [f16]) -> Option<&mut [f32]> {
        None
    }
}
