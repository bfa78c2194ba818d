//! NumPy arrays as slices.

use super::errors::to_python;
use crate::error::Error;
use half::f16;
use numpy::{PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// Element types of the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    F16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
}

impl Kind {
    const ALL: [(Kind, &'static str); 11] = [
        (Kind::F16, "float16"),
        (Kind::F32, "float32"),
        (Kind::F64, "float64"),
        (Kind::I8, "int8"),
        (Kind::I16, "int16"),
        (Kind::I32, "int32"),
        (Kind::I64, "int64"),
        (Kind::U8, "uint8"),
        (Kind::U16, "uint16"),
        (Kind::U32, "uint32"),
        (Kind::U64, "uint64"),
    ];

    /// NumPy's name.
    pub(super) fn name(self) -> &'static str {
        Kind::ALL.iter().find(|entry| entry.0 == self).expect("every kind is listed").1
    }

    /// The kind with a NumPy name.
    pub(super) fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.iter().find(|entry| entry.1 == name).map(|entry| entry.0)
    }

    pub(super) fn of(array: &Bound<'_, PyUntypedArray>) -> Option<Kind> {
        let dtype = array.dtype();
        Some(match (dtype.kind(), dtype.itemsize()) {
            (b'f', 2) => Kind::F16,
            (b'f', 4) => Kind::F32,
            (b'f', 8) => Kind::F64,
            (b'i', 1) => Kind::I8,
            (b'i', 2) => Kind::I16,
            (b'i', 4) => Kind::I32,
            (b'i', 8) => Kind::I64,
            (b'u', 1) => Kind::U8,
            (b'u', 2) => Kind::U16,
            (b'u', 4) => Kind::U32,
            (b'u', 8) => Kind::U64,
            _ => return None,
        })
    }

    fn size(self) -> usize {
        match self {
            Kind::I8 | Kind::U8 => 1,
            Kind::F16 | Kind::I16 | Kind::U16 => 2,
            Kind::F32 | Kind::I32 | Kind::U32 => 4,
            Kind::F64 | Kind::I64 | Kind::U64 => 8,
        }
    }
}

/// Runs `$body` with `$t` as a floating-point kind's type, or `$other` for the rest, which strided arrays never are.
macro_rules! by_float {
    ($kind:expr, $t:ident => $body:expr) => {
        by_float!($kind, $t => $body, unreachable!("a strided array holds floats or bools"))
    };
    ($kind:expr, $t:ident => $body:expr, $other:expr) => {
        match $kind {
            Kind::F16 => {
                type $t = half::f16;
                $body
            }
            Kind::F32 => {
                type $t = f32;
                $body
            }
            Kind::F64 => {
                type $t = f64;
                $body
            }
            _ => $other,
        }
    };
}
pub(super) use by_float;

/// A Rust type with its kind.
pub(super) trait Stored: Copy + Send + Sync + 'static {
    const KIND: Kind;
}

macro_rules! stored {
    ($($t:ty: $kind:ident),*) => { $(impl Stored for $t { const KIND: Kind = Kind::$kind; })* };
}
stored!(f16: F16, f32: F32, f64: F64, i8: I8, i16: I16, i32: I32, i64: I64, u8: U8, u16: U16, u32: U32, u64: U64);

/// An array that is contiguous, aligned, in native byte order and of a known kind; a copy if need be.
pub(super) struct Input<'py> {
    array: Bound<'py, PyUntypedArray>,
    /// What the caller passed.
    given: Bound<'py, PyUntypedArray>,
    pub(super) kind: Kind,
}

impl<'py> Input<'py> {
    pub(super) fn new(name: &str, array: &Bound<'py, PyUntypedArray>) -> PyResult<Self> {
        let py = array.py();
        let Some(kind) = Kind::of(array) else {
            return Err(to_python(
                py,
                Error::Dtype(format!(
                    "{name} has type {}, but supported are float16, float32, float64, \
                 int8 to int64, uint8 to uint64, complex64 and complex128",
                    dtype_name(array)
                )),
            ));
        };
        let plain = array.is_c_contiguous()
            && array.dtype().is_native_byteorder() != Some(false)
            && is_aligned(array);
        let given = array.clone();
        let array = if plain {
            array.clone()
        } else {
            static COPY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
            let copy = COPY.get_or_try_init(py, || {
                py.import("numpy").and_then(|numpy| numpy.getattr("array")).map(Bound::unbind)
            })?;
            let kwargs = pyo3::types::PyDict::new(py);
            kwargs.set_item("order", "C")?;
            copy.bind(py).call((array, kind.name()), Some(&kwargs))?.cast_into::<PyUntypedArray>()?
        };
        Ok(Input { array, given, kind })
    }

    pub(super) fn shape(&self) -> &[usize] {
        self.array.shape()
    }

    /// The elements. Python code must not run, and so not write them, while a slice lives in a call; a kernel that
    /// another thread's write races with may see old or new values, as with any NumPy function.
    pub(super) fn slice<T: Stored>(&self) -> &[T] {
        assert_eq!(T::KIND, self.kind);
        // SAFETY: contiguous, aligned, of this type; the reference in `self` keeps the array alive.
        unsafe { std::slice::from_raw_parts(data(&self.array).cast(), self.array.len()) }
    }

    /// Size in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.array.len() * self.kind.size()
    }

    /// The array itself, or its copy.
    pub(super) fn array(&self) -> &Bound<'py, PyUntypedArray> {
        &self.array
    }
}

/// Address of an array's first element; never null.
pub(super) fn data(array: &Bound<'_, PyUntypedArray>) -> *mut u8 {
    // SAFETY: any array has a data pointer, whatever its elements; it is only asked for, not read.
    let data = unsafe { array.cast_unchecked::<PyArrayDyn<u8>>() }.data();
    if data.is_null() { std::ptr::dangling_mut::<u64>().cast() } else { data }
}

pub(super) fn is_aligned(array: &Bound<'_, PyUntypedArray>) -> bool {
    (data(array) as usize).is_multiple_of(array.dtype().itemsize().clamp(1, 8))
}

/// NumPy's name of an array's type.
pub(super) fn dtype_name(array: &Bound<'_, PyUntypedArray>) -> String {
    array.dtype().str().map_or_else(|_| "?".into(), |name| name.to_string())
}

/// Where a result goes: a new array, or the caller's.
pub(super) struct Out<'py> {
    array: Bound<'py, PyUntypedArray>,
    /// The caller's array, if the result must be copied there.
    copy_to: Option<Bound<'py, PyUntypedArray>>,
}

impl<'py> Out<'py> {
    /// A new array, or `out` once it is known to fit: shape, type, writable, apart from the inputs.
    pub(super) fn new(
        py: Python<'py>,
        out: Option<&Bound<'py, PyUntypedArray>>,
        shape: &[usize],
        kind: Kind,
        inputs: &[(&str, &Input<'py>)],
    ) -> PyResult<Self> {
        let Some(out) = out else {
            return Ok(Out { array: empty(py, shape, Some(kind))?, copy_to: None });
        };
        let refuse = |error: Error| Err(to_python(py, error));
        if Kind::of(out) != Some(kind) || out.dtype().is_native_byteorder() == Some(false) {
            return refuse(Error::Dtype(format!(
                "out has type {}, but the result has type {}",
                dtype_name(out),
                kind.name()
            )));
        }
        if out.shape() != shape {
            return refuse(Error::Shape(format!(
                "out has shape {:?}, but the result has shape {shape:?}",
                out.shape()
            )));
        }
        if !out.getattr("flags")?.getattr("writeable")?.extract::<bool>()? {
            return refuse(Error::Argument(format!("out of shape {shape:?} is read-only")));
        }
        for (name, input) in inputs {
            if overlap(out, &input.given)? {
                return refuse(Error::Argument(format!(
                    "out of shape {shape:?} overlaps {name} of shape {:?} in memory",
                    input.shape()
                )));
            }
        }
        if out.is_c_contiguous() && is_aligned(out) {
            return Ok(Out { array: out.clone(), copy_to: None });
        }
        Ok(Out { array: empty(py, shape, Some(kind))?, copy_to: Some(out.clone()) })
    }

    /// The elements, to be written.
    pub(super) fn slice<T: Stored>(&mut self) -> &mut [T] {
        // SAFETY: contiguous, aligned and of this type (`new`); apart from the inputs; `self` keeps it alive. Other
        // Python threads that write `out` during the call race as with any NumPy function.
        unsafe { std::slice::from_raw_parts_mut(data(&self.array).cast(), self.array.len()) }
    }

    /// The array to return.
    pub(super) fn finish(self) -> PyResult<Bound<'py, PyUntypedArray>> {
        let Some(out) = self.copy_to else {
            return Ok(self.array);
        };
        self.array.py().import("numpy")?.call_method1("copyto", (&out, &self.array))?;
        Ok(out)
    }
}

/// Whether two arrays share an element.
fn overlap(a: &Bound<'_, PyUntypedArray>, b: &Bound<'_, PyUntypedArray>) -> PyResult<bool> {
    let ((a_low, a_high), (b_low, b_high)) = (extent(a), extent(b));
    if a_high <= b_low || b_high <= a_low {
        return Ok(false);
    }
    if a.is_c_contiguous() && b.is_c_contiguous() {
        return Ok(true);
    }
    a.py().import("numpy")?.call_method1("shares_memory", (a, b))?.extract()
}

/// First byte of an array with any strides, and one past the last.
fn extent(array: &Bound<'_, PyUntypedArray>) -> (usize, usize) {
    let start = data(array) as isize;
    if array.is_empty() {
        return (start as usize, start as usize);
    }
    let (mut low, mut high) = (start, start + array.dtype().itemsize() as isize);
    for (&n, &stride) in array.shape().iter().zip(array.strides()) {
        let span = (n as isize - 1) * stride;
        if span < 0 { low += span } else { high += span }
    }
    (low as usize, high as usize)
}

/// A new dense array of a kind, or of bools.
pub(super) fn empty<'py>(
    py: Python<'py>,
    shape: &[usize],
    kind: Option<Kind>,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    static EMPTY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static DTYPES: PyOnceLock<Vec<Py<PyAny>>> = PyOnceLock::new();
    let empty = EMPTY.get_or_try_init(py, || {
        py.import("numpy").and_then(|numpy| numpy.getattr("empty")).map(Bound::unbind)
    })?;
    let dtypes = DTYPES.get_or_try_init(py, || {
        let dtype = py.import("numpy")?.getattr("dtype")?;
        let names = Kind::ALL.iter().map(|entry| entry.1).chain(["bool"]);
        names.map(|name| dtype.call1((name,)).map(Bound::unbind)).collect::<PyResult<_>>()
    })?;
    let place = Kind::ALL.iter().position(|entry| Some(entry.0) == kind).unwrap_or(Kind::ALL.len());
    let dtype = &dtypes[place];
    let shape_tuple = pyo3::types::PyTuple::new(py, shape)?;
    let bytes = shape.iter().fold(kind.map_or(1, Kind::size), |bytes, &n| bytes.saturating_mul(n));
    if let Some(array) = super::recycle::array(empty.bind(py), &shape_tuple, dtype.bind(py), bytes)? {
        return Ok(array);
    }
    match empty.bind(py).call1((shape_tuple, dtype)) {
        Ok(array) => Ok(array.cast_into::<PyUntypedArray>()?),
        Err(error) if error.is_instance_of::<PyMemoryError>(py) => {
            let bytes =
                shape.iter().map(|&n| n as u128).product::<u128>() * kind.map_or(1, Kind::size) as u128;
            Err(PyMemoryError::new_err(format!(
                "cannot allocate {bytes} bytes for a result of shape {shape:?}"
            )))
        }
        Err(error) => Err(error),
    }
}
