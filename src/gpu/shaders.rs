//! The one table of shader variants, and their texts.
//!
//! `shaders/*.wgsl` are templates in Jinja syntax, embedded in the extension; `RSCONV_SHADER_DIR` names a folder
//! whose files of the same names take their place. A pipeline is made for a variant's *name*, so that Python, the
//! tests of every variant and the profilers all compile the same text.

use std::collections::HashMap;
use std::path::Path;
use std::sync::OnceLock;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};

use super::variants;
use crate::error::{Error, Result};
use crate::knobs;

macro_rules! embedded {
    ($($file:literal),* $(,)?) => {
        &[$(($file, include_str!(concat!("../../shaders/", $file)))),*]
    };
}

/// Every file that a template may include, by name.
static TEMPLATES: &[(&str, &str)] = embedded![
    "common.wgsl",
    "strided.wgsl",
    "copy.wgsl",
    "transpose.wgsl",
    "elementwise.wgsl",
    "update.wgsl",
    "reduce.wgsl",
    "softmax.wgsl",
    "planes.wgsl",
    "dropout.wgsl",
    "gather.wgsl",
    "matmul_rows.wgsl",
    "max_pool.wgsl",
    "max_pool_grad.wgsl",
    "resample.wgsl",
    "split_sum.wgsl",
    "unfold.wgsl",
    "weight_grad.wgsl",
    "weight_grad_direct.wgsl",
    "weight_grad_params.wgsl",
    "conv_params.wgsl",
    "conv_epilogue.wgsl",
    "conv_gemm.wgsl",
    "conv_direct.wgsl",
    "conv_depthwise.wgsl",
    "conv_pack.wgsl",
    "conv_stage.wgsl",
    "conv_reduce.wgsl",
];

/// One shader: a template and what it is rendered with.
#[derive(Debug, Clone)]
pub struct Variant {
    /// Family, expression or tile, element types, mode: what pipelines are keyed by.
    pub name: String,
    /// The file in `shaders/`.
    pub template: &'static str,
    /// The template's variables.
    pub context: Value,
    /// Whether it needs the feature shader-f16.
    pub f16: bool,
}

/// All variants, in the order of their families.
pub fn variants() -> &'static [Variant] {
    static TABLE: OnceLock<Vec<Variant>> = OnceLock::new();
    TABLE.get_or_init(variants::all)
}

/// The WGSL of the variant `name`, with the entry point `main`.
pub fn render(name: &str) -> Result<String> {
    static INDEX: OnceLock<HashMap<&str, &Variant>> = OnceLock::new();
    let index = INDEX.get_or_init(|| variants().iter().map(|variant| (&*variant.name, variant)).collect());
    let variant = index.get(name).ok_or_else(|| {
        Error::Argument(format!("there is no shader variant {name:?} among the {}", index.len()))
    })?;
    match knobs::shader_dir() {
        None => {
            static EMBEDDED: OnceLock<Environment<'static>> = OnceLock::new();
            write(EMBEDDED.get_or_init(|| environment(TEMPLATES).expect("templates that parse")), variant)
        }
        Some(folder) => {
            let texts = replaced(Path::new(&folder))?;
            let texts: Vec<_> = texts.iter().map(|(file, text)| (*file, text.as_str())).collect();
            write(&environment(&texts).map_err(|error| broken(&error))?, variant)
        }
    }
}

/// The templates, those replaced by files of `folder` that have their names.
fn replaced(folder: &Path) -> Result<Vec<(&'static str, String)>> {
    let read = |&(file, text): &(&'static str, &'static str)| {
        let path = folder.join(file);
        if !path.exists() {
            return Ok((file, text.to_string()));
        }
        let failed = |error| Error::Argument(format!("cannot read the shader {}: {error}", path.display()));
        std::fs::read_to_string(&path).map(|text| (file, text)).map_err(failed)
    };
    if !folder.is_dir() {
        return Err(Error::Argument(format!("RSCONV_SHADER_DIR={} is not a folder", folder.display())));
    }
    TEMPLATES.iter().map(read).collect()
}

fn environment<'a>(texts: &[(&'a str, &'a str)]) -> std::result::Result<Environment<'a>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // A misspelt variable is an error, not an empty text.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    for (file, text) in texts {
        environment.add_template(file, text)?;
    }
    Ok(environment)
}

fn write(environment: &Environment<'_>, variant: &Variant) -> Result<String> {
    let text = environment
        .get_template(variant.template)
        .and_then(|template| template.render(&variant.context))
        .map_err(|error| broken(&error))?;
    // Nothing but comments may come before it.
    let prologue = if variant.f16 { "enable f16;\n" } else { "" };
    Ok(format!("// {}\n{prologue}{text}", variant.name))
}

/// A template's error with its file and line; those of files that it includes are the error's sources.
fn broken(error: &minijinja::Error) -> Error {
    let mut text = format!("shader template: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text.push_str(&format!("; {inner}"));
        source = inner.source();
    }
    Error::Argument(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_say_f16() {
        let mut seen = std::collections::HashSet::new();
        for variant in variants() {
            assert!(seen.insert(&variant.name), "{} twice", variant.name);
            assert_eq!(variant.f16, variant.name.split('_').any(|part| part == "f16"), "{}", variant.name);
        }
    }

    #[test]
    fn unknown_names_are_refused() {
        let text = render("copy_f32_f99_any").expect_err("no such variant").to_string();
        assert!(text.starts_with("there is no shader variant \"copy_f32_f99_any\" among the "), "{text}");
    }

    #[test]
    fn every_template_has_a_variant() {
        for (file, text) in TEMPLATES {
            let used = variants().iter().any(|variant| variant.template == *file)
                || TEMPLATES.iter().any(|(_, other)| other.contains(&format!("\"{file}\"")));
            assert!(used, "{file} of {} bytes is in no variant", text.len());
        }
    }

    #[test]
    fn files_of_a_folder_replace_templates() {
        let folder = std::env::temp_dir().join(format!("rsconv-shaders-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("copy.wgsl"), "// {{ nothing }}").expect("a file");
        let texts = replaced(&folder).expect("texts");
        let texts: Vec<_> = texts.iter().map(|(file, text)| (*file, text.as_str())).collect();
        let variant = variants().iter().find(|variant| variant.template == "copy.wgsl").expect("a variant");
        let error = write(&environment(&texts).expect("templates"), variant).expect_err("undefined");
        std::fs::remove_dir_all(&folder).expect("removed");
        assert!(error.to_string().contains("copy.wgsl:1"), "{error}");
        let missing = replaced(&folder).expect_err("no folder").to_string();
        assert!(missing.contains("is not a folder"), "{missing}");
    }
}
