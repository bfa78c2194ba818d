//! The one error type of the core. The bindings map each kind to a Python exception.

use std::fmt;

/// Why a call was refused or could not finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Array shapes that do not fit each other.
    Shape(String),
    /// A stride, padding, mode or setting that has no meaning.
    Argument(String),
    /// An element type that is unknown or differs between arrays.
    Dtype(String),
    /// Memory that could not be had.
    Alloc {
        /// The size asked for.
        bytes: usize,
    },
    /// The caller asked to stop.
    Interrupted,
    /// A defect of this library.
    Internal(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Shape(text) | Error::Argument(text) | Error::Dtype(text) => f.write_str(text),
            Error::Alloc { bytes } => write!(f, "cannot allocate {bytes} bytes"),
            Error::Interrupted => f.write_str("interrupted"),
            Error::Internal(text) => write!(f, "internal error in rsconv: {text}"),
        }
    }
}

impl std::error::Error for Error {}

/// `Result` with the core's error.
pub type Result<T> = std::result::Result<T, Error>;
