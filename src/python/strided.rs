//! NumPy arrays in any strides, without copies.

use super::array::{Kind, Stored, data, dtype_name, empty, is_aligned};
use super::errors::to_python;
use crate::error::Error;
use crate::ops::strided::{MAX_AXES, View};
use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// An array of floats or bools in native byte order, in any strides that are whole elements; a copy if need be.
pub(super) struct Strided<'py> {
    array: Bound<'py, PyUntypedArray>,
    /// `None` for bools.
    pub(super) kind: Option<Kind>,
    /// In elements.
    strides: Vec<isize>,
}

impl<'py> Strided<'py> {
    /// Refuses arrays that are neither floats nor bools; `name` is what the message calls it.
    pub(super) fn new(name: &str, array: &Bound<'py, PyUntypedArray>) -> PyResult<Self> {
        let py = array.py();
        let dtype = array.dtype();
        let kind = match Kind::of(array) {
            Some(kind @ (Kind::F16 | Kind::F32 | Kind::F64)) => Some(kind),
            None if dtype.kind() == b'b' => None,
            _ => {
                let text = format!(
                    "{name} has type {}; supported are float16, float32 and float64",
                    dtype_name(array)
                );
                return Err(to_python(py, Error::Dtype(text)));
            }
        };
        let size = dtype.itemsize() as isize;
        let plain = dtype.is_native_byteorder() != Some(false)
            && is_aligned(array)
            && array.strides().iter().all(|stride| stride % size == 0);
        let array = if plain {
            array.clone()
        } else {
            let native = dtype.call_method1("newbyteorder", ("=",))?;
            py.import("numpy")?.call_method1("array", (array, native))?.cast_into::<PyUntypedArray>()?
        };
        let strides = array.strides().iter().map(|stride| stride / size).collect();
        Ok(Strided { array, kind, strides })
    }

    pub(super) fn shape(&self) -> &[usize] {
        self.array.shape()
    }

    /// In elements.
    pub(super) fn strides(&self) -> &[isize] {
        &self.strides
    }

    /// Strides along the axes of a shape that it broadcasts to.
    pub(super) fn strides_in(&self, shape: &[usize]) -> Vec<isize> {
        let missing = shape.len() - self.shape().len();
        let own = self.shape().iter().zip(&self.strides);
        let own = own.map(|(&size, &stride)| if size == 1 { 0 } else { stride });
        std::iter::repeat_n(0, missing).chain(own).collect()
    }

    /// The elements. As for `Input::slice`, another thread's writes race as with any NumPy function.
    pub(super) fn view<T: Stored>(&self, strides: Vec<isize>) -> View<'_, T> {
        assert_eq!(Some(T::KIND), self.kind);
        self.elements(strides)
    }

    /// The bools, as bytes.
    pub(super) fn bools(&self, strides: Vec<isize>) -> View<'_, u8> {
        assert_eq!(None, self.kind);
        self.elements(strides)
    }

    fn elements<T>(&self, strides: Vec<isize>) -> View<'_, T> {
        let start: *const T = data(&self.array).cast();
        if self.array.is_empty() {
            return View { data: &[], start: 0, strides };
        }
        let (mut low, mut high) = (0isize, 0isize);
        for (&n, &stride) in self.shape().iter().zip(&self.strides) {
            let span = (n as isize - 1) * stride;
            if span < 0 { low += span } else { high += span }
        }
        // SAFETY: an array's elements lie in one allocation, which `self` keeps alive; they are aligned, and of
        // this type.
        let data = unsafe { std::slice::from_raw_parts(start.offset(low), (high - low) as usize + 1) };
        View { data, start: low.unsigned_abs(), strides }
    }
}

/// A shape that all broadcast to.
pub(super) fn broadcast(py: Python<'_>, arrays: &[&Strided<'_>]) -> PyResult<Vec<usize>> {
    let ndim = arrays.iter().map(|array| array.shape().len()).max().unwrap_or(0);
    let mut shape = vec![1; ndim];
    for array in arrays {
        let missing = ndim - array.shape().len();
        for (size, &own) in shape[missing..].iter_mut().zip(array.shape()) {
            if own != 1 {
                if *size != 1 && *size != own {
                    let shapes: Vec<String> =
                        arrays.iter().map(|array| format!("{:?}", array.shape())).collect();
                    let text = format!("shapes {} do not broadcast", shapes.join(" and "));
                    return Err(to_python(py, Error::Shape(text)));
                }
                *size = own;
            }
        }
    }
    assert!(ndim <= MAX_AXES, "NumPy has no arrays of {ndim} axes");
    Ok(shape)
}

/// A new array whose axes lie in memory in a given order, as a dense array in that order and as the caller gets it.
pub(super) struct Fresh<'py> {
    dense: Bound<'py, PyUntypedArray>,
    order: Vec<usize>,
}

impl<'py> Fresh<'py> {
    pub(super) fn new(
        py: Python<'py>,
        shape: &[usize],
        order: Vec<usize>,
        kind: Option<Kind>,
    ) -> PyResult<Self> {
        let permuted: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
        Ok(Fresh { dense: empty(py, &permuted, kind)?, order })
    }

    /// The elements, to be written.
    pub(super) fn slice<T>(&mut self) -> &mut [T] {
        assert_eq!(self.dense.dtype().itemsize(), size_of::<T>());
        // SAFETY: dense, aligned, of elements of this size (`new`), and nobody else has it yet.
        unsafe { std::slice::from_raw_parts_mut(data(&self.dense).cast(), self.dense.len()) }
    }

    /// The array to return.
    pub(super) fn finish(self) -> PyResult<Bound<'py, PyUntypedArray>> {
        if self.order.is_sorted() {
            return Ok(self.dense);
        }
        let mut axes = vec![0; self.order.len()];
        for (place, &axis) in self.order.iter().enumerate() {
            axes[axis] = place;
        }
        let axes = PyTuple::new(self.dense.py(), axes)?;
        Ok(self.dense.call_method1("transpose", (axes,))?.cast_into::<PyUntypedArray>()?)
    }
}
