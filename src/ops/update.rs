//! Updates of the table in place, on views of one shape.
//!
//! Arrays are rewritten where they lie if they do so without gaps in the type of computation; others (strided,
//! float16) are brought into blocks of scratch and written back.

use super::elementwise::bring;
use super::strided::{View, collapse, runs};
use crate::element::Element;
use crate::error::{Error, Result};
use crate::expr::Computed;
use crate::expr::cpu::{MAX_WRITTEN, Rewriting};
use crate::expr::updates::Update;
use crate::simd::Isa;
use crate::threads::{self, Interrupt};
use crate::view::Output;

/// Elements of a block of scratch: five of them fit the first-level cache.
const BLOCK: usize = 1024;
/// Elements of a task: some ten microseconds.
const TASK: usize = 32 * BLOCK;

/// An array to rewrite: no two of its elements share memory.
pub struct Written<'a, T> {
    /// All elements between the first and the last one in memory.
    pub data: &'a mut [T],
    /// Where the element with all indices 0 is.
    pub start: usize,
    /// Distances between elements along each axis.
    pub strides: Vec<isize>,
}

/// An array as tasks see it.
struct Place<'a, E: Element> {
    /// Where it is rewritten in place, from its first element on.
    direct: Option<Output<'a, E::Acc>>,
    all: Output<'a, E>,
    start: usize,
    strides: Vec<isize>,
}

impl<E: Element> Place<'_, E> {
    /// Calls `f(place in the block, elements)` for the elements of the places from `at` on, in runs of neighbours.
    fn each(&self, dims: &[usize], at: usize, n: usize, mut f: impl FnMut(usize, &mut [E])) {
        let step = self.strides[self.strides.len() - 1];
        runs(dims, &self.strides, at, n, |to, offset, len| {
            let from = self.start.wrapping_add_signed(offset);
            if step == 1 {
                f(to, self.all.run(from, len));
            } else {
                for i in 0..len {
                    f(to + i, self.all.run(from.wrapping_add_signed(i as isize * step), 1));
                }
            }
        });
    }
}

/// Rewrites arrays of shape `shape`, with the gradient `grad`.
///
/// # Errors
/// [`Error::Argument`] unless the arrays and constants are as many as the update has, [`Error::Interrupted`].
pub fn run<E: Element>(
    update: &Update,
    shape: &[usize],
    written: Vec<Written<'_, E>>,
    grad: View<'_, E>,
    params: &[f64],
    threads: usize,
    interrupt: &dyn Interrupt,
) -> Result<()>
where
    E::Acc: Computed,
{
    if written.len() != update.written || params.len() != update.params {
        return Err(Error::Argument(format!(
            "{} rewrites {} arrays and takes {} constants, but got {} and {}",
            update.name,
            update.written,
            update.params,
            written.len(),
            params.len()
        )));
    }
    let total: usize = shape.iter().product();
    if total == 0 {
        return Ok(());
    }
    let params: Vec<E::Acc> = params.iter().map(|&value| E::Acc::nearest(value)).collect();
    let all: Vec<&[isize]> =
        written.iter().map(|array| &array.strides[..]).chain([&grad.strides[..]]).collect();
    let (dims, mut joined, _) = collapse(shape, &all, &vec![false; shape.len()]);
    let grad_strides = joined.pop().expect("the gradient comes last");
    let places: Vec<Place<'_, E>> = written
        .into_iter()
        .zip(joined)
        .map(|(array, strides)| {
            let all = Output::new(array.data);
            // A single element has no stride.
            let direct = if strides == [1] || total == 1 { all.as_accumulator() } else { None };
            Place { direct, all, start: array.start, strides }
        })
        .collect();
    let in_place = E::is_acc() && grad_strides == [1] && places.iter().all(|place| place.direct.is_some());
    let block = if in_place { TASK } else { BLOCK };
    let kernel = E::Acc::rewriter(update);
    let isa = Isa::current()?;
    threads::run(total.div_ceil(TASK), threads, interrupt, &|task| {
        let mut scratch = vec![[E::Acc::default(); BLOCK]; if in_place { 0 } else { places.len() + 1 }];
        let end = total.min((task + 1) * TASK);
        for at in (task * TASK..end).step_by(block) {
            let n = block.min(end - at);
            let (grad_scratch, others) = match scratch.split_first_mut() {
                Some((first, others)) => (&mut first[..n], others),
                None => (&mut [][..], &mut [][..]),
            };
            let grad = match (in_place, crate::view::as_accumulators(grad.data)) {
                (true, Some(data)) => &data[grad.start + at..][..n],
                _ => bring(&grad, &dims, &grad_strides, at, grad_scratch),
            };
            let mut blocks = others.iter_mut();
            let mut x: [&mut [E::Acc]; MAX_WRITTEN] = std::array::from_fn(|_| &mut [][..]);
            for (x, place) in x.iter_mut().zip(&places) {
                *x = match &place.direct {
                    Some(out) => out.run(place.start + at, n),
                    None => {
                        let block = &mut blocks.next().expect("one for each array")[..n];
                        place.each(&dims, at, n, |to, from| {
                            E::widen_row(from, &mut block[to..][..from.len()])
                        });
                        block
                    }
                };
            }
            kernel(Rewriting { isa, written: &mut x[..places.len()], grad, params: &params });
            for (x, place) in x.iter().zip(&places).filter(|(_, place)| place.direct.is_none()) {
                place.each(&dims, at, n, |from, to| E::narrow_row(&x[from..][..to.len()], to));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::updates::{find, updates};
    use crate::threads::NeverInterrupt;
    use half::f16;

    /// Constants with which every update does all that it can.
    const PARAMS: [f64; 9] = [-0.01, 0.1, -1.0, 0.9, 0.1, 0.95, 0.05, 0.3, 1e-3];

    fn numbers(n: usize, seed: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * 37 + seed * 101) % 89) as f64 / 40.0 + 0.05).collect()
    }

    /// Element for element, without blocks, threads or vectors.
    fn one_by_one(update: &Update, x: &mut [Vec<f64>], grad: &[f64]) {
        let isa = *Isa::available().first().expect("one is always there");
        for (i, &grad) in grad.iter().enumerate() {
            let mut values: Vec<f64> = x.iter().map(|x| x[i]).collect();
            let mut slices: Vec<&mut [f64]> = values.iter_mut().map(std::slice::from_mut).collect();
            let params = &PARAMS[..update.params];
            (update.f64)(Rewriting { isa, written: &mut slices, grad: &[grad], params });
            x.iter_mut().zip(values).for_each(|(x, value)| x[i] = value);
        }
    }

    fn check<E: Element>(of: impl Fn(f64) -> E, back: impl Fn(E) -> f64, tolerance: f64)
    where
        E::Acc: Computed,
    {
        let (rows, columns) = (70, 1001);
        for update in updates() {
            let n = rows * columns;
            let grad = numbers(n, 9);
            let mut expected: Vec<Vec<f64>> = (0..update.written).map(|k| numbers(n, k)).collect();
            let mut arrays: Vec<Vec<E>> =
                expected.iter().map(|x| x.iter().map(|&x| of(x)).collect()).collect();
            // Gaps, backward, the other order, and plain.
            let layouts: [(usize, [isize; 2]); 4] = [
                (0, [2 * columns as isize, 2]),
                (n - 1, [-(columns as isize), -1]),
                (0, [1, rows as isize]),
                (0, [columns as isize, 1]),
            ];
            for plain in [true, false] {
                let layout = |k: usize| if plain { layouts[3] } else { layouts[k % 4] };
                let place = |k: usize, i: usize| {
                    let (start, strides) = layout(k);
                    let at = (i / columns) as isize * strides[0] + (i % columns) as isize * strides[1];
                    start.wrapping_add_signed(at)
                };
                one_by_one(update, &mut expected, &grad);
                let mut stored: Vec<Vec<E>> = vec![vec![of(7.0); 2 * n]; update.written + 1];
                for i in 0..n {
                    stored[update.written][place(update.written, i)] = of(grad[i]);
                    for k in 0..update.written {
                        stored[k][place(k, i)] = arrays[k][i];
                    }
                }
                let given = stored.pop().expect("the gradient");
                let (start, strides) = layout(update.written);
                let grad = View { data: &given, start, strides: strides.to_vec() };
                let written = stored.iter_mut().enumerate().map(|(k, data)| {
                    let (start, strides) = layout(k);
                    Written { data, start, strides: strides.to_vec() }
                });
                let params = &PARAMS[..update.params];
                run(update, &[rows, columns], written.collect(), grad, params, 2, &NeverInterrupt)
                    .expect("all fits");
                for k in 0..update.written {
                    for i in 0..n {
                        let (got, wanted) = (back(stored[k][place(k, i)]), expected[k][i]);
                        let error = (got - wanted).abs();
                        assert!(
                            error <= tolerance * (1.0 + wanted.abs()),
                            "{}: {k}, {i}: {got} is not {wanted}",
                            update.name
                        );
                        arrays[k][i] = stored[k][place(k, i)];
                        stored[k][place(k, i)] = of(7.0);
                    }
                    assert!(stored[k].iter().all(|&x| back(x) == 7.0), "{} writes to gaps", update.name);
                }
            }
        }
    }

    #[test]
    fn all_types_and_layouts_agree() {
        check::<f64>(|x| x, |x| x, 1e-15);
        check::<f32>(|x| x as f32, f64::from, 1e-5);
        check::<f16>(f16::from_f64, f64::from, 0.02);
    }

    #[test]
    fn counts_are_checked() {
        let update = find("sgd").expect("it is in the table");
        let grad = View { data: &[1.0f32], start: 0, strides: vec![1] };
        let error = run(update, &[1], vec![], grad, &[], 1, &NeverInterrupt).expect_err("nothing to write");
        let text = "sgd rewrites 1 arrays and takes 3 constants, but got 0 and 0";
        assert_eq!(error, Error::Argument(text.into()));
    }
}
