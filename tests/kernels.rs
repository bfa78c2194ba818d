//! Every kernel of every instruction set of this machine against float64 loops, on random small geometries.
//!
//! Inputs and outputs lie beside inaccessible pages, once at their end and once at their start, so that an access
//! outside of an array is fatal. Outputs hold NaN before, so that an element which is not written is seen. The
//! two runs differ in their number of threads too and must give the same bits.

#[path = "support/guarded.rs"]
mod guarded;

use guarded::GuardedBuf;
use half::f16;
use rsconv::conv::{ConvElement, Pass, Plan, reference};
use rsconv::geometry::Geometry;
use rsconv::simd::Isa;
use rsconv::spec::{ConvSpec, Padding};
use rsconv::threads::NeverInterrupt;

/// Geometries for each instruction set and element type.
const GEOMETRIES: u64 = 1000;
/// Multiplications of one pass, at most.
const PRODUCTS: usize = 150_000;

/// Reproducible numbers (xorshift64).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        let mut random = Random((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// From -1 to 1.
    fn number(&mut self) -> f64 {
        (self.next() >> 40) as f64 / f64::from(1 << 23) - 1.0
    }
}

/// What a geometry is built from, but the batch.
#[derive(Debug, Clone)]
struct Case {
    input: Vec<usize>,
    weight: Vec<usize>,
    stride: Vec<i64>,
    padding: Vec<(i64, i64)>,
    output_padding: Vec<i64>,
    groups: usize,
    dilation: Vec<i64>,
    transposed: bool,
}

impl Case {
    fn new(random: &mut Random) -> Case {
        let rank = random.pick(&[1, 2, 2, 3]);
        // A third are depthwise or have few channels per group; of the others, few have tiny counts.
        let (groups, most) = match random.below(6) {
            0 => (random.pick(&[2, 5, 16, 33]), random.pick(&[1, 1, 2])),
            1 => (random.pick(&[2, 3, 8]), 5),
            _ => (random.pick(&[1, 1, 1, 2, 3]), random.pick(&[6, 20, 40, 80])),
        };
        let (a, b) = (1 + random.below(most), 1 + random.below(most));
        let transposed = random.below(2) == 0;
        let mut case = Case {
            input: vec![groups * a],
            weight: if transposed { vec![groups * a, b] } else { vec![groups * b, a] },
            stride: vec![],
            padding: vec![],
            output_padding: vec![],
            groups,
            dilation: vec![],
            transposed,
        };
        let largest = [90, 34, 9][rank - 1];
        for _ in 0..rank {
            case.input.push(1 + random.below(largest));
            case.weight.push(random.pick(&[1, 1, 2, 3, 3, 4, 5, 7]));
            case.stride.push(random.pick(&[1, 1, 1, 2, 2, 3, 5]));
            case.dilation.push(random.pick(&[1, 1, 1, 2, 3]));
            case.padding.push((random.below(5) as i64, random.below(5) as i64));
            case.output_padding.push(if transposed { random.below(3) as i64 } else { 0 });
        }
        case
    }

    fn geometry(&self, batch: usize) -> Option<Geometry> {
        let input: Vec<usize> = std::iter::once(batch).chain(self.input.iter().copied()).collect();
        Geometry::new(&ConvSpec {
            rank: self.input.len() - 1,
            input: &input,
            weight: &self.weight,
            bias: None,
            stride: &self.stride,
            padding: Padding::Explicit(self.padding.clone()),
            output_padding: &self.output_padding,
            groups: self.groups as i64,
            dilation: &self.dilation,
            transposed: self.transposed,
        })
        .ok()
    }

    /// A case whose passes are small but not empty, with its batch.
    fn small(random: &mut Random) -> (Case, usize) {
        loop {
            let (case, batch) = (Case::new(random), random.pick(&[1, 1, 2, 3]));
            let products = |g: Geometry| y_len(&g) * g.x_channels() / g.groups() * g.taps();
            if case.geometry(batch).is_some_and(|g| (1..=PRODUCTS).contains(&products(g))) {
                return (case, batch);
            }
        }
    }
}

fn x_len(g: &Geometry) -> usize {
    g.batch() * g.x_channels() * g.x_size().iter().product::<usize>()
}

fn y_len(g: &Geometry) -> usize {
    g.batch() * g.y_channels() * g.y_size().iter().product::<usize>()
}

/// An element type with its conversions and rounding errors.
trait Tested: ConvElement + PartialEq + std::fmt::Debug {
    /// Rounding error of one operation on sums.
    const SUM: f64;
    /// Rounding error of what is stored.
    const STORED: f64;
    fn round(value: f64) -> Self;
    fn exact(self) -> f64;
    fn bits(self) -> u64;
}

macro_rules! tested {
    ($t:ty, $sum:expr, $stored:expr, $round:expr, $exact:expr) => {
        impl Tested for $t {
            const SUM: f64 = $sum;
            const STORED: f64 = $stored;
            fn round(value: f64) -> $t {
                $round(value)
            }
            fn exact(self) -> f64 {
                $exact(self)
            }
            fn bits(self) -> u64 {
                u64::from(self.to_bits())
            }
        }
    };
}
tested!(f32, f32::EPSILON as f64 / 2.0, 0.0, |v| v as f32, f64::from);
tested!(f64, f64::EPSILON / 2.0, 0.0, |v| v, |v| v);
tested!(f16, f32::EPSILON as f64 / 2.0, 1.0 / 2048.0, f16::from_f64, f16::to_f64);

/// An array as the kernel sees it, and exactly.
struct Array<E> {
    stored: Vec<E>,
    exact: Vec<f64>,
}

impl<E: Tested> Array<E> {
    fn random(random: &mut Random, len: usize) -> Array<E> {
        let stored: Vec<E> = (0..len).map(|_| E::round(random.number())).collect();
        let exact = stored.iter().map(|v| v.exact()).collect();
        Array { stored, exact }
    }

    fn magnitudes(&self) -> Vec<f64> {
        self.exact.iter().map(|v| v.abs()).collect()
    }
}

struct Arrays<E> {
    x: Array<E>,
    y: Array<E>,
    w: Array<E>,
    bias: Option<Array<E>>,
}

/// The result of one pass by the float64 loops; magnitudes of the terms instead of the terms if `bound`.
fn expected<E: Tested>(g: &Geometry, pass: Pass, arrays: &Arrays<E>, bound: bool) -> Vec<f64> {
    let values = |array: &Array<E>| if bound { array.magnitudes() } else { array.exact.clone() };
    let (x, y, w) = (values(&arrays.x), values(&arrays.y), values(&arrays.w));
    let bias = arrays.bias.as_ref().map(values);
    let bias = bias.as_deref();
    let mut out = vec![f64::NAN; out_len(g, pass)];
    match pass {
        Pass::Forward => reference::forward(g, &x, &w, bias, &mut out, 1, &NeverInterrupt),
        Pass::InputGrad => reference::input_grad(g, &y, &w, bias, &mut out, 1, &NeverInterrupt),
        Pass::WeightGrad => reference::weight_grad(g, &x, &y, &mut out, 1, &NeverInterrupt),
    }
    .expect("the reference");
    out
}

fn out_len(g: &Geometry, pass: Pass) -> usize {
    match pass {
        Pass::Forward => y_len(g),
        Pass::InputGrad => x_len(g),
        Pass::WeightGrad => g.weight_len(),
    }
}

fn guarded_copy<E: Copy>(data: &[E], at_end: bool) -> GuardedBuf<E> {
    let mut copy = if at_end { GuardedBuf::at_end(data.len()) } else { GuardedBuf::at_start(data.len()) };
    copy.copy_from_slice(data);
    copy
}

/// The result of one pass by the kernel, with all arrays beside inaccessible pages.
fn computed<E: Tested>(
    plan: &Plan<E>,
    pass: Pass,
    arrays: &Arrays<E>,
    threads: usize,
    at_end: bool,
) -> GuardedBuf<E> {
    let g = plan.geometry();
    let guard = |array: &Array<E>| guarded_copy(&array.stored, at_end);
    let (x, y, w) = (guard(&arrays.x), guard(&arrays.y), guard(&arrays.w));
    let bias = arrays.bias.as_ref().map(guard);
    let mut out = guarded_copy(&vec![E::round(f64::NAN); out_len(g, pass)], at_end);
    if pass == Pass::WeightGrad {
        plan.run_weight_grad(&x, &y, &mut out, threads, &NeverInterrupt).expect("the kernel");
    } else {
        let packed = plan.pack(&w, threads, &NeverInterrupt).expect("packed weights");
        let source = if pass == Pass::Forward { &x } else { &y };
        plan.run(&packed, source, bias.as_deref(), &mut out, threads, &NeverInterrupt).expect("the kernel");
    }
    out
}

fn check_pass<E: Tested>(case: &Case, batch: usize, pass: Pass, isa: Isa, random: &mut Random) {
    let g = case.geometry(batch).expect("a valid case");
    let channels = match pass {
        Pass::Forward => Some(g.y_channels()),
        Pass::InputGrad => Some(g.x_channels()),
        Pass::WeightGrad => None,
    };
    let with_bias = random.below(2) == 0;
    let mut arrays = Arrays::<E> {
        x: Array::random(random, x_len(&g)),
        y: Array::random(random, y_len(&g)),
        w: Array::random(random, g.weight_len()),
        bias: channels.filter(|_| with_bias).map(|n| Array::random(random, n)),
    };
    let plan = Plan::<E>::new(&g, pass, isa);
    let name = || format!("{pass:?} {} of {case:?}, batch {batch}", plan.explain(1).kernel);
    let out = computed(&plan, pass, &arrays, 1, true);
    let again = computed(&plan, pass, &arrays, 3, false);
    let bits = |out: &[E]| out.iter().map(|v| v.bits()).collect::<Vec<u64>>();
    assert!(bits(&out) == bits(&again), "other bits on three threads: {}", name());

    let want = expected(&g, pass, &arrays, false);
    let magnitude = expected(&g, pass, &arrays, true);
    let terms = match pass {
        Pass::WeightGrad => y_len(&g) / g.y_channels(),
        _ => g.weight_len() / g.groups(),
    };
    // Rounding errors of a sum add up like a random walk; a few steps' worth are for the order of summation.
    let relative = E::SUM * (2.0 * (terms as f64).sqrt() + 4.0);
    for (i, (&got, (want, magnitude))) in out.iter().zip(want.iter().zip(magnitude)).enumerate() {
        let most = relative * magnitude + E::STORED * want.abs() + if E::STORED > 0.0 { 3.1e-8 } else { 0.0 };
        let error = (got.exact() - want).abs();
        assert!(error <= most, "element {i} is {got:?}, should be {want}, off by {error:e}: {}", name());
    }

    // The last sample alone has the bits that it has in the batch.
    if batch > 1 && pass != Pass::WeightGrad {
        let alone = case.geometry(1).expect("a valid case");
        for array in [&mut arrays.x, &mut arrays.y] {
            let rest = array.stored.len() / batch * (batch - 1);
            array.stored.drain(..rest);
        }
        let single = computed(&Plan::<E>::new(&alone, pass, isa), pass, &arrays, 1, true);
        let from = out.len() - single.len();
        assert!(bits(&single) == bits(&out[from..]), "other bits than in the batch: {}", name());
    }
}

fn check<E: Tested>(geometries: u64) {
    for isa in Isa::available() {
        for seed in 0..geometries {
            let mut random = Random::new(seed);
            let (case, batch) = Case::small(&mut random);
            for pass in [Pass::Forward, Pass::InputGrad, Pass::WeightGrad] {
                check_pass::<E>(&case, batch, pass, isa, &mut random);
            }
        }
    }
}

#[test]
fn float32_kernels_match_float64_loops() {
    check::<f32>(GEOMETRIES);
}

#[test]
fn float64_kernels_match_float64_loops() {
    check::<f64>(GEOMETRIES);
}

#[test]
fn float16_kernels_match_float64_loops() {
    check::<f16>(GEOMETRIES / 4);
}
