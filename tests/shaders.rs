//! Every shader variant, as naga (the compiler inside wgpu-native) takes it, and translated for Vulkan, Metal and D3D12.

use naga::back::{hlsl, msl, spv};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, Binding, ShaderStage};
use rsconv::gpu::shaders::{Variant, render, variants};

/// What a variant may use beyond WebGPU's core: only what it declares.
fn capabilities(variant: &Variant) -> Capabilities {
    if variant.f16 { Capabilities::SHADER_FLOAT16 } else { Capabilities::empty() }
}

fn validated(variant: &Variant, text: &str) -> (naga::Module, naga::valid::ModuleInfo) {
    let options =
        naga::front::wgsl::Options { parse_doc_comments: false, capabilities: capabilities(variant) };
    let module = naga::front::wgsl::Frontend::new_with_options(options)
        .parse(text)
        .unwrap_or_else(|error| panic!("{}:\n{}", variant.name, error.emit_to_string(text)));
    let info = Validator::new(ValidationFlags::all(), capabilities(variant))
        .validate(&module)
        .unwrap_or_else(|error| panic!("{}:\n{}", variant.name, error.emit_to_string(text)));
    (module, info)
}

/// The rules of the GPU backend that hold for every module: WebGPU's default limits and our order of bindings.
fn check_interface(variant: &Variant, module: &naga::Module) {
    let name = &variant.name;
    assert_eq!(module.entry_points.len(), 1, "{name}");
    let entry = &module.entry_points[0];
    assert_eq!((&*entry.name, entry.stage), ("main", ShaderStage::Compute), "{name}");
    let threads: u32 = entry.workgroup_size.iter().product();
    assert!((1..=256).contains(&threads), "{name}: workgroups of {threads}");
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).expect("sizes of types");
    let (mut bindings, mut workgroup_bytes) = (Vec::new(), 0);
    for (_, global) in module.global_variables.iter() {
        let size = layouter[global.ty].size;
        match global.space {
            AddressSpace::WorkGroup => workgroup_bytes += size,
            AddressSpace::Uniform => {
                let binding = global.binding.as_ref().expect("a binding");
                assert_eq!(
                    (binding.group, binding.binding),
                    (0, 0),
                    "{name}: the uniform block is binding 0"
                );
                assert!(size % 16 == 0 && size <= 512, "{name}: a uniform block of {size} bytes");
            }
            AddressSpace::Storage { access } => {
                let binding = global.binding.as_ref().expect("a binding");
                assert_eq!(binding.group, 0, "{name}");
                bindings.push((binding.binding, access.contains(naga::StorageAccess::STORE)));
            }
            _ => {}
        }
    }
    bindings.sort_unstable();
    assert!(bindings.len() <= 8, "{name}: {} storage buffers", bindings.len());
    let places: Vec<u32> = bindings.iter().map(|binding| binding.0).collect();
    let expected: Vec<u32> = (1..=places.len() as u32).collect();
    assert_eq!(places, expected, "{name}: storage buffers are bindings 1, 2, ...");
    assert!(bindings.is_sorted_by_key(|binding| binding.1), "{name}: outputs come after inputs");
    assert!(bindings.last().is_some_and(|binding| binding.1), "{name} writes nothing");
    assert!(workgroup_bytes <= 16384, "{name}: {workgroup_bytes} bytes of workgroup memory");
    let inputs = entry.function.arguments.iter().map(|argument| &argument.binding);
    assert!(inputs.clone().all(|input| matches!(input, Some(Binding::BuiltIn(_)) | None)), "{name}");
}

#[test]
fn every_variant_validates_and_translates() {
    assert!(!variants().is_empty());
    for variant in variants() {
        let text = render(&variant.name).unwrap_or_else(|error| panic!("{}: {error}", variant.name));
        assert!(!text.contains("{{") && !text.contains("{%"), "{}", variant.name);
        let (module, info) = validated(variant, &text);
        check_interface(variant, &module);
        let name = &variant.name;
        let options = spv::Options::default();
        let words = spv::write_vec(&module, &info, &options, None)
            .unwrap_or_else(|error| panic!("{name} as SPIR-V: {error}"));
        assert!(words.len() > 100, "{name}");
        let options = msl::Options { lang_version: (2, 4), ..Default::default() };
        let (metal, _) = msl::write_string(&module, &info, &options, &msl::PipelineOptions::default())
            .unwrap_or_else(|error| panic!("{name} as MSL: {error}"));
        assert!(metal.contains("kernel void main_"), "{name}");
        let options = hlsl::Options { shader_model: hlsl::ShaderModel::V6_2, ..Default::default() };
        let (mut direct, stage) = (String::new(), hlsl::PipelineOptions::default());
        hlsl::Writer::new(&mut direct, &options, &stage)
            .write(&module, &info, None)
            .unwrap_or_else(|error| panic!("{name} as HLSL: {error}"));
        assert!(direct.contains("numthreads"), "{name}");
    }
}

#[test]
fn undeclared_features_are_refused() {
    let variant = variants().iter().find(|variant| variant.f16).expect("a variant with f16");
    let text = render(&variant.name).expect("a text");
    let plain = text.replace("enable f16;", "");
    assert!(naga::front::wgsl::parse_str(&plain).is_err());
    let module = naga::front::wgsl::parse_str(&text);
    let refused = module.map(|module| {
        Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module).is_err()
    });
    assert!(refused.unwrap_or(true), "f16 is taken without its capability");
}
