use super::*;
use crate::spec::{ConvSpec, Padding};
use crate::threads::NeverInterrupt;

/// A small generator of reproducible numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }
    fn values(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| (self.next() >> 40) as f64 / (1u64 << 23) as f64 - 1.0).collect()
    }
}

/// A random valid geometry with at most a few hundred thousand products.
fn geometry(r: &mut Random) -> Geometry {
    loop {
        let rank = 1 + r.below(3);
        let groups = [1, 1, 1, 2, 3, 8][r.below(6)];
        let most = [70, 24, 6][r.below(3)];
        let (a, b) = (groups * (1 + r.below(most)), 1 + r.below(most));
        let largest = [70, 20, 8][rank - 1];
        let mut input = vec![1 + r.below(3), a];
        let mut weight = vec![groups * b, a / groups];
        let transposed = r.below(2) == 0;
        if transposed {
            weight = vec![a, b];
        }
        let (mut stride, mut dilation, mut pads, mut extra) = (vec![], vec![], vec![], vec![]);
        for _ in 0..rank {
            input.push(1 + r.below(largest));
            weight.push(1 + r.below(4));
            stride.push(1 + r.below(3) as i64);
            dilation.push(1 + r.below(3) as i64);
            pads.push((r.below(4) as i64, r.below(4) as i64));
            extra.push(if transposed { r.below(3) as i64 } else { 0 });
        }
        let spec = ConvSpec {
            rank,
            input: &input,
            weight: &weight,
            bias: None,
            stride: &stride,
            padding: Padding::Explicit(pads),
            output_padding: &extra,
            groups: groups as i64,
            dilation: &dilation,
            transposed,
        };
        if let Ok(geometry) = Geometry::new(&spec)
            && geometry.output_len().max(geometry.input_len()) * weight[1] * geometry.taps() < 2_000_000
        {
            return geometry;
        }
    }
}

fn check<E: ConvElement>(
    g: &Geometry,
    isa: Isa,
    r: &mut Random,
    from: impl Fn(f64) -> E,
    to: impl Fn(E) -> f64,
    eps: f64,
    passes: &[(Pass, usize)],
) {
    let (nx, ny) =
        if g.transposed() { (g.output_len(), g.input_len()) } else { (g.input_len(), g.output_len()) };
    let make = |r: &mut Random, n| -> (Vec<E>, Vec<f64>) {
        let stored: Vec<E> = r.values(n).into_iter().map(&from).collect();
        let exact = stored.iter().map(|&v| to(v)).collect();
        (stored, exact)
    };
    let (x, xd) = make(r, nx);
    let (y, yd) = make(r, ny);
    let (w, wd) = make(r, g.weight_len());
    let (bias, bd) = make(r, g.x_channels().max(g.y_channels()));
    let compare = |what: &str, got: &[E], want: &[f64], depth: usize, explained: &str| {
        let scale = want.iter().fold(1.0f64, |m, v| m.max(v.abs()));
        for (i, (&a, &b)) in got.iter().zip(want).enumerate() {
            let error = (to(a) - b).abs();
            assert!(
                error <= eps * scale * (depth as f64).sqrt().max(1.0),
                "{what} {explained} {g:?}: element {i} is {} and should be {b}",
                to(a)
            );
        }
    };
    let never = &NeverInterrupt;
    let nan = || from(f64::NAN);
    for &(pass, threads) in passes {
        let plan = Plan::<E>::new(g, pass, isa);
        let packed = plan.pack(&w, threads, never).unwrap();
        let (source, exact, n, channels) = match pass {
            Pass::Forward => (&x, &xd, ny, g.y_channels()),
            _ => (&y, &yd, nx, g.x_channels()),
        };
        let mut out = vec![nan(); n];
        let mut want = vec![0.0; n];
        plan.run(&packed, source, Some(&bias[..channels]), &mut out, threads, never).unwrap();
        let bias = Some(&bd[..channels]);
        match pass {
            Pass::Forward => reference::forward(g, exact, &wd, bias, &mut want, 1, never).unwrap(),
            _ => reference::input_grad(g, exact, &wd, bias, &mut want, 1, never).unwrap(),
        }
        compare(&format!("{pass:?}"), &out, &want, g.weight_len() / channels, &plan.explain(1).kernel);
    }
    let plan = Plan::<E>::new(g, Pass::WeightGrad, isa);
    let mut out = vec![nan(); w.len()];
    let mut want = vec![0.0; w.len()];
    plan.run_weight_grad(&x, &y, &mut out, 2, never).unwrap();
    reference::weight_grad(g, &xd, &yd, &mut want, 1, never).unwrap();
    compare("WeightGrad", &out, &want, ny / g.y_channels(), &plan.explain(1).kernel);
}

/// Passes with the threads they run on; the weight gradient is always checked.
const ALL: [(Pass, usize); 4] =
    [(Pass::Forward, 1), (Pass::Forward, 3), (Pass::InputGrad, 1), (Pass::InputGrad, 2)];

#[test]
fn all_passes_match_the_reference_on_every_instruction_set() {
    for isa in Isa::available() {
        let mut r = Random(0x9e37_79b9_7f4a_7c15);
        for _ in 0..300 {
            let g = geometry(&mut r);
            check::<f32>(&g, isa, &mut r, |v| v as f32, f64::from, 2e-6, &ALL);
            check::<f64>(&g, isa, &mut r, |v| v, |v| v, 4e-15, &ALL);
        }
        for _ in 0..60 {
            let g = geometry(&mut r);
            check::<half::f16>(&g, isa, &mut r, half::f16::from_f64, half::f16::to_f64, 1e-3, &ALL);
        }
    }
}

#[test]
fn kernels_too_large_for_scratch_are_summed_in_blocks_of_channels() {
    let isa = Isa::available()[0];
    let mut r = Random(0x2545_f491_4f6c_dd1d);
    // (channels in, out, length, kernel): bands, waiting sums in both modes, both GEMM forms of the weight gradient.
    let shapes =
        [(30, 3, 40_010, 40_000), (9, 33, 60_001, 60_000), (40, 4, 3_050, 3_000), (7, 20, 3_020, 3_000)];
    for (a, b, size, kernel) in shapes {
        let spec = ConvSpec {
            rank: 1,
            input: &[1, a, size],
            weight: &[b, a, kernel],
            bias: None,
            stride: &[1],
            padding: Padding::Explicit(vec![(0, 0)]),
            output_padding: &[0],
            groups: 1,
            dilation: &[1],
            transposed: false,
        };
        let g = Geometry::new(&spec).unwrap();
        check::<f32>(&g, isa, &mut r, |v| v as f32, f64::from, 2e-6, &[(Pass::Forward, 2)]);
    }
}

#[test]
fn bits_do_not_depend_on_threads_or_batch() {
    let conv = |input: &[usize], weight: &[usize], stride: i64, dilation: i64, groups: i64| {
        Geometry::new(&ConvSpec {
            rank: weight.len() - 2,
            input,
            weight,
            bias: None,
            stride: &[stride],
            padding: Padding::Explicit(vec![(1, 1)]),
            output_padding: &[0],
            groups,
            dilation: &[dilation],
            transposed: false,
        })
        .unwrap()
    };
    let mut r = Random(0x0123_4567_89ab_cdef);
    // Depthwise rows of several residues or depths, and both GEMM modes.
    for (input, weight, stride, dilation, groups) in [
        (vec![4, 1, 101, 1000], vec![1, 1, 2, 500], 2, 1, 1),
        (vec![4, 2, 3, 40, 203], vec![2, 1, 2, 2, 64], 1, 1, 2),
        (vec![4, 6, 33, 47], vec![6, 1, 5, 3], 2, 2, 6),
        (vec![4, 8, 40, 60], vec![16, 8, 3, 3], 1, 1, 1),
        (vec![4, 40, 9, 7], vec![64, 40, 3, 3], 1, 1, 1),
    ] {
        let g = conv(&input, &weight, stride, dilation, groups);
        let alone = conv(&[&[1], &input[1..]].concat(), &weight, stride, dilation, groups);
        let values = |r: &mut Random, n| -> Vec<f32> { r.values(n).into_iter().map(|v| v as f32).collect() };
        let (x, y, w) =
            (values(&mut r, g.input_len()), values(&mut r, g.output_len()), values(&mut r, g.weight_len()));
        for isa in Isa::available() {
            for pass in [Pass::Forward, Pass::InputGrad, Pass::WeightGrad] {
                let run = |g: &Geometry, threads: usize| -> Vec<f32> {
                    let plan = Plan::<f32>::new(g, pass, isa);
                    let never = &NeverInterrupt;
                    let (n, m) = (g.input_len(), g.output_len());
                    let mut out = vec![0.0; [m, n, w.len()][pass as usize]];
                    if pass == Pass::WeightGrad {
                        plan.run_weight_grad(&x[..n], &y[..m], &mut out, threads, never).unwrap();
                    } else {
                        let source = if pass == Pass::Forward { &x[..n] } else { &y[..m] };
                        let packed = plan.pack(&w, threads, never).unwrap();
                        plan.run(&packed, source, None, &mut out, threads, never).unwrap();
                    }
                    out
                };
                let one = run(&g, 1);
                for threads in [2, 8, 32] {
                    assert!(one == run(&g, threads), "{pass:?} on {threads} threads, {}: {g:?}", isa.name());
                }
                if pass != Pass::WeightGrad {
                    let first = run(&alone, 5);
                    assert!(first == one[..first.len()], "{pass:?} of a sample alone, {}: {g:?}", isa.name());
                }
            }
        }
    }
}

#[test]
fn weights_packed_for_another_order_are_refused() {
    let isa = Isa::available()[0];
    let conv = |pad: i64| {
        Geometry::new(&ConvSpec {
            rank: 1,
            input: &[1, 8, 9],
            weight: &[8, 8, 3],
            bias: None,
            stride: &[2],
            padding: Padding::Explicit(vec![(pad, pad)]),
            output_padding: &[0],
            groups: 1,
            dilation: &[1],
            transposed: true,
        })
        .unwrap()
    };
    let plan = |pad, pass| Plan::<f32>::new(&conv(pad), pass, isa);
    let packed = plan(0, Pass::InputGrad).pack(&[1.0; 192], 1, &NeverInterrupt).unwrap();
    assert!(plan(0, Pass::InputGrad).accepts(&packed));
    assert!(!plan(1, Pass::InputGrad).accepts(&packed) && !plan(0, Pass::Forward).accepts(&packed));
}

#[test]
fn strides_far_beyond_the_input() {
    for stride in [1 << 40, 1 << 59] {
        let spec = ConvSpec {
            rank: 1,
            input: &[1, 1, 9],
            weight: &[1, 1, 1],
            bias: None,
            stride: &[stride],
            padding: Padding::Explicit(vec![(0, 1)]),
            output_padding: &[0],
            groups: 1,
            dilation: &[1],
            transposed: false,
        };
        let g = Geometry::new(&spec).unwrap();
        for isa in Isa::available() {
            check::<f32>(&g, isa, &mut Random(7), |v| v as f32, f64::from, 2e-6, &ALL);
        }
    }
}
