//! The table of elementwise expressions: every operator's name, signature and formula.

use super::cpu::{self, Kernel};
use super::lane::Lane;
use super::wgsl::{self, Symbol};

/// Which types an expression is defined for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kinds {
    /// Floating point only.
    Float,
    /// Floating point and integers.
    Number,
    /// These and bool.
    Any,
    /// Integers and bool.
    Bits,
}

/// The type of an expression's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// That of its operands.
    Same,
    /// A bool.
    Bool,
}

/// An entry of the table.
pub struct Op {
    /// The name that backends use.
    pub name: &'static str,
    /// The number of operands.
    pub arity: usize,
    /// The number of constants.
    pub params: usize,
    /// The types it is defined for.
    pub kinds: Kinds,
    /// The type of its result.
    pub gives: Gives,
    /// Runs it on float32; `None` for what only integers have.
    pub(crate) f32: Option<Kernel<f32>>,
    /// Runs it on float64.
    pub(crate) f64: Option<Kernel<f64>>,
    /// Writes it down.
    pub(super) symbolic: Option<fn() -> Symbol>,
}

/// An expression whose result has the type of its operands.
pub(super) trait Value {
    const NAME: &'static str;
    const ARITY: usize;
    const PARAMS: usize;
    /// `x` has `ARITY` elements and `p` has `PARAMS`.
    fn eval<L: Lane>(x: &[L], p: &[L]) -> L;
}

/// An expression whose result is a bool.
pub(super) trait Predicate {
    const ARITY: usize;
    fn eval<L: Lane>(x: &[L]) -> L::Mask;
}

/// A number as an expression.
#[inline(always)]
fn c<L: Lane>(value: f64) -> L {
    L::lit(value)
}

macro_rules! count {
    () => { 0 };
    ($head:ident $(, $tail:ident)*) => { 1 + count!($($tail),*) };
}

/// The name of a row; `where` is a keyword.
const fn name(row: &'static str) -> &'static str {
    match row.as_bytes() {
        [rest @ .., b'_'] => row.split_at(rest.len()).0,
        _ => row,
    }
}

/// Rows `name(operands; constants) kinds = value;`, `name(operands) kinds ? mask;`, or `name(operands) Bits ! ();`
/// for what only integers have.
macro_rules! table {
    ($($name:ident($($x:ident),* $(; $($p:ident),*)?) $kinds:ident $sign:tt $body:expr;)*) => {
        #[allow(non_camel_case_types, dead_code)]
        mod expressions {
            $(pub(super) struct $name;)*
        }
        $(table!(@impl $sign $name($($x),*; $($($p),*)?) $body);)*
        static OPS: &[Op] = &[$(table!(@op $sign $name($($x),*; $($($p),*)?) $kinds)),*];
    };
    (@impl = $name:ident($($x:ident),*; $($p:ident),*) $body:expr) => {
        impl Value for expressions::$name {
            const NAME: &'static str = name(stringify!($name));
            const ARITY: usize = count!($($x),*);
            const PARAMS: usize = count!($($p),*);
            #[inline(always)]
            #[allow(unused_variables)]
            fn eval<L: Lane>(x: &[L], p: &[L]) -> L {
                let &[$($x),*] = x else { unreachable!("as many operands as the table says") };
                let &[$($p),*] = p else { unreachable!("as many constants as the table says") };
                $body
            }
        }
    };
    (@impl ! $($rest:tt)*) => {};
    (@impl ? $name:ident($($x:ident),*; $($p:ident),*) $body:expr) => {
        impl Predicate for expressions::$name {
            const ARITY: usize = count!($($x),*);
            #[inline(always)]
            fn eval<L: Lane>(x: &[L]) -> L::Mask {
                let &[$($x),*] = x else { unreachable!("as many operands as the table says") };
                $body
            }
        }
    };
    (@op = $name:ident($($x:ident),*; $($p:ident),*) $kinds:ident) => {
        Op {
            name: name(stringify!($name)),
            arity: count!($($x),*),
            params: count!($($p),*),
            kinds: Kinds::$kinds,
            gives: Gives::Same,
            f32: Some(Kernel::Value(cpu::value_f32::<expressions::$name>)),
            f64: Some(Kernel::Value(cpu::value_f64::<expressions::$name>)),
            symbolic: Some(wgsl::value::<expressions::$name>),
        }
    };
    (@op ! $name:ident($($x:ident),*;) $kinds:ident) => {
        Op {
            name: name(stringify!($name)),
            arity: count!($($x),*),
            params: 0,
            kinds: Kinds::$kinds,
            gives: Gives::Same,
            f32: None,
            f64: None,
            symbolic: None,
        }
    };
    (@op ? $name:ident($($x:ident),*; $($p:ident),*) $kinds:ident) => {
        Op {
            name: name(stringify!($name)),
            arity: count!($($x),*),
            params: 0,
            kinds: Kinds::$kinds,
            gives: Gives::Bool,
            f32: Some(Kernel::Predicate(cpu::predicate_f32::<expressions::$name>)),
            f64: Some(Kernel::Predicate(cpu::predicate_f64::<expressions::$name>)),
            symbolic: Some(wgsl::predicate::<expressions::$name>),
        }
    };
}

/// x within limits; a NaN stays.
#[inline(always)]
fn clamp<L: Lane>(x: L, low: L, high: L) -> L {
    let x = L::select(x.lt(low), low, x);
    L::select(high.lt(x), high, x)
}

/// `g` where the mask holds, else 0.
#[inline(always)]
fn only<L: Lane>(mask: L::Mask, g: L) -> L {
    L::select(mask, g, L::lit(0.0))
}

/// `x > 0 ? positive : other`.
#[inline(always)]
fn by_sign<L: Lane>(x: L, positive: L, other: L) -> L {
    L::select(L::lit(0.0).lt(x), positive, other)
}

/// `1 / (1 + exp(-x))`, without overflow.
#[inline(always)]
fn sigmoid<L: Lane>(x: L) -> L {
    let e = (-x.abs()).exp();
    L::select(x.lt(L::lit(0.0)), e, L::lit(1.0)) / (e + L::lit(1.0))
}

/// The sigmoid's piecewise linear stand-in.
#[inline(always)]
fn hardsigmoid<L: Lane>(x: L) -> L {
    clamp(x + L::lit(3.0), L::lit(0.0), L::lit(6.0)) * L::lit(1.0 / 6.0)
}

/// `log(1 + exp(x))`, without overflow.
#[inline(always)]
fn log1p_exp<L: Lane>(x: L) -> L {
    x.maximum(L::lit(0.0)) + (-x.abs()).exp().log1p()
}

/// `(t, t')`: tanh(log(1 + exp(x))) is a rational function of exp(x).
#[inline(always)]
fn tanh_softplus<L: Lane>(x: L) -> (L, L) {
    // From here on it is 1.
    let e = x.minimum(L::lit(20.0)).exp();
    let n = e * (e + L::lit(2.0));
    let d = L::lit(1.0) / (n + L::lit(2.0));
    (n * d, L::lit(4.0) * e * (e + L::lit(1.0)) * d * d)
}

/// `tanh(sqrt(2/pi) (x + 0.044715 x^3))` and the derivative of its argument.
#[inline(always)]
fn gelu_tanh_parts<L: Lane>(x: L) -> (L, L) {
    const SCALE: f64 = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;
    let square = x * x;
    let u = x * (square * L::lit(SCALE * 0.044715) + L::lit(SCALE));
    (u.tanh(), square * L::lit(3.0 * SCALE * 0.044715) + L::lit(SCALE))
}

const SELU_ALPHA: f64 = 1.6732632423543772848170429916717;
const SELU_SCALE: f64 = 1.0507009873554804934193349852946;

/// One is larger, and one less than zero.
#[inline(always)]
fn signs_differ<L: Lane>(a: L, b: L) -> L::Mask {
    let zero = L::lit(0.0);
    (a.lt(zero) & zero.lt(b)) | (zero.lt(a) & b.lt(zero))
}

/// The quotient rounded down, as Python's `//`: its remainder has the sign of `b`.
#[inline(always)]
fn floor_divide<L: Lane>(a: L, b: L) -> L {
    let r = a.rem(b);
    let quotient = (a - r) / b;
    let differs = signs_differ(r, b);
    let quotient = L::select(differs, quotient - L::lit(1.0), quotient);
    let whole = quotient.floor();
    let whole = L::select(L::lit(0.5).lt(quotient - whole), whole + L::lit(1.0), whole);
    let whole = L::select(quotient.equals(L::lit(0.0)), L::lit(0.0).copy_sign(a / b), whole);
    L::select(b.equals(L::lit(0.0)), a / b, whole)
}

/// Python's `%`: with the sign of `b`.
#[inline(always)]
fn remainder<L: Lane>(a: L, b: L) -> L {
    let r = a.rem(b);
    L::select(signs_differ(r, b), r + b, r)
}

table! {
    neg(x) Number = -x;
    abs(x) Number = x.abs();
    sign(x) Number = L::select(L::lit(0.0).lt(x), c(1.0), L::select(x.lt(c(0.0)), c(-1.0), c(0.0)));
    floor(x) Number = x.floor();
    ceil(x) Number = -(-x).floor();
    round(x) Number = x.round();
    trunc(x) Number = x.trunc();
    sqrt(x) Float = x.sqrt();
    rsqrt(x) Float = L::lit(1.0) / x.sqrt();
    reciprocal(x) Float = L::lit(1.0) / x;
    square(x) Number = x * x;
    exp(x) Float = x.exp();
    expm1(x) Float = x.expm1();
    log(x) Float = x.log();
    log1p(x) Float = x.log1p();
    erf(x) Float = x.erf();
    sin(x) Float = x.sin();
    cos(x) Float = x.cos();
    logical_not(x) Any ? !x.truth();
    isnan(x) Number ? x.is_nan();
    isinf(x) Number ? x.is_inf();
    isfinite(x) Number ? !(x.is_nan() | x.is_inf());

    tanh(x) Float = x.tanh();
    // Of results, as relu's may be, so that they are all a tape keeps.
    tanh_grad(y, g) Float = g * (L::lit(1.0) - y) * (y + L::lit(1.0));
    sigmoid(x) Float = sigmoid(x);
    sigmoid_grad(y, g) Float = g * y * (L::lit(1.0) - y);
    relu(x) Number = L::select(x.lt(c(0.0)), c(0.0), x);
    relu_grad(x, g) Number = L::select(x.le(c(0.0)), c(0.0), g);
    relu6(x) Number = clamp(x, c(0.0), c(6.0));
    relu6_grad(x, g) Number = L::select(x.le(c(0.0)) | L::lit(6.0).le(x), c(0.0), g);
    silu(x) Float = x * sigmoid(x);
    silu_grad(x, g) Float = { let s = sigmoid(x); g * s * (x * sigmoid(-x) + L::lit(1.0)) };
    mish(x) Float = x * tanh_softplus(x).0;
    mish_grad(x, g) Float = { let (t, slope) = tanh_softplus(x); g * x.fma(slope, t) };
    gelu(x) Float = x * x.normal_cdf();
    gelu_grad(x, g) Float = {
        // exp(-x^2 / 2) / sqrt(2 pi)
        let density = (x * x * c(-0.5)).exp_of_negative() * c(0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2);
        g * x.fma(density, x.normal_cdf())
    };
    gelu_tanh(x) Float = L::lit(0.5) * x * (gelu_tanh_parts(x).0 + L::lit(1.0));
    gelu_tanh_grad(x, g) Float = {
        let (t, slope) = gelu_tanh_parts(x);
        let t1 = t + L::lit(1.0);
        g * L::lit(0.5) * t1 * (x * (L::lit(1.0) - t) * slope + L::lit(1.0))
    };
    hardswish(x) Float = x * hardsigmoid(x);
    hardswish_grad(x, g) Float = {
        let inner = g * (x * c(1.0 / 3.0) + L::lit(0.5));
        L::select(x.le(c(-3.0)), c(0.0), L::select(L::lit(3.0).le(x), g, inner))
    };
    hardsigmoid(x) Float = hardsigmoid(x);
    hardsigmoid_grad(x, g) Float = only::<L>(L::lit(-3.0).lt(x) & x.lt(c(3.0)), g * c(1.0 / 6.0));
    softsign(x) Float = x / (x.abs() + L::lit(1.0));
    softsign_grad(x, g) Float = { let d = x.abs() + L::lit(1.0); g / (d * d) };
    logsigmoid(x) Float = -log1p_exp(-x);
    logsigmoid_grad(x, g) Float = g * sigmoid(-x);
    selu(x) Float = by_sign(x, x * c(SELU_SCALE), x.expm1() * c(SELU_SCALE * SELU_ALPHA));
    selu_grad(x, g) Float = by_sign(x, g * c(SELU_SCALE), g * x.exp() * c(SELU_SCALE * SELU_ALPHA));
    tanhshrink(x) Float = x - x.tanh();
    tanhshrink_grad(x, g) Float = { let t = x.tanh(); g * t * t };

    leaky_relu(x; slope) Float = by_sign(x, x, x * slope);
    leaky_relu_grad(x, g; slope) Float = by_sign(x, g, g * slope);
    elu(x; alpha) Float = by_sign(x, x, x.expm1() * alpha);
    elu_grad(x, g; alpha) Float = by_sign(x, g, g * x.exp() * alpha);
    celu(x; alpha) Float = by_sign(x, x, (x / alpha).expm1() * alpha);
    celu_grad(x, g; alpha) Float = by_sign(x, g, g * (x / alpha).exp());
    hardtanh(x; low, high) Number = clamp(x, low, high);
    hardtanh_grad(x, g; low, high) Number = L::select(x.le(low) | high.le(x), c(0.0), g);
    clamp(x; low, high) Number = clamp(x, low, high);
    clamp_grad(x, g; low, high) Number = L::select(x.lt(low) | high.lt(x), c(0.0), g);
    softplus(x; beta, threshold) Float = {
        let z = x * beta;
        L::select(threshold.lt(z), x, log1p_exp(z) / beta)
    };
    softplus_grad(x, g; beta, threshold) Float = {
        let z = x * beta;
        L::select(threshold.lt(z), g, g * sigmoid(z))
    };
    hardshrink(x; limit) Float = L::select(x.abs().le(limit), c(0.0), x);
    hardshrink_grad(x, g; limit) Float = L::select(x.abs().le(limit), c(0.0), g);
    softshrink(x; limit) Float = {
        let shrunk = x - limit.copy_sign(x);
        L::select(x.abs().le(limit), c(0.0), shrunk)
    };
    softshrink_grad(x, g; limit) Float = L::select(x.abs().le(limit), c(0.0), g);
    threshold(x; limit, value) Number = L::select(x.le(limit), value, x);
    threshold_grad(x, g; limit, _value) Number = L::select(x.le(limit), c(0.0), g);

    add(a, b) Any = a + b;
    sub(a, b) Number = a - b;
    mul(a, b) Any = a * b;
    div(a, b) Float = a / b;
    floor_divide(a, b) Number = floor_divide(a, b);
    remainder(a, b) Number = remainder(a, b);
    pow(a, b) Number = a.pow(b);
    maximum(a, b) Any = a.maximum(b);
    minimum(a, b) Any = a.minimum(b);
    eq(a, b) Any ? a.equals(b);
    ne(a, b) Any ? !a.equals(b);
    lt(a, b) Any ? a.lt(b);
    le(a, b) Any ? a.le(b);
    gt(a, b) Any ? b.lt(a);
    ge(a, b) Any ? b.le(a);
    logical_and(a, b) Any ? a.truth() & b.truth();
    logical_or(a, b) Any ? a.truth() | b.truth();
    logical_xor(a, b) Any ? (a.truth() & !b.truth()) | (b.truth() & !a.truth());
    bitwise_not(x) Bits ! ();
    bitwise_and(a, b) Bits ! ();
    bitwise_or(a, b) Bits ! ();
    bitwise_xor(a, b) Bits ! ();
    prelu(x, w) Float = by_sign(x, x, x * w);
    prelu_grad(x, w, g) Float = by_sign(x, g, g * w);
    prelu_weight_grad(x, g) Float = by_sign(x, c(0.0), x * g);

    where_(m, a, b) Any = L::select(m.truth(), a, b);
    multiply_add(x, scale, shift) Float = x.fma(scale, shift);
    normalize(x, mean, rstd, weight, bias) Float = ((x - mean) * rstd).fma(weight, bias);
    normalize_grad(g, xhat, rstd, a, b) Float = rstd * (g - a - xhat * b);
}

/// All expressions.
pub fn ops() -> &'static [Op] {
    OPS
}

/// The expression of a name.
pub fn find(name: &str) -> Option<&'static Op> {
    OPS.iter().find(|op| op.name == name)
}
