use super::*;
use crate::spec::{ConvSpec, Padding};

const ROOM: usize = 64 << 20;

fn geometry(input: &[usize], weight: &[usize], stride: i64, padding: i64, groups: i64) -> Geometry {
    let spec = ConvSpec {
        rank: weight.len() - 2,
        input,
        weight,
        bias: None,
        stride: &[stride],
        padding: Padding::Explicit(vec![(padding, padding)]),
        output_padding: &[0],
        groups,
        dilation: &[1],
        transposed: false,
    };
    Geometry::new(&spec).expect("a geometry")
}

/// Channels last without gaps.
fn dense(channels: usize, [d, h, w]: [usize; 3]) -> Operand {
    let step = channels as i64;
    let (row, plane) = (step * w as i64, step * (h * w) as i64);
    Operand { strides: [plane * d as i64, plane, row, step], aligned: true }
}

fn planned(input: &[usize], weight: &[usize], stride: i64, padding: i64, groups: i64) -> Plan {
    let geometry = geometry(input, weight, stride, padding, groups);
    let g = dense(geometry.y_channels(), geometry.y_size());
    let pixels = Operand { strides: [0, 0, 0, g.strides[3]], ..g };
    plan(&geometry, input[0], false, dense(geometry.x_channels(), geometry.x_size()), pixels, ROOM)
}

#[test]
fn kernels_by_shape() {
    type Row = (&'static [usize], &'static [usize], i64, i64, i64, &'static str);
    let rows: [Row; 11] = [
        (&[8, 256, 14, 14], &[256, 256, 3, 3], 1, 1, 1, "128x64_8x8_f32_rank2_v44"),
        (&[8, 256, 14, 14], &[128, 256, 1, 1], 1, 0, 1, "128x64_8x8_f32_pointwise_v44"),
        (&[8, 256, 14, 14], &[128, 256, 1, 1], 2, 0, 1, "128x64_8x8_f32_rank2_v44"),
        (&[8, 3, 224, 224], &[64, 3, 7, 7], 2, 3, 1, "64x64_8x8_f32_rank2_v41"),
        (&[8, 32, 56, 56], &[32, 32, 3, 3], 1, 1, 1, "32x64_4x8_f32_rank2_v44"),
        (&[8, 16, 400], &[16, 16, 9], 1, 4, 1, "16x64_4x4_f32_rank2_v44"),
        (&[1, 32, 32, 32, 32], &[64, 32, 3, 3, 3], 1, 1, 1, "64x64_8x8_f32_rank3_v44"),
        (&[8, 30, 56, 56], &[130, 30, 3, 3], 1, 1, 1, "64x64_8x8_f32_rank2_v11"),
        (&[8, 64, 56, 56], &[64, 8, 3, 3], 1, 1, 8, "16x64_4x4_f32_rank2_v44"),
        (&[8, 64, 56, 56], &[64, 1, 3, 3], 1, 1, 64, "direct_f32_depthwise4"),
        (&[8, 62, 56, 56], &[124, 1, 3, 3], 1, 1, 62, "direct_f32_scalar"),
    ];
    for (input, weight, stride, padding, groups, expected) in rows {
        let plan = planned(input, weight, stride, padding, groups);
        assert_eq!(plan.variant, format!("weight_grad_{expected}"), "{input:?} by {weight:?}");
        assert!(crate::gpu::shaders::render(&plan.variant).is_ok(), "{}", plan.variant);
        assert_eq!(plan.words.len(), 52);
        assert_eq!(plan.outputs, weight.iter().product::<usize>());
    }
}

#[test]
fn splits_cover_all_pixels_and_fit() {
    for (input, weight, padding, groups) in [
        (vec![1, 8, 3, 3], vec![8, 8, 3, 3], 1, 1),
        (vec![32, 64, 56, 56], vec![64, 64, 3, 3], 1, 1),
        (vec![2, 512, 7, 7], vec![512, 512, 3, 3], 1, 1),
        (vec![1, 4, 2048, 2048], vec![4, 4, 3, 3], 1, 1),
        (vec![16, 4, 512, 512], vec![4, 1, 5, 5], 2, 4),
    ] {
        let plan = planned(&input, &weight, 1, padding, groups);
        let [pixels, chunk, stages] = [0, 1, 2].map(|word| plan.words[word] as usize);
        assert_eq!(pixels, input[0] * input[2] * input[3]);
        assert!(plan.splits * chunk >= pixels && (plan.splits - 1) * chunk < pixels, "{plan:?}");
        assert!(chunk <= LONGEST || plan.splits * plan.outputs * 8 > ROOM, "{plan:?}");
        assert!(plan.splits == 1 || plan.splits * plan.outputs * 4 <= ROOM, "{plan:?}");
        assert!(stages % 2 == 0 && plan.splits_at_once >= 1);
    }
    // Long work is several dispatches.
    let plan = planned(&[64, 512, 56, 56], &[512, 512, 3, 3], 1, 1, 1);
    assert!(plan.splits_at_once < plan.splits, "{plan:?}");
}

#[test]
fn a_lack_of_room_lengthens_the_splits() {
    let geometry = geometry(&[4, 64, 56, 56], &[64, 64, 3, 3], 1, 1, 1);
    let g = Operand { strides: [0, 0, 0, 64], aligned: true };
    let x = dense(64, [1, 56, 56]);
    let [wide, narrow] = [ROOM, 500_000].map(|room| plan(&geometry, 4, false, x, g, room).splits);
    assert!(wide > narrow && (1..=3).contains(&narrow), "{wide} and {narrow}");
}

#[test]
fn loads_of_four_need_multiples_of_four() {
    let geometry = geometry(&[1, 8, 9, 9], &[8, 8, 3, 3], 1, 1, 1);
    let g = Operand { strides: [0, 0, 0, 8], aligned: true };
    let x = dense(8, [1, 9, 9]);
    let loads = |x, g| plan(&geometry, 1, false, x, g, ROOM).loads;
    assert_eq!(loads(x, g), [4, 4]);
    assert_eq!(loads(Operand { aligned: false, ..x }, g), [4, 1]);
    assert_eq!(loads(x, Operand { strides: [0, 0, 0, 9], ..g }), [1, 4]);
    assert_eq!(loads(Operand { strides: [648, 648, 74, 8], ..x }, g), [4, 1]);
}

#[test]
fn matrices() {
    let side = |matrix: i64, row: i64| Operand { strides: [matrix, 0, 0, row], aligned: true };
    let plan = matmul_plan(3, [130, 40, 66], true, side(2640, 66), side(5200, 130), ROOM);
    assert_eq!(plan.variant, "weight_grad_64x64_8x8_f16_pointwise_v11");
    assert_eq!((plan.grid, plan.outputs), ([2, 3, 3], 3 * 130 * 66));
    let plan = matmul_plan(1, [1, 4096, 1000], false, side(0, 1000), side(0, 4), ROOM);
    assert_eq!(plan.variant, "weight_grad_16x64_4x4_f32_pointwise_v44");
    assert!(plan.splits > 8, "one row keeps a GPU busy by splits: {plan:?}");
}
