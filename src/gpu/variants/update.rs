//! `update_NAME_TYPE_MODE`: every update of the table in every type of floats.

use minijinja::context;

use super::{Storage, Variant};
use crate::expr::updates::{self, Update};
use crate::expr::wgsl;

pub(super) fn variants() -> Vec<Variant> {
    let typed = updates::updates().iter().flat_map(|update| [(update, Storage::F32), (update, Storage::F16)]);
    typed.flat_map(|(update, storage)| of(update, storage)).collect()
}

fn of(update: &Update, storage: Storage) -> [Variant; 2] {
    let functions = wgsl::update(update.name).expect("it is in the table");
    [("strided", 1), ("vec4", 4)].map(|(mode, width)| Variant {
        name: format!("update_{}_{}_{mode}", update.name, storage.name()),
        template: "update.wgsl",
        context: context! {
            functions, width, stored => storage.wgsl(), written => update.written, params => update.params,
        },
        f16: storage == Storage::F16,
    })
}
