//! `weight_grad_TILE_TYPE_TAPS_LOADS`, `weight_grad_direct_TYPE_WIDTH`, `split_sum_TYPE`: the GEMM over pixels, its
//! form for few channels, and what adds the splits of a sum. `matmul_rows_ROWS_TYPE_LOADS`: products of few rows.

use minijinja::context;

use super::Variant;
use crate::gpu::weight_grad::{LOADS, TAPS, TILES};

pub(super) fn variants() -> Vec<Variant> {
    let mut all = Vec::new();
    for half in [false, true] {
        let dtype = if half { "f16" } else { "f32" };
        for tile in &TILES {
            for (rank, taps) in TAPS {
                for (g, x, loads) in LOADS {
                    all.push(Variant {
                        name: format!("weight_grad_{}_{dtype}_{taps}_{loads}", tile.name),
                        template: "weight_grad.wgsl",
                        context: context! {
                            BM => tile.rows, BN => tile.columns, PM => tile.thread_rows, PN => tile.thread_columns,
                            BK => tile.pixels, RANK => rank, VG => g, VX => x, HALF => half,
                        },
                        f16: half,
                    });
                }
            }
        }
        for (wide, width) in [(false, "scalar"), (true, "depthwise4")] {
            all.push(Variant {
                name: format!("weight_grad_direct_{dtype}_{width}"),
                template: "weight_grad_direct.wgsl",
                context: context! { V => wide, HALF => half },
                f16: half,
            });
        }
        for rows in [1, 4, 8] {
            for (fours, loads) in [(true, "v4"), (false, "v1")] {
                all.push(Variant {
                    name: format!("matmul_rows_{rows}_{dtype}_{loads}"),
                    template: "matmul_rows.wgsl",
                    context: context! { ROWS => rows, V => fours, HALF => half },
                    f16: half,
                });
            }
        }
        all.push(Variant {
            name: format!("split_sum_{dtype}"),
            template: "split_sum.wgsl",
            context: context! { HALF => half },
            f16: half,
        });
    }
    all
}
