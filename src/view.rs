//! The output array as many threads see it.

#![allow(unsafe_code)]

use crate::element::Element;
use std::marker::PhantomData;

/// An output that tasks of one parallel region write, each its own elements.
///
/// This type is the only place where an output is split across threads. `conv::plan::partition` gives every
/// element to exactly one task (`plan_tests` checks it), which is what keeps writes free of data races; every write is
/// range-checked besides.
pub(crate) struct Output<'a, T> {
    start: *mut T,
    len: usize,
    life: PhantomData<&'a mut [T]>,
}

// SAFETY: tasks write disjoint elements and read none; see the type's documentation.
unsafe impl<T: Send> Sync for Output<'_, T> {}
// SAFETY: it stands for a `&mut [T]`.
unsafe impl<T: Send> Send for Output<'_, T> {}

impl<'a, T: Copy> Output<'a, T> {
    /// Takes the whole array.
    pub(crate) fn new(array: &'a mut [T]) -> Self {
        Output { start: array.as_mut_ptr(), len: array.len(), life: PhantomData }
    }

    /// Panics unless `len` elements from `start` on are inside.
    #[inline]
    pub(crate) fn check(&self, start: usize, len: usize) {
        assert!(start <= self.len && len <= self.len - start, "{start} + {len} exceeds {}", self.len);
    }

    /// Writes one element.
    #[inline]
    pub(crate) fn write(&self, index: usize, value: T) {
        self.check(index, 1);
        // SAFETY: in range; no other task touches this element.
        unsafe { *self.start.add(index) = value };
    }

    /// The address of an element; what is written there must have been checked.
    #[inline]
    pub(crate) fn at(&self, index: usize) -> *mut T {
        self.start.wrapping_add(index)
    }

    /// A run of elements, for one task alone.
    #[inline]
    #[allow(clippy::mut_from_ref)]
    pub(crate) fn run(&self, start: usize, len: usize) -> &mut [T] {
        self.check(start, len);
        // SAFETY: in range; no other task touches these elements, and a task asks for one run at a time.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }
}

impl<'a, E: Element> Output<'a, E> {
    /// The same output in the type of sums, if that is the element's own.
    #[inline]
    pub(crate) fn as_accumulator(&self) -> Option<Output<'a, E::Acc>> {
        E::is_acc().then(|| Output { start: self.start.cast(), len: self.len, life: PhantomData })
    }
}

/// An input in the type of sums, if that is the element's own.
pub(crate) fn as_accumulators<E: Element>(array: &[E]) -> Option<&[E::Acc]> {
    // SAFETY: the two types are the same.
    E::is_acc().then(|| unsafe { std::slice::from_raw_parts(array.as_ptr().cast(), array.len()) })
}
