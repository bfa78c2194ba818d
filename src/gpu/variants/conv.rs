//! `conv_TILE_GATHER_TYPE_RANK_STORE`, `conv_direct_..`, `conv_depthwise_..`, and what surrounds them: `conv_pack`,
//! `conv_stage`, `conv_reduce`.

use minijinja::context;

use super::Variant;
use crate::gpu::conv::params::{PackParams, Params, StageParams};
use crate::gpu::conv::tiles::{Depthwise, Gemm, dtype, store};

pub(super) fn variants() -> Vec<Variant> {
    let types = |f16: bool| if f16 { ("f16", "vec4<f16>") } else { ("f32", "vec4<f32>") };
    let mut all: Vec<Variant> =
        Gemm::all().iter().map(gemm).chain(Depthwise::all().iter().map(depthwise)).collect();
    for f16 in [false, true] {
        let ((t, v), name) = (types(f16), dtype(f16));
        for (kind, template, fields) in [
            ("pack", "conv_pack.wgsl", PackParams::FIELDS),
            ("stage", "conv_stage.wgsl", StageParams::FIELDS),
        ] {
            let context = context! { T => t, V => v, fields };
            all.push(Variant { name: format!("conv_{kind}_{name}"), template, context, f16 });
        }
        for vec4_store in [true, false] {
            let end = store(vec4_store);
            for xv in [4, 1] {
                let read = store(xv == 4);
                all.push(Variant {
                    name: format!("conv_direct_{read}_{name}_{end}"),
                    template: "conv_direct.wgsl",
                    context: context! { T => t, V => v, fields => Params::FIELDS, xv, vec4_store, plain => false },
                    f16,
                });
            }
            all.push(Variant {
                name: format!("conv_reduce_{name}_{end}"),
                template: "conv_reduce.wgsl",
                context: context! { T => t, V => v, fields => Params::FIELDS, vec4_store, plain => false },
                f16,
            });
        }
    }
    all
}

fn gemm(kernel: &Gemm) -> Variant {
    let Gemm { tile, gather, rank3, split, vec4, f16 } = *kernel;
    let (threads, k4) = (tile.threads(), tile.bk() / 4);
    let (t, v) = if f16 { ("f16", "vec4<f16>") } else { ("f32", "vec4<f32>") };
    Variant {
        name: kernel.name(),
        template: "conv_gemm.wgsl",
        context: context! {
            T => t, V => v, fields => Params::FIELDS, vec4_store => vec4, rank3, split, plain => false,
            gather => gather.name(),
            staging => if tile.bk() == 8 { "db" } else { "xt" },
            bm => tile.bm, bn => tile.bn, pm => tile.pm, pn => tile.pn, bk => tile.bk(), k4, threads,
            tx => tile.bn / tile.pn, ty => tile.bm / tile.pm,
            // Vectors of x and w that a thread stages, and how far apart they lie.
            nx => tile.bm * k4 / threads, nw => tile.bk() * tile.bn / 4 / threads,
            pixel_step => if tile.bk() == 8 { threads / k4 } else { 1 },
            row_step => threads / (tile.bn / 4),
            // No sum of it and a kernel's extent is a position in x.
            outside => "0x40000000u",
        },
        f16,
    }
}

fn depthwise(kernel: &Depthwise) -> Variant {
    let Depthwise { unroll, rank3, vec4, f16, plain } = *kernel;
    let (t, v) = if f16 { ("f16", "vec4<f16>") } else { ("f32", "vec4<f32>") };
    Variant {
        name: kernel.name(),
        template: "conv_depthwise.wgsl",
        context: context! {
            T => t, V => v, fields => Params::FIELDS, vec4_store => vec4, rank3, plain, xv => if vec4 { 4 } else { 1 },
            kh => unroll.kh, kw => unroll.kw, sh => unroll.step, sw => unroll.step, tw => unroll.tw, th => unroll.th,
        },
        f16,
    }
}
