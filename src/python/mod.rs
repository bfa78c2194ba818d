//! The Python module `rsconv._core`: thin functions over NumPy arrays.
//!
//! Arrays are checked and made contiguous here (`array`), the GIL is released around every kernel (`call`), errors
//! and panics become the exceptions of `rsconv.errors` (`errors`).

#![allow(unsafe_code)]

mod array;
mod call;
mod elementwise;
mod errors;
mod geometry;
mod gpu;
mod gpu_conv;
mod ops;
mod recycle;
mod strided;
mod update;
mod weight_grad;
mod windows;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::simd::Isa;
use crate::tile::machine::{instances, peak_products};
use crate::{knobs, threads};
use errors::to_python;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Sets the number of threads that calls may use, at least 1.
#[pyfunction]
fn set_num_threads(py: Python<'_>, threads: i64) -> PyResult<()> {
    let count = usize::try_from(threads).unwrap_or(0);
    let set = threads::set_num_threads(count).map_err(|error| match (error, count) {
        (crate::error::Error::Argument(text), 0) => {
            crate::error::Error::Argument(text.replace("but got 0", &format!("but got {threads}")))
        }
        (error, _) => error,
    });
    set.map_err(|error| to_python(py, error))
}

/// The number of threads that calls may use.
#[pyfunction]
fn get_num_threads() -> usize {
    threads::num_threads()
}

/// The rate of the largest tile on data in the first-level cache, GFLOP/s over `threads` threads, as measured now.
#[pyfunction]
#[pyo3(signature = (threads=1))]
fn peak_gflops(py: Python<'_>, threads: usize) -> PyResult<f64> {
    let best = call::run(py, |signals| {
        let isa = Isa::current()?;
        let mut best = 0.0f64;
        for _ in 0..5 {
            let start = std::time::Instant::now();
            let products = AtomicUsize::new(0);
            threads::run(threads.max(1), threads.max(1), signals, &|_| {
                products.fetch_add(peak_products(isa, 2000), Ordering::Relaxed);
            })?;
            best = best.max(2.0 * products.into_inner() as f64 / start.elapsed().as_secs_f64());
        }
        Ok(best)
    })?;
    Ok(best / 1e9)
}

/// Panics in a task of a region on `threads` threads; for the test that it reaches Python as an InternalError.
#[pyfunction]
fn _panic(py: Python<'_>, threads: usize) -> PyResult<()> {
    call::run(py, |signals| {
        threads::run(64, threads, signals, &|task| {
            // In the caller or, with more threads, in a worker: whoever comes to the last task.
            std::thread::sleep(std::time::Duration::from_millis(1));
            assert!(task < 63, "task {task} panics on purpose");
        })
    })
}

/// What this build runs on: version, instruction set, threads, environment.
#[pyfunction]
fn info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let isa = Isa::current().map_err(|error| to_python(py, error))?;
    let names: Vec<&str> = Isa::available().iter().map(|isa| isa.name()).collect();
    let dict = PyDict::new(py);
    dict.set_item("version", env!("CARGO_PKG_VERSION"))?;
    dict.set_item("isa", isa.name())?;
    let reason = match knobs::isa() {
        Some(_) => "RSCONV_ISA".to_string(),
        None => "the best that this machine has".to_string(),
    };
    dict.set_item("isa_reason", reason)?;
    dict.set_item("isas", names)?;
    dict.set_item("threads", threads::num_threads())?;
    dict.set_item("threads_reason", threads::num_threads_reason())?;
    dict.set_item("kernels", instances(isa))?;
    let mut table = Vec::new();
    for knob in knobs::KNOBS {
        let entry = PyDict::new(py);
        entry.set_item("name", knob.name)?;
        entry.set_item("value", knob.value())?;
        entry.set_item("default", knob.default)?;
        entry.set_item("help", knob.description)?;
        table.push(entry);
    }
    dict.set_item("knobs", table)?;
    Ok(dict)
}

#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use super::elementwise::{arg_reduce, elementwise, moments, reduce, softmax};
    #[pymodule_export]
    use super::geometry::Geometry;
    #[pymodule_export]
    use super::gpu::{expressions, render_shader, shader_variants};
    #[pymodule_export]
    use super::gpu_conv::gpu_conv_plan;
    #[pymodule_export]
    use super::ops::{PackedWeight, conv, conv_input_grad, conv_weight_grad, explain};
    #[pymodule_export]
    use super::update::update;
    #[pymodule_export]
    use super::weight_grad::{gpu_matmul_plan, gpu_weight_grad_plan};
    #[pymodule_export]
    use super::windows::{
        TapTable, dropout, gather, max_pool, max_pool_grad, products, resample, scatter_add, select_elements,
    };
    #[pymodule_export]
    use super::{_panic, get_num_threads, info, peak_gflops, set_num_threads};
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        // A setting that cannot be met is said at once, not at the first call.
        crate::knobs::validate()
            .and_then(|()| crate::simd::Isa::current().map(|_| ()))
            .map_err(|error| super::errors::to_python(module.py(), error))
    }
}
