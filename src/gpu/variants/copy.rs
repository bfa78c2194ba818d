//! `copy_FROM_TO_MODE` and `fill_BITS`: strided copies with casts, and fills.

use minijinja::context;

use super::{Storage, Variant};

pub(super) fn variants() -> Vec<Variant> {
    let mut all = Vec::new();
    for from in Storage::ALL {
        for to in Storage::ALL {
            for width in [1, 4] {
                let mode = if width == 4 { "vec4" } else { "strided" };
                all.push(Variant {
                    name: format!("copy_{}_{}_{mode}", from.name(), to.name()),
                    template: "copy.wgsl",
                    context: context! {
                        source => from.wgsl(), target => to.wgsl(), width,
                        cast => from != to, to_bool => to == Storage::Bool,
                    },
                    f16: from == Storage::F16 || to == Storage::F16,
                });
            }
        }
    }
    all
}
