//! The plans of known layers, as tables.

use super::*;
use crate::gpu::shaders;
use crate::spec::{ConvSpec, Padding};

const AMD: Target<'_> =
    Target { class: "amd", f16: false, max_binding: 1 << 27, max_products: 20_000_000_000, force: "" };

/// A 2-D layer: batch, channels, size, output channels, kernel, stride, padding, groups.
type Layer = (usize, usize, usize, usize, usize, i64, i64, i64);

fn layer(
    &(batch, channels, size, outputs, kernel, stride, pad, groups): &Layer,
    transposed: bool,
) -> Geometry {
    let (first, second) = if transposed { (channels, outputs) } else { (outputs, channels) };
    Geometry::new(&ConvSpec {
        rank: 2,
        input: &[batch, channels, size, size],
        weight: &[first, second / groups as usize, kernel, kernel],
        bias: None,
        stride: &[stride],
        padding: Padding::Explicit(vec![(pad, pad)]),
        output_padding: &[0],
        groups,
        dilation: &[1],
        transposed,
    })
    .expect("valid")
}

fn planned(layer_of: &Layer, transposed: bool, target: &Target<'_>) -> Plan {
    let pass = if transposed { Pass::InputGrad } else { Pass::Forward };
    plan(&layer(layer_of, transposed), pass, target).expect("a plan")
}

#[test]
fn known_layers_get_their_kernels() {
    let table: &[(Layer, &str)] = &[
        ((32, 64, 56, 64, 3, 1, 1, 1), "conv_128x64_8x8_db8_tap_f32_rank2_vec4"),
        ((32, 20, 56, 64, 3, 1, 1, 1), "conv_128x64_8x8_db8_any_f32_rank2_vec4"),
        ((32, 256, 56, 64, 1, 1, 0, 1), "conv_128x64_8x8_db8_pointwise_f32_vec4"),
        ((32, 256, 56, 512, 1, 2, 0, 1), "conv_128x64_8x8_db8_tap_f32_rank2_vec4"),
        ((8, 3, 224, 64, 7, 2, 3, 1), "conv_128x64_8x8_xt16_stem_f32_rank2_vec4"),
        ((1, 64, 56, 64, 3, 1, 1, 1), "conv_32x64_4x8_db8_tap_f32_rank2_vec4"),
        ((1, 512, 7, 512, 3, 1, 1, 1), "conv_32x64_4x8_db8_tap_f32_rank2_split"),
        ((8, 64, 56, 21, 3, 1, 1, 1), "conv_128x64_8x8_db8_tap_f32_rank2_scalar"),
        ((8, 32, 112, 32, 3, 1, 1, 32), "conv_depthwise_3x3s1_4x2_f32_rank2_vec4"),
        ((8, 33, 112, 33, 3, 2, 1, 33), "conv_depthwise_3x3s2_2x2_f32_rank2_scalar"),
        ((8, 32, 112, 32, 9, 1, 4, 32), "conv_depthwise_any_4x1_f32_rank2_vec4"),
        ((8, 64, 56, 3, 3, 1, 1, 1), "conv_direct_vec4_f32_scalar"),
        ((8, 128, 28, 128, 3, 1, 1, 32), "conv_direct_vec4_f32_vec4"),
        ((8, 30, 28, 60, 3, 1, 1, 2), "conv_64x64_4x8_db8_tap_f32_rank2_scalar"),
    ];
    for (layer, kernel) in table {
        assert_eq!(planned(layer, false, &AMD).kernel, *kernel, "{layer:?}");
    }
}

#[test]
fn kernels_of_plans_exist() {
    let known: Vec<_> = shaders::variants().iter().map(|variant| variant.name.as_str()).collect();
    for class in ["nvidia", "amd", "apple", "intel", "software", "other"] {
        for f16 in [false, true] {
            for (channels, outputs, groups) in
                [(3, 64, 1), (64, 64, 1), (64, 3, 1), (12, 36, 2), (8, 8, 8), (9, 9, 9)]
            {
                for transposed in [false, true] {
                    let layer = (2, channels, 20, outputs, 3, 2, 1, groups);
                    let plan = planned(&layer, transposed, &Target { class, f16, ..AMD });
                    for step in plan.steps {
                        assert!(known.contains(&step.variant.as_str()), "{}", step.variant);
                    }
                }
            }
        }
    }
}

#[test]
fn the_batch_changes_tiles_but_no_sum() {
    // `splits` is the last word.
    let parts = |batch| {
        let plan = planned(&(batch, 512, 7, 512, 3, 1, 1, 1), false, &AMD);
        plan.steps.iter().map(|step| (step.variant.clone(), step.words[220..].to_vec())).next()
    };
    assert_eq!(parts(1), parts(64));
    let kernel = |batch| planned(&(batch, 64, 112, 64, 3, 1, 1, 1), false, &AMD).kernel;
    assert_ne!(kernel(1), kernel(64));
    assert!(!kernel(1).contains("split"));
}

#[test]
fn a_transposed_layer_has_a_dispatch_for_each_phase() {
    let plan = planned(&(4, 64, 28, 32, 4, 2, 1, 1), true, &AMD);
    assert_eq!((plan.steps.len(), plan.packs.len()), (4, 4));
    // Where no tap reaches some outputs, these are filled first.
    let plan = planned(&(4, 64, 28, 32, 2, 3, 0, 1), true, &AMD);
    assert_eq!(plan.steps.len(), 5);
    assert!(plan.steps[0].variant.starts_with("conv_direct"), "{}", plan.steps[0].variant);
}

#[test]
fn dispatches_respect_the_limits() {
    let layer = (6, 64, 64, 64, 3, 1, 1, 1);
    let image = 64 * 64 * 64;
    for (max_binding, max_products) in
        [(1 << 27, usize::MAX), (image * 4 * 2, usize::MAX), (image * 4 / 5, usize::MAX), (1 << 27, 1 << 26)]
    {
        let target = Target { max_binding, max_products, ..AMD };
        let plan = planned(&layer, false, &target);
        let whole: Vec<_> = plan.steps.iter().filter(|step| step.role != Role::Part).collect();
        for step in &plan.steps {
            assert!(step.x.1 * 4 <= max_binding && step.y.1 * 4 <= max_binding, "{step:?}");
        }
        // Every output once, in order.
        let mut at = 0;
        for step in whole {
            assert_eq!(step.y.0, at);
            at += step.y.1;
        }
        assert_eq!(at, 6 * image);
    }
    let refused = plan(&self::layer(&layer, false), Pass::Forward, &Target { max_binding: 4096, ..AMD });
    assert!(refused.is_err());
}

#[test]
fn large_weights_are_packed_in_chunks_of_output_channels() {
    let target = Target { max_binding: 1 << 20, ..AMD };
    let plan = planned(&(1, 256, 8, 512, 3, 1, 1, 1), false, &target);
    assert!(plan.packs.len() > 1);
    assert!(plan.packs.iter().all(|pack| pack.size * 4 <= 1 << 20 && pack.w.1 * 4 <= 1 << 20));
    let channels: Vec<_> = plan.steps.iter().map(|step| step.channel).collect();
    assert!(channels.contains(&0) && channels.iter().any(|&c| c > 0), "{channels:?}");
}

#[test]
fn large_weights_of_groups_are_packed_by_groups_and_channels() {
    let (groups, outputs) = (4, 512);
    // Two groups at a time; half of one; eight channels, as a direct kernel may.
    for (max_binding, force, packs) in [(400 << 10, "", 2), (100 << 10, "", 8), (10 << 10, "direct", 64)] {
        let target = Target { max_binding, force, ..AMD };
        let plan = planned(&(1, 128, 4, outputs, 3, 1, 1, groups), false, &target);
        assert_eq!(plan.packs.len(), packs, "{max_binding}");
        assert!(plan.packs.iter().all(|pack| pack.size * 4 <= max_binding && pack.w.1 * 4 <= max_binding));
        let mut channels: Vec<_> = plan.steps.iter().map(|step| step.channel).collect();
        channels.dedup();
        let each = outputs / packs;
        assert_eq!(channels, (0..packs).map(|i| i * each).collect::<Vec<_>>());
        assert!(plan.steps.iter().all(|step| step.x.0 % 32 == 0 && step.x.0 + step.x.1 <= 128 * 16));
    }
    let target = Target { max_binding: 4 << 10, ..AMD };
    let refused = plan(&layer(&(1, 128, 4, outputs, 3, 1, 1, groups), false), Pass::Forward, &target);
    let text = refused.expect_err("too large").to_string();
    assert!(text.contains("64 output channels") && text.contains("4096 bytes"), "{text}");
}

#[test]
fn wishes_that_no_kernel_meets_are_refused() {
    for force in ["999x9", "128x64_8x8_db8/2", "32x64_4x8_db8/0", "32x64_4x8_db8/x"] {
        let geometry = layer(&(1, 64, 8, 64, 3, 1, 1, 1), false);
        let text = plan(&geometry, Pass::Forward, &Target { force, ..AMD }).expect_err(force).to_string();
        assert!(text.contains(force), "{text}");
    }
}
