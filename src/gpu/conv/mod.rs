//! Convolutions on the GPU: forward, transposed and input gradient as correlations, and the plan of their dispatches.

mod choose;
pub(crate) mod correlation;
mod gemm;
mod packing;
pub(crate) mod params;
pub mod plan;
mod simple;
mod steps;
pub(crate) mod tiles;

pub use plan::{Pack, Plan, Range, Role, Stage, Step, Target, plan};
