//! Elementwise expressions, written once: the CPU runs them on vectors, and the GPU gets them as WGSL.
//!
//! [`table`] lists the expressions as functions generic over [`lane::Lane`], [`updates`] those that write several
//! arrays in place. `cpu` instantiates them with plain
//! numbers, in loops that the compiler vectorises for each instruction set; [`wgsl`] with symbols that write down
//! what is done to them. `functions` holds the polynomials behind exp, log, sin and their like.

mod computed;
pub mod cpu;
mod functions;
pub mod lane;
pub mod table;
pub mod updates;
pub mod wgsl;
mod wgsl_helpers;
mod wgsl_integers;

pub use computed::Computed;
