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
#[allow(dead_code)]
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

/// Rows `name(operands; params) kinds = value;` or `name(operands) kinds ? mask;`.
macro_rules! table {
    ($($name:ident($($x:ident),* $(; $($p:ident),*)?) $kinds:ident $sign:tt $body:expr;)*) => {
        #[allow(non_camel_case_types)]
        mod expressions {
            $(pub(super) struct $name;)*
        }
        $(table!(@impl $sign $name($($x),*; $($($p),*)?) $body);)*
        static OPS: &[Op] = &[$(table!(@op $sign $name($($x),*; $($($p),*)?) $kinds)),*];
    };
    (@impl = $name:ident($($x:ident),*; $($p:ident),*) $body:expr) => {
        impl Value for expressions::$name {
            const ARITY: usize = count!($($x),*);
            const PARAMS: usize = count!($($p),*);
            #[inline(always)]
            #[allow(non_snake_case)]
            fn eval<L: Lane>(x: &[L], p: &[L]) -> L {
                let &[$($x),*] = x else { unreachable!("as many operands as the table says") };
                let &[$($p),*] = p else { unreachable!("as many constants as the table says") };
                $body
            }
        }
    };
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
            name: stringify!($name),
            arity: count!($($x),*),
            params: count!($($p),*),
            kinds: Kinds::$kinds,
            gives: Gives::Same,
            f32: Some(Kernel::Value(cpu::value_f32::<expressions::$name>)),
            f64: Some(Kernel::Value(cpu::value_f64::<expressions::$name>)),
            symbolic: Some(wgsl::value::<expressions::$name>),
        }
    };
    (@op ? $name:ident($($x:ident),*; $($p:ident),*) $kinds:ident) => {
        Op {
            name: stringify!($name),
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

table! {
    add(a, b) Number = a + b;
    mul(a, b) Number = a * b;
    relu(x) Number = L::select(x.lt(c(0.0)), c(0.0), x);
    exp(x) Float = x.exp();
    lt(a, b) Any ? a.lt(b);
}

/// All expressions.
pub fn ops() -> &'static [Op] {
    OPS
}

/// The expression of a name.
pub fn find(name: &str) -> Option<&'static Op> {
    OPS.iter().find(|op| op.name == name)
}
