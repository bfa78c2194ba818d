//! rsconv's core: PyTorch's convolutions on the CPU, for Python bindings and for tests without Python.
//!
//! Read it from the outside in: [`geometry`] validates a call ([`spec`]) and computes every size; [`conv`] plans, packs and
//! runs; `tile` holds the register tiles that it runs on, written once over the vector trait of [`simd`]. [`threads`]
//! shares work out, [`scratch`] lends working memory, [`knobs`] lists the environment variables.
//!
//! Unsafe code is fenced: `simd` and the tiles over it, the output splitting of `view`, what asks the operating
//! system or outlives a fork, and the bindings.

#![deny(unsafe_code)]
#![warn(missing_docs, unreachable_pub)]

pub mod aligned;
pub mod conv;
pub mod element;
pub mod error;
pub mod expr;
pub mod geometry;
pub mod gpu;
pub mod knobs;
pub mod ops;
pub mod os;
pub mod scratch;
pub mod simd;
pub mod spec;
pub mod threads;
pub mod tile;
mod view;

#[cfg(feature = "python")]
mod python;
