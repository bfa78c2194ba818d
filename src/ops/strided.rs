//! Views of arrays in any strides, walked in runs along their last axis.

/// Elements of an array that lie `strides` apart, from `data[start]` on. Its shape is known to those who use it.
#[derive(Clone)]
pub struct View<'a, T> {
    /// All elements between the first and the last one in memory.
    pub data: &'a [T],
    /// Where the element with all indices 0 is.
    pub start: usize,
    /// Distances between elements along each axis; 0 repeats them.
    pub strides: Vec<isize>,
}

impl<T> View<'_, T> {
    /// The position in `data` of what lies `offset` from the start.
    #[inline(always)]
    pub(crate) fn position(&self, offset: isize) -> usize {
        self.start.wrapping_add_signed(offset)
    }
}

/// The axes from outermost to innermost in memory: by falling stride, else in C order. Axes of one element have no
/// place of their own and stay where they are.
pub fn memory_order(shape: &[usize], strides: &[isize]) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::with_capacity(shape.len());
    for axis in 0..shape.len() {
        let mut place = axis;
        if shape[axis] != 1 {
            for (at, &other) in order.iter().enumerate().rev().filter(|&(_, &other)| shape[other] != 1) {
                if strides[other].unsigned_abs() >= strides[axis].unsigned_abs() {
                    break;
                }
                place = at;
            }
        }
        order.insert(place, axis);
    }
    order
}

/// Joins neighbouring axes that every operand walks as one, and drops those of one element. `classes` keeps axes
/// of different classes apart. At least one axis remains.
pub fn collapse(
    shape: &[usize],
    strides: &[&[isize]],
    classes: &[bool],
) -> (Vec<usize>, Vec<Vec<isize>>, Vec<bool>) {
    let mut dims: Vec<usize> = Vec::new();
    let mut joined: Vec<Vec<isize>> = vec![Vec::new(); strides.len()];
    let mut kinds: Vec<bool> = Vec::new();
    for axis in (0..shape.len()).filter(|&axis| shape[axis] != 1) {
        let size = shape[axis] as isize;
        let joins = kinds.last() == Some(&classes[axis])
            && strides
                .iter()
                .zip(&joined)
                .all(|(strides, joined)| joined.last() == Some(&strides[axis].wrapping_mul(size)));
        if joins {
            *dims.last_mut().expect("there is one") *= shape[axis];
            for (strides, joined) in strides.iter().zip(&mut joined) {
                *joined.last_mut().expect("there is one") = strides[axis];
            }
        } else {
            dims.push(shape[axis]);
            kinds.push(classes[axis]);
            for (strides, joined) in strides.iter().zip(&mut joined) {
                joined.push(strides[axis]);
            }
        }
    }
    if dims.is_empty() {
        dims.push(1);
        kinds.push(false);
        joined.iter_mut().for_each(|joined| joined.push(0));
    }
    (dims, joined, kinds)
}

/// Calls `f(at, offset, len)` for the runs of the places `from..from + count` in C order: `len` elements along the
/// last axis from `offset` on, the first of which is number `at` of them.
pub(crate) fn runs(
    dims: &[usize],
    strides: &[isize],
    from: usize,
    count: usize,
    mut f: impl FnMut(usize, isize, usize),
) {
    if count == 0 {
        return;
    }
    let last = dims.len() - 1;
    let mut index = [0usize; MAX_AXES];
    let mut offset = 0isize;
    let mut rest = from;
    for axis in (0..=last).rev() {
        index[axis] = rest % dims[axis];
        rest /= dims[axis];
        offset += index[axis] as isize * strides[axis];
    }
    let mut at = 0;
    while at < count {
        let len = (dims[last] - index[last]).min(count - at);
        f(at, offset, len);
        at += len;
        index[last] += len;
        offset += len as isize * strides[last];
        let mut axis = last;
        while index[axis] == dims[axis] && axis > 0 {
            offset -= dims[axis] as isize * strides[axis];
            index[axis] = 0;
            axis -= 1;
            index[axis] += 1;
            offset += strides[axis];
        }
    }
}

/// As many axes as NumPy's arrays have at most.
pub const MAX_AXES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_join_where_all_operands_allow_it() {
        let (dims, strides, _) = collapse(&[2, 3, 4], &[&[12, 4, 1], &[0, 0, 0]], &[false; 3]);
        assert_eq!((dims, strides), (vec![24], vec![vec![1], vec![0]]));
        let (dims, strides, _) = collapse(&[2, 3, 4], &[&[12, 4, 1], &[3, 1, 0]], &[false; 3]);
        assert_eq!((dims, strides), (vec![6, 4], vec![vec![4, 1], vec![1, 0]]));
        let (dims, _, kinds) = collapse(&[2, 1, 3, 4], &[&[12, 7, 4, 1]], &[false, true, true, true]);
        assert_eq!((dims, kinds), (vec![2, 12], vec![false, true]));
        assert_eq!(collapse(&[1, 1], &[&[5, 5]], &[true, true]).0, [1]);
    }

    #[test]
    fn memory_order_goes_by_strides_and_keeps_c_order_else() {
        assert_eq!(memory_order(&[2, 3, 4], &[1, 2, 6]), [2, 1, 0]);
        assert_eq!(memory_order(&[2, 3, 4], &[12, -4, 1]), [0, 1, 2]);
        assert_eq!(memory_order(&[2, 1, 4], &[4, 1, 1]), [0, 1, 2]);
    }

    #[test]
    fn runs_visit_every_element_once_from_anywhere() {
        let (dims, strides) = ([2, 3, 4], [100isize, -10, 2]);
        let expected: Vec<isize> = (0..24).map(|i| i / 12 * 100 - i / 4 % 3 * 10 + i % 4 * 2).collect();
        for from in 0..24 {
            for count in 0..=24 - from {
                let mut seen = Vec::new();
                runs(&dims, &strides, from, count, |at, offset, len| {
                    assert_eq!(at, seen.len());
                    seen.extend((0..len).map(|i| offset + 2 * i as isize));
                });
                assert_eq!(seen, expected[from..from + count]);
            }
        }
    }
}
