//! Operators besides convolution, on strided views: elementwise work, reductions, pooling, resampling, indexing.

mod along;
pub mod arg_reduce;
mod around;
mod doubled;
pub mod dropout;
pub mod elementwise;
pub mod gather;
mod keys;
pub mod max_pool;
pub mod max_pool_grad;
pub mod products;
mod reduce;
mod reducers;
pub mod reductions;
pub mod resample;
pub mod select;
pub mod shares;
pub mod softmax;
mod softmax_columns;
pub mod strided;
mod sums;
pub mod taps;
pub mod update;
pub mod windows;
