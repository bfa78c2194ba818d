//! Expressions on integers and bools, as WGSL. Integers wrap around.

use super::table::{Gives, Op};
use super::wgsl::ShaderType;
use crate::error::{Error, Result};

/// The statements of a function: of `i32`, or of `u32` that is 0 or 1.
pub(super) fn body(op: &Op, dtype: ShaderType) -> Result<String> {
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
        _ => return None,
    })
}

fn integer(name: &str) -> Option<&'static str> {
    Some(match name {
        "add" => "a + b",
        "mul" => "a * b",
        "relu" => "max(a, 0)",
        "lt" => "a < b",
        _ => return None,
    })
}
