//! exp, log, sin and their like on any lane: own polynomials, as neither vectors nor WGSL have exact ones.
//!
//! The coefficients have the least maximum error on the reduced interval, as found in float64; they are for lanes of
//! float32, as float64 has the machine's functions. Every function is right at NaN, infinities and signed zeros.
//! Nothing here relies on rounding errors that a compiler with "fast" arithmetic might simplify away, except for the
//! last digits of `pow` and of the arguments of `sin`.

use super::lane::Lane;

/// 16 bits of ln 2, so that products with exponents are exact, and the rest.
const LN_2_HIGH: (i32, i32) = (45426, -16);
const LN_2_LOW: f64 = std::f64::consts::LN_2 - 45426.0 / 65536.0;
/// 8 bits of pi/2, 11 bits more, and the rest.
const HALF_PI: [(i32, i32); 2] = [(201, -7), (2029, -22)];
const HALF_PI_LOW: f64 = 7.54978995489188e-8;

/// `sum(c[i] * x^i)`.
#[inline(always)]
fn polynomial<L: Lane>(x: L, c: &[f64]) -> L {
    let (last, rest) = c.split_last().expect("a coefficient");
    rest.iter().rev().fold(L::lit(*last), |sum, &c| sum.fma(x, L::lit(c)))
}

/// `(n, r)` with `x = n * ln 2 + r` and r around 0.
#[inline(always)]
fn by_ln_2<L: Lane>(x: L) -> (L, L) {
    let n = (x * L::lit(std::f64::consts::LOG2_E)).round();
    (n, n.fma(L::lit(-LN_2_LOW), x.less_product(n, LN_2_HIGH.0, LN_2_HIGH.1)))
}

/// e^r - 1 for r of at most ln 2 / 2.
#[inline(always)]
fn small_expm1<L: Lane>(r: L) -> L {
    (r * r).fma(polynomial(r, &[0.5, 0.16666512, 0.041666187, 0.008369599, 0.001395172]), r)
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
    let (n, r) = by_ln_2(x.bounded(-105.0, 90.0));
    let (a, b) = halves(n);
    L::select(x.is_nan(), x, (small_expm1(r) + L::lit(1.0)) * a * b)
}

/// e to the power of `x`, which is at most 0; 0 where that is subnormal. NaN stays, on a GPU it may be anything.
#[inline(always)]
pub(super) fn exp_of_negative<L: Lane>(x: L) -> L {
    // One factor reaches all normal numbers, and it is 0 at the bound.
    let least = L::lit(-88.0);
    let (n, r) = by_ln_2(L::select(x.below(least), least, x));
    polynomial(r, &[1.0, 1.0, 0.5, 0.16666512, 0.041666187, 0.008369599, 0.001395172]) * n.pow2()
}

/// `exp(x) - 1`, exact near 0.
#[inline(always)]
pub(super) fn expm1<L: Lane>(x: L) -> L {
    let (n, r) = by_ln_2(x.bounded(-30.0, 90.0));
    let half = (n * L::lit(0.5)).floor();
    let (a, b, b_inverse) = (half.pow2(), (n - half).pow2(), (half - n).pow2());
    let y = a.fma(small_expm1(r), a - b_inverse) * b;
    L::select(x.is_nan() | x.equals(L::lit(0.0)), x, y)
}

/// log(m 2^e), `f` = m - 1.
#[inline(always)]
fn log_of_parts<L: Lane>(e: L, f: L) -> L {
    let tail = polynomial(
        f,
        &[
            0.3333331,
            -0.2500001,
            0.20002216,
            -0.16668187,
            0.14217545,
            -0.124005415,
            0.11898875,
            -0.11713114,
            0.06768555,
        ],
    );
    let square = f * f;
    let low = (square * f).fma(tail, e * L::lit(LN_2_LOW)) - square * L::lit(0.5);
    (low + f).less_product(-e, LN_2_HIGH.0, LN_2_HIGH.1)
}

/// `(e, m)` as `Lane::split`, for subnormal numbers too.
#[inline(always)]
fn split_any<L: Lane>(x: L) -> (L, L) {
    let tiny = x.below(L::lit(1.2e-38));
    let (e, m) = L::select(tiny, x * L::lit(16777216.0), x).split();
    (L::select(tiny, e - L::lit(24.0), e), m)
}

/// `y`, or what a logarithm gives where its argument `u` is no positive finite number.
#[inline(always)]
fn log_ends<L: Lane>(u: L, y: L) -> L {
    let zero = u.equals(L::lit(0.0));
    let y = L::select(zero, -u.infinity(), L::select(u.lt(L::lit(0.0)), u.nan(), y));
    L::select(u.is_nan() | (u.is_inf() & L::lit(0.0).lt(u)), u, y)
}

/// The natural logarithm.
#[inline(always)]
pub(super) fn log<L: Lane>(x: L) -> L {
    let (e, m) = split_any(x);
    log_ends(x, log_of_parts(e, m - L::lit(1.0)))
}

/// `log(1 + x)`, exact near 0.
#[inline(always)]
pub(super) fn log1p<L: Lane>(x: L) -> L {
    let u = x + L::lit(1.0);
    let (e, m) = u.split();
    // What 1 + x lost comes back by scaling x itself; a large x lost nothing.
    let scale = (-L::select(e.below(L::lit(64.0)), e, L::lit(64.0))).pow2();
    let f = L::select(e.below(L::lit(30.0)), x.fma(scale, scale - L::lit(1.0)), m - L::lit(1.0));
    L::select(x.equals(L::lit(0.0)), x, log_ends(u, log_of_parts(e, f)))
}

/// `(q, r)` with `x = (4 i + q) * pi / 2 + r`, r around 0 and i a whole number.
#[inline(always)]
fn quarter_turns<L: Lane>(x: L) -> (L, L) {
    let n = (x * L::lit(std::f64::consts::FRAC_2_PI)).round();
    let r = HALF_PI.iter().fold(x, |r, &(m, exponent)| r.less_product(n, m, exponent));
    let r = n.fma(L::lit(-HALF_PI_LOW), r);
    (n - L::lit(4.0) * (n * L::lit(0.25)).floor(), r)
}

/// `(sin r, cos r)` for r of at most pi/4.
#[inline(always)]
fn small_sin_cos<L: Lane>(r: L) -> (L, L) {
    let z = r * r;
    let s = polynomial(z, &[-0.16666667, 0.008333329, -0.00019839256, 2.7175645e-06]);
    let c = polynomial(z, &[0.041666646, -0.0013887306, 2.4431205e-05]);
    ((z * r).fma(s, r), (z * z).fma(c, z.fma(L::lit(-0.5), L::lit(1.0))))
}

/// The sine; on the CPU for magnitudes up to [`LARGEST_ANGLE`].
#[inline(always)]
pub(super) fn sin<L: Lane>(x: L) -> L {
    let (q, r) = quarter_turns(x.small_angle());
    let (s, c) = small_sin_cos(r);
    let odd = q.equals(L::lit(1.0)) | q.equals(L::lit(3.0));
    let y = L::select(odd, c, s);
    let y = L::select(L::lit(1.5).below(q), -y, y);
    let y = L::select(x.abs().below(L::lit(2e-4)), x, y);
    L::select(x.is_nan() | x.is_inf(), x.nan(), y)
}

/// The cosine, likewise.
#[inline(always)]
pub(super) fn cos<L: Lane>(x: L) -> L {
    let (q, r) = quarter_turns(x.small_angle());
    let (s, c) = small_sin_cos(r);
    let odd = q.equals(L::lit(1.0)) | q.equals(L::lit(3.0));
    let y = L::select(odd, s, c);
    let y = L::select(q.equals(L::lit(1.0)) | q.equals(L::lit(2.0)), -y, y);
    L::select(x.is_nan() | x.is_inf(), x.nan(), y)
}

/// Up to here the three parts of pi/2 suffice.
pub(super) const LARGEST_ANGLE: f32 = 1e5;

/// The hyperbolic tangent.
#[inline(always)]
pub(super) fn tanh<L: Lane>(x: L) -> L {
    let t = (L::lit(2.0) * x.abs().minimum(L::lit(10.0))).expm1();
    (t / (t + L::lit(2.0))).copy_sign(x)
}

/// `(2^n, 2^r - 1)` with `q = n + r` and n whole; `2^n` is 0 for an n of -127.
#[inline(always)]
fn exp2_parts<L: Lane>(q: L) -> (L, L) {
    let n = q.round();
    let r = q - n;
    let tail = polynomial(
        r,
        &[std::f64::consts::LN_2, 0.24022649, 0.055503573, 0.009618238, 0.0013390736, 0.00015403512],
    );
    (n.pow2(), r * tail)
}

/// The error function: 1 - 2^q for a polynomial q of |x|, which is exact near 0 as q and 2^q - 1 are.
#[inline(always)]
pub(super) fn erf<L: Lane>(x: L) -> L {
    let t = x.abs().bounded(0.0, 4.2);
    let (scale, rest) = exp2_parts(t * polynomial(t, &ERF));
    let y = (-scale).fma(rest, L::lit(1.0) - scale).copy_sign(x);
    L::select(x.is_nan(), x, y)
}

/// `log2(1 - erf(t)) / t`.
const ERF: [f64; 8] = [
    -1.627907,
    -0.91844344,
    -0.14832984,
    0.027875345,
    -0.0002967884,
    -0.0018058866,
    0.00054966705,
    -5.8729027e-05,
];

/// The distribution function of the normal distribution: 2^q for a polynomial q of |x| left of 0, the rest of 1
/// right of it. No digits cancel out on the left; far out, where the result is below 1e-7, it has but a few digits.
/// Anything for NaN.
#[inline(always)]
pub(super) fn normal_cdf<L: Lane>(x: L) -> L {
    // There q is -127.
    let t = x.abs().bounded(0.0, 10.4355);
    let (scale, rest) = exp2_parts(t.fma(polynomial(t, &NORMAL_CDF), L::lit(-1.0)));
    let left = scale.fma(rest, scale);
    L::select(x.below(L::lit(0.0)), left, L::lit(1.0) - left)
}

/// `(log2(cdf(-t)) + 1) / t`.
const NORMAL_CDF: [f64; 8] = [
    -1.1511061,
    -0.4591963,
    -0.052546006,
    0.007154768,
    -0.00022082662,
    -0.0001460852,
    2.9895922e-05,
    -1.9627123e-06,
];

/// `a` to the power of `b`, with the special cases of IEEE 754's pow.
#[inline(always)]
pub(super) fn pow<L: Lane>(a: L, b: L) -> L {
    let (zero, one) = (L::lit(0.0), L::lit(1.0));
    let size = a.abs();
    // log(size) as high + low: 2 atanh(s) + e ln 2, with s = (m - 1) / (m + 1).
    let (e, m) = split_any(size);
    let (f, d) = (m - one, m + one);
    let s = f / d;
    let s_low = -(s.rest(d, f) + s * (m - (d - one))) / d;
    let tail = polynomial(s * s, &[0.6666667, 0.4, 0.2857169, 0.2219159, 0.19386484]);
    let (large, small) = (zero.less_product(-e, LN_2_HIGH.0, LN_2_HIGH.1), s + s);
    let high = large + small;
    let low = ((large - high) + small) + ((s * s * s).fma(tail, s_low + s_low) + e * L::lit(LN_2_LOW));
    // The product with b, likewise; 0 and infinity come from its high part.
    let product = b * high;
    let extreme = !product.abs().lt(L::lit(200.0));
    let rest = L::select(extreme, zero, b.fma(low, b.rest(high, product)));
    let (n, r) = by_ln_2(product.bounded(-110.0, 110.0));
    let (x, y) = halves(n);
    let power = (small_expm1(r + rest) + one) * x * y;
    // Where the magnitude is 0 or infinite, the power is 0, 1 or infinite.
    let negative = b.lt(zero);
    let nothing = size.equals(zero);
    let power = L::select((nothing & negative) | (size.is_inf() & !negative), a.infinity(), power);
    let power = L::select((nothing & !negative) | (size.is_inf() & negative), zero, power);
    // A negative base has real powers only where the exponent is whole.
    let whole = b.equals(b.floor());
    let half = b * L::lit(0.5);
    let odd = whole & !half.equals(half.floor());
    let power = L::select(odd, power.copy_sign(a), power);
    let power = L::select(a.lt(zero) & !whole & !size.is_inf(), a.nan(), power);
    let power = L::select(a.is_nan() | b.is_nan(), a.nan(), power);
    let certain = b.equals(zero) | a.equals(one) | (size.equals(one) & b.is_inf());
    L::select(certain, one, power)
}
