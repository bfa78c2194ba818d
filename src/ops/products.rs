//! A matrix times a transposed one, `y[m, n] = Σ_k a[m, k] · b[n, k]`, in batches: linear layers.
//!
//! Blocks of rows of `a` that fit the second-level cache meet blocks of rows of `b`; nothing is packed, which
//! is what makes one row of `a` as fast as memory is. An element's bits do not depend on the number of rows.

use super::shares::{Run, share_rows};
use crate::element::Element;
use crate::error::Result;
use crate::simd::Body;
use crate::tile::kernels::HasKernels;
use crate::view::{Output, as_accumulators};

/// Bytes of a block of `a`.
const BLOCK_BYTES: usize = 256 << 10;
/// Rows of a block of `b`.
const COLUMNS: usize = 32;

/// `(batch, m, k)` by `(batch, n, k)` to `(batch, m, n)`; float16 is summed in float32.
pub fn products<E: Element<Acc: HasKernels>>(
    a: &[E],
    b: &[E],
    [batch, m, n, k]: [usize; 4],
    y: &mut [E],
    run: Run<'_>,
) -> Result<()> {
    assert!(a.len() == batch * m * k && b.len() == batch * n * k && y.len() == batch * m * n);
    if k == 0 {
        y.fill(E::narrow(E::Acc::default()));
        return Ok(());
    }
    let rows = (BLOCK_BYTES / (k * size_of::<E::Acc>())).clamp(8, 64);
    let (blocks, columns) = (m.div_ceil(rows), n.div_ceil(COLUMNS));
    let kernels = E::Acc::kernels(run.isa);
    let y = Output::new(y);
    let bytes = (COLUMNS.min(n) + rows.min(m)) * k * size_of::<E>();
    share_rows(batch * blocks * columns, bytes, run, &|units| {
        let mut sums = Vec::new();
        let mut converted = [Vec::new(), Vec::new()];
        for unit in units {
            let (s, rest) = (unit / (blocks * columns), unit % (blocks * columns));
            let (block, column) = (rest / columns, rest % columns);
            let part = block * rows..((block + 1) * rows).min(m);
            let across = column * COLUMNS..((column + 1) * COLUMNS).min(n);
            let a = &a[(s * m + part.start) * k..(s * m + part.end) * k];
            let b = &b[(s * n + across.start) * k..(s * n + across.end) * k];
            sums.resize(part.len() * across.len(), E::Acc::default());
            match (as_accumulators(a), as_accumulators(b)) {
                (Some(a), Some(b)) => kernels.run_products(k, a, b, &mut sums),
                _ => {
                    let [left, right] = &mut converted;
                    run.isa.run(Widen { from: a, to: left });
                    run.isa.run(Widen { from: b, to: right });
                    kernels.run_products(k, left, right, &mut sums);
                }
            }
            for (i, row) in part.zip(sums.chunks_exact(across.len())) {
                let to = y.run((s * m + i) * n + across.start, across.len());
                E::narrow_row(row, to);
            }
        }
    })
}

/// A copy in the type of sums.
struct Widen<'a, E: Element> {
    from: &'a [E],
    to: &'a mut Vec<E::Acc>,
}

impl<E: Element> Body for Widen<'_, E> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        self.to.clear();
        self.to.extend(self.from.iter().map(|from| from.widen()));
    }
}
