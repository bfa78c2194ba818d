//! exp, log, sin and their like on any lane: own polynomials, as neither vectors nor WGSL have exact ones.
//!
//! Coefficients are least maximum errors on the reduced interval, found in float64 and rounded to float32. Each
//! function is right at NaN, infinities and signed zeros.

use super::lane::Lane;

const LN_2_HIGH: f64 = 0.693145751953125; // 16 bits, so that products with exponents are exact
const LN_2_LOW: f64 = 1.42860682030941723212e-6;
const LOG2_E: f64 = std::f64::consts::LOG2_E;

/// `sum(c[i] * x^i)`.
#[inline(always)]
fn polynomial<L: Lane>(x: L, c: &[f64]) -> L {
    let (last, rest) = c.split_last().expect("a coefficient");
    rest.iter().rev().fold(L::lit(*last), |sum, &c| sum.fma(x, L::lit(c)))
}

/// `(n, r)` with `x = n * ln 2 + r` and r around 0.
#[inline(always)]
fn by_ln_2<L: Lane>(x: L) -> (L, L) {
    let n = (x * L::lit(LOG2_E)).round();
    (n, n.fma(L::lit(-LN_2_LOW), n.fma(L::lit(-LN_2_HIGH), x)))
}

/// `(2^(n/2), 2^(n - n/2))`: two factors reach all of a type's range, subnormal numbers too.
#[inline(always)]
fn halves<L: Lane>(n: L) -> (L, L) {
    let half = (n * L::lit(0.5)).floor();
    (half.pow2(), (n - half).pow2())
}

/// e to the power of `x`.
#[inline(always)]
pub(super) fn exp<L: Lane>(x: L) -> L {
    // Beyond these the result is 0 or infinite.
    let inside =
        L::select(x.lt(L::lit(-104.0)), L::lit(-104.0), L::select(L::lit(89.0).lt(x), L::lit(89.0), x));
    let inside = L::select(x.is_nan(), L::lit(0.0), inside);
    let (n, r) = by_ln_2(inside);
    let tail = polynomial(r, &[0.5, 0.166_666_66, 0.041_666_6, 0.008_333_3, 0.001_388_9]);
    let (a, b) = halves(n);
    let y = (r * r).fma(tail, r) + L::lit(1.0);
    L::select(x.is_nan(), x, y * a * b)
}
