//! What reductions do with their elements, compiled for each instruction set.

use std::marker::PhantomData;

use super::reduce::COLUMNS;
use crate::expr::Computed;
use crate::simd::{Body, Isa};

/// Lanes that a row is summed in.
const LANES: usize = 64;
/// Rows that spreads of columns take at once: the lanes are loaded and stored once for all.
const TOGETHER: usize = 4;
/// Elements of a row, or rows of a tile, whose mean is near enough to all others' for sums of squares: as they are
/// an eighth of a tile or of a piece, the squares of the distances from it are at most some 9 times
/// those from the mean of all.
const NEAR: usize = 256;
const NEAR_ROWS: usize = 4;

/// One kind of reduction of elements of type `T`.
pub(super) trait Reducer<T: Computed> {
    /// What parts are joined in.
    type Wide: Copy + Send + Sync;
    /// The result of no elements.
    fn nothing() -> Self::Wide;
    /// The result of one piece.
    fn row(isa: Isa, x: &[T]) -> Self::Wide;
    /// Joins `rows` rows of a tile, `pitch` apart, to the results of its columns.
    fn columns(isa: Isa, x: &[T], pitch: usize, rows: usize, sums: &mut [Self::Wide]);
    /// The result of two parts, the first of which comes first.
    fn join(a: Self::Wide, b: Self::Wide) -> Self::Wide;
}

/// A reduction that goes step by step.
pub(super) trait Fold {
    /// Where it begins.
    fn start() -> f64;
    /// One element more.
    fn step<T: Computed>(sum: T, x: T) -> T;
    /// Whether `x` takes the place of another number, where one of both is kept.
    #[inline(always)]
    fn better<T: Computed>(_x: T, _other: T) -> bool {
        false
    }
}

/// Adds up.
pub(super) struct Sum;
impl Fold for Sum {
    #[inline(always)]
    fn start() -> f64 {
        0.0
    }
    #[inline(always)]
    fn step<T: Computed>(sum: T, x: T) -> T {
        sum + x
    }
}

/// Multiplies.
pub(super) struct Product;
impl Fold for Product {
    #[inline(always)]
    fn start() -> f64 {
        1.0
    }
    #[inline(always)]
    fn step<T: Computed>(sum: T, x: T) -> T {
        sum * x
    }
}

/// The largest; NaN wins.
pub(super) struct Largest;
impl Fold for Largest {
    #[inline(always)]
    fn start() -> f64 {
        f64::NEG_INFINITY
    }
    #[inline(always)]
    fn step<T: Computed>(sum: T, x: T) -> T {
        if x > sum || x.is_nan() { x } else { sum }
    }
    #[inline(always)]
    fn better<T: Computed>(x: T, other: T) -> bool {
        x > other
    }
}

/// The largest; NaN counts for nothing.
pub(super) struct Highest;
impl Fold for Highest {
    #[inline(always)]
    fn start() -> f64 {
        f64::NEG_INFINITY
    }
    #[inline(always)]
    fn step<T: Computed>(sum: T, x: T) -> T {
        if x > sum { x } else { sum }
    }
}

/// The smallest; NaN wins.
pub(super) struct Smallest;
impl Fold for Smallest {
    #[inline(always)]
    fn start() -> f64 {
        f64::INFINITY
    }
    #[inline(always)]
    fn step<T: Computed>(sum: T, x: T) -> T {
        if x < sum || x.is_nan() { x } else { sum }
    }
    #[inline(always)]
    fn better<T: Computed>(x: T, other: T) -> bool {
        x < other
    }
}

struct RowFold<'a, F, T>(&'a [T], PhantomData<F>);

impl<F: Fold, T: Computed> Body for RowFold<'_, F, T> {
    type Out = f64;
    #[inline(always)]
    fn run<const FUSED: bool>(self) -> f64 {
        let mut lanes = [T::nearest(F::start()); LANES];
        let chunks = self.0.chunks_exact(LANES);
        let rest = chunks.remainder();
        for chunk in chunks {
            for j in 0..LANES {
                lanes[j] = F::step(lanes[j], chunk[j]);
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(rest) {
            *lane = F::step(*lane, x);
        }
        let mut wide = [0.0f64; LANES / 4];
        for j in 0..LANES / 4 {
            let a = F::step(lanes[j], lanes[j + LANES / 4]);
            let b = F::step(lanes[j + LANES / 2], lanes[j + LANES * 3 / 4]);
            wide[j] = F::step(a.exact(), b.exact());
        }
        let mut n = LANES / 8;
        while n > 0 {
            for j in 0..n {
                wide[j] = F::step(wide[j], wide[j + n]);
            }
            n /= 2;
        }
        wide[0]
    }
}

struct ColumnFold<'a, F, T> {
    x: &'a [T],
    pitch: usize,
    rows: usize,
    sums: &'a mut [f64],
    fold: PhantomData<F>,
}

impl<F: Fold, T: Computed> Body for ColumnFold<'_, F, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        // Clearing lanes that are not used would take longer than a few columns.
        if self.sums.len() <= COLUMNS / 16 {
            self.fold::<{ COLUMNS / 16 }>();
        } else {
            self.fold::<COLUMNS>();
        }
    }
}

impl<F: Fold, T: Computed> ColumnFold<'_, F, T> {
    #[inline(always)]
    fn fold<const LANES: usize>(self) {
        let n = self.sums.len();
        let mut lanes = [T::nearest(F::start()); LANES];
        let lanes = &mut lanes[..n];
        let row = |row: usize| &self.x[row * self.pitch..][..n];
        // One row after the other: machines foresee where one long row goes on better than several streams.
        for i in 0..self.rows {
            let x = row(i);
            for j in 0..n {
                lanes[j] = F::step(lanes[j], x[j]);
            }
        }
        for j in 0..n {
            self.sums[j] = F::step(self.sums[j], lanes[j].exact());
        }
    }
}

impl<T: Computed, F: Fold> Reducer<T> for F {
    type Wide = f64;
    fn nothing() -> f64 {
        F::start()
    }
    fn row(isa: Isa, x: &[T]) -> f64 {
        isa.run(RowFold::<F, T>(x, PhantomData))
    }
    fn columns(isa: Isa, x: &[T], pitch: usize, rows: usize, sums: &mut [f64]) {
        isa.run(ColumnFold { x, pitch, rows, sums, fold: PhantomData::<F> })
    }
    fn join(a: f64, b: f64) -> f64 {
        F::step(a, b)
    }
}

/// Count, mean and sum of squared deviations of some elements.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread {
    pub(super) count: f64,
    pub(super) mean: f64,
    pub(super) squares: f64,
}

/// Mean and variance, by Chan, Golub and LeVeque's formula for the spread of two parts.
pub(super) struct Moments;

/// Sums of the distances from a number near the mean, and of their squares.
struct Deviations<'a, T>(&'a [T], T);

impl<T: Computed> Body for Deviations<'_, T> {
    type Out = (f64, f64);
    #[inline(always)]
    fn run<const FUSED: bool>(self) -> (f64, f64) {
        let Deviations(x, near) = self;
        let (mut sums, mut squares) = ([T::default(); LANES / 2], [T::default(); LANES / 2]);
        let chunks = x.chunks_exact(LANES / 2);
        let rest = chunks.remainder();
        for chunk in chunks {
            for j in 0..LANES / 2 {
                let d = chunk[j] - near;
                sums[j] += d;
                squares[j] += d * d;
            }
        }
        for (j, &x) in rest.iter().enumerate() {
            let d = x - near;
            sums[j] += d;
            squares[j] += d * d;
        }
        let total = |lanes: &[T]| RowFold::<Sum, T>(lanes, PhantomData).run::<FUSED>();
        (total(&sums), total(&squares))
    }
}

struct ColumnSpread<'a, T> {
    x: &'a [T],
    pitch: usize,
    rows: usize,
    sums: &'a mut [Spread],
}

impl<T: Computed> Body for ColumnSpread<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let n = self.sums.len();
        let (mut means, mut squares) = ([T::default(); COLUMNS], [T::default(); COLUMNS]);
        let (means, squares) = (&mut means[..n], &mut squares[..n]);
        let row = |row: usize| &self.x[row * self.pitch..][..n];
        let sample = self.rows.min(NEAR_ROWS);
        for first in 0..sample {
            let x = row(first);
            for j in 0..n {
                means[j] += x[j];
            }
        }
        let share = 1.0 / sample as f64;
        for near in &mut *means {
            *near = T::nearest(near.exact() * share);
        }
        let mut off = [T::default(); COLUMNS];
        let off = &mut off[..n];
        let whole = self.rows / TOGETHER * TOGETHER;
        for first in (0..whole).step_by(TOGETHER) {
            let (a, b, c, d) = (row(first), row(first + 1), row(first + 2), row(first + 3));
            for j in 0..n {
                let near = means[j];
                let (a, b, c, d) = (a[j] - near, b[j] - near, c[j] - near, d[j] - near);
                off[j] += (a + b) + (c + d);
                squares[j] += (a * a + b * b) + (c * c + d * d);
            }
        }
        for last in whole..self.rows {
            let x = row(last);
            for j in 0..n {
                let d = x[j] - means[j];
                off[j] += d;
                squares[j] += d * d;
            }
        }
        for j in 0..n {
            let part = Spread::near(self.rows, means[j].exact(), off[j].exact(), squares[j].exact());
            self.sums[j] = spread_of_both(self.sums[j], part);
        }
    }
}

impl Spread {
    /// From sums of distances from `near`, and of their squares.
    #[inline(always)]
    fn near(count: usize, near: f64, distances: f64, squares: f64) -> Spread {
        let count = count as f64;
        let off = distances / count;
        Spread { count, mean: near + off, squares: squares - distances * off }
    }
}

#[inline(always)]
fn spread_of_both(a: Spread, b: Spread) -> Spread {
    if a.count == 0.0 {
        return b;
    }
    let count = a.count + b.count;
    let (apart, share) = (b.mean - a.mean, b.count / count);
    Spread {
        count,
        mean: a.mean + apart * share,
        squares: a.squares + b.squares + apart * apart * a.count * share,
    }
}

impl<T: Computed> Reducer<T> for Moments {
    type Wide = Spread;
    fn nothing() -> Spread {
        Spread { count: 0.0, mean: f64::NAN, squares: f64::NAN }
    }
    fn row(isa: Isa, x: &[T]) -> Spread {
        let sample = &x[..x.len().min(NEAR)];
        let near = T::nearest(isa.run(RowFold::<Sum, T>(sample, PhantomData)) / sample.len() as f64);
        let (distances, squares) = isa.run(Deviations(x, near));
        Spread::near(x.len(), near.exact(), distances, squares)
    }
    fn columns(isa: Isa, x: &[T], pitch: usize, rows: usize, sums: &mut [Spread]) {
        isa.run(ColumnSpread { x, pitch, rows, sums })
    }
    fn join(a: Spread, b: Spread) -> Spread {
        if b.count == 0.0 { a } else { spread_of_both(a, b) }
    }
}
