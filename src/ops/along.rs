//! Taps along a row, and rows weighted and added: the inner loops of resampling.

use super::taps::{Periodic, TapTable, Weight};
use crate::simd::{Isa, rows};
use std::ops::Range;

/// Outputs `part` of a table along a row.
pub(super) struct Along<'a, T> {
    pub(super) table: &'a TapTable,
    pub(super) row: &'a [T],
    pub(super) part: Range<usize>,
    pub(super) to: &'a mut [T],
    pub(super) isa: Isa,
}

impl<T: Weight> Along<'_, T> {
    #[inline(always)]
    pub(super) fn run<const FUSED: bool>(self) {
        let Along { table, row, part, to, isa } = self;
        assert!(row.len() == table.size() && to.len() == part.len());
        let weights = T::weights(table);
        let [before, periodic, after] = divide(&part, weights.periodic.as_ref());
        let at = |outputs: &Range<usize>| outputs.start - part.start..outputs.end - part.start;
        for ragged in [before, after] {
            scattered::<T, FUSED>(table, &weights.of, row, ragged.clone(), &mut to[at(&ragged)]);
        }
        if let Some(found) = weights.periodic.as_ref().filter(|_| !periodic.is_empty()) {
            let to = &mut to[at(&periodic)];
            Stretch { table, weights: &weights.of, row, outputs: periodic, found, isa }.run::<FUSED>(to);
        }
    }
}

/// The outputs of a part before, in, and after the periodic stretch, of which whole periods are used.
#[inline(always)]
pub(super) fn divide(part: &Range<usize>, periodic: Option<&Periodic>) -> [Range<usize>; 3] {
    let (first, end) = match periodic {
        None => (part.end, part.end),
        Some(found) => {
            let first = found.outputs.start.clamp(part.start, part.end);
            let end = found.outputs.end.clamp(first, part.end);
            (first, end - (end - first) % found.outputs_step)
        }
    };
    [part.start..first, first..end, end..part.end]
}

/// Outputs one by one, in runs of equally many taps.
#[inline(always)]
fn scattered<T: Weight, const FUSED: bool>(
    table: &TapTable,
    weights: &[T],
    row: &[T],
    outputs: Range<usize>,
    to: &mut [T],
) {
    let mut i = outputs.start;
    while i < outputs.end {
        let taps = table.row(i).len();
        let same = (i..outputs.end).take_while(|&j| table.row(j).len() == taps).count();
        let all = table.row(i).start..table.row(i + same - 1).end;
        let (indices, weights) = (&table.indices()[all.clone()], &weights[all]);
        let to = &mut to[i - outputs.start..][..same];
        match taps {
            0 => to.fill(T::default()),
            1 => chosen::<T, 1, FUSED>(row, indices, weights, to),
            2 => chosen::<T, 2, FUSED>(row, indices, weights, to),
            3 => chosen::<T, 3, FUSED>(row, indices, weights, to),
            4 => chosen::<T, 4, FUSED>(row, indices, weights, to),
            _ => {
                for ((to, indices), weights) in
                    to.iter_mut().zip(indices.chunks_exact(taps)).zip(weights.chunks_exact(taps))
                {
                    *to = dot::<T, FUSED>(row, indices, weights);
                }
            }
        }
        i += same;
    }
}

#[inline(always)]
fn chosen<T: Weight, const TAPS: usize, const FUSED: bool>(
    row: &[T],
    indices: &[u32],
    weights: &[T],
    to: &mut [T],
) {
    let (indices, weights) = (indices.as_chunks::<TAPS>().0, weights.as_chunks::<TAPS>().0);
    for ((to, indices), weights) in to.iter_mut().zip(indices).zip(weights) {
        let mut sum = weights[0] * row[indices[0] as usize];
        for tap in 1..TAPS {
            sum = weights[tap].multiply_add::<FUSED>(row[indices[tap] as usize], sum);
        }
        *to = sum;
    }
}

/// Lanes that sum the taps of one output.
const LANES: usize = 16;

/// One output of many taps. Where they stand side by side, as in pooling, lanes sum every sixteenth.
#[inline(always)]
fn dot<T: Weight, const FUSED: bool>(row: &[T], indices: &[u32], weights: &[T]) -> T {
    let first = indices[0] as usize;
    if indices.len() < LANES || indices[indices.len() - 1] as usize != first + indices.len() - 1 {
        let terms = indices.iter().zip(weights);
        return terms.fold(T::default(), |sum, (&i, &w)| w.multiply_add::<FUSED>(row[i as usize], sum));
    }
    let mut lanes = [T::default(); LANES];
    let (values, rest) = row[first..first + indices.len()].as_chunks::<LANES>();
    let (factors, rest_factors) = weights.as_chunks::<LANES>();
    for (values, factors) in values.iter().zip(factors) {
        for lane in 0..LANES {
            lanes[lane] = factors[lane].multiply_add::<FUSED>(values[lane], lanes[lane]);
        }
    }
    for ((lane, &value), &factor) in lanes.iter_mut().zip(rest).zip(rest_factors) {
        *lane = factor.multiply_add::<FUSED>(value, *lane);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Whole periods of a periodic stretch.
struct Stretch<'a, T> {
    table: &'a TapTable,
    weights: &'a [T],
    row: &'a [T],
    outputs: Range<usize>,
    found: &'a Periodic,
    isa: Isa,
}

impl<'a, T: Weight> Stretch<'a, T> {
    #[inline(always)]
    fn run<const FUSED: bool>(&self, to: &mut [T]) {
        let Periodic { outputs_step, elements_step, .. } = *self.found;
        let taps = |phase: usize| self.table.row(self.outputs.start + phase).len();
        match (outputs_step, elements_step, taps(0)) {
            (1, 1, 2) => self.single::<1, 2, FUSED>(to),
            (1, 1, 3) => self.single::<1, 3, FUSED>(to),
            (1, 2, 2) => self.single::<2, 2, FUSED>(to),
            (1, 2, 3) => self.single::<2, 3, FUSED>(to),
            (1, 2, 4) => self.single::<2, 4, FUSED>(to),
            (2, 1, 1) if taps(1) == 1 => self.pairs::<1, FUSED>(to),
            (2, 1, 2) if taps(1) == 2 => self.pairs::<2, FUSED>(to),
            (2, 1, 4) if taps(1) == 4 => self.pairs::<4, FUSED>(to),
            _ => {
                for phase in 0..outputs_step {
                    self.phase::<FUSED>(phase, to);
                }
            }
        }
    }

    /// For each tap of a phase, the elements from its first on, and its weight.
    #[inline(always)]
    fn taps<const TAPS: usize>(&self, phase: usize) -> ([&'a [T]; TAPS], [T; TAPS]) {
        let taps = self.table.row(self.outputs.start + phase);
        let row = |tap: usize| &self.row[self.table.indices()[taps.start + tap] as usize..];
        (std::array::from_fn(row), std::array::from_fn(|tap| self.weights[taps.start + tap]))
    }

    #[inline(always)]
    fn single<const STEP: usize, const TAPS: usize, const FUSED: bool>(&self, to: &mut [T]) {
        let (elements, weights) = self.taps::<TAPS>(0);
        // The row may end with an element of the last output.
        let rows = elements.map(|row| row.as_chunks::<STEP>().0);
        let n = rows.iter().fold(to.len(), |n, row| n.min(row.len()));
        let (most, last) = to.split_at_mut(n);
        combined::<T, TAPS, STEP, false, FUSED>(rows, weights, most);
        for (i, to) in last.iter_mut().enumerate() {
            *to = weights[0] * elements[0][(n + i) * STEP];
            for tap in 1..TAPS {
                *to = weights[tap].multiply_add::<FUSED>(elements[tap][(n + i) * STEP], *to);
            }
        }
    }

    /// Two phases that advance by one element, stored in turn.
    #[inline(always)]
    fn pairs<const TAPS: usize, const FUSED: bool>(&self, to: &mut [T]) {
        let n = to.len() / 2;
        let ((even, even_weights), (odd, odd_weights)) = (self.taps::<TAPS>(0), self.taps::<TAPS>(1));
        let (even, odd) = (even.map(|row| &row[..n]), odd.map(|row| &row[..n]));
        if TAPS > 1 && rows::interleaved(self.isa, [even, odd], [even_weights, odd_weights], to) {
            return;
        }
        let to = to.as_chunks_mut::<2>().0;
        for i in 0..n {
            let (mut a, mut b) = (even_weights[0] * even[0][i], odd_weights[0] * odd[0][i]);
            for tap in 1..TAPS {
                a = even_weights[tap].multiply_add::<FUSED>(even[tap][i], a);
                b = odd_weights[tap].multiply_add::<FUSED>(odd[tap][i], b);
            }
            to[i] = [a, b];
        }
    }

    #[inline(always)]
    fn phase<const FUSED: bool>(&self, phase: usize, to: &mut [T]) {
        let Periodic { outputs_step, elements_step, .. } = *self.found;
        let taps = self.table.row(self.outputs.start + phase);
        let n = to.len() / outputs_step;
        if taps.is_empty() {
            (0..n).for_each(|i| to[phase + i * outputs_step] = T::default());
        }
        for (number, tap) in taps.enumerate() {
            let row = &self.row[self.table.indices()[tap] as usize..][..(n - 1) * elements_step + 1];
            let weight = self.weights[tap];
            for i in 0..n {
                let (value, to) = (row[i * elements_step], &mut to[phase + i * outputs_step]);
                *to = if number == 0 { weight * value } else { weight.multiply_add::<FUSED>(value, *to) };
            }
        }
    }
}

/// Rows that are added up at once.
const ROWS: usize = 4;

/// `to` is the sum of rows, by their numbers, times weights; zeros if there are none.
#[inline(always)]
pub(super) fn combine<'a, T: Weight, const FUSED: bool>(
    row: impl Fn(u32) -> &'a [T],
    numbers: &[u32],
    weights: &[T],
    to: &mut [T],
    isa: Isa,
) {
    if numbers.is_empty() {
        to.fill(T::default());
    }
    let mut together = [&[][..]; rows::MOST_ROWS];
    if let Some(together) = together.get_mut(..numbers.len()).filter(|together| !together.is_empty()) {
        for (into, &number) in together.iter_mut().zip(numbers) {
            *into = row(number);
        }
        if rows::weighted_rows(isa, together, weights, to) {
            return;
        }
    }
    let mut adds = false;
    for (numbers, weights) in numbers.chunks(ROWS).zip(weights.chunks(ROWS)) {
        match numbers.len() {
            1 => some_rows::<T, 1, FUSED>(&row, numbers, weights, to, adds),
            2 => some_rows::<T, 2, FUSED>(&row, numbers, weights, to, adds),
            3 => some_rows::<T, 3, FUSED>(&row, numbers, weights, to, adds),
            _ => some_rows::<T, 4, FUSED>(&row, numbers, weights, to, adds),
        }
        adds = true;
    }
}

#[inline(always)]
fn some_rows<'a, T: Weight, const N: usize, const FUSED: bool>(
    row: impl Fn(u32) -> &'a [T],
    numbers: &[u32],
    weights: &[T],
    to: &mut [T],
    adds: bool,
) {
    let rows = std::array::from_fn(|i| row(numbers[i]).as_chunks::<1>().0);
    let weights = std::array::from_fn(|i| weights[i]);
    if adds {
        combined::<T, N, 1, true, FUSED>(rows, weights, to);
    } else {
        combined::<T, N, 1, false, FUSED>(rows, weights, to);
    }
}

/// Weighted sums of the first elements of chunks, added to `to` if it `ADDS`. Loops over zipped slices have
/// no checks that keep them from being vectors.
#[inline(always)]
fn combined<T: Weight, const N: usize, const STEP: usize, const ADDS: bool, const FUSED: bool>(
    rows: [&[[T; STEP]]; N],
    w: [T; N],
    to: &mut [T],
) {
    let first = |a: [T; STEP], to: T| if ADDS { w[0].multiply_add::<FUSED>(a[0], to) } else { w[0] * a[0] };
    match rows[..] {
        [a] => {
            for (to, &a) in to.iter_mut().zip(a) {
                *to = first(a, *to);
            }
        }
        [a, b] => {
            for ((to, &a), b) in to.iter_mut().zip(a).zip(b) {
                *to = w[1].multiply_add::<FUSED>(b[0], first(a, *to));
            }
        }
        [a, b, c] => {
            for (((to, &a), b), c) in to.iter_mut().zip(a).zip(b).zip(c) {
                let sum = w[1].multiply_add::<FUSED>(b[0], first(a, *to));
                *to = w[2].multiply_add::<FUSED>(c[0], sum);
            }
        }
        [a, b, c, d] => {
            for ((((to, &a), b), c), d) in to.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                let sum = w[1].multiply_add::<FUSED>(b[0], first(a, *to));
                let sum = w[2].multiply_add::<FUSED>(c[0], sum);
                *to = w[3].multiply_add::<FUSED>(d[0], sum);
            }
        }
        _ => unreachable!("at most {ROWS} rows are added up at once"),
    }
}
