//! Windows and taps along axes, indices, random numbers.

use super::array::{Input, Kind, Out};
use super::call;
use super::errors::to_python;
use crate::error::Error;
use crate::ops::gather::{self as core_gather, Around};
use crate::ops::resample as core_resample;
use crate::ops::shares::Run;
use crate::ops::taps::TapTable as Table;
use crate::ops::windows::Window;
use crate::ops::{
    dropout as core_dropout, max_pool as core_max_pool, max_pool_grad as core_grad,
    products as core_products, select,
};
use crate::simd::Isa;
use crate::threads;
use half::f16;
use numpy::PyUntypedArray;
use pyo3::prelude::*;

/// Runs `$body` with `$t` as a kind's type, one of those listed; refuses others.
macro_rules! by_kind {
    ($py:expr, $input:expr, $t:ident => $body:expr; $($kind:ident $ty:ty),*) => {
        match $input.kind {
            $(Kind::$kind => { type $t = $ty; $body })*
            #[allow(unreachable_patterns, reason = "some lists are complete")]
            kind => return Err(refused($py, kind)),
        }
    };
    ($py:expr, $input:expr, all $t:ident => $body:expr) => {
        by_kind!($py, $input, $t => $body; F16 f16, F32 f32, F64 f64, I8 i8, I16 i16, I32 i32, I64 i64, U8 u8,
                 U16 u16, U32 u32, U64 u64)
    };
    ($py:expr, $input:expr, float $t:ident => $body:expr) => {
        by_kind!($py, $input, $t => $body; F16 f16, F32 f32, F64 f64)
    };
    ($py:expr, $input:expr, bits $t:ident => $body:expr) => {
        by_kind!($py, $input, $t => $body; U8 u8, U16 u16, U32 u32, U64 u64)
    };
    ($py:expr, $input:expr, index $t:ident => $body:expr) => {
        by_kind!($py, $input, $t => $body; I32 i32, I64 i64)
    };
}

fn refused(py: Python<'_>, kind: Kind) -> PyErr {
    to_python(py, Error::Dtype(format!("this operator does not take arrays of type {}", kind.name())))
}

fn shape_error(py: Python<'_>, text: String) -> PyErr {
    to_python(py, Error::Shape(text))
}

/// `(size, outputs, kernel, stride, low, dilation, adaptive)`, as the named tuple of Python has them.
type WindowTuple = (usize, usize, usize, usize, usize, usize, bool);

/// Three windows, of which the first are those of axes that are not there.
fn windows_of(py: Python<'_>, given: &[WindowTuple]) -> PyResult<[Window; 3]> {
    let mut windows = [Window::NONE; 3];
    if !(1..=3).contains(&given.len()) {
        let text = format!("pooling works along 1 to 3 axes, not {}", given.len());
        return Err(to_python(py, Error::Argument(text)));
    }
    for (to, &(size, outputs, kernel, stride, low, dilation, adaptive)) in
        windows[3 - given.len()..].iter_mut().zip(given)
    {
        if size == 0 || kernel == 0 || stride == 0 || dilation == 0 {
            let text = format!(
                "a window needs sizes above 0, but got size={size}, kernel={kernel}, stride={stride}, \
                 dilation={dilation}"
            );
            return Err(to_python(py, Error::Argument(text)));
        }
        *to = Window { size, outputs, kernel, stride, low, dilation, adaptive };
    }
    Ok(windows)
}

/// The leading sizes of a shape whose last ones must be `last`.
fn lead<'a>(py: Python<'_>, name: &str, shape: &'a [usize], last: &[usize]) -> PyResult<&'a [usize]> {
    shape.strip_suffix(last).ok_or_else(|| {
        shape_error(py, format!("{name} has shape {shape:?}, which does not end with the sizes {last:?}"))
    })
}

fn run_of(interrupt: &dyn threads::Interrupt) -> crate::error::Result<Run<'_>> {
    Ok(Run { isa: Isa::current()?, threads: threads::num_threads(), interrupt })
}

/// The largest element of each window over the last axes and, with `indices`, where it stands.
#[pyfunction]
pub(super) fn max_pool<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyUntypedArray>,
    windows: Vec<WindowTuple>,
    indices: bool,
) -> PyResult<(Bound<'py, PyUntypedArray>, Option<Bound<'py, PyUntypedArray>>)> {
    let x = Input::new("input", x)?;
    let sizes: Vec<usize> = windows.iter().map(|window| window.0).collect();
    let mut shape = lead(py, "input", x.shape(), &sizes)?.to_vec();
    shape.extend(windows.iter().map(|window| window.1));
    let windows = windows_of(py, &windows)?;
    let mut y = Out::new(py, None, &shape, x.kind, &[])?;
    let mut places = indices.then(|| Out::new(py, None, &shape, Kind::I64, &[])).transpose()?;
    by_kind!(py, x, all T => {
        let (x, y, places) = (x.slice::<T>(), y.slice::<T>(), places.as_mut().map(Out::slice::<i64>));
        call::run(py, |signals| {
            core_max_pool::max_pool(x, windows, y, places, run_of(signals)?)
        })?;
    });
    Ok((y.finish()?, places.map(Out::finish).transpose()?))
}

/// The gradient of `max_pool` by its indices.
#[pyfunction]
pub(super) fn max_pool_grad<'py>(
    py: Python<'py>,
    grad_output: &Bound<'py, PyUntypedArray>,
    indices: &Bound<'py, PyUntypedArray>,
    windows: Vec<WindowTuple>,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let (g, indices) = (Input::new("grad_output", grad_output)?, Input::new("indices", indices)?);
    let outputs: Vec<usize> = windows.iter().map(|window| window.1).collect();
    let mut shape = lead(py, "grad_output", g.shape(), &outputs)?.to_vec();
    if indices.shape() != g.shape() {
        let text =
            format!("indices has shape {:?}, but grad_output has shape {:?}", indices.shape(), g.shape());
        return Err(shape_error(py, text));
    }
    shape.extend(windows.iter().map(|window| window.0));
    windows_of(py, &windows)?;
    let plane = windows.iter().map(|window| window.0).product();
    let outputs = outputs.iter().product();
    let mut x = Out::new(py, None, &shape, g.kind, &[])?;
    by_kind!(py, indices, index I => by_kind!(py, g, all T => {
        let (g, indices, x) = (g.slice::<T>(), indices.slice::<I>(), x.slice::<T>());
        call::run(py, |signals| {
            core_grad::max_pool_grad(g, indices, outputs, plane, x, run_of(signals)?)
        })?;
    }));
    x.finish()
}

/// Which elements of an axis each output sums, in compressed rows.
#[pyclass(frozen, module = "rsconv._core")]
pub(super) struct TapTable {
    core: Table,
}

#[pymethods]
impl TapTable {
    #[new]
    #[pyo3(signature = (size, offsets, indices, weights=None))]
    fn new(
        py: Python<'_>,
        size: usize,
        offsets: &Bound<'_, PyUntypedArray>,
        indices: &Bound<'_, PyUntypedArray>,
        weights: Option<&Bound<'_, PyUntypedArray>>,
    ) -> PyResult<TapTable> {
        let (offsets, indices) = (Input::new("offsets", offsets)?, Input::new("indices", indices)?);
        let weights = weights.map(|weights| Input::new("weights", weights)).transpose()?;
        for (input, kind) in
            [(Some(&offsets), Kind::I32), (Some(&indices), Kind::I32), (weights.as_ref(), Kind::F64)]
        {
            if let Some(input) = input.filter(|input| input.kind != kind) {
                return Err(refused(py, input.kind));
            }
        }
        let weights = weights.as_ref().map(|weights| weights.slice::<f64>());
        let core = Table::new(size, offsets.slice::<i32>(), indices.slice::<i32>(), weights)
            .map_err(|error| to_python(py, error))?;
        Ok(TapTable { core })
    }
}

/// The tables of the last axes of an input, and the shape of the result.
fn tables_of<'a>(
    py: Python<'_>,
    shape: &[usize],
    tables: &'a [Option<PyRef<'_, TapTable>>],
) -> PyResult<(Vec<Option<&'a Table>>, Vec<usize>)> {
    let mut result = shape.to_vec();
    let tables: Vec<Option<&Table>> =
        tables.iter().map(|table| table.as_ref().map(|table| &table.core)).collect();
    let first = shape.len().checked_sub(tables.len()).ok_or_else(|| {
        shape_error(py, format!("input of shape {shape:?} has fewer axes than the {} tables", tables.len()))
    })?;
    for (axis, table) in (first..).zip(&tables) {
        let Some(table) = table else { continue };
        if table.size() != shape[axis] {
            let text = format!("input of shape {shape:?} has no {} elements along axis {axis}", table.size());
            return Err(shape_error(py, text));
        }
        result[axis] = table.outputs();
    }
    Ok((tables, result))
}

/// Weighted sums of the taps along the last axes, of floating-point numbers.
#[pyfunction]
pub(super) fn resample<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyUntypedArray>,
    tables: Vec<Option<PyRef<'py, TapTable>>>,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let x = Input::new("input", x)?;
    let (tables, shape) = tables_of(py, x.shape(), &tables)?;
    let mut y = Out::new(py, None, &shape, x.kind, &[])?;
    let given = x.shape();
    by_kind!(py, x, float T => {
        let (x, y) = (x.slice::<T>(), y.slice::<T>());
        call::run(py, |signals| core_resample::resample(x, given, &tables, y, run_of(signals)?))?;
    });
    y.finish()
}

/// The one element of each output along the last axes, of unsigned integers, as which any type can be seen.
#[pyfunction(name = "select")]
pub(super) fn select_elements<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyUntypedArray>,
    tables: Vec<Option<PyRef<'py, TapTable>>>,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let x = Input::new("input", x)?;
    let (tables, shape) = tables_of(py, x.shape(), &tables)?;
    if !tables.iter().flatten().all(|table| table.selects()) {
        let text = "a table that is no selection cannot select".into();
        return Err(to_python(py, Error::Argument(text)));
    }
    let mut y = Out::new(py, None, &shape, x.kind, &[])?;
    let given = x.shape();
    by_kind!(py, x, bits T => {
        let (x, y) = (x.slice::<T>(), y.slice::<T>());
        call::run(py, |signals| select::select(x, given, &tables, y, run_of(signals)?))?;
    });
    y.finish()
}

/// What an index broadcast to `shape` means along `axis` of `size` elements.
fn around(py: Python<'_>, shape: &[usize], axis: usize, index: &[usize], size: usize) -> PyResult<Around> {
    let broadcasts = shape.len() == index.len()
        && index.iter().zip(shape).all(|(&i, &n)| i == n || i == 1)
        && axis < shape.len();
    if !broadcasts {
        let text = format!("index of shape {index:?} does not broadcast to {shape:?} with axis {axis}");
        return Err(shape_error(py, text));
    }
    Ok(Around::new(shape, axis, index, size))
}

/// `shape` with another size of an axis.
fn with_size(shape: &[usize], axis: usize, size: usize) -> Vec<usize> {
    let mut shape = shape.to_vec();
    if let Some(to) = shape.get_mut(axis) {
        *to = size;
    }
    shape
}

/// Elements along an axis by their index, an array that is broadcast to `places` along the axis and to the
/// shape of `x` elsewhere; of unsigned integers, as which any type can be seen.
#[pyfunction]
pub(super) fn gather<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyUntypedArray>,
    axis: usize,
    index: &Bound<'py, PyUntypedArray>,
    places: usize,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let (x, index) = (Input::new("input", x)?, Input::new("index", index)?);
    let shape = with_size(x.shape(), axis, places);
    let size = x.shape().get(axis).copied().unwrap_or(0);
    let around = around(py, &shape, axis, index.shape(), size)?;
    let mut y = Out::new(py, None, &shape, x.kind, &[])?;
    by_kind!(py, index, index I => by_kind!(py, x, bits T => {
        let (x, index, y) = (x.slice::<T>(), index.slice::<I>(), y.slice::<T>());
        call::run(py, |signals| core_gather::gather(x, index, &around, y, run_of(signals)?))?;
    }));
    y.finish()
}

/// Sums of `src` by the index of an axis of `size` elements; `index` is broadcast to the shape of `src`.
#[pyfunction]
pub(super) fn scatter_add<'py>(
    py: Python<'py>,
    src: &Bound<'py, PyUntypedArray>,
    axis: usize,
    index: &Bound<'py, PyUntypedArray>,
    size: usize,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let (src, index) = (Input::new("src", src)?, Input::new("index", index)?);
    let around = around(py, src.shape(), axis, index.shape(), size)?;
    let mut y = Out::new(py, None, &with_size(src.shape(), axis, size), src.kind, &[])?;
    by_kind!(py, index, index I => by_kind!(py, src, all T => {
        let (src, index, y) = (src.slice::<T>(), index.slice::<I>(), y.slice::<T>());
        call::run(py, |signals| core_gather::scatter_add(src, index, &around, y, run_of(signals)?))?;
    }));
    y.finish()
}

/// Elements zeroed with probability `p`, the others scaled, of floating-point numbers.
#[pyfunction]
pub(super) fn dropout<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyUntypedArray>,
    p: f64,
    seed: u64,
    offset: u64,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let x = Input::new("input", x)?;
    let mut y = Out::new(py, None, x.shape(), x.kind, &[])?;
    by_kind!(py, x, float T => {
        let (x, y) = (x.slice::<T>(), y.slice::<T>());
        call::run(py, |signals| core_dropout::dropout(x, p, seed, offset, y, run_of(signals)?))?;
    });
    y.finish()
}

/// Batches of a matrix `(batch, m, k)` times a transposed one, `(batch, n, k)`, of floating-point numbers.
#[pyfunction]
pub(super) fn products<'py>(
    py: Python<'py>,
    a: &Bound<'py, PyUntypedArray>,
    b: &Bound<'py, PyUntypedArray>,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let (a, b) = (Input::new("a", a)?, Input::new("b", b)?);
    let (&[batch, m, k], &[batches, n, other]) = (a.shape(), b.shape()) else {
        return Err(shape_error(py, format!("matrices have shapes {:?} and {:?}", a.shape(), b.shape())));
    };
    if (batches, other) != (batch, k) || a.kind != b.kind {
        let (left, right) = (a.kind.name(), b.kind.name());
        let text =
            format!("{left} matrices {:?} do not fit {right} ones {:?}, transposed", a.shape(), b.shape());
        return Err(shape_error(py, text));
    }
    let mut y = Out::new(py, None, &[batch, m, n], a.kind, &[])?;
    by_kind!(py, a, float T => {
        let (a, b, y) = (a.slice::<T>(), b.slice::<T>(), y.slice::<T>());
        call::run(py, |signals| core_products::products(a, b, [batch, m, n, k], y, run_of(signals)?))?;
    });
    y.finish()
}
