//! Operators besides convolution, on strided views: elementwise work, reductions, pooling, resampling, indexing.

pub mod elementwise;
pub mod strided;
