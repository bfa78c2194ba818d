//! Which variants of each shader template there are: one file for each family of kernels.
//!
//! A family gives `variants()`. A variant differs from its neighbours in what a compiler must know (the expression,
//! the element type, the tile); shapes, strides and offsets are words of its uniform block.

mod conv;
mod copy;
mod elementwise;
mod indexing;
mod reduce;
mod update;
mod weight_grad;
mod windows;

use super::shaders::Variant;
use crate::expr::wgsl::ShaderType;

/// The variants of every family.
pub(super) fn all() -> Vec<Variant> {
    [
        conv::variants(),
        copy::variants(),
        elementwise::variants(),
        indexing::variants(),
        reduce::variants(),
        update::variants(),
        weight_grad::variants(),
        windows::variants(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A type of elements in buffers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Storage {
    F32,
    F16,
    I32,
    /// A bool: a u32 of 0 or 1.
    Bool,
}

impl Storage {
    pub(super) const ALL: [Storage; 4] = [Storage::F32, Storage::F16, Storage::I32, Storage::Bool];

    /// The type in names of variants.
    pub(super) fn name(self) -> &'static str {
        match self {
            Storage::F32 => "f32",
            Storage::F16 => "f16",
            Storage::I32 => "i32",
            Storage::Bool => "bool",
        }
    }

    /// The WGSL type in buffers.
    pub(super) fn wgsl(self) -> &'static str {
        match self {
            Storage::F32 => "f32",
            Storage::F16 => "f16",
            Storage::I32 => "i32",
            Storage::Bool => "u32",
        }
    }

    /// The type to compute in.
    pub(super) fn lane(self) -> ShaderType {
        match self {
            Storage::F32 | Storage::F16 => ShaderType::F32,
            Storage::I32 => ShaderType::I32,
            Storage::Bool => ShaderType::U32,
        }
    }
}
