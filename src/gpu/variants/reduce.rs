//! `reduce_OP_FROM_TO`, `arg_OP_TYPE` and `moments_TYPE` with what joins their slices, and `softmax_TYPE`.

use minijinja::context;

use super::{Storage, Variant};
use crate::expr::wgsl::{self, ShaderType};

pub(super) fn variants() -> Vec<Variant> {
    use Storage::{Bool, F16, F32, I32};
    let mut all = Vec::new();
    // Slices of float16 sums are float32.
    for op in ["sum", "prod"] {
        for (from, to) in [(F32, F32), (F32, F16), (F16, F32), (F16, F16), (I32, I32)] {
            all.push(plain(op, from, to));
        }
    }
    for storage in Storage::ALL {
        all.extend(["max", "min"].map(|op| plain(op, storage, storage)));
        all.extend(["any", "all"].map(|op| plain(op, storage, Bool)));
    }
    for storage in [F32, F16, I32] {
        for op in ["argmax", "argmin"] {
            let stored = storage.wgsl();
            let name = format!("reduce_{op}_{}", storage.name());
            all.push(variant(name.clone(), op, &[stored], &["i32"]));
            all.push(variant(name + "_keys", op, &[stored], &["u32", "i32"]));
        }
    }
    all.push(variant("reduce_arg_join".into(), "arg_join", &["u32", "i32"], &["i32"]));
    for storage in [F32, F16] {
        let name = format!("reduce_moments_{}", storage.name());
        all.push(variant(name, "moments", &[storage.wgsl()], &["f32", "f32"]));
    }
    all.push(variant("reduce_moments_join".into(), "moments_join", &["f32", "f32"], &["f32", "f32"]));
    for storage in [F32, F16] {
        for (log, name) in [(false, "softmax"), (true, "log_softmax")] {
            all.push(softmax(storage, log, name));
        }
    }
    all
}

fn plain(op: &str, from: Storage, to: Storage) -> Variant {
    variant(format!("reduce_{op}_{}_{}", from.name(), to.name()), op, &[from.wgsl()], &[to.wgsl()])
}

fn variant(name: String, op: &str, inputs: &[&str], outputs: &[&str]) -> Variant {
    Variant {
        name,
        template: "reduce.wgsl",
        context: context! { op, inputs, outputs, stored => inputs[0] },
        f16: inputs.contains(&"f16") || outputs.contains(&"f16"),
    }
}

fn softmax(storage: Storage, log: bool, name: &str) -> Variant {
    let wanted = [("exponential", "exp", ShaderType::F32), ("logarithm", "log", ShaderType::F32)];
    let functions = wgsl::functions(&wanted[..1 + usize::from(log)]).expect("expressions of the table");
    Variant {
        name: format!("{name}_{}", storage.name()),
        template: "softmax.wgsl",
        context: context! { functions, log, stored => storage.wgsl() },
        f16: storage == Storage::F16,
    }
}
