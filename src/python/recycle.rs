//! Memory of large results, used again once nobody has them any more.
//!
//! Fresh memory of that size comes from the system page by page, and clearing the pages takes as long as a simple
//! operator does. The C library keeps smaller blocks itself.

use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use std::sync::{Mutex, PoisonError};

/// The fewest bytes of a result that are worth it: the C library gives larger ones back at once.
const LARGE: usize = 32 << 20;
/// Bytes that are kept at most, in use or not.
const KEPT: usize = 256 << 20;
/// Results begin at a line of the caches.
const LINE: usize = 64;

/// Arrays of bytes that results lie in. The lock is never held while Python runs.
static BLOCKS: Mutex<Vec<Py<PyUntypedArray>>> = Mutex::new(Vec::new());

fn blocks<T>(f: impl FnOnce(&mut Vec<Py<PyUntypedArray>>) -> T) -> T {
    f(&mut BLOCKS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A dense array of `bytes` bytes in memory that is kept, or `None` where ordinary memory does as well.
pub(super) fn array<'py>(
    empty: &Bound<'py, PyAny>,
    shape: &Bound<'py, PyTuple>,
    dtype: &Bound<'py, PyAny>,
    bytes: usize,
) -> PyResult<Option<Bound<'py, PyUntypedArray>>> {
    let py = empty.py();
    if !(LARGE..=KEPT - LINE).contains(&bytes) || !has_gil(py)? {
        return Ok(None);
    }
    let size = bytes + LINE;
    // Taken out, so that no other thread finds it before the result refers to it.
    let found = blocks(|blocks| {
        let fits = |block: &Bound<'_, PyUntypedArray>| (size..=size + size / 4).contains(&block.len());
        let free = blocks.iter().position(|block| ours_alone(block.bind(py)) && fits(block.bind(py)));
        free.map(|at| blocks.remove(at))
    });
    let block = match found {
        Some(block) => block.into_bound(py),
        None => {
            let dropped = blocks(|blocks| make_room(py, blocks, size));
            drop(dropped);
            match empty.call1((size, "uint8")) {
                Ok(block) => block.cast_into::<PyUntypedArray>()?,
                Err(_) => {
                    // The caller reports it, if it still fails without what is kept.
                    drop(blocks(std::mem::take));
                    return Ok(None);
                }
            }
        }
    };
    static NDARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let ndarray =
        NDARRAY.get_or_try_init(py, || py.import("numpy")?.getattr("ndarray").map(Bound::unbind))?.bind(py);
    let address: usize = block.getattr("ctypes")?.getattr("data")?.extract()?;
    let array = ndarray.call1((shape, dtype, &block, address.wrapping_neg() % LINE))?;
    blocks(|blocks| blocks.push(block.unbind()));
    Ok(Some(array.cast_into::<PyUntypedArray>()?))
}

/// Whether no result lies in a block any more: each refers to it, and what views a result does so, too.
fn ours_alone(block: &Bound<'_, PyUntypedArray>) -> bool {
    // SAFETY: it lives, and holding a `Bound` proves that this thread has the GIL.
    unsafe { ffi::Py_REFCNT(block.as_ptr()) == 1 }
}

/// Without the GIL, other threads may change a count of references while it is read.
fn has_gil(py: Python<'_>) -> PyResult<bool> {
    static GIL: PyOnceLock<bool> = PyOnceLock::new();
    let has = GIL.get_or_try_init(py, || match py.import("sys")?.getattr("_is_gil_enabled") {
        Ok(enabled) => enabled.call0()?.extract(),
        // Older versions always have it.
        Err(_) => Ok(true),
    });
    has.copied()
}

/// Takes out the oldest blocks, until `size` bytes more may be kept.
fn make_room(py: Python<'_>, blocks: &mut Vec<Py<PyUntypedArray>>, size: usize) -> Vec<Py<PyUntypedArray>> {
    let mut total: usize = blocks.iter().map(|block| block.bind(py).len()).sum();
    let mut count = 0;
    while count < blocks.len() && total + size > KEPT {
        total -= blocks[count].bind(py).len();
        count += 1;
    }
    blocks.drain(..count).collect()
}
