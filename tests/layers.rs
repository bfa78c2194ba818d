//! Modules import downwards only: bindings, convolution, tiles, vectors, over the modules that all may use.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// From top to bottom; modules of one row do not import each other.
const LAYERS: &[&[&str]] = &[
    &["python"],
    &["gpu", "ops"],
    &["conv"],
    &["tile"],
    &["view"],
    &["expr"],
    &["element"],
    &["geometry", "simd", "threads", "scratch", "aligned"],
    &["spec", "os"],
    &["knobs"],
    &["error"],
];

fn layer(module: &str) -> usize {
    let found = LAYERS.iter().position(|row| row.contains(&module));
    found.unwrap_or_else(|| panic!("module {module} has no layer in tests/layers.rs"))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn imports_point_down() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&src, &mut all);
    let mut edges = BTreeSet::new();
    for path in all {
        let name = path.strip_prefix(&src).expect("inside src").to_string_lossy().replace('\\', "/");
        let module = name.split(['/', '.']).next().expect("a name").to_string();
        if module == "lib" || name.contains("tests") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a readable file");
        let text = text.split("#[cfg(test)]\nmod tests {").next().expect("a first part");
        for part in text.split("crate::").skip(1) {
            // `crate::a::B` or `crate::{a, b}`.
            let list = part.strip_prefix('{').map_or(part, |list| list.split('}').next().unwrap_or(""));
            let count = if part.starts_with('{') { usize::MAX } else { 1 };
            for item in list.split(',').take(count) {
                let target: String =
                    item.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if target != module {
                    edges.insert((module.clone(), target, name.clone()));
                }
            }
        }
    }
    assert!(edges.len() > 20, "only {} imports were found", edges.len());
    let upward: Vec<_> = edges.iter().filter(|(from, to, _)| layer(from) >= layer(to)).collect();
    assert!(upward.is_empty(), "these imports point up or sideways: {upward:?}");
}
