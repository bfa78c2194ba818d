//! Rows of an output from rows of an input: loops over whole vectors, of which the last overlaps the one before
//! it, so that short rows have no rest of single elements.
//!
//! Each function writes all of `to` and says so, or leaves it as it is and returns false: rows that are shorter
//! than a vector, or combinations for which there is no loop.

use super::{Float, Isa, IsaKind, Lanes4, Scalar, Simd};

/// Elements ahead that are asked for: a few of the short rows that follow each other in memory, so that the work
/// between rows does not leave memory idle.
const AHEAD: usize = 768;

/// Asks for what will be read some rows after the two vectors at `at`.
#[inline(always)]
unsafe fn prefetch<S: Simd, const N: usize>(rows: &[*const S::T; N], at: usize) {
    for row in rows {
        let start = row.wrapping_add(at + AHEAD);
        unsafe {
            S::prefetch(start);
            S::prefetch(start.wrapping_add(S::L));
        }
    }
}

/// Rows that are combined at once.
pub(crate) const MOST_ROWS: usize = 5;

/// `to[i]` is the largest of elements `2 * i..2 * i + taps` of all `rows`, or NaN; `taps` is 2 or 3.
pub(crate) fn largest_of_pairs<T: Float>(isa: Isa, rows: &[&[T]], taps: usize, to: &mut [T]) -> bool {
    assert!(matches!(taps, 2 | 3) && reach(rows, 2 * to.len() + taps - 2));
    match (rows.len(), taps) {
        (1, 2) => run(isa, LargestOfPairs::<T, 1, false> { rows: some(rows), to }),
        (2, 2) => run(isa, LargestOfPairs::<T, 2, false> { rows: some(rows), to }),
        (4, 2) => run(isa, LargestOfPairs::<T, 4, false> { rows: some(rows), to }),
        (1, 3) => run(isa, LargestOfPairs::<T, 1, true> { rows: some(rows), to }),
        (2, 3) => run(isa, LargestOfPairs::<T, 2, true> { rows: some(rows), to }),
        (3, 3) => run(isa, LargestOfPairs::<T, 3, true> { rows: some(rows), to }),
        _ => false,
    }
}

/// `to` is the largest of `rows`, or NaN.
pub(crate) fn largest_rows<T: Float>(isa: Isa, rows: &[&[T]], to: &mut [T]) -> bool {
    assert!(reach(rows, to.len()));
    match rows.len() {
        1 => run(isa, LargestRows::<T, 1> { rows: some(rows), to }),
        2 => run(isa, LargestRows::<T, 2> { rows: some(rows), to }),
        3 => run(isa, LargestRows::<T, 3> { rows: some(rows), to }),
        4 => run(isa, LargestRows::<T, 4> { rows: some(rows), to }),
        5 => run(isa, LargestRows::<T, 5> { rows: some(rows), to }),
        _ => false,
    }
}

/// `to` is the sum of `rows` times `weights`.
pub(crate) fn weighted_rows<T: Float>(isa: Isa, rows: &[&[T]], weights: &[T], to: &mut [T]) -> bool {
    assert!(rows.len() == weights.len() && reach(rows, to.len()));
    match rows.len() {
        1 => run(isa, WeightedRows::<T, 1> { rows: some(rows), weights: some(weights), to }),
        2 => run(isa, WeightedRows::<T, 2> { rows: some(rows), weights: some(weights), to }),
        3 => run(isa, WeightedRows::<T, 3> { rows: some(rows), weights: some(weights), to }),
        4 => run(isa, WeightedRows::<T, 4> { rows: some(rows), weights: some(weights), to }),
        5 => run(isa, WeightedRows::<T, 5> { rows: some(rows), weights: some(weights), to }),
        _ => false,
    }
}

/// `rows` are added up times `weights`, and `to[i]` is the sum of elements `2 * i` and `2 * i + 1` of that times
/// `pair`.
pub(crate) fn weighted_pairs<T: Float>(
    isa: Isa,
    rows: &[&[T]],
    weights: &[T],
    pair: [T; 2],
    to: &mut [T],
) -> bool {
    assert!(rows.len() == weights.len() && reach(rows, 2 * to.len()));
    match rows.len() {
        1 => run(isa, WeightedPairs::<T, 1> { rows: some(rows), weights: some(weights), pair, to }),
        2 => run(isa, WeightedPairs::<T, 2> { rows: some(rows), weights: some(weights), pair, to }),
        _ => false,
    }
}

/// `to[2 * i + phase]` is the sum of element i of all `rows[phase]` times `weights[phase]`.
pub(crate) fn interleaved<T: Float, const N: usize>(
    isa: Isa,
    rows: [[&[T]; N]; 2],
    weights: [[T; N]; 2],
    to: &mut [T],
) -> bool {
    assert!(to.len().is_multiple_of(2) && reach(rows.as_flattened(), to.len() / 2));
    run(isa, Interleaved { rows, weights, to })
}

fn reach<T>(rows: &[&[T]], len: usize) -> bool {
    rows.iter().all(|row| row.len() >= len)
}

#[inline(always)]
fn some<T: Copy, const N: usize>(all: &[T]) -> [T; N] {
    std::array::from_fn(|i| all[i])
}

/// A loop over the vectors of an output row.
trait Loop<T: Float> {
    /// Units of output of a row: elements, or pairs of them.
    fn units(&self) -> usize;
    /// # Safety
    /// The instruction set of `S` is enabled, and the row has at least `S::L` units.
    unsafe fn run<S: Simd<T = T>>(self);
}

fn run<T: Float, L: Loop<T>>(isa: Isa, work: L) -> bool {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2<T: Float, L: Loop<T>>(work: L) {
        // SAFETY: the features are enabled here; the caller has seen to the rest.
        unsafe { work.run::<T::Avx2>() }
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512dq,avx512bw")]
    unsafe fn avx512<T: Float, L: Loop<T>>(work: L) {
        // SAFETY: as above.
        unsafe { work.run::<T::Avx512>() }
    }
    let lanes = match isa.kind() {
        IsaKind::Scalar => 1,
        IsaKind::Portable => Lanes4::<T>::L,
        #[cfg(target_arch = "aarch64")]
        IsaKind::Neon => T::Neon::L,
        #[cfg(target_arch = "x86_64")]
        IsaKind::Avx2 => T::Avx2::L,
        #[cfg(target_arch = "x86_64")]
        IsaKind::Avx512 => T::Avx512::L,
    };
    if work.units() < lanes {
        return false;
    }
    // SAFETY: holding an `Isa` proves that the machine has it; the row is long enough.
    unsafe {
        match isa.kind() {
            IsaKind::Scalar => work.run::<Scalar<T>>(),
            IsaKind::Portable => work.run::<Lanes4<T>>(),
            #[cfg(target_arch = "aarch64")]
            IsaKind::Neon => work.run::<T::Neon>(),
            #[cfg(target_arch = "x86_64")]
            IsaKind::Avx2 => avx2(work),
            #[cfg(target_arch = "x86_64")]
            IsaKind::Avx512 => avx512(work),
        }
    }
    true
}

/// Calls `at` with starts of vectors of `lanes` that cover `units`, which are at least as many. It is called in
/// one place, so that it becomes part of the loop and of the instruction set.
#[inline(always)]
fn cover(units: usize, lanes: usize, mut at: impl FnMut(usize)) {
    let last = units - lanes;
    let mut i = 0;
    loop {
        at(i);
        if i == last {
            return;
        }
        i = (i + lanes).min(last);
    }
}

// SAFETY of every block below: the public functions assert that the rows reach as far as the last unit needs,
// and vectors start between the first unit and `L` before the end.

struct LargestOfPairs<'a, T, const N: usize, const THREE: bool> {
    rows: [&'a [T]; N],
    to: &'a mut [T],
}

/// The largest lanes of the vectors at `at` of rows.
#[inline(always)]
unsafe fn largest<S: Simd, const N: usize>(rows: &[*const S::T; N], at: usize) -> S::V {
    unsafe {
        let mut best = S::load(rows[0].add(at));
        for row in 1..N {
            best = S::larger(S::load(rows[row].add(at)), best);
        }
        best
    }
}

impl<T: Float, const N: usize, const THREE: bool> Loop<T> for LargestOfPairs<'_, T, N, THREE> {
    #[inline(always)]
    fn units(&self) -> usize {
        self.to.len()
    }
    #[inline(always)]
    unsafe fn run<S: Simd<T = T>>(self) {
        let rows = self.rows.map(<[T]>::as_ptr);
        let to = self.to.as_mut_ptr();
        cover(self.to.len(), S::L, |i| unsafe {
            let (even, odd) =
                S::even_odd(largest::<S, N>(&rows, 2 * i), largest::<S, N>(&rows, 2 * i + S::L));
            let mut best = S::larger(odd, even);
            if THREE {
                // The last of these lanes is the element after those before.
                best = S::larger(S::shifted(even, largest::<S, N>(&rows, 2 * i + S::L + 1)), best);
            }
            S::store(to.add(i), best);
        });
    }
}

struct LargestRows<'a, T, const N: usize> {
    rows: [&'a [T]; N],
    to: &'a mut [T],
}

impl<T: Float, const N: usize> Loop<T> for LargestRows<'_, T, N> {
    #[inline(always)]
    fn units(&self) -> usize {
        self.to.len()
    }
    #[inline(always)]
    unsafe fn run<S: Simd<T = T>>(self) {
        let rows = self.rows.map(<[T]>::as_ptr);
        let to = self.to.as_mut_ptr();
        cover(self.to.len(), S::L, |i| unsafe { S::store(to.add(i), largest::<S, N>(&rows, i)) });
    }
}

struct WeightedRows<'a, T, const N: usize> {
    rows: [&'a [T]; N],
    weights: [T; N],
    to: &'a mut [T],
}

/// The vector at `at` of rows added up.
#[inline(always)]
unsafe fn sum<S: Simd, const N: usize>(rows: &[*const S::T; N], weights: &[S::V; N], at: usize) -> S::V {
    unsafe {
        let mut sum = S::mul(weights[0], S::load(rows[0].add(at)));
        for row in 1..N {
            sum = S::fma(weights[row], S::load(rows[row].add(at)), sum);
        }
        sum
    }
}

impl<T: Float, const N: usize> Loop<T> for WeightedRows<'_, T, N> {
    #[inline(always)]
    fn units(&self) -> usize {
        self.to.len()
    }
    #[inline(always)]
    unsafe fn run<S: Simd<T = T>>(self) {
        let rows = self.rows.map(<[T]>::as_ptr);
        let weights = unsafe { splats::<S, N>(&self.weights) };
        let to = self.to.as_mut_ptr();
        cover(self.to.len(), S::L, |i| unsafe { S::store(to.add(i), sum::<S, N>(&rows, &weights, i)) });
    }
}

#[inline(always)]
unsafe fn splats<S: Simd, const N: usize>(weights: &[S::T; N]) -> [S::V; N] {
    std::array::from_fn(|i| unsafe { S::splat(&weights[i]) })
}

struct WeightedPairs<'a, T, const N: usize> {
    rows: [&'a [T]; N],
    weights: [T; N],
    pair: [T; 2],
    to: &'a mut [T],
}

impl<T: Float, const N: usize> Loop<T> for WeightedPairs<'_, T, N> {
    #[inline(always)]
    fn units(&self) -> usize {
        self.to.len()
    }
    #[inline(always)]
    unsafe fn run<S: Simd<T = T>>(self) {
        let rows = self.rows.map(<[T]>::as_ptr);
        let (weights, pair) = unsafe { (splats::<S, N>(&self.weights), splats::<S, 2>(&self.pair)) };
        let to = self.to.as_mut_ptr();
        cover(self.to.len(), S::L, |i| unsafe {
            prefetch::<S, N>(&rows, 2 * i);
            let first = sum::<S, N>(&rows, &weights, 2 * i);
            let (even, odd) = S::even_odd(first, sum::<S, N>(&rows, &weights, 2 * i + S::L));
            S::store(to.add(i), S::fma(pair[1], odd, S::mul(pair[0], even)));
        });
    }
}

struct Interleaved<'a, T, const N: usize> {
    rows: [[&'a [T]; N]; 2],
    weights: [[T; N]; 2],
    to: &'a mut [T],
}

impl<T: Float, const N: usize> Loop<T> for Interleaved<'_, T, N> {
    #[inline(always)]
    fn units(&self) -> usize {
        self.to.len() / 2
    }
    #[inline(always)]
    unsafe fn run<S: Simd<T = T>>(self) {
        let [a, b] = self.rows.map(|rows| rows.map(<[T]>::as_ptr));
        let [u, v] = self.weights.map(|pair| unsafe { splats::<S, N>(&pair) });
        let to = self.to.as_mut_ptr();
        cover(self.to.len() / 2, S::L, |i| unsafe {
            S::store_interleaved(to.add(2 * i), sum::<S, N>(&a, &u, i), sum::<S, N>(&b, &v, i));
        });
    }
}
