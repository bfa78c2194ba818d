//! Elements named by indices along an axis, and sums into them.
//!
//! | index | how |
//! |---|---|
//! | the same for all that follows the axis (`index_select`) | runs are copied or added |
//! | else | element by element |

use super::shares::{Run, share_rows};
use super::sums::Summed;
use crate::error::{Error, Result};
use crate::view::Output;
use std::sync::Mutex;

/// Elements of a run that `scatter_add` sums in one task.
const PART: usize = 1024;

/// Shapes around an axis: `outer` dims, the axis, `inner` dims. The index has size 1 where it is broadcast.
#[derive(Debug)]
pub struct Around {
    outer: Vec<usize>,
    inner: Vec<usize>,
    /// Places along the axis that the index has: those of the gathered or scattered array.
    places: usize,
    /// Elements along the axis that indices name.
    size: usize,
    /// Index elements from one place of each dim to the next.
    outer_steps: Vec<usize>,
    inner_steps: Vec<usize>,
    place_step: usize,
}

impl Around {
    /// For an array of `shape` that is gathered or scattered along `axis` by an index whose sizes are the
    /// shape's or 1, from or to an axis of `size` elements.
    pub fn new(shape: &[usize], axis: usize, index: &[usize], size: usize) -> Around {
        assert!(shape.len() == index.len() && axis < shape.len());
        let mut steps = vec![0; shape.len()];
        let mut step = 1;
        for i in (0..shape.len()).rev() {
            assert!(index[i] == 1 || index[i] == shape[i]);
            steps[i] = if index[i] == 1 { 0 } else { step };
            step *= index[i];
        }
        Around {
            outer: shape[..axis].to_vec(),
            inner: shape[axis + 1..].to_vec(),
            places: shape[axis],
            size,
            outer_steps: steps[..axis].to_vec(),
            inner_steps: steps[axis + 1..].to_vec(),
            place_step: steps[axis],
        }
    }

    fn inner_len(&self) -> usize {
        self.inner.iter().product()
    }

    fn outer_len(&self) -> usize {
        self.outer.iter().product()
    }

    /// Where the index of outer position `o` starts.
    fn outer_at(&self, o: usize) -> usize {
        place(&self.outer, &self.outer_steps, o)
    }

    /// Index offsets of the inner positions; None if they are all 0.
    fn inner_at(&self) -> Option<Vec<usize>> {
        let broadcast = self.inner.iter().zip(&self.inner_steps).all(|(&n, &step)| n == 1 || step == 0);
        (!broadcast)
            .then(|| (0..self.inner_len()).map(|r| place(&self.inner, &self.inner_steps, r)).collect())
    }
}

/// The offset of a position, counted in C order.
fn place(shape: &[usize], steps: &[usize], position: usize) -> usize {
    let (mut rest, mut at) = (position, 0);
    for (&n, &step) in shape.iter().zip(steps).rev() {
        at += rest % n * step;
        rest /= n;
    }
    at
}

/// Notes the first index that is not in the axis.
struct Stray(Mutex<Option<i64>>, usize);

impl Stray {
    /// An index as a place of the axis.
    #[inline(always)]
    fn inside(&self, index: i64) -> Option<usize> {
        if (index as u64) < self.1 as u64 {
            return Some(index as usize);
        }
        self.0.lock().expect("no task panics with it").get_or_insert(index);
        None
    }

    fn finish(self) -> Result<()> {
        match self.0.into_inner().expect("no task panics with it") {
            None => Ok(()),
            Some(index) => Err(Error::Argument(format!(
                "index has {index}, which is outside of an axis of {} elements",
                self.1
            ))),
        }
    }
}

/// `y[o, i, r] = x[o, index[o, i, r], r]`.
///
/// # Errors
/// [`Error::Argument`] if an index is not in the axis.
pub fn gather<T: Copy + Send + Sync, I: Copy + Into<i64> + Sync>(
    x: &[T],
    index: &[I],
    around: &Around,
    y: &mut [T],
    run: Run<'_>,
) -> Result<()> {
    let (inner, places, size) = (around.inner_len(), around.places, around.size);
    assert!(x.len() == around.outer_len() * size * inner && y.len() == around.outer_len() * places * inner);
    let inner_at = around.inner_at();
    let stray = Stray(Mutex::new(None), size);
    let y = Output::new(y);
    let bytes = inner * (2 * size_of::<T>() + size_of::<I>());
    share_rows(around.outer_len() * places, bytes, run, &|units| {
        for unit in units {
            let (o, i) = (unit / places, unit % places);
            let at = around.outer_at(o) + i * around.place_step;
            let x = &x[o * size * inner..(o + 1) * size * inner];
            let to = y.run(unit * inner, inner);
            match &inner_at {
                None => {
                    if let Some(from) = stray.inside(index[at].into()) {
                        to.copy_from_slice(&x[from * inner..(from + 1) * inner]);
                    }
                }
                Some(inner_at) => {
                    for (r, (to, &offset)) in to.iter_mut().zip(inner_at).enumerate() {
                        if let Some(from) = stray.inside(index[at + offset].into()) {
                            *to = x[from * inner + r];
                        }
                    }
                }
            }
        }
    })?;
    stray.finish()
}

/// `y[o, index[o, i, r], r]` is the sum of all such `src[o, i, r]`, in the order of i.
///
/// # Errors
/// [`Error::Argument`] if an index is not in the axis.
pub fn scatter_add<T: Summed, I: Copy + Into<i64> + Sync>(
    src: &[T],
    index: &[I],
    around: &Around,
    y: &mut [T],
    run: Run<'_>,
) -> Result<()> {
    let (inner, places, size) = (around.inner_len(), around.places, around.size);
    assert!(src.len() == around.outer_len() * places * inner && y.len() == around.outer_len() * size * inner);
    let inner_at = around.inner_at();
    let stray = Stray(Mutex::new(None), size);
    let y = Output::new(y);
    let parts = inner.div_ceil(PART);
    let bytes = (places + size) * inner.min(PART) * size_of::<T>();
    share_rows(around.outer_len() * parts, bytes, run, &|units| {
        let mut sums: Vec<T::Sum> = Vec::new();
        for unit in units {
            let (o, part) = (unit / parts, unit % parts);
            let part = part * inner / parts..(part + 1) * inner / parts;
            let width = part.len();
            sums.clear();
            sums.resize(size * width, T::ZERO);
            for i in 0..places {
                let at = around.outer_at(o) + i * around.place_step;
                let terms = &src[(o * places + i) * inner..][part.clone()];
                match &inner_at {
                    None => {
                        if let Some(to) = stray.inside(index[at].into()) {
                            for (sum, &term) in sums[to * width..][..width].iter_mut().zip(terms) {
                                *sum = T::add(*sum, term);
                            }
                        }
                    }
                    Some(inner_at) => {
                        for (r, (&term, &offset)) in terms.iter().zip(&inner_at[part.clone()]).enumerate() {
                            if let Some(to) = stray.inside(index[at + offset].into()) {
                                let sum = &mut sums[to * width + r];
                                *sum = T::add(*sum, term);
                            }
                        }
                    }
                }
            }
            for k in 0..size {
                let to = y.run((o * size + k) * inner + part.start, width);
                T::store(&sums[k * width..][..width], to);
            }
        }
    })?;
    stray.finish()
}
