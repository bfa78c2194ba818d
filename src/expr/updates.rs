//! The table of updates: expressions that rewrite several arrays in place, which are the steps of optimizers.
//!
//! Constants that change from step to step, such as corrections of a bias, come from the caller in float64. Products
//! and sums stand in the order in which PyTorch's single-tensor optimizers compute them.

use super::cpu::{self, Rewriting};
use super::lane::Lane;
use super::wgsl::{self, Symbol};

/// An entry of the table.
pub struct Update {
    /// The name that backends use.
    pub name: &'static str,
    /// The number of arrays that are rewritten; a gradient is read beside them.
    pub written: usize,
    /// The number of constants.
    pub params: usize,
    /// Runs it on float32.
    pub(crate) f32: fn(Rewriting<'_, '_, f32>),
    /// Runs it on float64.
    pub(crate) f64: fn(Rewriting<'_, '_, f64>),
    /// Writes it down: an `array` of the new elements.
    pub(super) symbolic: fn() -> Symbol,
}

/// The new elements of `W` arrays.
pub(super) trait Rewrite<const W: usize> {
    const PARAMS: usize;
    /// `p` has `PARAMS` elements.
    fn eval<L: Lane>(x: [L; W], grad: L, p: &[L]) -> [L; W];
}

macro_rules! count {
    () => { 0 };
    ($head:ident $(, $tail:ident)*) => { 1 + count!($($tail),*) };
}

/// Rows `name(rewritten arrays; gradient; constants) = new elements;`.
macro_rules! table {
    ($($name:ident($($x:ident),*; $grad:ident; $($p:ident),*) = $body:expr;)*) => {
        #[allow(non_camel_case_types)]
        mod expressions {
            $(pub(super) struct $name;)*
        }
        $(impl Rewrite<{ count!($($x),*) }> for expressions::$name {
            const PARAMS: usize = count!($($p),*);
            #[inline(always)]
            fn eval<L: Lane>(
                [$($x),*]: [L; count!($($x),*)], $grad: L, p: &[L],
            ) -> [L; count!($($x),*)] {
                let &[$($p),*] = p else { unreachable!("as many constants as the table says") };
                $body
            }
        })*
        static UPDATES: &[Update] = &[$(Update {
            name: stringify!($name),
            written: count!($($x),*),
            params: count!($($p),*),
            f32: cpu::rewrite_f32::<expressions::$name, { count!($($x),*) }>,
            f64: cpu::rewrite_f64::<expressions::$name, { count!($($x),*) }>,
            symbolic: wgsl::rewrite::<expressions::$name, { count!($($x),*) }>,
        }),*];
    };
}

/// The gradient to descend along: `sign` is -1 to maximize, and without `decay` nothing of the parameter enters.
#[inline(always)]
fn descent<L: Lane>(param: L, grad: L, sign: L, decay: L) -> L {
    let grad = grad * sign;
    L::select(decay.equals(L::lit(0.0)), grad, param.fma(decay, grad))
}

/// From `start` towards `end`, reached exactly at a `weight` of 1.
#[inline(always)]
fn lerp<L: Lane>(start: L, end: L, weight: L) -> L {
    let whole = end - start;
    L::select(weight.lt(L::lit(0.5)), whole.fma(weight, start), end - whole * (L::lit(1.0) - weight))
}

/// The running mean of squares.
#[inline(always)]
fn mean_square<L: Lane>(square: L, grad: L, keep: L, weight: L) -> L {
    (grad * weight).fma(grad, square * keep)
}

/// The root of the variance, which rounding must not make negative.
#[inline(always)]
fn deviation<L: Lane>(square: L, mean: L) -> L {
    (square - mean * mean).maximum(L::lit(0.0)).sqrt()
}

// `rate` is the step size with a minus sign, `shrink` what decoupled weight decay leaves of the parameter.
table! {
    sgd(param; grad; rate, decay, sign) = [descent(param, grad, sign, decay).fma(rate, param)];
    // `ahead` is the momentum if it is Nesterov's, else 0.
    sgd_momentum(param, buffer; grad; rate, decay, sign, momentum, weight, ahead) = {
        let grad = descent(param, grad, sign, decay);
        let buffer = grad.fma(weight, buffer * momentum);
        let step = L::select(ahead.equals(L::lit(0.0)), buffer, buffer.fma(ahead, grad));
        [step.fma(rate, param), buffer]
    };

    // `root` corrects the bias of the root of the squares.
    adam(param, mean, square; grad; rate, decay, sign, shrink, weight, keep, square_weight, root, eps) = {
        let grad = descent(param, grad, sign, decay);
        let mean = lerp(mean, grad, weight);
        let square = mean_square(square, grad, keep, square_weight);
        [param * shrink + mean * rate / (square.sqrt() / root + eps), mean, square]
    };
    adam_amsgrad(
        param, mean, square, largest; grad; rate, decay, sign, shrink, weight, keep, square_weight, root, eps
    ) = {
        let grad = descent(param, grad, sign, decay);
        let mean = lerp(mean, grad, weight);
        let square = mean_square(square, grad, keep, square_weight);
        let largest = largest.maximum(square);
        [param * shrink + mean * rate / (largest.sqrt() / root + eps), mean, square, largest]
    };

    rmsprop(param, square; grad; rate, decay, sign, keep, weight, eps) = {
        let grad = descent(param, grad, sign, decay);
        let square = mean_square(square, grad, keep, weight);
        [param + grad * rate / (square.sqrt() + eps), square]
    };
    rmsprop_centered(param, square, mean; grad; rate, decay, sign, keep, weight, eps) = {
        let grad = descent(param, grad, sign, decay);
        let square = mean_square(square, grad, keep, weight);
        let mean = lerp(mean, grad, weight);
        [param + grad * rate / (deviation(square, mean) + eps), square, mean]
    };
    rmsprop_momentum(param, square, buffer; grad; rate, decay, sign, keep, weight, eps, momentum) = {
        let grad = descent(param, grad, sign, decay);
        let square = mean_square(square, grad, keep, weight);
        let buffer = buffer * momentum + grad / (square.sqrt() + eps);
        [buffer.fma(rate, param), square, buffer]
    };
    rmsprop_centered_momentum(
        param, square, mean, buffer; grad; rate, decay, sign, keep, weight, eps, momentum
    ) = {
        let grad = descent(param, grad, sign, decay);
        let square = mean_square(square, grad, keep, weight);
        let mean = lerp(mean, grad, weight);
        let buffer = buffer * momentum + grad / (deviation(square, mean) + eps);
        [buffer.fma(rate, param), square, mean, buffer]
    };
}

/// All updates.
pub fn updates() -> &'static [Update] {
    UPDATES
}

/// The update of a name.
pub fn find(name: &str) -> Option<&'static Update> {
    UPDATES.iter().find(|update| update.name == name)
}
