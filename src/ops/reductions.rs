//! Reductions by name, and means with variances.

use super::reduce::{self, Plan, Share};
use super::reducers::{Largest, Moments, Product, Reducer, Smallest, Sum};
use super::strided::View;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::expr::Computed;
use crate::threads::Interrupt;
use crate::view::Output;

/// How an array is reduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// The sum.
    Sum,
    /// The sum over the count.
    Mean,
    /// The product.
    Prod,
    /// The largest, or NaN.
    Max,
    /// The smallest, or NaN.
    Min,
}

impl Reduction {
    /// By the backends' name.
    pub fn from_name(name: &str) -> Result<Reduction> {
        Ok(match name {
            "sum" => Reduction::Sum,
            "mean" => Reduction::Mean,
            "prod" => Reduction::Prod,
            "max" => Reduction::Max,
            "min" => Reduction::Min,
            _ => return Err(Error::Argument(format!("there is no reduction of floats named '{name}'"))),
        })
    }
}

/// Reduces a view of `shape` over the axes with `reduced`; `out` holds the others in C order.
pub fn run<E: Element>(
    how: Reduction,
    shape: &[usize],
    view: &View<'_, E>,
    reduced: &[bool],
    out: &mut [E],
    threads: usize,
    interrupt: &dyn Interrupt,
) -> Result<()>
where
    E::Acc: Computed,
{
    let plan = Plan::new(shape, &view.strides, reduced, true);
    let out = Output::new(out);
    let call = Call { plan: &plan, view, out: &out, share: Share { threads, interrupt } };
    let count: usize = shape.iter().zip(reduced).filter(|(_, reduced)| **reduced).map(|(n, _)| n).product();
    match how {
        Reduction::Sum => call.run::<Sum>(1.0),
        Reduction::Mean => call.run::<Sum>(count as f64),
        Reduction::Prod => call.run::<Product>(1.0),
        Reduction::Max => call.run::<Largest>(1.0),
        Reduction::Min => call.run::<Smallest>(1.0),
    }
}

struct Call<'a, 'v, E> {
    plan: &'a Plan,
    view: &'a View<'v, E>,
    out: &'a Output<'a, E>,
    share: Share<'a>,
}

impl<E: Element> Call<'_, '_, E>
where
    E::Acc: Computed,
{
    fn run<R: Reducer<E::Acc, Wide = f64>>(&self, count: f64) -> Result<()> {
        reduce::run::<E, R>(self.plan, self.view, &self.share, &|at, sum| {
            self.out.write(at, E::narrow(E::Acc::nearest(sum / count)));
        })
    }
}

/// Mean and variance (the mean squared deviation) over the axes with `reduced`.
#[allow(clippy::too_many_arguments)]
pub fn moments<E: Element>(
    shape: &[usize],
    view: &View<'_, E>,
    reduced: &[bool],
    mean: &mut [E::Acc],
    variance: &mut [E::Acc],
    threads: usize,
    interrupt: &dyn Interrupt,
) -> Result<()>
where
    E::Acc: Computed,
{
    let plan = Plan::new(shape, &view.strides, reduced, true);
    let (mean, variance) = (Output::new(mean), Output::new(variance));
    reduce::run::<E, Moments>(&plan, view, &Share { threads, interrupt }, &|at, spread| {
        mean.write(at, E::Acc::nearest(spread.mean));
        // Not max(0), which makes 0 of NaN.
        let squares = if spread.squares < 0.0 { 0.0 } else { spread.squares };
        variance.write(at, E::Acc::nearest(squares / spread.count));
    })
}
