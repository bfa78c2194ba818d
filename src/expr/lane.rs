//! What an expression may do with its numbers.

use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::functions;

/// A number of an expression: a float, or a symbol that stands for one.
///
/// Comparisons are IEEE's, also where NaN and infinities meet them, on all targets; a WGSL compiler may assume that
/// there are none, so that the symbols compare bits. `below` is the cheap one for numbers known to be finite.
pub trait Lane:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// The result of a comparison.
    type Mask: Copy + BitAnd<Output = Self::Mask> + BitOr<Output = Self::Mask> + Not<Output = Self::Mask>;

    /// A finite constant, rounded to the type.
    fn lit(value: f64) -> Self;
    /// Infinity. `self` is not used but where a target has no constant for it.
    fn infinity(self) -> Self;
    /// Not a number; `self` as for `infinity`.
    fn nan(self) -> Self;

    /// `self * b + c`, rounded once where that is cheap.
    fn fma(self, b: Self, c: Self) -> Self;
    /// `self * b - c`, rounded once, where `c` is near the product.
    fn rest(self, b: Self, c: Self) -> Self;
    /// `self - n * (m * 2^exponent)` for a whole `n`, with a product that is exact or that is rounded once.
    fn less_product(self, n: Self, m: i32, exponent: i32) -> Self;
    /// Without its sign.
    fn abs(self) -> Self;
    /// The largest whole number that is not larger.
    fn floor(self) -> Self;
    /// The nearest whole number, the even one of two.
    fn round(self) -> Self;
    /// Without its fraction.
    fn trunc(self) -> Self;
    /// The square root; NaN for what is less than zero.
    fn sqrt(self) -> Self;
    /// The magnitude of `self` with the sign bit of `sign`.
    fn copy_sign(self, sign: Self) -> Self;

    /// `self < b`, false for NaN.
    fn lt(self, b: Self) -> Self::Mask;
    /// `self <= b`, false for NaN.
    fn le(self, b: Self) -> Self::Mask;
    /// `self == b`, false for NaN.
    fn equals(self, b: Self) -> Self::Mask;
    /// Whether it is not a number.
    fn is_nan(self) -> Self::Mask;
    /// Whether it is infinite.
    fn is_inf(self) -> Self::Mask;
    /// `self < b` for finite numbers.
    fn below(self, b: Self) -> Self::Mask;
    /// Within these limits; anything for NaN.
    fn bounded(self, low: f64, high: f64) -> Self;
    /// `a` where the mask holds, else `b`.
    fn select(mask: Self::Mask, a: Self, b: Self) -> Self;

    /// `2^self` for a whole number from -126 to 127; 0 for -127.
    fn pow2(self) -> Self;
    /// `(e, m)` with `self = m * 2^e`, `m` around 1: from sqrt(1/2) to sqrt(2). `self` is positive and normal.
    fn split(self) -> (Self, Self);

    /// An angle with the same sine and cosine, of a size that `functions` can reduce; the CPU's loops see to larger
    /// ones themselves.
    #[inline(always)]
    fn small_angle(self) -> Self {
        self
    }

    /// `f(x)`, a function of its own on targets where code has a text.
    #[inline(always)]
    fn shared<const N: usize>(_name: &'static str, x: [Self; N], f: impl FnOnce([Self; N]) -> Self) -> Self {
        f(x)
    }

    /// Any number but zero; NaN is one.
    #[inline(always)]
    fn truth(self) -> Self::Mask {
        !self.equals(Self::lit(0.0))
    }
    /// The larger one, or NaN if there is one.
    #[inline(always)]
    fn maximum(self, b: Self) -> Self {
        Self::select(self.lt(b) | b.is_nan(), b, self)
    }
    /// The smaller one, or NaN if there is one.
    #[inline(always)]
    fn minimum(self, b: Self) -> Self {
        Self::select(b.lt(self) | b.is_nan(), b, self)
    }

    /// e to the power of it.
    #[inline(always)]
    fn exp(self) -> Self {
        Self::shared("exp", [self], |[x]| functions::exp(x))
    }
    /// e to the power of it, if it is at most 0; 0 instead of subnormal numbers. NaN stays, on a GPU it may be anything.
    #[inline(always)]
    fn exp_of_negative(self) -> Self {
        Self::shared("exp_of_negative", [self], |[x]| functions::exp_of_negative(x))
    }
    /// `exp(self) - 1`, exact near 0.
    #[inline(always)]
    fn expm1(self) -> Self {
        Self::shared("expm1", [self], |[x]| functions::expm1(x))
    }
    /// The natural logarithm.
    #[inline(always)]
    fn log(self) -> Self {
        Self::shared("log", [self], |[x]| functions::log(x))
    }
    /// `log(1 + self)`, exact near 0.
    #[inline(always)]
    fn log1p(self) -> Self {
        Self::shared("log1p", [self], |[x]| functions::log1p(x))
    }
    /// The sine.
    #[inline(always)]
    fn sin(self) -> Self {
        Self::shared("sin", [self], |[x]| functions::sin(x))
    }
    /// The cosine.
    #[inline(always)]
    fn cos(self) -> Self {
        Self::shared("cos", [self], |[x]| functions::cos(x))
    }
    /// The hyperbolic tangent.
    #[inline(always)]
    fn tanh(self) -> Self {
        Self::shared("tanh", [self], |[x]| functions::tanh(x))
    }
    /// The error function.
    #[inline(always)]
    fn erf(self) -> Self {
        Self::shared("erf", [self], |[x]| functions::erf(x))
    }
    /// The distribution function of the normal distribution. Anything for NaN.
    #[inline(always)]
    fn normal_cdf(self) -> Self {
        Self::shared("normal_cdf", [self], |[x]| functions::normal_cdf(x))
    }
    /// `self` to the power of `b`, with the special cases of IEEE 754's pow.
    #[inline(always)]
    fn pow(self, b: Self) -> Self {
        Self::shared("pow", [self, b], |[a, b]| functions::pow(a, b))
    }
    /// The remainder of `self / b` that has the sign of `self`.
    fn rem(self, b: Self) -> Self;
}

/// A lane that is a number of the machine.
pub trait Number: Lane {
    /// How arrays hold it.
    type Scalar: Copy;
    /// From an array's element.
    fn of(scalar: Self::Scalar) -> Self;
    /// To an array's element.
    fn get(self) -> Self::Scalar;
    /// A mask as a bool.
    fn holds(mask: Self::Mask) -> bool;
}

/// A float32 or float64. `FUSED`: the instruction set has fused products and roundings to whole numbers.
#[derive(Clone, Copy)]
pub struct Real<T, const FUSED: bool>(T);

macro_rules! real {
    ($t:ident, $bits:ident, $int:ident, $mantissa:literal, $bias:literal, $half_root:literal) => {
        impl<const FUSED: bool> Add for Real<$t, FUSED> {
            type Output = Self;
            #[inline(always)]
            fn add(self, b: Self) -> Self {
                Real(self.0 + b.0)
            }
        }
        impl<const FUSED: bool> Sub for Real<$t, FUSED> {
            type Output = Self;
            #[inline(always)]
            fn sub(self, b: Self) -> Self {
                Real(self.0 - b.0)
            }
        }
        impl<const FUSED: bool> Mul for Real<$t, FUSED> {
            type Output = Self;
            #[inline(always)]
            fn mul(self, b: Self) -> Self {
                Real(self.0 * b.0)
            }
        }
        impl<const FUSED: bool> Div for Real<$t, FUSED> {
            type Output = Self;
            #[inline(always)]
            fn div(self, b: Self) -> Self {
                Real(self.0 / b.0)
            }
        }
        impl<const FUSED: bool> Neg for Real<$t, FUSED> {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                Real(-self.0)
            }
        }
        impl<const FUSED: bool> Real<$t, FUSED> {
            /// From here on there are no fractions.
            const WHOLE: $t = (1u64 << $mantissa) as $t;

            /// The nearest whole number, but for numbers from `WHOLE` on.
            #[inline(always)]
            fn near(self) -> $t {
                let shift = Self::WHOLE.copysign(self.0);
                (self.0 + shift) - shift
            }

            /// `rounded`, a whole number next to this one, but this one itself if it has no room for a fraction;
            /// the sign of zero is this one's.
            #[inline(always)]
            fn whole(self, rounded: $t) -> Self {
                Real(if self.0.abs() < Self::WHOLE { rounded.copysign(self.0) } else { self.0 })
            }
        }
        impl<const FUSED: bool> Number for Real<$t, FUSED> {
            type Scalar = $t;
            #[inline(always)]
            fn of(scalar: $t) -> Self {
                Real(scalar)
            }
            #[inline(always)]
            fn get(self) -> $t {
                self.0
            }
            #[inline(always)]
            fn holds(mask: bool) -> bool {
                mask
            }
        }
        impl<const FUSED: bool> Lane for Real<$t, FUSED> {
            type Mask = bool;
            lane_methods!($t, $bits, $int, $mantissa, $bias, $half_root);
            functions!($t);
        }
    };
}

macro_rules! lane_methods {
    ($t:ident, $bits:ident, $int:ident, $mantissa:literal, $bias:literal, $half_root:literal) => {
        #[inline(always)]
        fn lit(value: f64) -> Self {
            Real(value as $t)
        }
        #[inline(always)]
        fn infinity(self) -> Self {
            Real($t::INFINITY)
        }
        #[inline(always)]
        fn nan(self) -> Self {
            Real($t::NAN)
        }
        #[inline(always)]
        fn fma(self, b: Self, c: Self) -> Self {
            // Without the instruction, a fused product is a slow call.
            Real(if FUSED { self.0.mul_add(b.0, c.0) } else { self.0 * b.0 + c.0 })
        }
        #[inline(always)]
        fn abs(self) -> Self {
            Real(self.0.abs())
        }
        #[inline(always)]
        fn floor(self) -> Self {
            if FUSED {
                return Real(self.0.floor());
            }
            let near = self.near();
            self.whole(if near > self.0 { near - 1.0 } else { near })
        }
        #[inline(always)]
        fn round(self) -> Self {
            if FUSED {
                return Real(self.0.round_ties_even());
            }
            self.whole(self.near())
        }
        #[inline(always)]
        fn trunc(self) -> Self {
            if FUSED {
                return Real(self.0.trunc());
            }
            let size = self.0.abs();
            let near = self.near().abs();
            self.whole(if near > size { near - 1.0 } else { near })
        }
        #[inline(always)]
        fn sqrt(self) -> Self {
            Real(self.0.sqrt())
        }
        #[inline(always)]
        fn copy_sign(self, sign: Self) -> Self {
            Real(self.0.copysign(sign.0))
        }
        #[inline(always)]
        fn lt(self, b: Self) -> bool {
            self.0 < b.0
        }
        #[inline(always)]
        fn le(self, b: Self) -> bool {
            self.0 <= b.0
        }
        #[inline(always)]
        fn equals(self, b: Self) -> bool {
            self.0 == b.0
        }
        #[inline(always)]
        fn is_nan(self) -> bool {
            self.0.is_nan()
        }
        #[inline(always)]
        fn is_inf(self) -> bool {
            self.0.abs() == $t::INFINITY
        }
        #[inline(always)]
        fn below(self, b: Self) -> bool {
            self.0 < b.0
        }
        #[inline(always)]
        fn bounded(self, low: f64, high: f64) -> Self {
            let (low, high) = (low as $t, high as $t);
            let above = if self.0 > low { self.0 } else { low };
            Real(if above < high { above } else { high })
        }
        #[inline(always)]
        fn rem(self, b: Self) -> Self {
            Real(self.0 % b.0)
        }
        #[inline(always)]
        fn select(mask: bool, a: Self, b: Self) -> Self {
            if mask { a } else { b }
        }
        #[inline(always)]
        fn pow2(self) -> Self {
            // A whole number plus this one has that number in its lowest bits.
            let n = (self.0 + (1.5 * Self::WHOLE + $bias as $t)).to_bits();
            Real($t::from_bits(n << $mantissa))
        }
        #[inline(always)]
        fn split(self) -> (Self, Self) {
            let bits = self.0.to_bits() as $int;
            let e = bits.wrapping_sub($half_root) >> $mantissa;
            (Real(e as $t), Real($t::from_bits(bits.wrapping_sub(e << $mantissa) as $bits)))
        }
    };
}

/// Where the machine's own functions are used.
macro_rules! functions {
    (f32) => {
        #[inline(always)]
        fn rest(self, b: Self, c: Self) -> Self {
            // float64 holds products of float32 exactly.
            Real(if FUSED {
                self.0.mul_add(b.0, -c.0)
            } else {
                (f64::from(self.0) * f64::from(b.0) - f64::from(c.0)) as f32
            })
        }
        #[inline(always)]
        fn less_product(self, n: Self, m: i32, exponent: i32) -> Self {
            let product = f64::from(m) * 2f64.powi(exponent);
            -n.rest(Real(product as f32), self)
        }
    };
    (f64) => {
        #[inline(always)]
        fn rest(self, b: Self, c: Self) -> Self {
            Real(self.0.mul_add(b.0, -c.0))
        }
        #[inline(always)]
        fn less_product(self, n: Self, m: i32, exponent: i32) -> Self {
            -n.rest(Real(f64::from(m) * 2f64.powi(exponent)), self)
        }
        functions!(exp exp, exp_of_negative exp, expm1 exp_m1, log ln, log1p ln_1p, sin sin, cos cos, tanh tanh);
        #[inline(always)]
        fn erf(self) -> Self {
            Real(libm::erf(self.0))
        }
        #[inline(always)]
        fn normal_cdf(self) -> Self {
            Real(0.5 * libm::erfc(-std::f64::consts::FRAC_1_SQRT_2 * self.0))
        }
        #[inline(always)]
        fn pow(self, b: Self) -> Self {
            Real(self.0.powf(b.0))
        }
    };
    ($($name:ident $std:ident),*) => {
        $(#[inline(always)]
        fn $name(self) -> Self {
            Real(self.0.$std())
        })*
    };
}

// The last number: the bits of sqrt(1/2).
real!(f32, u32, i32, 23, 127, 0x3f35_04f3);
real!(f64, u64, i64, 52, 1023, 0x3fe6_a09e_667f_3bcd);
