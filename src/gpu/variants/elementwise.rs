//! `elementwise_OP_TYPE_MODE`: every expression of the table in every element type that it is defined for.

use minijinja::context;

use super::{Storage, Variant};
use crate::expr::table::{self, Gives, Op};
use crate::expr::wgsl;

pub(super) fn variants() -> Vec<Variant> {
    let typed = table::ops().iter().flat_map(|op| Storage::ALL.map(|storage| (op, storage)));
    typed.flat_map(|(op, storage)| of(op, storage)).collect()
}

fn of(op: &Op, storage: Storage) -> Vec<Variant> {
    let Ok(functions) = wgsl::function(op.name, storage.lane()) else { return Vec::new() };
    let operands: Vec<_> = (0..op.arity)
        .map(|i| if op.name == "where" && i == 0 { Storage::Bool } else { storage })
        .map(|storage| context! { stored => storage.wgsl(), lane => storage.lane().name() })
        .collect();
    let result = if op.gives == Gives::Bool { Storage::Bool } else { storage };
    let variant = |(mode, width)| Variant {
        name: format!("elementwise_{}_{}_{mode}", op.name, storage.name()),
        template: "elementwise.wgsl",
        context: context! {
            functions, operands, width,
            arity => op.arity, params => op.params, result => result.wgsl(),
        },
        f16: storage == Storage::F16,
    };
    [("strided", 1), ("vec4", 4)].map(variant).to_vec()
}
