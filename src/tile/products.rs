//! Products of rows with rows, `c[i, j] = Σ_k a[i, k] · b[j, k]`: a matrix times a transposed one, read where
//! it lies.
//!
//! Lanes sum every L-th product and are summed at the end, in an order that is the same for every tile: an
//! element does not depend on how many rows there are. Tiles are 4 rows of a by 4 of b (2 where registers are
//! few).

use super::kernels::Kernels;
use crate::simd::{Float, Simd};

/// Rows of a tile.
const ROWS: usize = 4;

/// Arguments of `products`.
pub(crate) struct ProductTile<T> {
    k: usize,
    a: *const T,
    rows: usize,
    b: *const T,
    columns: usize,
    c: *mut T,
}

/// See [`ProductTile`].
pub(crate) type ProductsFn<T> = unsafe fn(&ProductTile<T>);

impl<T: Float> Kernels<T> {
    /// Products of the rows of `a` with the rows of `b`, all of `k` elements.
    pub(crate) fn run_products(&self, k: usize, a: &[T], b: &[T], c: &mut [T]) {
        let (rows, columns) = (a.len().checked_div(k).unwrap_or(0), b.len().checked_div(k).unwrap_or(0));
        assert!(a.len() == rows * k && b.len() == columns * k && c.len() == rows * columns);
        let tile = ProductTile { k, a: a.as_ptr(), rows, b: b.as_ptr(), columns, c: c.as_mut_ptr() };
        // SAFETY: the sizes were checked; the table belongs to a detected instruction set.
        unsafe { (self.products)(&tile) }
    }
}

/// All products, by tiles of 4 rows and `NB` columns.
///
/// # Safety
/// `a` has `rows` and `b` `columns` rows of `k` elements, `c` has `rows` rows of `columns`.
#[inline(always)]
pub(crate) unsafe fn products<S: Simd, const NB: usize>(t: &ProductTile<S::T>) {
    let mut j = 0;
    while j < t.columns {
        // SAFETY: tiles stay inside of the rows and columns.
        j += unsafe {
            if t.columns - j >= NB {
                column::<S, NB>(t, j);
                NB
            } else {
                column::<S, 1>(t, j);
                1
            }
        };
    }
}

#[inline(always)]
unsafe fn column<S: Simd, const NB: usize>(t: &ProductTile<S::T>, j: usize) {
    let mut i = 0;
    // SAFETY: as for `products`.
    unsafe {
        while i + ROWS <= t.rows {
            tile::<S, ROWS, NB>(t, i, j);
            i += ROWS;
        }
        match t.rows - i {
            1 => tile::<S, 1, NB>(t, i, j),
            2 => tile::<S, 2, NB>(t, i, j),
            3 => tile::<S, 3, NB>(t, i, j),
            _ => {}
        }
    }
}

#[inline(always)]
unsafe fn tile<S: Simd, const NA: usize, const NB: usize>(t: &ProductTile<S::T>, i: usize, j: usize) {
    // SAFETY: as for `products`; the last vectors of a row touch nothing beyond it.
    unsafe {
        let a: [*const S::T; NA] = std::array::from_fn(|row| t.a.wrapping_add((i + row) * t.k));
        let b: [*const S::T; NB] = std::array::from_fn(|row| t.b.wrapping_add((j + row) * t.k));
        let mut sums = [[S::zero(); NB]; NA];
        let mut at = 0;
        while at + S::L <= t.k {
            let mut right = [S::zero(); NB];
            for column in 0..NB {
                right[column] = S::load(b[column].add(at));
            }
            for row in 0..NA {
                let left = S::load(a[row].add(at));
                for column in 0..NB {
                    sums[row][column] = S::fma(left, right[column], sums[row][column]);
                }
            }
            at += S::L;
        }
        if at < t.k {
            for row in 0..NA {
                let left = S::load_n(a[row].add(at), t.k - at);
                for column in 0..NB {
                    let right = S::load_n(b[column].add(at), t.k - at);
                    sums[row][column] = S::fma(left, right, sums[row][column]);
                }
            }
        }
        for row in 0..NA {
            for column in 0..NB {
                *t.c.add((i + row) * t.columns + j + column) = S::sum(sums[row][column]);
            }
        }
    }
}
