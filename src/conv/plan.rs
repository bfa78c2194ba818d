//! Which kernel runs a convolution, and how it is shared out: two pure functions.
//!
//! `choose` sees one sample of one group and the instruction set, never the batch or the threads, so that a sample
//! gets the same bits alone and in a batch. `partition` divides outputs only, never a sum.

use super::band::{BandPlan, BandSpec, FIRST_LEVEL, SECOND_LEVEL};
use super::correlation::Correlation;
use crate::simd::Float;
use crate::tile::kernels::{Kernels, Menu};
use crate::tile::rows::ROWS;

/// What a tile's vectors run along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Mode {
    /// Pixels in vectors, weights broadcast.
    Pixels,
    /// Output channels in vectors, pixels broadcast.
    Channels,
    /// One summed channel: rows of pixels in vectors, each loaded row feeding several output rows.
    Depthwise,
}

/// The kernel for one geometry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Choice {
    pub mode: Mode,
    /// Rows of the largest tile: output channels, pixels, or output rows, by mode.
    pub rows: usize,
    /// Vectors of the largest tile.
    pub vectors: usize,
    /// Whether the source is read in place.
    pub direct: bool,
}

impl Choice {
    /// How the image is cut for this kernel, into `least` bands at least.
    fn band_spec<T: Float>(&self, kernels: &Kernels<T>, least: usize) -> BandSpec {
        BandSpec {
            element: size_of::<T>(),
            tile: self.vectors * kernels.lanes,
            direct: self.direct,
            budget: if self.mode == Mode::Depthwise { FIRST_LEVEL } else { SECOND_LEVEL },
            least,
        }
    }
}

/// Copies that a ragged end of an in-place source may need, in elements.
const TAIL_LIMIT: usize = 128 << 10;

/// Cycles of a tile with channels in vectors against one with pixels in vectors: on cores with two multipliers its
/// panels of weights arrive from the second-level cache too slowly.
const CHANNELS_COST: f64 = 1.08;

/// Cycles per multiplied vector of a tile, relative to one multiplication a cycle: short tiles wait for loads
/// (one vector or two scalars a cycle) or for the latency of the addition.
fn tile_cost(rows: usize, vectors: usize) -> f64 {
    let products = (rows * vectors) as f64;
    let loads = vectors as f64 + 0.5 * rows as f64;
    products.max(loads).max(6.0) / products
}

/// `total` cut into the fewest parts of at most `most`, as even as possible: `(start, length)`.
pub(crate) fn even_parts(total: usize, most: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
    let parts = total.div_ceil(most.max(1));
    (0..parts).map(move |i| {
        let start = i * total / parts;
        (start, (i + 1) * total / parts - start)
    })
}

/// Rows and vectors of the largest tile of a menu.
fn largest<T: Float>(menu: &Menu<T>, rows: usize) -> (usize, usize) {
    let tallest = menu.iter().rposition(|row| row.iter().any(Option::is_some)).map_or(1, |i| i + 1);
    // Few rows may be wider than a tall tile.
    let rows = rows.clamp(1, tallest);
    let wide = Kernels::vectors(menu, rows);
    if wide > Kernels::vectors(menu, tallest) {
        (rows, wide)
    } else {
        (tallest, Kernels::vectors(menu, tallest))
    }
}

/// The kernel for one sample of one group.
pub(crate) fn choose<T: Float>(corr: &Correlation, kernels: &Kernels<T>, in_place: bool) -> Choice {
    let lanes = kernels.lanes;
    let direct = in_place
        && corr.is_direct()
        && fits_offsets(corr, OFFSET_LIMIT)
        && corr.row_taps() * corr.c * lanes <= TAIL_LIMIT;
    // With more output channels a loaded vector is used often enough by the tiles below.
    if corr.c == 1 && corr.m <= 2 && corr.most_taps() > 1 {
        return Choice {
            mode: Mode::Depthwise,
            rows: ROWS,
            vectors: kernels.depthwise_vectors,
            direct: false,
        };
    }
    let (rows, vectors) = largest(&kernels.pv, corr.m);
    let pixels = Choice { mode: Mode::Pixels, rows, vectors, direct };
    let all_depth = (corr.c * corr.phases().map(Vec::len).sum::<usize>()) as f64;
    let plan = BandPlan::new(corr, &pixels.band_spec(kernels, 1));
    let flat = plan.flat_len(&plan.outputs(corr, 0)).div_ceil(lanes) * plan.bands();
    let mut best = {
        let tall = corr.m.max(1).div_ceil(corr.m.max(1).div_ceil(rows));
        let wide = vectors.min(plan.flat_len(&plan.outputs(corr, 0)).div_ceil(lanes));
        let outputs = (flat * corr.m) as f64;
        (outputs * (all_depth * tile_cost(tall, wide) + 3.0), pixels)
    };
    let count: usize = corr.grid.iter().product();
    let run = cv_run(corr, direct);
    for vectors in [2, 4] {
        let most = Kernels::rows_of(&kernels.cv, vectors);
        if most == 0 {
            continue;
        }
        let tall = run.div_ceil(run.div_ceil(most));
        let outputs = (count * corr.m.div_ceil(lanes)) as f64;
        let wide = vectors.min(corr.m.div_ceil(lanes)).max(1);
        // Turning a tile on its side costs about a cycle for each two of its elements.
        let cost = outputs * (all_depth * CHANNELS_COST * tile_cost(tall, wide) + 0.5 * lanes as f64 + 3.0);
        if cost < best.0 {
            best = (cost, Choice { mode: Mode::Channels, rows: most, vectors, direct });
        }
    }
    best.1
}

/// Length of the runs of neighbouring outputs that tiles with channels in vectors work on.
pub(crate) fn cv_run(corr: &Correlation, direct: bool) -> usize {
    if direct && corr.reach == [0; 3] { corr.grid.iter().product() } else { corr.grid[2] }
}

/// Offsets into a source read in place, or into scratch, are 32 bits wide.
pub(crate) const OFFSET_LIMIT: usize = u32::MAX as usize;

/// Whether every offset into a group of one sample is within `limit`.
fn fits_offsets(corr: &Correlation, limit: usize) -> bool {
    corr.source.iter().try_fold(corr.c, |n, &s| n.checked_mul(s)).is_some_and(|n| n <= limit)
}

/// How a pass over a batch is cut into tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partition {
    /// Samples times groups.
    pub units: usize,
    /// Units of one task.
    pub units_per_task: usize,
    /// Units whose bands a depthwise task copies at a time.
    pub ahead: usize,
    /// How each unit's outputs are cut.
    pub band: BandPlan,
    /// Parts of the output channels.
    pub parts: usize,
    /// Threads worth starting.
    pub threads: usize,
    /// Lanes of a band's flat axis, to whole vectors.
    pub columns: usize,
    /// Sums that wait for the next channels, in elements.
    pub waiting: usize,
}

/// Multiplications that repay waking a thread.
pub(crate) const THREAD_PRODUCTS: f64 = 1.5e6;
/// The same where a few products are made of each element that is loaded.
pub(crate) const FEW_PRODUCTS: f64 = 2e5;
/// Sums that wait for the next channels, at most.
const WAITING_BYTES: usize = 1 << 20;
/// Multiplications of a task that still ends soon enough for an interrupt, for each lane.
const TASK_PRODUCTS: f64 = 2e7;

impl Partition {
    /// Tasks of the pass.
    pub(crate) fn tasks(&self) -> usize {
        self.units.div_ceil(self.units_per_task) * self.band.bands() * self.parts
    }

    /// `(units, band, part)` of a task.
    pub(crate) fn task(&self, index: usize) -> (std::ops::Range<usize>, usize, usize) {
        let per_unit = self.band.bands() * self.parts;
        let first = index / per_unit * self.units_per_task;
        let units = first..(first + self.units_per_task).min(self.units);
        (units, index % per_unit / self.parts, index % self.parts)
    }
}

/// Shares a pass out among threads.
pub(crate) fn partition<T: Float>(
    corr: &Correlation,
    choice: &Choice,
    kernels: &Kernels<T>,
    units: usize,
    threads: usize,
) -> Partition {
    let lanes = kernels.lanes as f64;
    let per_unit = corr.products() as f64;
    let products = per_unit * units as f64;
    let repays = if choice.mode == Mode::Depthwise { FEW_PRODUCTS } else { THREAD_PRODUCTS };
    let threads = threads.min((products / (repays * lanes / 16.0)) as usize).max(1);
    let tile = choice.vectors * kernels.lanes;
    let (panel, panels) = match choice.mode {
        Mode::Pixels => (choice.rows, corr.m.div_ceil(choice.rows).max(1)),
        Mode::Channels => (tile, corr.m.div_ceil(tile).max(1)),
        Mode::Depthwise => (1, corr.m.max(1)),
    };
    let bands = |least| BandPlan::new(corr, &choice.band_spec(kernels, least));
    let plain = bands(1);
    // A unit's outputs in `each` tasks at least: by channels where copying the band again costs little, else by
    // bands, as those of fewer rows have more ragged ends.
    let copied = if choice.direct { 0.0 } else { (plain.len * plain.bands()) as f64 };
    let cut = |each: usize| {
        let missing = each.div_ceil(plain.bands());
        let by_channels = missing > 1 && copied * missing as f64 <= 0.1 * per_unit / lanes;
        let parts = if by_channels { missing.min(panels) } else { 1 };
        let band = if plain.bands() * parts < each { bands(each.div_ceil(parts)) } else { plain.clone() };
        (band, parts)
    };
    // Short enough to hear an interrupt between two of them.
    let least = ((products / (TASK_PRODUCTS * lanes)).ceil() as usize).max(1);
    let (band, mut parts) = if threads == 1 {
        cut(least.div_ceil(units.max(1)))
    } else {
        // The longest thread's share of the work, in vectors of outputs; a little extra for tasks too few to even
        // out what else the machine does.
        let share = |(band, parts): &(BandPlan, usize), extra: f64| {
            let tasks = units * band.bands() * parts;
            let vectors =
                band.flat_len(&band.outputs(corr, 0)).div_ceil(kernels.lanes) * panels.div_ceil(*parts);
            (tasks.div_ceil(threads) * vectors) as f64 * extra
        };
        let enough = ((products / (0.25 * repays)) as usize).max(threads);
        [(4, 1.0), (3, 1.0), (2, 1.01), (1, 1.03)]
            .map(|(each, extra)| {
                let wanted = (each * threads).min(enough).max(least);
                let cut = cut(wanted.div_ceil(units.max(1)));
                (share(&cut, extra), cut)
            })
            .into_iter()
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .expect("four ways")
            .1
    };
    let wanted = if threads == 1 { least } else { (4 * threads).max(least) };
    let flat = ((band.size[0] - 1) * band.pitch[0] + band.size[1] - 1) * band.pitch[1] + band.size[2];
    let columns = flat.next_multiple_of(kernels.lanes);
    let mut waiting = 0;
    if band.channels < corr.c {
        // Sums wait in scratch for the next channels: few enough output channels at a time.
        let each = corr.phases().count() * columns * panel;
        parts = parts.max(panels.div_ceil((WAITING_BYTES / size_of::<T>() / each).max(1)));
        waiting = panels.div_ceil(parts) * each;
    }
    let ahead = (FIRST_LEVEL / (band.len * size_of::<T>()).max(1)).clamp(1, 8);
    let units_per_task = if band.bands() * parts == 1 { units.div_ceil(wanted).max(1) } else { 1 };
    Partition { units, units_per_task, ahead, band, parts, threads, columns, waiting }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
