//! Plans of the GPU's weight gradients and matrix products.

use super::geometry::Geometry;
use crate::gpu::weight_grad::{Operand, Plan, matmul_plan, plan};
use pyo3::prelude::*;

/// `(variant, words, loads, splits, splits at once, grid, outputs)`.
type Parts = (String, Vec<u32>, [usize; 2], usize, usize, [usize; 3], usize);

fn parts(plan: Plan) -> Parts {
    (plan.variant, plan.words, plan.loads, plan.splits, plan.splits_at_once, plan.grid, plan.outputs)
}

fn operand((strides, aligned): ([i64; 4], bool)) -> Operand {
    Operand { strides, aligned }
}

/// How the GPU computes a weight gradient over `samples` samples: `src/gpu/weight_grad.rs`.
#[pyfunction]
pub(super) fn gpu_weight_grad_plan(
    geometry: &Bound<'_, Geometry>,
    samples: usize,
    half: bool,
    x: ([i64; 4], bool),
    grad_output: ([i64; 4], bool),
    room: usize,
) -> Parts {
    parts(plan(&geometry.get().core, samples, half, operand(x), operand(grad_output), room))
}

/// How the GPU multiplies `batch` pairs of matrices of `sizes` m, k, n.
#[pyfunction]
pub(super) fn gpu_matmul_plan(
    batch: usize,
    sizes: [usize; 3],
    half: bool,
    b: ([i64; 4], bool),
    a: ([i64; 4], bool),
    room: usize,
) -> Parts {
    parts(matmul_plan(batch, sizes, half, operand(b), operand(a), room))
}
