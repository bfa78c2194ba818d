//! The gradient of max pooling: plane by plane in the order of outputs, without atomics.

use super::shares::{Run, share_rows};
use super::sums::Summed;
use crate::error::{Error, Result};
use crate::view::Output;
use std::sync::Mutex;

/// Adds each element of `grad`, of planes of `outputs` elements, to the element of `x`, of planes of `plane`
/// elements, that its index names; -1 names none.
///
/// # Errors
/// [`Error::Argument`] for any other index that is not in its plane.
pub fn max_pool_grad<T: Summed, I: Copy + Into<i64> + Sync>(
    grad: &[T],
    indices: &[I],
    outputs: usize,
    plane: usize,
    x: &mut [T],
    run: Run<'_>,
) -> Result<()> {
    let planes = x.len().checked_div(plane).unwrap_or(0);
    assert!(x.len() == planes * plane && grad.len() == planes * outputs && indices.len() == grad.len());
    let bytes = (plane + outputs) * size_of::<T>() + outputs * size_of::<I>();
    let stray = Mutex::new(None);
    let x = Output::new(x);
    share_rows(planes, bytes, run, &|planes| {
        let mut sums = Vec::new();
        for p in planes {
            let to = x.run(p * plane, plane);
            let part = p * outputs..(p + 1) * outputs;
            let (grad, indices) = (&grad[part.clone()], &indices[part]);
            let failed = match T::as_sums(to) {
                Some(to) => {
                    to.fill(T::ZERO);
                    scatter::<T, I>(grad, indices, to)
                }
                None => {
                    sums.clear();
                    sums.resize(plane, T::ZERO);
                    let failed = scatter::<T, I>(grad, indices, &mut sums);
                    T::store(&sums, to);
                    failed
                }
            };
            if let Err(index) = failed {
                stray.lock().expect("no task panics with it").get_or_insert(index);
            }
        }
    })?;
    match stray.into_inner().expect("no task panics with it") {
        None => Ok(()),
        Some(index) => Err(Error::Argument(format!("indices has {index}, but a plane has {plane} elements"))),
    }
}

fn scatter<T: Summed, I: Copy + Into<i64>>(
    grad: &[T],
    indices: &[I],
    to: &mut [T::Sum],
) -> std::result::Result<(), i64> {
    for (&g, &index) in grad.iter().zip(indices) {
        let index: i64 = index.into();
        match usize::try_from(index).ok().and_then(|i| to.get_mut(i)) {
            Some(sum) => *sum = T::add(*sum, g),
            None if index == -1 => {}
            None => return Err(index),
        }
    }
    Ok(())
}
