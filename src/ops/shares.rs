//! Rows of an output shared out among tasks.

use crate::error::Result;
use crate::simd::Isa;
use crate::threads::{self, Interrupt};
use std::ops::Range;

/// How a call runs.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// The instruction set of the loops.
    pub isa: Isa,
    /// The most threads.
    pub threads: usize,
    /// Asked whether to stop.
    pub interrupt: &'a dyn Interrupt,
}

/// Bytes that a task moves: much more than sharing it out costs, and little enough for the second-level
/// cache.
const TASK_BYTES: usize = 128 << 10;

/// Calls `task` with ranges that make up `0..rows`, of rows that move `row_bytes` bytes each. Where the cuts
/// lie does not depend on the number of threads.
pub(super) fn share_rows(
    rows: usize,
    row_bytes: usize,
    run: Run<'_>,
    task: &(dyn Fn(Range<usize>) + Sync),
) -> Result<()> {
    let each = (TASK_BYTES / row_bytes.max(1)).clamp(1, rows.max(1));
    threads::run(rows.div_ceil(each), run.threads, run.interrupt, &|i| {
        task(i * each..((i + 1) * each).min(rows));
    })
}
