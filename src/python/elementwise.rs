//! Elementwise expressions and reductions.

use super::array::{Kind, Stored, by_float};
use super::call;
use super::errors::to_python;
use super::strided::{Fresh, Strided, broadcast};
use crate::element::Element;
use crate::error::Error;
use crate::expr::Computed;
use crate::expr::table::{self, Gives, Op};
use crate::ops::arg_reduce::{self as arg, Extremum};
use crate::ops::elementwise::{self as core, Operand, Target};
use crate::ops::reductions::{self, Reduction};
use crate::ops::softmax as soft;
use crate::ops::strided::memory_order;
use crate::threads;
use numpy::PyUntypedArray;
use pyo3::prelude::*;

/// An operand as Python gives it.
enum Given<'py> {
    Array(Strided<'py>),
    Number(f64),
}

/// An expression of the table on floats that broadcast.
#[pyfunction]
pub(super) fn elementwise<'py>(
    py: Python<'py>,
    op: &str,
    operands: Vec<Bound<'py, PyAny>>,
    params: Vec<f64>,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let refuse = |error: Error| to_python(py, error);
    let Some(entry) = table::find(op) else {
        return Err(refuse(Error::Argument(format!("there is no elementwise expression named '{op}'"))));
    };
    let given: Vec<Given<'py>> = operands
        .iter()
        .enumerate()
        .map(|(i, operand)| match operand.cast::<PyUntypedArray>() {
            Ok(array) => Ok(Given::Array(Strided::new(&format!("operand {i} of {op}"), array)?)),
            Err(_) => Ok(Given::Number(operand.extract()?)),
        })
        .collect::<PyResult<_>>()?;
    let arrays: Vec<&Strided<'py>> = given
        .iter()
        .filter_map(|given| match given {
            Given::Array(array) => Some(array),
            Given::Number(_) => None,
        })
        .collect();
    let mut kinds = arrays.iter().filter_map(|array| array.kind);
    let Some(kind) = kinds.next() else {
        return Err(refuse(Error::Dtype(format!("{op} needs an array of floats among its operands"))));
    };
    if let Some(other) = kinds.find(|&other| other != kind) {
        let text = format!("operands of {op} have types {} and {}", kind.name(), other.name());
        return Err(refuse(Error::Dtype(text)));
    }
    let shape = broadcast(py, &arrays)?;
    // The memory order of the first operand that has all elements.
    let all = |array: &&&Strided<'_>| {
        array.shape() == shape
            && array.shape().iter().zip(array.strides()).all(|(&size, &stride)| size == 1 || stride != 0)
    };
    let order = match arrays.iter().find(all) {
        Some(array) => memory_order(&shape, array.strides()),
        None => (0..shape.len()).collect(),
    };
    by_float!(kind, E => compute::<E>(py, entry, &given, &params, &shape, order, kind))
}

fn compute<'py, E: Element + Stored>(
    py: Python<'py>,
    op: &Op,
    given: &[Given<'py>],
    params: &[f64],
    shape: &[usize],
    order: Vec<usize>,
    kind: Kind,
) -> PyResult<Bound<'py, PyUntypedArray>>
where
    E::Acc: Computed,
{
    let permuted: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
    let operands = given
        .iter()
        .map(|given| match given {
            Given::Number(value) => Operand::Number(*value),
            Given::Array(array) => {
                let strides = array.strides_in(shape);
                let strides = order.iter().map(|&axis| strides[axis]).collect();
                match array.kind {
                    None => Operand::Bools(array.bools(strides)),
                    Some(_) => Operand::Elements(array.view::<E>(strides)),
                }
            }
        })
        .collect();
    let bools = op.gives == Gives::Bool;
    let mut out = Fresh::new(py, shape, order, (!bools).then_some(kind))?;
    let target = if bools { Target::Bools(out.slice()) } else { Target::Elements(out.slice::<E>()) };
    let threads = threads::num_threads();
    call::run(py, |signals| core::run(op, &permuted, operands, params, target, threads, signals))?;
    out.finish()
}

/// Which axes are named.
fn marked(ndim: usize, axes: &[usize]) -> Vec<bool> {
    (0..ndim).map(|axis| axes.contains(&axis)).collect()
}

/// A new array of the shape in which marked axes have size 1.
fn reduced_array<'py>(py: Python<'py>, shape: &[usize], marked: &[bool], kind: Kind) -> PyResult<Fresh<'py>> {
    let shape: Vec<usize> = shape.iter().zip(marked).map(|(&n, &one)| if one { 1 } else { n }).collect();
    Fresh::new(py, &shape, (0..shape.len()).collect(), Some(kind))
}

/// An array of floats.
fn floats<'py>(what: &str, x: &Bound<'py, PyUntypedArray>) -> PyResult<(Strided<'py>, Kind)> {
    let array = Strided::new(what, x)?;
    match array.kind {
        Some(kind) => Ok((array, kind)),
        None => {
            let text = format!("{what} has type bool; supported are float16, float32 and float64");
            Err(to_python(x.py(), Error::Dtype(text)))
        }
    }
}

/// Reduces floats over axes, which stay with size 1.
#[pyfunction]
pub(super) fn reduce<'py>(
    py: Python<'py>,
    op: &str,
    x: &Bound<'py, PyUntypedArray>,
    axes: Vec<usize>,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let how = Reduction::from_name(op).map_err(|error| to_python(py, error))?;
    let (x, kind) = floats("input", x)?;
    let marked = marked(x.shape().len(), &axes);
    let mut out = reduced_array(py, x.shape(), &marked, kind)?;
    let threads = threads::num_threads();
    by_float!(kind, E => {
        let (view, target) = (x.view::<E>(x.strides().to_vec()), out.slice::<E>());
        call::run(py, |signals| reductions::run(how, x.shape(), &view, &marked, target, threads, signals))?;
    });
    out.finish()
}

/// Mean and variance of floats over axes, which stay with size 1; float16 gives float32.
#[pyfunction]
#[allow(clippy::type_complexity)]
pub(super) fn moments<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyUntypedArray>,
    axes: Vec<usize>,
) -> PyResult<(Bound<'py, PyUntypedArray>, Bound<'py, PyUntypedArray>)> {
    let (x, kind) = floats("input", x)?;
    let marked = marked(x.shape().len(), &axes);
    let wide = if kind == Kind::F16 { Kind::F32 } else { kind };
    let mut mean = reduced_array(py, x.shape(), &marked, wide)?;
    let mut variance = reduced_array(py, x.shape(), &marked, wide)?;
    let threads = threads::num_threads();
    by_float!(kind, E => {
        let view = x.view::<E>(x.strides().to_vec());
        let (mean, variance) = (mean.slice(), variance.slice());
        call::run(py, |signals| {
            reductions::moments(x.shape(), &view, &marked, mean, variance, threads, signals)
        })?;
    });
    Ok((mean.finish()?, variance.finish()?))
}

/// Where the first 'max' or 'min', or the first NaN, stands along an axis, which stays with size 1.
#[pyfunction]
pub(super) fn arg_reduce<'py>(
    py: Python<'py>,
    op: &str,
    x: &Bound<'py, PyUntypedArray>,
    axis: usize,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let which = match op {
        "max" => Extremum::Max,
        "min" => Extremum::Min,
        _ => {
            let text = format!("op must be 'max' or 'min', but got op='{op}'");
            return Err(to_python(py, Error::Argument(text)));
        }
    };
    let (x, kind) = floats("input", x)?;
    let marked = marked(x.shape().len(), &[axis]);
    let mut out = reduced_array(py, x.shape(), &marked, Kind::I64)?;
    let threads = threads::num_threads();
    by_float!(kind, E => {
        let (view, target) = (x.view::<E>(x.strides().to_vec()), out.slice::<i64>());
        call::run(py, |signals| arg::run(which, x.shape(), &view, axis, target, threads, signals))?;
    });
    out.finish()
}

/// Softmax along an axis, or its logarithm, in the memory order of `x`.
#[pyfunction]
pub(super) fn softmax<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyUntypedArray>,
    axis: usize,
    log: bool,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let (x, kind) = floats("input", x)?;
    let order = memory_order(x.shape(), x.strides());
    let shape: Vec<usize> = order.iter().map(|&axis| x.shape()[axis]).collect();
    let strides = order.iter().map(|&axis| x.strides()[axis]).collect();
    let place = order.iter().position(|&other| other == axis).unwrap_or(0);
    let mut out = Fresh::new(py, x.shape(), order, Some(kind))?;
    let threads = threads::num_threads();
    by_float!(kind, E => {
        let (view, target) = (x.view::<E>(strides), out.slice::<E>());
        call::run(py, |signals| soft::run(&shape, &view, place, log, target, threads, signals))?;
    });
    out.finish()
}
