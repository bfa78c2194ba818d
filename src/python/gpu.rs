//! Shader texts for the GPU backend.

use super::errors::to_python;
use crate::gpu::shaders;
use pyo3::prelude::*;

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
