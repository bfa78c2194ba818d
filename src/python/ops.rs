//! The convolution functions.

use super::array::{Input, Kind, Out, Stored, by_float};
use super::call;
use super::errors::to_python;
use super::geometry::Geometry;
use crate::conv::{self as core_conv, ConvElement, Pass, Plan, reference};
use crate::error::{Error, Result};
use crate::geometry::Geometry as Core;
use crate::simd::Isa;
use crate::threads;
use half::f16;
use numpy::PyUntypedArray;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::rc::Rc;

/// Runs `$body` with `$t` as an integer kind's type.
macro_rules! by_integer {
    ($kind:expr, $t:ident => $body:expr; $($k:ident $ty:ty),*) => {
        match $kind {
            $(Kind::$k => { type $t = $ty; $body })*
            Kind::F16 | Kind::F32 | Kind::F64 => unreachable!("floating-point kinds have plans"),
        }
    };
    ($kind:expr, $t:ident => $body:expr) => {
        by_integer!($kind, $t => $body; I8 i8, I16 i16, I32 i32, I64 i64, U8 u8, U16 u16, U32 u32, U64 u64)
    };
}

/// Plans kept for each thread: enough for the layers of a network.
const PLANS_KEPT: usize = 256;

/// Kernel elements of a plan worth keeping: the tables of larger ones take memory, and their calls take long.
const TAPS_KEPT: usize = 4096;

thread_local! {
    /// Recent plans, the latest last. For each thread, so that no lock is held across a fork.
    static PLANS: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

/// A plan of some element type.
struct Kept {
    element: TypeId,
    pass: Pass,
    plan: Rc<dyn Any>,
}

/// The plan of a geometry, made at its first use.
fn plan<E: ConvElement>(geometry: &Core, pass: Pass) -> Result<Rc<Plan<E>>> {
    let element = TypeId::of::<E>();
    PLANS.with_borrow_mut(|plans| {
        for at in (0..plans.len()).rev() {
            if (plans[at].element, plans[at].pass) == (element, pass)
                && let Ok(plan) = plans[at].plan.clone().downcast::<Plan<E>>()
                && plan.geometry() == geometry
            {
                // The latest last.
                let kept = plans.remove(at);
                plans.push(kept);
                return Ok(plan);
            }
        }
        let plan = Rc::new(Plan::<E>::new(geometry, pass, Isa::current()?));
        if geometry.taps() > TAPS_KEPT {
            return Ok(plan);
        }
        if plans.len() == PLANS_KEPT {
            plans.remove(0);
        }
        plans.push(Kept { element, pass, plan: plan.clone() });
        Ok(plan)
    })
}

/// The forward pass of a geometry that may be transposed.
fn forward_pass(geometry: &Core) -> Pass {
    if geometry.transposed() { Pass::InputGrad } else { Pass::Forward }
}

/// The input gradient of a geometry that may be transposed.
fn input_grad_pass(geometry: &Core) -> Pass {
    if geometry.transposed() { Pass::Forward } else { Pass::InputGrad }
}

/// Refuses arrays of different types, naming both.
fn same_kind(py: Python<'_>, a: (&str, Kind), b: (&str, Kind)) -> PyResult<()> {
    if a.1 == b.1 {
        return Ok(());
    }
    let capital = a.0[..1].to_uppercase() + &a.0[1..];
    let text =
        format!("{capital} type ({}) and {} type ({}) should be the same", a.1.name(), b.0, b.1.name());
    Err(to_python(py, Error::Dtype(text)))
}

/// Refuses an array of another shape than the geometry's.
fn same_shape(py: Python<'_>, name: &str, got: &[usize], expected: &[usize]) -> PyResult<()> {
    if got == expected {
        return Ok(());
    }
    let text = format!("{name} has shape {got:?}, but the geometry has shape {expected:?}");
    Err(to_python(py, Error::Shape(text)))
}

enum AnyPacked {
    F16(core_conv::PackedWeight<f16>),
    F32(core_conv::PackedWeight<f32>),
    F64(core_conv::PackedWeight<f64>),
    /// Integers are used as they are.
    Plain(Py<PyUntypedArray>),
}

/// A weight in the layout that one geometry's kernel reads.
#[pyclass(frozen, module = "rsconv._core")]
pub(super) struct PackedWeight {
    packed: AnyPacked,
    kind: Kind,
    bytes: usize,
}

/// A type whose packed weights `AnyPacked` can hold.
trait Packable: ConvElement + Stored {
    fn wrap(packed: core_conv::PackedWeight<Self>) -> AnyPacked;
    fn unwrap(packed: &AnyPacked) -> Option<&core_conv::PackedWeight<Self>>;
}

macro_rules! packable {
    ($($t:ty: $variant:ident),*) => {
        $(impl Packable for $t {
            fn wrap(packed: core_conv::PackedWeight<Self>) -> AnyPacked {
                AnyPacked::$variant(packed)
            }
            fn unwrap(packed: &AnyPacked) -> Option<&core_conv::PackedWeight<Self>> {
                match packed {
                    AnyPacked::$variant(packed) => Some(packed),
                    _ => None,
                }
            }
        })*
    };
}
packable!(f16: F16, f32: F32, f64: F64);

#[pymethods]
impl PackedWeight {
    #[new]
    fn new(py: Python<'_>, geometry: &Geometry, w: &Bound<'_, PyUntypedArray>) -> PyResult<PackedWeight> {
        let w = Input::new("weight", w)?;
        same_shape(py, "weight", w.shape(), &geometry.core.weight_shape())?;
        let (packed, bytes) = by_float!(w.kind, E => {
            let packed = call::run(py, |signals| {
                let plan = plan::<E>(&geometry.core, forward_pass(&geometry.core))?;
                plan.pack(w.slice::<E>(), threads::num_threads(), signals)
            })?;
            let bytes = packed.bytes();
            (E::wrap(packed), bytes)
        }, {
            let copy = w.array().call_method0("copy")?.cast_into::<PyUntypedArray>()?;
            (AnyPacked::Plain(copy.unbind()), w.bytes())
        });
        Ok(PackedWeight { packed, kind: w.kind, bytes })
    }

    #[getter]
    fn nbytes(&self) -> usize {
        self.bytes
    }
}

/// The weight argument of `conv`.
enum Weight<'a, 'py> {
    Array(Input<'py>),
    Packed(&'a PackedWeight),
}

/// The convolution of `x` with `w`, plus `b`.
#[pyfunction]
#[pyo3(signature = (geometry, x, w, b=None, out=None))]
pub(super) fn conv<'py>(
    py: Python<'py>,
    geometry: &Geometry,
    x: &Bound<'py, PyUntypedArray>,
    w: &Bound<'py, PyAny>,
    b: Option<&Bound<'py, PyUntypedArray>>,
    out: Option<&Bound<'py, PyUntypedArray>>,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let core = &geometry.core;
    let x = Input::new("input", x)?;
    let packed = w.cast::<PackedWeight>().ok();
    let (w, kind) = match &packed {
        Some(packed) => {
            let held = packed.get();
            // Integers are packed as plain arrays.
            match &held.packed {
                AnyPacked::Plain(array) => (Weight::Array(Input::new("weight", array.bind(py))?), held.kind),
                _ => (Weight::Packed(held), held.kind),
            }
        }
        None => {
            let w = Input::new("weight", w.cast::<PyUntypedArray>()?)?;
            let kind = w.kind;
            (Weight::Array(w), kind)
        }
    };
    let b = b.map(|b| Input::new("bias", b)).transpose()?;
    same_kind(py, ("input", x.kind), ("weight", kind))?;
    same_shape(py, "input", x.shape(), &core.input_shape())?;
    if let Weight::Array(w) = &w {
        same_shape(py, "weight", w.shape(), &core.weight_shape())?;
    }
    if let Some(b) = &b {
        same_kind(py, ("input", x.kind), ("bias", b.kind))?;
        same_shape(py, "bias", b.shape(), &[core.out_channels()])?;
    }
    let mut inputs = vec![("input", &x)];
    if let Weight::Array(w) = &w {
        inputs.push(("weight", w));
    }
    inputs.extend(b.as_ref().map(|b| ("bias", b)));
    let mut out = Out::new(py, out, &core.output_shape(), x.kind, &inputs)?;
    let threads = threads::num_threads();
    by_float!(x.kind, E => {
        let (source, bias, target) = (x.slice::<E>(), b.as_ref().map(|b| b.slice::<E>()), out.slice::<E>());
        call::run(py, |signals| {
            let plan = plan::<E>(core, forward_pass(core))?;
            match &w {
                Weight::Packed(held) => {
                    let packed = E::unwrap(&held.packed).expect("the kinds are the same");
                    if !plan.accepts(packed) {
                        let text = format!("the packed weight was made for another geometry than {core:?}");
                        return Err(Error::Shape(text));
                    }
                    plan.run(packed, source, bias, target, threads, signals)
                }
                Weight::Array(w) => {
                    plan.run_once(w.slice::<E>(), source, bias, target, threads, signals)
                }
            }
        })?;
    }, {
        let Weight::Array(w) = &w else { unreachable!("integers are never packed") };
        by_integer!(x.kind, T => {
            let (x, w, b, y) = (x.slice::<T>(), w.slice::<T>(), b.as_ref().map(|b| b.slice::<T>()), out.slice::<T>());
            call::run(py, |signals| match core.transposed() {
                false => reference::forward(core, x, w, b, y, threads, signals),
                true => reference::input_grad(core, x, w, b, y, threads, signals),
            })?;
        })
    });
    out.finish()
}

/// The gradient of `conv` with respect to `x`.
#[pyfunction]
#[pyo3(signature = (geometry, w, grad_output, out=None))]
pub(super) fn conv_input_grad<'py>(
    py: Python<'py>,
    geometry: &Geometry,
    w: &Bound<'py, PyUntypedArray>,
    grad_output: &Bound<'py, PyUntypedArray>,
    out: Option<&Bound<'py, PyUntypedArray>>,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let core = &geometry.core;
    let (w, y) = (Input::new("weight", w)?, Input::new("grad_output", grad_output)?);
    same_kind(py, ("grad_output", y.kind), ("weight", w.kind))?;
    same_shape(py, "weight", w.shape(), &core.weight_shape())?;
    same_shape(py, "grad_output", y.shape(), &core.output_shape())?;
    let mut out = Out::new(py, out, &core.input_shape(), y.kind, &[("weight", &w), ("grad_output", &y)])?;
    let threads = threads::num_threads();
    by_float!(y.kind, E => {
        let (w, y, x) = (w.slice::<E>(), y.slice::<E>(), out.slice::<E>());
        call::run(py, |signals| {
            let plan = plan::<E>(core, input_grad_pass(core))?;
            plan.run_once(w, y, None, x, threads, signals)
        })?;
    }, by_integer!(y.kind, T => {
        let (w, y, x) = (w.slice::<T>(), y.slice::<T>(), out.slice::<T>());
        call::run(py, |signals| match core.transposed() {
            false => reference::input_grad(core, y, w, None, x, threads, signals),
            true => reference::forward(core, y, w, None, x, threads, signals),
        })?;
    }));
    out.finish()
}

/// The gradient of `conv` with respect to `w`.
#[pyfunction]
#[pyo3(signature = (geometry, x, grad_output, out=None))]
pub(super) fn conv_weight_grad<'py>(
    py: Python<'py>,
    geometry: &Geometry,
    x: &Bound<'py, PyUntypedArray>,
    grad_output: &Bound<'py, PyUntypedArray>,
    out: Option<&Bound<'py, PyUntypedArray>>,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let core = &geometry.core;
    let (x, y) = (Input::new("input", x)?, Input::new("grad_output", grad_output)?);
    same_kind(py, ("input", x.kind), ("grad_output", y.kind))?;
    same_shape(py, "input", x.shape(), &core.input_shape())?;
    same_shape(py, "grad_output", y.shape(), &core.output_shape())?;
    let mut out = Out::new(py, out, &core.weight_shape(), x.kind, &[("input", &x), ("grad_output", &y)])?;
    let threads = threads::num_threads();
    // The sides of the direct convolution.
    let (x, y) = if core.transposed() { (y, x) } else { (x, y) };
    by_float!(x.kind, E => {
        let (x, y, w) = (x.slice::<E>(), y.slice::<E>(), out.slice::<E>());
        call::run(py, |signals| {
            let plan = plan::<E>(core, Pass::WeightGrad)?;
            plan.run_weight_grad(x, y, w, threads, signals)
        })?;
    }, by_integer!(x.kind, T => {
        let (x, y, w) = (x.slice::<T>(), y.slice::<T>(), out.slice::<T>());
        call::run(py, |signals| reference::weight_grad(core, x, y, w, threads, signals))?;
    }));
    out.finish()
}

/// How a pass would run, without running it.
#[pyfunction]
#[pyo3(signature = (geometry, dtype, which="forward"))]
pub(super) fn explain<'py>(
    py: Python<'py>,
    geometry: &Geometry,
    dtype: &str,
    which: &str,
) -> PyResult<Bound<'py, PyDict>> {
    let core = &geometry.core;
    let refuse = |error: Error| to_python(py, error);
    let pass = match which {
        "forward" => forward_pass(core),
        "input_grad" => input_grad_pass(core),
        "weight_grad" => Pass::WeightGrad,
        _ => {
            let text =
                format!("which must be 'forward', 'input_grad' or 'weight_grad', but got which='{which}'");
            return Err(refuse(Error::Argument(text)));
        }
    };
    let kind = Kind::from_name(dtype)
        .ok_or_else(|| refuse(Error::Dtype(format!("type {dtype} is not one that convolution supports"))))?;
    let threads = threads::num_threads();
    let dict = PyDict::new(py);
    by_float!(kind, E => {
        let found = call::run(py, |_| Ok(plan::<E>(core, pass)?.explain(threads)))?;
        dict.set_item("algorithm", found.algorithm)?;
        dict.set_item("kernel", found.kernel)?;
        dict.set_item("tile", (found.tile[0], found.tile[1]))?;
        dict.set_item("threads", found.threads)?;
        dict.set_item("tasks", found.tasks)?;
        dict.set_item("scratch_bytes", found.scratch)?;
        dict.set_item("packed_bytes", found.packed)?;
        dict.set_item("reason", found.reason)?;
    }, {
        dict.set_item("algorithm", "direct loops")?;
        dict.set_item("kernel", format!("direct_{}", kind.name()))?;
        dict.set_item("tile", (1, 1))?;
        dict.set_item("threads", threads)?;
        dict.set_item("tasks", core.output_len().max(1))?;
        dict.set_item("scratch_bytes", 0)?;
        dict.set_item("packed_bytes", 0)?;
        dict.set_item("reason", "integers are summed exactly, with wrap-around")?;
    });
    Ok(dict)
}
