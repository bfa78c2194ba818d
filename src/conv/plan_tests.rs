//! `choose` and `partition` as tables, and what they promise for any geometry.

use super::*;
use crate::conv::{Pass, Plan};
use crate::geometry::Geometry;
use crate::simd::Isa;
use crate::spec::{ConvSpec, Padding};

fn geometry(
    input: &[usize],
    weight: &[usize],
    stride: i64,
    pad: i64,
    dilation: i64,
    groups: i64,
) -> Geometry {
    conv(input, weight, stride, pad, dilation, groups, false)
}

fn conv(
    input: &[usize],
    weight: &[usize],
    stride: i64,
    pad: i64,
    dilation: i64,
    groups: i64,
    transposed: bool,
) -> Geometry {
    Geometry::new(&ConvSpec {
        rank: weight.len() - 2,
        input,
        weight,
        bias: None,
        stride: &[stride],
        padding: Padding::Explicit(vec![(pad, pad)]),
        output_padding: &[0],
        groups,
        dilation: &[dilation],
        transposed,
    })
    .expect("valid")
}

/// The kernel of a geometry's forward pass, with the instruction set's name left out.
fn kernel(g: &Geometry, isa: Isa) -> String {
    let pass = if g.transposed() { Pass::InputGrad } else { Pass::Forward };
    let found = Plan::<f32>::new(g, pass, isa).explain(1).kernel;
    found.trim_end_matches(isa.name()).trim_end_matches('_').to_string()
}

#[test]
fn kernels_of_known_layers_with_16_lanes() {
    let Some(isa) = Isa::available().into_iter().find(|isa| isa.name() == "avx512") else { return };
    let table = [
        ("stem", geometry(&[1, 3, 224, 224], &[64, 3, 7, 7], 2, 3, 1, 1), "pv_f32_8x48"),
        ("3x3 64@56", geometry(&[1, 64, 56, 56], &[64, 64, 3, 3], 1, 1, 1, 1), "pv_f32_8x48"),
        ("3x3 512@7", geometry(&[1, 512, 7, 7], &[512, 512, 3, 3], 1, 1, 1, 1), "cv_f32_14x32"),
        ("1x1 512-2048@7", geometry(&[1, 512, 7, 7], &[2048, 512, 1, 1], 1, 0, 1, 1), "cv_f32_14x32"),
        ("32 x 4 channels", geometry(&[1, 128, 56, 56], &[128, 4, 3, 3], 1, 1, 1, 32), "pv_f32_4x96"),
        ("depthwise", geometry(&[1, 32, 112, 112], &[32, 1, 3, 3], 1, 1, 1, 32), "dw_f32_4x32"),
        ("up 2x2", conv(&[1, 128, 128, 128], &[128, 64, 2, 2], 2, 0, 1, 1, true), "pv_f32_8x48"),
    ];
    for (name, g, expected) in table {
        assert_eq!(kernel(&g, isa), expected, "{name}");
    }
}

/// Geometries of all kinds, some absurd.
fn many() -> Vec<Geometry> {
    let mut all = vec![
        geometry(&[1, 64, 2048, 2048], &[64, 64, 3, 3], 1, 1, 1, 1),
        geometry(&[1, 4096, 64, 64], &[32, 4096, 31, 31], 1, 15, 1, 1),
        geometry(&[1, 1, 1 << 20], &[1, 1, 4001], 1, 2000, 1, 1),
        geometry(&[1, 512, 100_000], &[2048, 512, 9], 1, 4, 1, 1),
        geometry(&[1, 16, 9, 3000, 3000], &[16, 16, 3, 3, 3], 1, 1, 1, 1),
        geometry(&[1, 3, 4000, 6000], &[64, 3, 11, 11], 4, 2, 1, 1),
        conv(&[1, 512, 100], &[512, 256, 16], 8, 4, 1, 1, true),
        conv(&[1, 2048, 50, 50], &[2048, 512, 4, 4], 7, 0, 3, 1, true),
        geometry(&[1, 5000, 40, 40], &[70_000, 5000, 1, 1], 1, 0, 1, 1),
    ];
    // Taps that read nothing but padding.
    all.push(geometry(&[1, 64, 64, 64], &[64, 64, 3, 3], 1, 600, 600, 1));
    all.push(geometry(&[1, 64, 1, 1], &[64, 64, 3, 3], 1, 1, 1, 1));
    for size in [1, 2, 7, 14, 17, 33, 56, 113] {
        for channels in [1, 3, 16, 40] {
            for (kernel, stride) in [(1, 1), (1, 2), (3, 1), (3, 2), (5, 3)] {
                all.push(geometry(
                    &[2, channels, size, size],
                    &[24, channels, kernel, kernel],
                    stride,
                    2,
                    1,
                    1,
                ));
            }
        }
    }
    all
}

#[test]
fn scratch_stays_below_4_mib_and_tasks_cover_every_output_once() {
    for isa in Isa::available() {
        for g in many() {
            for pass in [Pass::Forward, Pass::InputGrad, Pass::WeightGrad] {
                for threads in [1, 2, 7, 64] {
                    let scratch = Plan::<f32>::new(&g, pass, isa).explain(threads).scratch;
                    assert!(scratch <= 4 << 20, "{scratch} bytes for {pass:?} of {g:?} on {threads} threads");
                }
            }
            for corr in [Correlation::forward(&g), Correlation::input_grad(&g)] {
                let kernels = <f32 as crate::tile::kernels::HasKernels>::kernels(isa);
                let choice = choose(&corr, kernels, true);
                for (units, threads) in [(1, 1), (1, 8), (6, 4)] {
                    let part = partition(&corr, &choice, kernels, units, threads);
                    covers(&corr, &part);
                }
            }
        }
    }
}

/// Every unit, band and part is some task's, once; bands are disjoint boxes that fill the grid.
fn covers(corr: &Correlation, part: &Partition) {
    let per_unit = part.band.bands() * part.parts;
    if part.units * per_unit < 100_000 {
        let mut seen = vec![0u8; part.units * per_unit];
        for task in 0..part.tasks() {
            let (units, band, slice) = part.task(task);
            units.for_each(|unit| seen[unit * per_unit + band * part.parts + slice] += 1);
        }
        assert!(seen.iter().all(|&n| n == 1), "{part:?}");
    }
    let mut outputs = 0;
    for band in 0..part.band.bands() {
        let area = part.band.outputs(corr, band);
        outputs += (0..3).map(|d| area.end[d] - area.first[d]).product::<usize>();
        assert!(
            (0..3).all(|d| area.first[d].is_multiple_of(part.band.size[d]) && area.end[d] <= corr.grid[d])
        );
    }
    assert_eq!(outputs, corr.grid.iter().product::<usize>(), "{part:?}");
}

#[test]
fn taps_that_read_only_padding_are_left_out() {
    let g = geometry(&[1, 64, 1, 1], &[64, 64, 3, 3], 1, 1, 1, 1);
    assert_eq!((Correlation::forward(&g).most_taps(), Correlation::input_grad(&g).most_taps()), (1, 1));
    let g = geometry(&[1, 2, 5], &[2, 2, 3], 1, 8, 8, 1);
    let kept: Vec<usize> = Correlation::forward(&g).phases().flatten().map(|tap| tap.weight).collect();
    assert_eq!(kept, [1]);
}

#[test]
fn a_source_beyond_32_bit_offsets_is_not_read_in_place() {
    let g = geometry(&[1, 8, 10, 10], &[8, 8, 1, 1], 1, 0, 1, 1);
    let corr = Correlation::forward(&g);
    assert!(corr.is_direct() && fits_offsets(&corr, 800) && !fits_offsets(&corr, 799));
}

#[test]
fn even_parts_are_even() {
    let parts: Vec<_> = even_parts(20, 8).collect();
    assert_eq!(parts, [(0, 6), (6, 7), (13, 7)]);
    assert_eq!(even_parts(0, 8).count(), 0);
}
