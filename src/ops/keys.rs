//! Elements as max pooling compares them.

use crate::simd::{Isa, rows};
use half::f16;

/// An element that has a largest one.
pub trait Pooled: Copy + Send + Sync + 'static {
    /// What is compared.
    type Key: Copy + PartialOrd + Send + Sync + 'static;
    /// The key of a window without elements.
    const LOWEST: Self::Key;
    /// The element's key.
    fn key(self) -> Self::Key;
    /// The element of a key.
    fn of(key: Self::Key) -> Self;
    /// Whether `largest_rows` is there.
    const VECTORS: bool = false;
    /// `simd::rows::largest_rows` for the types that have it; else false.
    #[inline(always)]
    fn largest_rows(_isa: Isa, _rows: &[&[Self]], _to: &mut [Self]) -> bool {
        false
    }
    /// `simd::rows::largest_of_pairs` for the types that have it; else false.
    #[inline(always)]
    fn largest_of_pairs(_isa: Isa, _rows: &[&[Self]], _taps: usize, _to: &mut [Self]) -> bool {
        false
    }
}

macro_rules! pooled {
    ($($t:ty: $lowest:expr $(, $pairs:path, $rows:path)?;)*) => {
        $(impl Pooled for $t {
            type Key = $t;
            const LOWEST: $t = $lowest;
            #[inline(always)]
            fn key(self) -> $t {
                self
            }
            #[inline(always)]
            fn of(key: $t) -> $t {
                key
            }
            $(const VECTORS: bool = true;
            #[inline(always)]
            fn largest_rows(isa: Isa, rows: &[&[$t]], to: &mut [$t]) -> bool {
                $rows(isa, rows, to)
            }
            #[inline(always)]
            fn largest_of_pairs(isa: Isa, rows: &[&[$t]], taps: usize, to: &mut [$t]) -> bool {
                $pairs(isa, rows, taps, to)
            })?
        })*
    };
}
pooled! {
    f32: f32::NEG_INFINITY, rows::largest_of_pairs, rows::largest_rows;
    f64: f64::NEG_INFINITY, rows::largest_of_pairs, rows::largest_rows;
    i8: i8::MIN; i16: i16::MIN; i32: i32::MIN; i64: i64::MIN; u8: 0; u16: 0; u32: 0; u64: 0;
}

const MAGNITUDE: i16 = 0x7fff;
const INFINITY: i16 = 0x7c00;
const NAN: i16 = 0x7e00;

/// Float16 is compared as integers of the same order, of which NaN is the largest and -0 comes before 0.
impl Pooled for f16 {
    type Key = i16;
    const LOWEST: i16 = !INFINITY;
    #[inline(always)]
    fn key(self) -> i16 {
        let bits = self.to_bits().cast_signed();
        let ordered = bits ^ ((bits >> 15) & MAGNITUDE);
        if bits & MAGNITUDE > INFINITY { NAN } else { ordered }
    }
    #[inline(always)]
    fn of(key: i16) -> f16 {
        f16::from_bits((key ^ ((key >> 15) & MAGNITUDE)).cast_unsigned())
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
    // The comparison is one instruction of a vector, which gives `old` if either is NaN.
    let largest = if new > old { new } else { old };
    if new != new { new } else { largest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn float16_keys_have_the_order_of_their_numbers() {
        let all = (0..=u16::MAX).map(f16::from_bits);
        let mut numbers: Vec<f16> = all.clone().filter(|x| !x.is_nan()).collect();
        numbers.sort_by(f16::total_cmp);
        assert!(numbers.windows(2).all(|pair| pair[0].key() < pair[1].key()));
        assert!(numbers.iter().all(|x| f16::of(x.key()).to_bits() == x.to_bits() && x.key() < NAN));
        assert_eq!(f16::LOWEST, f16::NEG_INFINITY.key());
        assert!(all.filter(|x| x.is_nan()).all(|x| x.key() == NAN && f16::of(x.key()).is_nan()));
    }
}
