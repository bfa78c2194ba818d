//! Expressions in loops over slices, compiled for each instruction set.

use super::functions::LARGEST_ANGLE;
use super::lane::{Number, Real};
use super::table::{Predicate, Value};
use super::updates::Rewrite;
use crate::simd::{Body, Isa};

/// A run of elements: one slice for each operand, the constants, and where the result goes. All slices are equally
/// long, but that of three operands or more all but the first may be one element each, the same for all places.
pub struct Run<'a, T, R> {
    /// The instruction set to run on.
    pub isa: Isa,
    /// The operands.
    pub x: &'a [&'a [T]],
    /// The constants.
    pub params: &'a [T],
    /// The result.
    pub out: &'a mut [R],
}

/// An expression on elements of type `T`.
pub enum Kernel<T: 'static> {
    /// Gives numbers.
    Value(fn(Run<'_, T, T>)),
    /// Gives bools, bytes of 0 and 1.
    Predicate(fn(Run<'_, T, u8>)),
}

impl<T> Clone for Kernel<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Kernel<T> {}

/// The most operands that an expression has.
pub(crate) const MAX_ARITY: usize = 5;

/// A run of elements of arrays that are rewritten; all slices are as long as that of the gradient.
pub struct Rewriting<'a, 'b, T> {
    /// The instruction set to run on.
    pub isa: Isa,
    /// The arrays, as many as the update has.
    pub written: &'a mut [&'b mut [T]],
    /// The gradient.
    pub grad: &'a [T],
    /// The constants.
    pub params: &'a [T],
}

/// The most arrays that an update rewrites.
pub(crate) const MAX_WRITTEN: usize = 4;
/// The most constants that an update has.
pub(crate) const MAX_UPDATE_PARAMS: usize = 12;
/// Elements that an update copies aside: from slices of which it cannot know that they do not overlap, a compiler
/// would make no vectors.
const ASIDE: usize = 64;

/// Calls `f` with the operands of every element.
#[inline(always)]
fn each<N: Number, R>(x: &[&[N::Scalar]], arity: usize, out: &mut [R], f: impl Fn(&[N]) -> R) {
    let n = out.len();
    let of = |a: &[N::Scalar], i: usize| N::of(a[i]);
    match *x {
        [a] if arity == 1 => {
            let a = &a[..n];
            for i in 0..n {
                out[i] = f(&[of(a, i)]);
            }
        }
        [a, b] if arity == 2 => {
            let (a, b) = (&a[..n], &b[..n]);
            for i in 0..n {
                out[i] = f(&[of(a, i), of(b, i)]);
            }
        }
        [a, b, c] if arity == 3 && b.len() == 1 && c.len() == 1 => {
            let (a, b, c) = (&a[..n], of(b, 0), of(c, 0));
            for i in 0..n {
                out[i] = f(&[of(a, i), b, c]);
            }
        }
        [a, b, c] if arity == 3 => {
            let (a, b, c) = (&a[..n], &b[..n], &c[..n]);
            for i in 0..n {
                out[i] = f(&[of(a, i), of(b, i), of(c, i)]);
            }
        }
        [a, b, c, d, e] if arity == 5 && [b, c, d, e].iter().all(|x| x.len() == 1) => {
            let (a, b, c, d, e) = (&a[..n], of(b, 0), of(c, 0), of(d, 0), of(e, 0));
            for i in 0..n {
                out[i] = f(&[of(a, i), b, c, d, e]);
            }
        }
        [a, b, c, d, e] if arity == 5 => {
            let (a, b, c, d, e) = (&a[..n], &b[..n], &c[..n], &d[..n], &e[..n]);
            for i in 0..n {
                out[i] = f(&[of(a, i), of(b, i), of(c, i), of(d, i), of(e, i)]);
            }
        }
        _ => panic!("an expression of {arity} operands got {}", x.len()),
    }
}

/// Sines and cosines of float32 angles that the polynomials' reduction does not reach.
macro_rules! huge_angles {
    (f32, $name:expr, $x:expr, $out:expr) => {
        if matches!($name.as_bytes(), b"sin" | b"cos") {
            let x: &[f32] = $x;
            let largest = x.iter().fold(0.0f32, |most, x| if x.abs() > most { x.abs() } else { most });
            if largest > LARGEST_ANGLE {
                for (x, y) in x.iter().zip($out).filter(|(x, _)| x.is_finite() && x.abs() > LARGEST_ANGLE) {
                    let angle = f64::from(*x);
                    *y = if $name == "sin" { angle.sin() } else { angle.cos() } as f32;
                }
            }
        }
    };
    (f64, $name:expr, $x:expr, $out:expr) => {};
}

macro_rules! runners {
    ($t:ident, $value:ident, $predicate:ident) => {
        /// Runs an expression on elements of this type.
        pub(super) fn $value<E: Value>(run: Run<'_, $t, $t>) {
            struct Loop<'a, E>(Run<'a, $t, $t>, std::marker::PhantomData<E>);
            impl<E: Value> Body for Loop<'_, E> {
                type Out = ();
                #[inline(always)]
                fn run<const FUSED: bool>(self) {
                    let Run { x, params, out, .. } = self.0;
                    assert_eq!(params.len(), E::PARAMS, "constants of an expression");
                    let mut p = [Real::<$t, FUSED>::of(0.0); 2];
                    for (to, &from) in p.iter_mut().zip(params) {
                        *to = Real::of(from);
                    }
                    each(x, E::ARITY, out, |x: &[Real<$t, FUSED>]| E::eval(x, &p[..E::PARAMS]).get());
                    huge_angles!($t, E::NAME, x[0], out);
                }
            }
            run.isa.run(Loop::<E>(run, std::marker::PhantomData))
        }

        /// Runs a predicate on elements of this type.
        pub(super) fn $predicate<E: Predicate>(run: Run<'_, $t, u8>) {
            struct Loop<'a, E>(Run<'a, $t, u8>, std::marker::PhantomData<E>);
            impl<E: Predicate> Body for Loop<'_, E> {
                type Out = ();
                #[inline(always)]
                fn run<const FUSED: bool>(self) {
                    let Run { x, out, .. } = self.0;
                    each(x, E::ARITY, out, |x: &[Real<$t, FUSED>]| {
                        u8::from(<Real<$t, FUSED> as Number>::holds(E::eval(x)))
                    });
                }
            }
            run.isa.run(Loop::<E>(run, std::marker::PhantomData))
        }
    };
}

macro_rules! rewriters {
    ($t:ident, $rewrite:ident) => {
        /// Runs an update on elements of this type.
        pub(super) fn $rewrite<E: Rewrite<W>, const W: usize>(run: Rewriting<'_, '_, $t>) {
            struct Loop<'a, 'b, E>(Rewriting<'a, 'b, $t>, std::marker::PhantomData<E>);
            impl<E> Loop<'_, '_, E> {
                /// Some elements from `at` on, at most `ASIDE`.
                #[inline(always)]
                fn part<const FUSED: bool, const W: usize>(
                    &mut self,
                    at: usize,
                    len: usize,
                    p: &[Real<$t, FUSED>],
                ) where
                    E: Rewrite<W>,
                {
                    let (mut x, mut grad) = ([[0.0; ASIDE]; W], [0.0; ASIDE]);
                    for (x, from) in x.iter_mut().zip(&*self.0.written) {
                        x[..len].copy_from_slice(&from[at..at + len]);
                    }
                    grad[..len].copy_from_slice(&self.0.grad[at..at + len]);
                    for i in 0..ASIDE {
                        let new = E::eval(std::array::from_fn(|k| Real::of(x[k][i])), Real::of(grad[i]), p);
                        for (x, new) in x.iter_mut().zip(new) {
                            x[i] = new.get();
                        }
                    }
                    for (x, to) in x.iter().zip(&mut *self.0.written) {
                        to[at..at + len].copy_from_slice(&x[..len]);
                    }
                }
            }
            impl<E: Rewrite<W>, const W: usize> Body for (Loop<'_, '_, E>, [(); W]) {
                type Out = ();
                #[inline(always)]
                fn run<const FUSED: bool>(mut self) {
                    let params = self.0.0.params;
                    assert_eq!(params.len(), E::PARAMS, "constants of an update");
                    assert_eq!(self.0.0.written.len(), W, "arrays of an update");
                    let mut p = [Real::<$t, FUSED>::of(0.0); MAX_UPDATE_PARAMS];
                    for (to, &from) in p.iter_mut().zip(params) {
                        *to = Real::of(from);
                    }
                    let (p, n) = (&p[..E::PARAMS], self.0.0.grad.len());
                    let whole = n / ASIDE * ASIDE;
                    for at in (0..whole).step_by(ASIDE) {
                        self.0.part(at, ASIDE, p);
                    }
                    if whole < n {
                        self.0.part(whole, n - whole, p);
                    }
                }
            }
            run.isa.run((Loop::<E>(run, std::marker::PhantomData), [(); W]))
        }
    };
}
rewriters!(f32, rewrite_f32);
rewriters!(f64, rewrite_f64);

runners!(f32, value_f32, predicate_f32);
runners!(f64, value_f64, predicate_f64);
