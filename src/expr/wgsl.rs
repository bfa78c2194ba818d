//! Expressions as WGSL: lanes that write down what is done to them.
//!
//! A symbol is the number of a node of the function being written (`Scope`). Nodes used once become part of the
//! text of their user, others named values. WGSL compilers may assume that there is no NaN and no infinity, so that
//! whatever must see them goes by bits (`wgsl_helpers`).

use std::cell::RefCell;
use std::fmt::Write;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::lane::Lane;
use super::table::{self, Gives, Op, Predicate, Value};
use super::updates::{self, Rewrite};
use super::wgsl_helpers::HELPERS;
use super::wgsl_integers;
use crate::error::{Error, Result};

/// The types that shaders compute in. float16 is stored as such but computed as `F32`, bool is `U32`, 0 or 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShaderType {
    /// `f32`
    F32,
    /// `i32`
    I32,
    /// `u32`
    U32,
}

impl ShaderType {
    /// Its name in WGSL.
    pub fn name(self) -> &'static str {
        match self {
            ShaderType::F32 => "f32",
            ShaderType::I32 => "i32",
            ShaderType::U32 => "u32",
        }
    }

    fn allowed(self, op: &Op) -> bool {
        use super::table::Kinds::*;
        match self {
            ShaderType::F32 => op.kinds != Bits,
            ShaderType::I32 => op.kinds != Float,
            ShaderType::U32 => matches!(op.kinds, Any | Bits),
        }
    }
}

/// The longest text of a node that becomes part of another's.
const INLINE: usize = 60;

#[derive(Default)]
struct Node {
    /// With `{}` for each argument.
    template: String,
    args: Vec<usize>,
}

/// A function being written.
#[derive(Default)]
struct Scope {
    nodes: Vec<Node>,
}

#[derive(Default)]
struct Writer {
    scopes: Vec<Scope>,
    /// Finished helpers, callees first.
    helpers: Vec<(String, String)>,
}

thread_local! {
    static WRITER: RefCell<Writer> = RefCell::default();
}

/// A float of a WGSL function.
#[derive(Clone, Copy)]
pub struct Symbol(usize);
/// A bool of a WGSL function.
#[derive(Clone, Copy)]
pub struct Truth(usize);

impl Writer {
    fn node(&mut self, template: &str, args: &[usize]) -> usize {
        let scope = self.scopes.last_mut().expect("a function is being written");
        scope.nodes.push(Node { template: template.to_string(), args: args.to_vec() });
        scope.nodes.len() - 1
    }

    /// Takes a helper, and those that it calls, into the text.
    fn need(&mut self, name: &str) {
        if self.helpers.iter().any(|helper| helper.0 == name) {
            return;
        }
        let text = HELPERS.iter().find(|helper| helper.0 == name).expect("a helper of this name").1;
        for (other, _) in HELPERS {
            if *other != name && text.contains(&format!("{other}(")) {
                self.need(other);
            }
        }
        self.helpers.push((name.to_string(), text.to_string()));
    }
}

fn node(template: &str, args: &[usize]) -> usize {
    WRITER.with_borrow_mut(|writer| writer.node(template, args))
}

fn helper(name: &str, args: &[usize]) -> usize {
    let places = vec!["{}"; args.len()].join(", ");
    WRITER.with_borrow_mut(|writer| {
        writer.need(name);
        writer.node(&format!("{name}({places})"), args)
    })
}

impl Scope {
    /// Statements that compute the last node, which they return.
    fn body(&self, last: usize) -> String {
        let mut uses = vec![0; self.nodes.len()];
        // Users come after what they use.
        let mut live = vec![false; self.nodes.len()];
        live[last] = true;
        for (i, node) in self.nodes.iter().enumerate().rev() {
            if live[i] {
                for &arg in &node.args {
                    uses[arg] += 1;
                    live[arg] = true;
                }
            }
        }
        let mut text = String::new();
        let mut names = vec![String::new(); self.nodes.len()];
        for (i, node) in self.nodes.iter().enumerate().filter(|(i, _)| live[*i]) {
            let mut parts = node.template.split("{}");
            let mut value = parts.next().unwrap_or_default().to_string();
            for (arg, part) in node.args.iter().zip(parts) {
                value += &names[*arg];
                value += part;
            }
            let plain = !value.contains([' ', '(']);
            names[i] = if i == last || plain || (uses[i] == 1 && value.len() <= INLINE) {
                value
            } else {
                writeln!(text, "    let t{i} = {value};").expect("a String takes it");
                format!("t{i}")
            };
        }
        let result = names[last].strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        let balanced = result.is_some_and(|inner| {
            let mut depth = 0;
            inner.chars().all(|c| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                depth >= 0
            })
        });
        let result = if balanced { result.unwrap_or_default() } else { &names[last] };
        writeln!(text, "    return {result};").expect("a String takes it");
        text
    }
}

/// The operands of a function of `n` operands and `m` constants.
fn arguments(n: usize, m: usize) -> (Vec<Symbol>, Vec<Symbol>) {
    let x = (0..n).map(|i| Symbol(node(OPERANDS[i], &[]))).collect();
    let p = (0..m).map(|i| Symbol(node(&format!("p{i}"), &[]))).collect();
    (x, p)
}

/// The names of operands.
pub const OPERANDS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Writes an expression down.
pub(super) fn value<E: Value>() -> Symbol {
    let (mut x, p) = arguments(E::ARITY, E::PARAMS);
    if E::NAME == "where" {
        x[0] = Symbol(node("f32({})", &[x[0].0]));
    }
    E::eval(&x, &p)
}

/// Writes a predicate down, as 0 or 1.
pub(super) fn predicate<E: Predicate>() -> Symbol {
    let (x, _) = arguments(E::ARITY, 0);
    Symbol(node("u32({})", &[E::eval(&x).0]))
}

/// Writes an update down, as an array of the new elements.
pub(super) fn rewrite<E: Rewrite<W>, const W: usize>() -> Symbol {
    let (x, p) = arguments(W + 1, E::PARAMS);
    let new = E::eval(std::array::from_fn(|k| x[k]), x[W], &p).map(|new| new.0);
    builtin(&format!("array<f32, {W}>"), &new)
}

/// WGSL functions for an update: helpers, then `fn update(a: f32, .., p0: f32, ..) -> array<f32, W>`, whose operands
/// are the rewritten arrays and the gradient.
pub fn update(name: &str) -> Result<String> {
    let update =
        updates::find(name).ok_or_else(|| Error::Argument(format!("there is no update named '{name}'")))?;
    let (body, helpers) = written(update.symbolic, Vec::new());
    let arguments: Vec<String> = OPERANDS[..=update.written]
        .iter()
        .map(|name| format!("{name}: f32"))
        .chain((0..update.params).map(|i| format!("p{i}: f32")))
        .collect();
    let helpers: String = helpers.into_iter().map(|helper| helper.1).collect();
    let head = format!("fn update({}) -> array<f32, {}> {{\n", arguments.join(", "), update.written);
    Ok(helpers + &head + &body + "}\n")
}

/// The statements of a function, and the helpers known before with those that it needs.
fn written(symbolic: fn() -> Symbol, helpers: Vec<(String, String)>) -> (String, Vec<(String, String)>) {
    WRITER.with_borrow_mut(|writer| *writer = Writer { helpers, scopes: vec![Scope::default()] });
    let last = symbolic();
    let writer = WRITER.take();
    (writer.scopes[0].body(last.0), writer.helpers)
}

/// WGSL functions for an expression: helpers, then `fn op(a: T, b: T, .., p0: f32, ..) -> R`.
///
/// T is `dtype`. R is T, or `u32` (0 or 1) for what gives a bool. The condition of `where`, its first operand, is
/// `u32`. Constants are `f32` whatever T is.
///
/// Raises [`Error::Argument`] for a name that the table lacks, [`Error::Dtype`] for a type that it is not defined
/// for.
pub fn function(name: &str, dtype: ShaderType) -> Result<String> {
    functions(&[("op", name, dtype)])
}

/// WGSL functions for several expressions, `(name of the function, expression, type)`, with each helper once.
pub fn functions(wanted: &[(&str, &str, ShaderType)]) -> Result<String> {
    let mut helpers: Vec<(String, String)> = Vec::new();
    let mut texts = String::new();
    for &(function, name, dtype) in wanted {
        let op = table::find(name)
            .ok_or_else(|| Error::Argument(format!("there is no elementwise expression named '{name}'")))?;
        if !dtype.allowed(op) {
            return Err(Error::Dtype(format!("{name} is not defined for {}", dtype.name())));
        }
        let body = if dtype == ShaderType::F32 {
            let symbolic = op.symbolic.expect("all but integers have a formula");
            let (body, known) = written(symbolic, std::mem::take(&mut helpers));
            helpers = known;
            body
        } else {
            wgsl_integers::body(op, dtype)?
        };
        texts += &signature(function, op, dtype);
        texts += &body;
        texts += "}\n";
    }
    let helpers: String = helpers.into_iter().map(|helper| helper.1).collect();
    Ok(helpers + &texts)
}

fn signature(function: &str, op: &Op, dtype: ShaderType) -> String {
    let operand = |i: usize| {
        let condition = op.name == "where" && i == 0;
        format!("{}: {}", OPERANDS[i], if condition { "u32" } else { dtype.name() })
    };
    let arguments: Vec<String> =
        (0..op.arity).map(operand).chain((0..op.params).map(|i| format!("p{i}: f32"))).collect();
    let result = if op.gives == Gives::Bool { "u32" } else { dtype.name() };
    format!("fn {function}({}) -> {result} {{\n", arguments.join(", "))
}

macro_rules! operator {
    ($trait:ident $method:ident $template:literal) => {
        impl $trait for Symbol {
            type Output = Symbol;
            fn $method(self, b: Symbol) -> Symbol {
                Symbol(node($template, &[self.0, b.0]))
            }
        }
    };
}
operator!(Add add "({} + {})");
operator!(Sub sub "({} - {})");
operator!(Mul mul "({} * {})");
operator!(Div div "({} / {})");

impl Neg for Symbol {
    type Output = Symbol;
    fn neg(self) -> Symbol {
        Symbol(node("(-{})", &[self.0]))
    }
}
impl BitAnd for Truth {
    type Output = Truth;
    fn bitand(self, b: Truth) -> Truth {
        Truth(node("({} && {})", &[self.0, b.0]))
    }
}
impl BitOr for Truth {
    type Output = Truth;
    fn bitor(self, b: Truth) -> Truth {
        Truth(node("({} || {})", &[self.0, b.0]))
    }
}
impl Not for Truth {
    type Output = Truth;
    fn not(self) -> Truth {
        Truth(node("!{}", &[self.0]))
    }
}

fn builtin(name: &str, args: &[usize]) -> Symbol {
    let places = vec!["{}"; args.len()].join(", ");
    Symbol(node(&format!("{name}({places})"), args))
}

impl Lane for Symbol {
    type Mask = Truth;

    fn lit(value: f64) -> Symbol {
        // The shortest text that gives the same float32.
        let text = format!("{:?}f", value as f32);
        Symbol(node(&if value < 0.0 { format!("({text})") } else { text }, &[]))
    }
    fn infinity(self) -> Symbol {
        Symbol(helper("f32_infinity", &[self.0]))
    }
    fn nan(self) -> Symbol {
        Symbol(helper("f32_not_a_number", &[self.0]))
    }
    fn fma(self, b: Symbol, c: Symbol) -> Symbol {
        builtin("fma", &[self.0, b.0, c.0])
    }
    fn rest(self, b: Symbol, c: Symbol) -> Symbol {
        Symbol(helper("f32_rest", &[self.0, b.0, c.0]))
    }
    fn less_product(self, n: Symbol, m: i32, exponent: i32) -> Symbol {
        let scale = Symbol::lit(2f64.powi(exponent));
        let m = node(&m.to_string(), &[]);
        Symbol(helper("f32_less_product", &[self.0, n.0, m, scale.0]))
    }
    fn abs(self) -> Symbol {
        builtin("abs", &[self.0])
    }
    fn floor(self) -> Symbol {
        builtin("floor", &[self.0])
    }
    fn round(self) -> Symbol {
        builtin("round", &[self.0])
    }
    fn trunc(self) -> Symbol {
        builtin("trunc", &[self.0])
    }
    fn sqrt(self) -> Symbol {
        builtin("sqrt", &[self.0])
    }
    fn copy_sign(self, sign: Symbol) -> Symbol {
        Symbol(helper("f32_copy_sign", &[self.0, sign.0]))
    }
    fn lt(self, b: Symbol) -> Truth {
        Truth(helper("f32_less", &[self.0, b.0]))
    }
    fn le(self, b: Symbol) -> Truth {
        Truth(helper("f32_less_equal", &[self.0, b.0]))
    }
    fn equals(self, b: Symbol) -> Truth {
        Truth(helper("f32_equals", &[self.0, b.0]))
    }
    fn is_nan(self) -> Truth {
        Truth(helper("f32_is_nan", &[self.0]))
    }
    fn is_inf(self) -> Truth {
        Truth(helper("f32_is_inf", &[self.0]))
    }
    fn below(self, b: Symbol) -> Truth {
        Truth(node("({} < {})", &[self.0, b.0]))
    }
    fn small_angle(self) -> Symbol {
        Symbol(helper("f32_small_angle", &[self.0]))
    }
    fn bounded(self, low: f64, high: f64) -> Symbol {
        let (low, high) = (Symbol::lit(low), Symbol::lit(high));
        builtin("clamp", &[self.0, low.0, high.0])
    }
    fn rem(self, b: Symbol) -> Symbol {
        Symbol(helper("f32_remainder", &[self.0, b.0]))
    }
    fn select(mask: Truth, a: Symbol, b: Symbol) -> Symbol {
        Symbol(node("select({}, {}, {})", &[b.0, a.0, mask.0]))
    }
    fn pow2(self) -> Symbol {
        Symbol(helper("f32_power_of_two", &[self.0]))
    }
    fn split(self) -> (Symbol, Symbol) {
        let e = helper("f32_exponent", &[self.0]);
        (Symbol(node("f32({})", &[e])), Symbol(helper("f32_mantissa", &[self.0])))
    }

    fn shared<const N: usize>(
        name: &'static str,
        x: [Symbol; N],
        f: impl FnOnce([Symbol; N]) -> Symbol,
    ) -> Symbol {
        let function = format!("f32_{name}");
        let known = WRITER.with_borrow(|writer| writer.helpers.iter().any(|helper| helper.0 == function));
        if !known {
            WRITER.with_borrow_mut(|writer| writer.scopes.push(Scope::default()));
            let last = f(std::array::from_fn(|i| Symbol(node(OPERANDS[i], &[]))));
            let arguments: Vec<String> = OPERANDS[..N].iter().map(|name| format!("{name}: f32")).collect();
            WRITER.with_borrow_mut(|writer| {
                let body = writer.scopes.pop().expect("it was pushed").body(last.0);
                let text = format!("fn {function}({}) -> f32 {{\n{body}}}\n", arguments.join(", "));
                writer.helpers.push((function.clone(), text));
            });
        }
        builtin(&function, &x.map(|x| x.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What naga says of a shader that calls the function once.
    fn validate(op: &Op, dtype: ShaderType) {
        let text = function(op.name, dtype).expect("an allowed type");
        let operand = |i: usize| match dtype {
            _ if op.name == "where" && i == 0 => "data[0]".to_string(),
            ShaderType::F32 => format!("bitcast<f32>(data[{i}])"),
            ShaderType::I32 => format!("bitcast<i32>(data[{i}])"),
            ShaderType::U32 => format!("data[{i}]"),
        };
        let call: Vec<String> =
            (0..op.arity).map(operand).chain((0..op.params).map(|i| format!("{i}.0"))).collect();
        let shader = format!(
            "{text}@group(0) @binding(0) var<storage, read_write> data: array<u32>;\n\
             @compute @workgroup_size(1) fn main() {{ data[0] = bitcast<u32>(op({})); }}\n",
            call.join(", ")
        );
        let module =
            naga::front::wgsl::parse_str(&shader).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&shader)));
        use naga::valid::{Capabilities, ValidationFlags, Validator};
        let checked = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module);
        checked.unwrap_or_else(|e| panic!("{}: {}", op.name, e.emit_to_string(&shader)));
    }

    #[test]
    fn every_expression_is_valid_wgsl_in_every_type() {
        for op in table::ops() {
            for dtype in [ShaderType::F32, ShaderType::I32, ShaderType::U32] {
                if dtype.allowed(op) {
                    validate(op, dtype);
                } else {
                    let text = format!("{} is not defined for {}", op.name, dtype.name());
                    assert_eq!(function(op.name, dtype), Err(Error::Dtype(text)));
                }
            }
        }
    }

    #[test]
    fn unknown_names_are_refused() {
        let text = "there is no elementwise expression named 'frobnicate'";
        assert_eq!(function("frobnicate", ShaderType::F32), Err(Error::Argument(text.into())));
    }

    #[test]
    fn helpers_are_written_once() {
        let text = functions(&[("first", "lt", ShaderType::F32), ("second", "relu", ShaderType::F32)]);
        let text = text.expect("both exist");
        assert_eq!(text.matches("fn f32_less(").count(), 1);
        assert!(text.contains("fn first(a: f32, b: f32) -> u32 {"), "{text}");
        assert!(text.contains("fn second(a: f32) -> f32 {"), "{text}");
    }
}
