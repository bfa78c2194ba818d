//! The types that expressions are compiled for.

use super::cpu::{Kernel, Rewriting};
use super::table::Op;
use super::updates::Update;
use crate::simd::Float;

/// float32 or float64.
pub trait Computed: Float + std::ops::Sub<Output = Self> {
    /// The kernel of an expression, if it has one for floats.
    fn kernel(op: &Op) -> Option<Kernel<Self>>;
    /// The kernel of an update.
    fn rewriter(update: &Update) -> fn(Rewriting<'_, '_, Self>);
    /// The nearest number of this type.
    fn nearest(value: f64) -> Self;
    /// As float64, exactly.
    fn exact(self) -> f64;
    /// Whether it is not a number.
    fn is_nan(self) -> bool;
}

impl Computed for f32 {
    fn kernel(op: &Op) -> Option<Kernel<f32>> {
        op.f32
    }
    fn rewriter(update: &Update) -> fn(Rewriting<'_, '_, f32>) {
        update.f32
    }
    #[inline(always)]
    fn nearest(value: f64) -> f32 {
        value as f32
    }
    #[inline(always)]
    fn exact(self) -> f64 {
        self.into()
    }
    #[inline(always)]
    fn is_nan(self) -> bool {
        self.is_nan()
    }
}

impl Computed for f64 {
    fn kernel(op: &Op) -> Option<Kernel<f64>> {
        op.f64
    }
    fn rewriter(update: &Update) -> fn(Rewriting<'_, '_, f64>) {
        update.f64
    }
    #[inline(always)]
    fn nearest(value: f64) -> f64 {
        value
    }
    #[inline(always)]
    fn exact(self) -> f64 {
        self
    }
    #[inline(always)]
    fn is_nan(self) -> bool {
        self.is_nan()
    }
}
