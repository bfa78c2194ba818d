//! Running the core from Python: without the GIL, interruptible, with panics caught.

use super::errors::to_python;
use crate::error::{Error, Result};
use crate::threads::Interrupt;
use pyo3::prelude::*;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Asks Python for pending signals. Python handles them in the main thread only.
struct Signals {
    raised: RefCell<Option<PyErr>>,
}

impl Interrupt for Signals {
    fn poll(&self) -> bool {
        Python::attach(|py| match py.check_signals() {
            Ok(()) => false,
            Err(error) => {
                *self.raised.borrow_mut() = Some(error);
                true
            }
        })
    }
}

/// A value that the calling thread alone uses while it does not hold the GIL.
struct Ungil<T>(T);
// SAFETY: `detach` runs its closure in the calling thread; nothing moves to another one.
unsafe impl<T> Send for Ungil<T> {}

impl<T> Ungil<T> {
    fn into(self) -> T {
        self.0
    }
}

/// Runs `f` without the GIL.
pub(super) fn run<R>(py: Python<'_>, f: impl FnOnce(&dyn Interrupt) -> Result<R>) -> PyResult<R> {
    let f = Ungil(f);
    let (result, raised) = py
        .detach(move || {
            let f = f.into();
            let signals = Signals { raised: RefCell::new(None) };
            let result = catch_unwind(AssertUnwindSafe(|| f(&signals))).unwrap_or_else(|panic| {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
                Err(Error::Internal(text.unwrap_or_else(|| "a panic without a message".into())))
            });
            Ungil((result, signals.raised.into_inner()))
        })
        .into();
    match (result, raised) {
        (Err(Error::Interrupted), Some(raised)) => Err(raised),
        (result, _) => result.map_err(|error| to_python(py, error)),
    }
}
