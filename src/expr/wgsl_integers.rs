//! Expressions on integers and bools, as WGSL. Integers wrap around.

use super::table::{Gives, Op};
use super::wgsl::ShaderType;
use crate::error::{Error, Result};

/// The statements of a function: of `i32`, or of `u32` that is 0 or 1.
pub(super) fn body(op: &Op, dtype: ShaderType) -> Result<String> {
    if op.name == "pow" {
        return Ok(POWER.into());
    }
    let expression = if dtype == ShaderType::U32 { boolean(op.name) } else { None };
    let expression = expression
        .or_else(|| integer(op.name))
        .ok_or_else(|| Error::Internal(format!("expression {} has no text for {}", op.name, dtype.name())))?;
    Ok(match op.gives {
        Gives::Same => format!("    return {expression};\n"),
        Gives::Bool => format!("    return u32({expression});\n"),
    })
}

/// What is different for bools.
fn boolean(name: &str) -> Option<&'static str> {
    Some(match name {
        "add" => "a | b",
        "mul" => "a & b",
        "logical_not" => "a == 0u",
        "bitwise_not" => "1u - a",
        "logical_and" => "a != 0u && b != 0u",
        "logical_or" => "a != 0u || b != 0u",
        "logical_xor" => "(a != 0u) != (b != 0u)",
        _ => return None,
    })
}

fn integer(name: &str) -> Option<&'static str> {
    Some(match name {
        "neg" => "-a",
        "abs" => "abs(a)",
        "sign" => "sign(a)",
        "floor" | "ceil" | "round" | "trunc" => "a",
        "square" => "a * a",
        "logical_not" => "a == 0",
        "isnan" | "isinf" => "false",
        "isfinite" => "true",
        "relu" => "max(a, 0)",
        "relu_grad" => "select(0, b, a > 0)",
        "relu6" => "clamp(a, 0, 6)",
        "relu6_grad" => "select(0, b, a > 0 && a < 6)",
        // Constants beyond the integers become the nearest one.
        "hardtanh" | "clamp" => "min(max(a, i32(ceil(p0))), i32(floor(p1)))",
        "hardtanh_grad" => "select(0, b, f32(a) > p0 && f32(a) < p1)",
        "clamp_grad" => "select(0, b, f32(a) >= p0 && f32(a) <= p1)",
        "threshold" => "select(a, i32(p1), a <= i32(floor(p0)))",
        "threshold_grad" => "select(b, 0, a <= i32(floor(p0)))",
        "add" => "a + b",
        "sub" => "a - b",
        "mul" => "a * b",
        // `/` and `%` round towards zero.
        // By products, as OpenGL leaves `%` of negative numbers open.
        "floor_divide" => "a / b - select(0, 1, a - a / b * b != 0 && (a < 0) != (b < 0))",
        "remainder" => "a - a / b * b + select(0, b, a - a / b * b != 0 && (a < 0) != (b < 0))",
        "maximum" => "max(a, b)",
        "minimum" => "min(a, b)",
        "eq" => "a == b",
        "ne" => "a != b",
        "lt" => "a < b",
        "le" => "a <= b",
        "gt" => "a > b",
        "ge" => "a >= b",
        "logical_and" => "a != 0 && b != 0",
        "logical_or" => "a != 0 || b != 0",
        "logical_xor" => "(a != 0) != (b != 0)",
        "bitwise_not" => "~a",
        "bitwise_and" => "a & b",
        "bitwise_or" => "a | b",
        "bitwise_xor" => "a ^ b",
        "where" => "select(c, b, a != 0u)",
        _ => return None,
    })
}

/// Powers by squaring; negative ones of anything but 1 and -1 are 0.
const POWER: &str = "\
    var power = 1;
    var base = a;
    for (var rest = max(b, 0); rest > 0; rest >>= 1u) {
        power *= select(1, base, (rest & 1) != 0);
        base *= base;
    }
    let unit = select(0, select(1, a, (b & 1) != 0), abs(a) == 1);
    return select(power, unit, b < 0);
";
