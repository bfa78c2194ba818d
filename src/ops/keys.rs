//! Elements as max pooling compares them.

use half::f16;
use half::slice::HalfFloatSliceExt;

/// An element that has a largest one.
pub trait Pooled: Copy + Send + Sync + 'static {
    /// What is compared: float16 as float32.
    type Key: Copy + PartialOrd + Send + Sync + 'static;
    /// The value of a window without elements.
    const LOWEST: Self::Key;
    /// Elements as keys; both are equally long.
    fn keys(from: &[Self], to: &mut [Self::Key]);
    /// Keys as elements; both are equally long.
    fn store(from: &[Self::Key], to: &mut [Self]);
    /// Elements that are keys.
    fn as_keys(row: &[Self]) -> Option<&[Self::Key]>;
    /// Elements that are keys, to be written.
    fn as_keys_mut(row: &mut [Self]) -> Option<&mut [Self::Key]>;
}

macro_rules! pooled {
    ($($t:ty: $lowest:expr),*) => {
        $(impl Pooled for $t {
            type Key = $t;
            const LOWEST: $t = $lowest;
            fn keys(from: &[$t], to: &mut [$t]) {
                to.copy_from_slice(from);
            }
            fn store(from: &[$t], to: &mut [$t]) {
                to.copy_from_slice(from);
            }
            fn as_keys(row: &[$t]) -> Option<&[$t]> {
                Some(row)
            }
            fn as_keys_mut(row: &mut [$t]) -> Option<&mut [$t]> {
                Some(row)
            }
        })*
    };
}
pooled!(f32: f32::NEG_INFINITY, f64: f64::NEG_INFINITY, i8: i8::MIN, i16: i16::MIN, i32: i32::MIN, i64:
i64::MIN,
        u8: 0, u16: 0, u32: 0, u64: 0);

impl Pooled for f16 {
    type Key = f32;
    const LOWEST: f32 = f32::NEG_INFINITY;
    fn keys(from: &[f16], to: &mut [f32]) {
        from.convert_to_f32_slice(to);
    }
    fn store(from: &[f32], to: &mut [f16]) {
        to.convert_from_f32_slice(from);
    }
    fn as_keys(_: &[f16]) -> Option<&[f32]> {
        None
    }
    fn as_keys_mut(_: &mut [f16]) -> Option<&mut [f32]> {
        None
    }
}

/// Whether `new` takes the place of `old`: it is larger, or the first NaN.
#[inline(always)]
#[allow(clippy::eq_op, reason = "only NaN differs from itself")]
pub(super) fn wins<K: Copy + PartialOrd>(new: K, old: K) -> bool {
    (new > old) | ((new != new) & (old == old))
}

/// The larger of two, or NaN.
#[inline(always)]
#[allow(clippy::eq_op, reason = "only NaN differs from itself")]
pub(super) fn larger<K: Copy + PartialOrd>(new: K, old: K) -> K {
    if (new > old) | (new != new) { new } else { old }
}
