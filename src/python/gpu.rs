//! Shader texts for the GPU backend.

use super::errors::to_python;
use crate::expr::table::{self, Gives};
use crate::gpu::shaders;
use pyo3::prelude::*;
use std::collections::HashMap;

/// Every elementwise expression by name: its operands, its constants, and whether it gives a bool.
#[pyfunction]
pub(super) fn expressions() -> HashMap<&'static str, (usize, usize, bool)> {
    table::ops().iter().map(|op| (op.name, (op.arity, op.params, op.gives == Gives::Bool))).collect()
}

/// The WGSL text of a shader variant, with the entry point `main`.
#[pyfunction]
pub(super) fn render_shader(py: Python<'_>, name: &str) -> PyResult<String> {
    shaders::render(name).map_err(|error| to_python(py, error))
}

/// The names of all shader variants.
#[pyfunction]
pub(super) fn shader_variants() -> Vec<&'static str> {
    shaders::variants().iter().map(|variant| &*variant.name).collect()
}
