//! Tables of taps: which elements of an axis each output sums, with what weights.

use crate::element::Element;
use crate::error::{Error, Result};
use crate::simd::Float;
use std::ops::Range;

/// The largest period that is looked for.
const PERIODS: usize = 4;
/// Outputs below which a periodic stretch is not worth loops of its own.
const SHORTEST: usize = 16;

/// A type that taps are summed in.
pub trait Weight: Float + Element<Acc = Self> {
    /// `self * b + c`, in one rounding if `FUSED`.
    fn multiply_add<const FUSED: bool>(self, b: Self, c: Self) -> Self;
    /// A table's weights in this type.
    fn weights(table: &TapTable) -> &Weights<Self>;
}

macro_rules! weight {
    ($($t:ty: $field:ident),*) => {
        $(impl Weight for $t {
            #[inline(always)]
            fn multiply_add<const FUSED: bool>(self, b: $t, c: $t) -> $t {
                if FUSED { self.mul_add(b, c) } else { self * b + c }
            }
            fn weights(table: &TapTable) -> &Weights<$t> {
                &table.$field
            }
        })*
    };
}
weight!(f32: single, f64: double);

/// A sparse matrix in compressed rows; see `rsconv.backends.taps`.
#[derive(Debug)]
pub struct TapTable {
    size: usize,
    offsets: Vec<u32>,
    indices: Vec<u32>,
    /// The most elements between the first and the last tap of an output, both counted.
    span: usize,
    selects: bool,
    single: Weights<f32>,
    double: Weights<f64>,
}

/// A table's weights in one type.
#[derive(Debug)]
pub struct Weights<T> {
    /// One for each tap.
    pub(super) of: Vec<T>,
    /// Where the outputs are periodic.
    pub(super) periodic: Option<Periodic>,
}

/// Outputs `outputs`, of which each, at `i + outputs_step`, has the taps of that at `i`, `elements_step`
/// further on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Periodic {
    pub(super) outputs: Range<usize>,
    pub(super) outputs_step: usize,
    pub(super) elements_step: usize,
}

impl TapTable {
    /// A table over an axis of `size` elements: output i has the taps `offsets[i]..offsets[i + 1]` of
    /// `indices` and `weights` (all 1 if there are none).
    ///
    /// # Errors
    /// [`Error::Argument`] if the arrays are no such table.
    pub fn new(size: usize, offsets: &[i32], indices: &[i32], weights: Option<&[f64]>) -> Result<TapTable> {
        let taps = indices.len();
        let ordered = offsets.first() == Some(&0)
            && offsets.windows(2).all(|pair| pair[0] <= pair[1])
            && offsets.last().is_some_and(|&last| last as usize == taps);
        if !ordered || weights.is_some_and(|weights| weights.len() != taps) {
            let text = format!("offsets do not divide {taps} taps with as many weights");
            return Err(Error::Argument(text));
        }
        if let Some(stray) = indices.iter().find(|&&i| i < 0 || i as usize >= size) {
            return Err(Error::Argument(format!(
                "a tap at {stray} is outside of an axis of {size} elements"
            )));
        }
        let unsigned = |values: &[i32]| values.iter().map(|&i| i as u32).collect::<Vec<_>>();
        let (offsets, indices) = (unsigned(offsets), unsigned(indices));
        let double = weights.map_or_else(|| vec![1.0; taps], <[f64]>::to_vec);
        let single: Vec<f32> = double.iter().map(|&w| w as f32).collect();
        let spans = offsets.windows(2).map(|pair| {
            let row = &indices[pair[0] as usize..pair[1] as usize];
            row.iter().max().map_or(0, |last| last - row.iter().min().expect("not empty") + 1)
        });
        Ok(TapTable {
            size,
            span: spans.max().unwrap_or(0) as usize,
            selects: weights.is_none() && offsets.windows(2).all(|pair| pair[1] - pair[0] == 1),
            single: Weights { periodic: Periodic::find(&offsets, &indices, &single), of: single },
            double: Weights { periodic: Periodic::find(&offsets, &indices, &double), of: double },
            offsets,
            indices,
        })
    }

    /// Elements of the axis.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Elements of the result.
    pub fn outputs(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether every output is one element, as it is.
    pub fn selects(&self) -> bool {
        self.selects
    }

    /// Where every output sums two neighbours, two elements after those of the output before, with the same
    /// weights: the first element, and the weights.
    pub(super) fn pairs<T: Weight>(&self) -> Option<(usize, [T; 2])> {
        let weights = T::weights(self);
        let found = weights.periodic.as_ref()?;
        let (&[first, second], &[a, b]) = (&self.indices[self.row(0)], &weights.of[self.row(0)]) else {
            return None;
        };
        let regular = found.outputs == (0..self.outputs()) && found.outputs_step == 1;
        (regular && found.elements_step == 2 && second == first + 1).then_some((first as usize, [a, b]))
    }

    /// The taps of windows that stand around every element of the axis, with the same weights but at the edges.
    pub(super) fn around<T: Weight>(&self) -> Option<usize> {
        let found = T::weights(self).periodic.as_ref()?;
        let taps = self.row(found.outputs.start).len();
        let half = taps / 2;
        let regular = found.outputs_step == 1
            && found.elements_step == 1
            && self.outputs() == self.size
            && found.outputs.start <= half
            && found.outputs.end + half >= self.size;
        let window = |i: usize| i.saturating_sub(half) as u32..(i + half + 1).min(self.size) as u32;
        let seen = |i: usize| self.indices[self.row(i)].iter().copied();
        (regular && taps % 2 == 1 && (0..self.size).all(|i| seen(i).eq(window(i)))).then_some(taps)
    }

    pub(super) fn span(&self) -> usize {
        self.span
    }

    /// The taps of an output.
    #[inline(always)]
    pub(super) fn row(&self, output: usize) -> Range<usize> {
        self.offsets[output] as usize..self.offsets[output + 1] as usize
    }

    #[inline(always)]
    pub(super) fn indices(&self) -> &[u32] {
        &self.indices
    }
}

impl Periodic {
    /// The stretch around the middle with the shortest period, if it makes up most of the outputs.
    fn find<T: Float>(offsets: &[u32], indices: &[u32], weights: &[T]) -> Option<Periodic> {
        let outputs = offsets.len() - 1;
        let row = |i: usize| offsets[i] as usize..offsets[i + 1] as usize;
        (1..=PERIODS).find_map(|period| {
            let middle = outputs / 2;
            // A row with taps tells how far a period advances.
            let some = (middle..middle + period).find(|&i| i + period < outputs && !row(i).is_empty())?;
            let next = indices.get(row(some + period).start)?;
            let step = next.checked_sub(indices[row(some).start])?;
            let repeats = |i: usize| {
                let (a, b) = (row(i), row(i + period));
                a.len() == b.len()
                    && indices[a.clone()].iter().zip(&indices[b.clone()]).all(|(&a, &b)| a + step == b)
                    && weights[a] == weights[b]
            };
            let first = (0..middle).rev().take_while(|&i| repeats(i)).last().unwrap_or(middle);
            let end = (middle..outputs - period).take_while(|&i| repeats(i)).last()? + 1 + period;
            let long = step > 0 && end - first >= SHORTEST.max(outputs / 2);
            long.then_some(Periodic {
                outputs: first..end,
                outputs_step: period,
                elements_step: step as usize,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(size: usize, rows: &[&[(i32, f64)]]) -> TapTable {
        let mut offsets = vec![0];
        let (mut indices, mut weights) = (vec![], vec![]);
        for row in rows {
            indices.extend(row.iter().map(|tap| tap.0));
            weights.extend(row.iter().map(|tap| tap.1));
            offsets.push(indices.len() as i32);
        }
        TapTable::new(size, &offsets, &indices, Some(&weights)).expect("a table")
    }

    #[test]
    fn the_shortest_period_around_the_middle_is_found() {
        // A stencil of two taps, cut at the edges.
        let rows: Vec<Vec<(i32, f64)>> = (0..40)
            .map(|i: i32| [(i - 1, 0.25), (i, 0.75)].into_iter().filter(|tap| tap.0 >= 0).collect())
            .collect();
        let rows: Vec<&[(i32, f64)]> = rows.iter().map(Vec::as_slice).collect();
        let found = Periodic { outputs: 1..40, outputs_step: 1, elements_step: 1 };
        assert_eq!(table(40, &rows).single.periodic, Some(found));
        // Each element twice.
        let rows: Vec<Vec<(i32, f64)>> = (0..40).map(|i| vec![(i / 2, 1.0)]).collect();
        let rows: Vec<&[(i32, f64)]> = rows.iter().map(Vec::as_slice).collect();
        let found = Periodic { outputs: 0..40, outputs_step: 2, elements_step: 1 };
        assert_eq!(table(20, &rows).double.periodic, Some(found));
    }

    #[test]
    fn irregular_rows_have_no_period() {
        let rows: Vec<Vec<(i32, f64)>> = (0..40).map(|i| vec![(i * i % 37, 1.0)]).collect();
        let rows: Vec<&[(i32, f64)]> = rows.iter().map(Vec::as_slice).collect();
        assert_eq!(table(40, &rows).single.periodic, None);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        assert!(TapTable::new(3, &[0, 2], &[0], None).is_err());
        assert!(TapTable::new(3, &[0, 2, 1], &[0, 1], None).is_err());
        assert!(TapTable::new(3, &[], &[], None).is_err());
        assert!(TapTable::new(3, &[0, 1], &[0], Some(&[1.0, 2.0])).is_err());
        let error = TapTable::new(3, &[0, 1], &[3], None).expect_err("outside");
        assert!(error.to_string().contains("3"), "{error}");
        assert!(TapTable::new(3, &[0, 1], &[-1], None).is_err());
    }
}
