//! `copy_FROM_TO_MODE`: strided copies with casts; `transpose_u32` and `transpose_f16`: by tiles, without;
//! `fill_u32` and `fill_f16`: one number for all elements.

use minijinja::context;

use super::{Storage, Variant};

pub(super) fn variants() -> Vec<Variant> {
    let mut all = Vec::new();
    for from in Storage::ALL {
        for to in Storage::ALL {
            for (mode, width) in [("strided", 1), ("vec4", 4)] {
                all.push(Variant {
                    name: format!("copy_{}_{}_{mode}", from.name(), to.name()),
                    template: "copy.wgsl",
                    context: context! {
                        source => from.wgsl(), target => to.wgsl(), width, fill => false,
                        cast => from != to, to_bool => to == Storage::Bool,
                    },
                    f16: from == Storage::F16 || to == Storage::F16,
                });
            }
        }
    }
    // All types of four bytes are filled and moved by their bits.
    for target in ["u32", "f16"] {
        all.push(Variant {
            name: format!("transpose_{target}"),
            template: "transpose.wgsl",
            context: context! { stored => target },
            f16: target == "f16",
        });
        all.push(Variant {
            name: format!("fill_{target}"),
            template: "copy.wgsl",
            context: context! { target, width => 1, fill => true },
            f16: target == "f16",
        });
    }
    all
}
