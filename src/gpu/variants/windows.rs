//! `max_pool_TYPE_ORDER[_indices]`, `max_pool_grad_TYPE_ORDER`, `resample_TYPE_ORDER`, `select_TYPE_ORDER`: windows and
//! taps over the last axes.
//!
//! Orders: `first` (channels before space in memory), `last` (after it), `last4` (and four at once).

use minijinja::context;

use super::Variant;

pub(super) fn variants() -> Vec<Variant> {
    let mut all = Vec::new();
    for (order, last, lanes) in [("first", false, 1), ("last", true, 1), ("last4", true, 4)] {
        for kind in ["f32", "f16", "i32"] {
            for indices in [false, true] {
                all.push(Variant {
                    name: format!("max_pool_{kind}_{order}{}", if indices { "_indices" } else { "" }),
                    template: "max_pool.wgsl",
                    context: context! { KIND => kind, LAST => last, LANES => lanes, INDICES => indices },
                    f16: kind == "f16",
                });
            }
        }
        for kind in ["f32", "f16"] {
            all.push(Variant {
                name: format!("max_pool_grad_{kind}_{order}"),
                template: "max_pool_grad.wgsl",
                context: context! { KIND => kind, LAST => last, LANES => lanes },
                f16: kind == "f16",
            });
        }
        for (kind, select) in [("f32", false), ("f16", false), ("bits", true), ("f16", true)] {
            all.push(Variant {
                name: format!("{}_{kind}_{order}", if select { "select" } else { "resample" }),
                template: "resample.wgsl",
                context: context! { KIND => kind, LAST => last, LANES => lanes, SELECT => select },
                f16: kind == "f16",
            });
        }
    }
    all
}
