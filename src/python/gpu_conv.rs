//! Plans of convolutions for the GPU backend, as plain tuples.

use super::call;
use super::errors::to_python;
use super::geometry::Geometry;
use crate::conv::Pass;
use crate::error::Error;
use crate::gpu::conv::{Role, Target, plan};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

/// The dispatches of `which`, 'forward' or 'input_grad', of a geometry.
#[pyfunction]
#[pyo3(signature = (geometry, which, *, f16, adapter_class, max_binding, max_products, force=""))]
#[allow(clippy::too_many_arguments)]
pub(super) fn gpu_conv_plan<'py>(
    py: Python<'py>,
    geometry: &Geometry,
    which: &str,
    f16: bool,
    adapter_class: &str,
    max_binding: usize,
    max_products: usize,
    force: &str,
) -> PyResult<Bound<'py, PyDict>> {
    let core = &geometry.core;
    let pass = match (which, core.transposed()) {
        ("forward", false) | ("input_grad", true) => Pass::Forward,
        ("forward", true) | ("input_grad", false) => Pass::InputGrad,
        _ => {
            let text = format!("which must be 'forward' or 'input_grad', but got which='{which}'");
            return Err(to_python(py, Error::Argument(text)));
        }
    };
    let target = Target { class: adapter_class, f16, max_binding, max_products, force };
    let made = call::run(py, |_| plan(core, pass, &target))?;
    let dict = PyDict::new(py);
    dict.set_item("algorithm", made.algorithm)?;
    dict.set_item("kernel", made.kernel)?;
    dict.set_item("tile", (made.tile[0], made.tile[1]))?;
    dict.set_item("reason", made.reason)?;
    dict.set_item("workspace", made.workspace)?;
    let stage: Vec<_> = made
        .stage
        .steps
        .into_iter()
        .map(|(words, groups, images, y)| (PyBytes::new(py, &words), groups, images, y))
        .collect();
    dict.set_item("threads", made.threads)?;
    dict.set_item("staged", made.staged)?;
    dict.set_item("stage", (made.stage.size, stage))?;
    let packs: Vec<_> = made
        .packs
        .into_iter()
        .map(|pack| (PyBytes::new(py, &pack.words), pack.groups, pack.w, pack.size))
        .collect();
    dict.set_item("packs", packs)?;
    let steps: Vec<_> = made
        .steps
        .into_iter()
        .map(|step| {
            let role = match step.role {
                Role::Whole => "whole",
                Role::Part => "part",
                Role::Reduce => "reduce",
            };
            let words = PyBytes::new(py, &step.words);
            (
                role,
                step.variant,
                step.plain,
                words,
                step.groups,
                step.x,
                step.y,
                step.pack,
                step.channel,
                step.units,
            )
        })
        .collect();
    dict.set_item("steps", steps)?;
    Ok(dict)
}
