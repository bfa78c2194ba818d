//! Core errors as the exceptions of `rsconv.errors`.

use crate::error::Error;
use pyo3::exceptions::{PyKeyboardInterrupt, PyMemoryError};
use pyo3::prelude::*;

/// The Python exception for an error.
pub(super) fn to_python(py: Python<'_>, error: Error) -> PyErr {
    let class = match &error {
        Error::Shape(_) => "ShapeError",
        Error::Argument(_) => "ArgumentError",
        Error::Dtype(_) => "DtypeError",
        Error::Internal(_) => "InternalError",
        Error::Alloc { .. } => return PyMemoryError::new_err(error.to_string()),
        Error::Interrupted => return PyKeyboardInterrupt::new_err(()),
    };
    let made = py
        .import("rsconv.errors")
        .and_then(|module| module.getattr(class))
        .and_then(|class| class.call1((error.to_string(),)));
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(failure) => failure,
    }
}
