//! Updates in place: the steps of optimizers.

use super::array::{Kind, Stored, by_float, data, dtype_name, is_aligned};
use super::call;
use super::errors::to_python;
use super::strided::Strided;
use crate::element::Element;
use crate::error::Error;
use crate::expr::Computed;
use crate::expr::updates::{self, Update};
use crate::ops::strided::memory_order;
use crate::ops::update::{self as core, Written};
use crate::threads;
use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;

/// An array that is rewritten.
struct Target<'py> {
    array: Bound<'py, PyUntypedArray>,
    /// In elements.
    strides: Vec<isize>,
    /// Elements from the one with all indices 0 to the first one in memory, and to the last one.
    low: isize,
    high: isize,
}

impl<'py> Target<'py> {
    /// Refuses what cannot be written in place: another type or shape than the gradient's, read-only memory, elements
    /// that share memory or do not lie as the machine reads them.
    fn new(name: &str, array: Bound<'py, PyUntypedArray>, kind: Kind, shape: &[usize]) -> PyResult<Self> {
        let py = array.py();
        let refuse = |text: String| Err(to_python(py, Error::Argument(text)));
        let own = array.shape();
        if Kind::of(&array) != Some(kind) {
            let text =
                format!("{name} has type {}, but the gradient has type {}", dtype_name(&array), kind.name());
            return Err(to_python(py, Error::Dtype(text)));
        }
        if own != shape {
            let text = format!("{name} has shape {own:?}, but the gradient has shape {shape:?}");
            return Err(to_python(py, Error::Shape(text)));
        }
        if !array.getattr("flags")?.getattr("writeable")?.extract::<bool>()? {
            return refuse(format!("{name} of shape {own:?} is read-only"));
        }
        let size = array.dtype().itemsize() as isize;
        let plain = array.dtype().is_native_byteorder() != Some(false)
            && is_aligned(&array)
            && array.strides().iter().all(|stride| stride % size == 0);
        if !plain {
            return refuse(format!("{name} of shape {own:?} is misaligned or of foreign byte order"));
        }
        let strides: Vec<isize> = array.strides().iter().map(|stride| stride / size).collect();
        // Along rising strides, each must step over all elements of the axes before.
        let mut steps: Vec<(usize, usize)> =
            strides.iter().zip(own).map(|(stride, &n)| (stride.unsigned_abs(), n)).collect();
        steps.retain(|&(_, n)| n != 1);
        steps.sort_unstable();
        let mut span = 0;
        for (stride, n) in steps {
            if stride <= span && !array.is_empty() {
                return refuse(format!("{name} of shape {own:?} has elements that share memory"));
            }
            span += stride * n.saturating_sub(1);
        }
        let (mut low, mut high) = (0, 0);
        for (&n, &stride) in own.iter().zip(&strides) {
            let span = (n as isize - 1) * stride;
            if span < 0 { low += span } else { high += span }
        }
        Ok(Target { array, strides, low, high })
    }

    /// The addresses of the first byte and of the one after the last.
    fn bytes(&self) -> (usize, usize) {
        bytes(&self.array)
    }

    /// The elements, along axes in a given order. Nobody else may touch them while a call runs; a race with another
    /// thread's writes gives old or new values, as with any NumPy function.
    fn written<T: Stored>(&mut self, order: &[usize]) -> Written<'_, T> {
        let strides = order.iter().map(|&axis| self.strides[axis]).collect();
        if self.array.is_empty() {
            return Written { data: &mut [], start: 0, strides };
        }
        assert_eq!(Some(T::KIND), Kind::of(&self.array));
        let start: *mut T = data(&self.array).cast();
        let len = (self.high - self.low) as usize + 1;
        // SAFETY: an array's elements lie in one allocation, which `self` keeps alive; they are aligned, of this type
        // and writeable, and no other array of the call overlaps them (`update`).
        let data = unsafe { std::slice::from_raw_parts_mut(start.offset(self.low), len) };
        Written { data, start: self.low.unsigned_abs(), strides }
    }
}

/// The addresses of an array's first byte and of the one after its last.
fn bytes(array: &Bound<'_, PyUntypedArray>) -> (usize, usize) {
    let start = data(array) as usize;
    if array.is_empty() {
        return (start, start);
    }
    let (mut low, mut high) = (start, start);
    for (&n, &stride) in array.shape().iter().zip(array.strides()) {
        let span = (n - 1) * stride.unsigned_abs();
        if stride < 0 { low -= span } else { high += span }
    }
    (low, high + array.dtype().itemsize())
}

fn overlap(a: (usize, usize), b: (usize, usize)) -> bool {
    a.0 < b.1 && b.0 < a.1
}

/// An update of the table: rewrites arrays in place, beside a gradient of their type and shape.
#[pyfunction]
pub(super) fn update<'py>(
    py: Python<'py>,
    op: &str,
    arrays: Vec<Bound<'py, PyUntypedArray>>,
    grad: Bound<'py, PyUntypedArray>,
    params: Vec<f64>,
) -> PyResult<()> {
    let refuse = |error: Error| Err(to_python(py, error));
    let Some(entry) = updates::find(op) else {
        return refuse(Error::Argument(format!("there is no update named '{op}'")));
    };
    let Some(kind @ (Kind::F16 | Kind::F32 | Kind::F64)) = Kind::of(&grad) else {
        let text =
            format!("gradient has type {}; supported are float16, float32 and float64", dtype_name(&grad));
        return refuse(Error::Dtype(text));
    };
    let mut targets = Vec::with_capacity(arrays.len());
    for (i, array) in arrays.into_iter().enumerate() {
        targets.push(Target::new(&format!("array {i} of {op}"), array, kind, grad.shape())?);
    }
    let places: Vec<(usize, usize)> = targets.iter().map(Target::bytes).collect();
    for (i, &a) in places.iter().enumerate() {
        if let Some(j) = places[..i].iter().position(|&b| overlap(a, b)) {
            let text = format!("arrays {j} and {i} of {op} overlap in memory");
            return refuse(Error::Argument(text));
        }
    }
    let apart = !places.iter().any(|&place| overlap(place, bytes(&grad)));
    let grad = if apart { grad } else { grad.call_method0("copy")?.cast_into::<PyUntypedArray>()? };
    let grad = Strided::new("gradient", &grad)?;
    by_float!(kind, E => compute::<E>(py, entry, &mut targets, &grad, &params))
}

fn compute<E: Element + Stored>(
    py: Python<'_>,
    update: &Update,
    targets: &mut [Target<'_>],
    grad: &Strided<'_>,
    params: &[f64],
) -> PyResult<()>
where
    E::Acc: Computed,
{
    let shape = grad.shape();
    let order = match targets.first() {
        Some(first) => memory_order(shape, &first.strides),
        None => (0..shape.len()).collect(),
    };
    let permuted: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
    let written = targets.iter_mut().map(|target| target.written::<E>(&order)).collect();
    let view = grad.view::<E>(order.iter().map(|&axis| grad.strides()[axis]).collect());
    let threads = threads::num_threads();
    call::run(py, |signals| core::run(update, &permuted, written, view, params, threads, signals))
}
