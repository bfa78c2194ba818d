//! `gather_TYPE`, `scatter_add_TYPE`, `unfold_TYPE`, `fold_TYPE`, `dropout_TYPE_ORDER`: one thread for each output, by
//! an index, a window or a random number.

use minijinja::context;

use super::Variant;

pub(super) fn variants() -> Vec<Variant> {
    let mut all = Vec::new();
    let scatter = [("bits", false), ("f16", false), ("f32", true), ("f16", true), ("i32", true)];
    for (kind, scatter) in scatter {
        all.push(Variant {
            name: format!("{}_{kind}", if scatter { "scatter_add" } else { "gather" }),
            template: "gather.wgsl",
            context: context! { KIND => kind, SCATTER => scatter },
            f16: kind == "f16",
        });
    }
    for (kind, fold) in [("bits", false), ("f16", false), ("f32", true), ("f16", true)] {
        all.push(Variant {
            name: format!("{}_{kind}", if fold { "fold" } else { "unfold" }),
            template: "unfold.wgsl",
            context: context! { KIND => kind, FOLD => fold },
            f16: kind == "f16",
        });
    }
    for half in [false, true] {
        for (flat, order) in [(true, "flat"), (false, "strided")] {
            all.push(Variant {
                name: format!("dropout_{}_{order}", if half { "f16" } else { "f32" }),
                template: "dropout.wgsl",
                context: context! { HALF => half, FLAT => flat },
                f16: half,
            });
        }
    }
    all
}
