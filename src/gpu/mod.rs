//! What the GPU backend asks of the core: shader texts from the one table of variants, and the plans of kernels.

pub mod conv;
pub mod shaders;
mod variants;
pub mod weight_grad;
