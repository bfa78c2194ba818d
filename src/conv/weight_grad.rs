//! Weight gradient: `w[m, c, t] = Σ_n Σ_o y[n, m, o] · x[n, c, o · stride + t · dilation - pad]`, a GEMM whose
//! reduction runs over pixels.
//!
//! | form | rows | lanes | image in scratch | when |
//! |---|---|---|---|---|
//! | `Dots` | - | pixels | padded band of one channel | few channels (`row_dot`) |
//! | `Last` | output channels | input channels of one tap | channels last, `[position][c]` | at least half a vector of channels |
//! | `Rows` | output channels | input channels and taps | im2col rows, `[output][c, t]` | the rest |
//!
//! The tile is that of the forward pass: packed rows of y are broadcast, and a table of pixel offsets walks the
//! image. Samples of few outputs are summed together. Sums of one band are added to the result band by band (two
//! levels, so that rounding errors grow with the square root of the band), in an order that depends on the geometry
//! alone: the bits do not depend on threads.

use super::band::{BandPlan, BandSpec, FIRST_LEVEL};
use super::correlation::Correlation;
use super::plan::{FEW_PRODUCTS, THREAD_PRODUCTS, even_parts};
use super::row_dot::RowDot;
use crate::aligned::AlignedVec;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::scratch::with_scratch;
use crate::threads::{self, Interrupt};
use crate::tile::epilogue::add_into;
use crate::tile::kernels::{Kernels, Offsets};
use crate::view::Output;

/// Outputs of a band, at most: the length of the first level of sums.
const PIXELS: usize = 512;
/// Scratch of the image, about.
const IMAGE_BYTES: usize = 512 << 10;
/// Products of one parallel region, for each lane and thread, so that an interrupt is heard soon.
const REGION_PRODUCTS: f64 = 1e7;

/// How the sum is arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// Dot products along rows.
    Dots,
    /// Channels last.
    Last,
    /// im2col rows.
    Rows,
}

/// One band of one group of some samples, for output channels `m0..m0 + rows`.
struct Step<'a, E> {
    index: usize,
    /// From that group of the first sample on.
    x: &'a [E],
    y: &'a [E],
    samples: usize,
    m0: usize,
    rows: usize,
}

/// The weight gradient of one geometry.
pub(crate) struct WeightGrad<'a, E: Element> {
    pub(super) geometry: &'a Geometry,
    pub(super) corr: &'a Correlation,
    pub(super) kernels: &'static Kernels<E::Acc>,
    pub form: Form,
    /// Input channels that the image holds at once.
    block: usize,
    /// Lanes from one row of the image to the next: those channels, or channels and taps, to whole vectors, and
    /// a spare vector where rows would share too few sets of the cache.
    pub(super) width: usize,
    /// How outputs are cut; only `Dots` copies by it.
    band: BandPlan,
}

impl<'a, E: Element> WeightGrad<'a, E> {
    /// Chooses the form; sees one sample only.
    pub(crate) fn new(
        geometry: &'a Geometry,
        corr: &'a Correlation,
        kernels: &'static Kernels<E::Acc>,
    ) -> Self {
        let lanes = kernels.lanes;
        let size = size_of::<E::Acc>();
        let taps = geometry.taps();
        // Positions that channels-last copying would visit, against those that the taps read.
        let span = |n: usize, d: usize| {
            (n - 1) * geometry.stride()[d] + (geometry.kernel()[d] - 1) * geometry.dilation()[d] + 1
        };
        let spread =
            (0..3).map(|d| span(corr.grid[d].min(8), d) as f64 / corr.grid[d].min(8) as f64).product::<f64>();
        let reach = (0..3).map(|d| span(1, d)).fold(1, usize::saturating_mul);
        // As many channels as fit beside the smallest box of outputs.
        let last = (IMAGE_BYTES / reach.saturating_mul(size)) / lanes * lanes;
        let rows = (IMAGE_BYTES / 8 / (taps * size).max(1)).max(1);
        let form = if corr.c * corr.m <= 128 {
            Form::Dots
        } else if 2 * corr.c >= lanes && spread <= 2.0 * taps as f64 && last > 0 {
            Form::Last
        } else {
            Form::Rows
        };
        let (block, width) = match form {
            Form::Last => {
                let width = last.min(corr.c.next_multiple_of(lanes));
                // Pixels that lie multiples of 1 KiB apart share few sets of the first-level cache.
                let spare = if (width * size).is_multiple_of(1024) { lanes } else { 0 };
                (last.min(corr.c), width + spare)
            }
            _ => (rows.min(corr.c.max(1)), (rows.min(corr.c.max(1)) * taps).next_multiple_of(lanes)),
        };
        let spec = BandSpec { element: size, tile: lanes, direct: false, budget: FIRST_LEVEL, least: 1 };
        let mut band = BandPlan::new(corr, &spec);
        if form != Form::Dots {
            let fits = |size: [usize; 3]| {
                let pixels: usize = size.iter().product();
                let positions = match form {
                    Form::Last => (0..3).map(|d| span(size[d], d)).fold(1, usize::saturating_mul),
                    _ => pixels,
                };
                pixels <= PIXELS && positions.saturating_mul(width * size_of::<E::Acc>()) <= 2 * IMAGE_BYTES
            };
            band.size = [1; 3];
            for d in [2, 1, 0] {
                let most = (1..=corr.grid[d].min(PIXELS)).rev().find(|&n| {
                    let mut more = band.size;
                    more[d] = n;
                    fits(more)
                });
                let most = most.unwrap_or(1);
                band.size[d] = corr.grid[d].div_ceil(corr.grid[d].div_ceil(most));
                if band.size[d] < corr.grid[d] {
                    break;
                }
            }
            for d in 0..3 {
                band.count[d] = corr.grid[d].div_ceil(band.size[d]);
            }
        }
        WeightGrad { geometry, corr, kernels, form, block, width, band }
    }

    /// Rows and vectors of the largest tile.
    pub(crate) fn tile(&self) -> (usize, usize) {
        let tallest =
            self.kernels.pv.iter().rposition(|row| row.iter().any(Option::is_some)).map_or(1, |i| i + 1);
        (tallest, Kernels::vectors(&self.kernels.pv, tallest))
    }

    pub(super) fn position(&self, at: [usize; 3], size: [usize; 3]) -> usize {
        (at[0] * size[1] + at[1]) * size[2] + at[2]
    }

    /// Samples whose outputs are summed at once: several where one has few, since each step reads and writes all
    /// sums.
    fn together(&self) -> usize {
        if self.form == Form::Dots || self.band.bands() > 1 {
            return 1;
        }
        let pixels: usize = self.band.size.iter().product();
        let positions = match self.form {
            Form::Last => self.positions(self.band.size).iter().product(),
            _ => pixels,
        };
        let image = positions * self.width * size_of::<E::Acc>();
        (PIXELS / pixels.max(1)).min(IMAGE_BYTES / image.max(1)).clamp(1, self.geometry.batch().max(1))
    }

    /// Blocks of input channels.
    fn blocks(&self) -> usize {
        self.corr.c.div_ceil(self.block)
    }

    /// Input positions that a box of outputs reads.
    pub(super) fn positions(&self, n: [usize; 3]) -> [usize; 3] {
        let g = self.geometry;
        [0, 1, 2].map(|d| (n[d] - 1) * g.stride()[d] + (g.kernel()[d] - 1) * g.dilation()[d] + 1)
    }

    /// Scratch of a task, in elements: image, packed y, tile (or rows of y).
    pub(crate) fn scratch(&self, rows: usize) -> [usize; 3] {
        let pixels = self.band.size.iter().product::<usize>() * self.together();
        let (tall, vectors) = self.tile();
        match self.form {
            Form::Dots => [RowDot::<E>::scratch(&self.band), 0, 0],
            Form::Last => {
                let positions: usize = self.positions(self.band.size).iter().product();
                [
                    (positions * self.together() + 1) * self.width,
                    pixels * rows,
                    tall * vectors * self.kernels.lanes,
                ]
            }
            Form::Rows => [pixels * self.width, pixels * rows, tall * vectors * self.kernels.lanes],
        }
        .map(|n| n.next_multiple_of(16))
    }

    /// Rows and vectors of the tile, or kernel elements and vectors of a dot product.
    pub(crate) fn shown_tile(&self) -> [usize; 2] {
        match self.form {
            Form::Dots => [crate::tile::dot::TAPS, 1],
            _ => self.tile().into(),
        }
    }

    /// Threads worth starting, of `threads`.
    pub(crate) fn threads(&self, threads: usize) -> usize {
        let g = self.geometry;
        let products = self.corr.products() as f64 * (g.groups() * g.batch()) as f64;
        let repays = if self.form == Form::Dots { FEW_PRODUCTS } else { THREAD_PRODUCTS };
        threads.min((products / (repays * self.kernels.lanes as f64 / 16.0)) as usize).max(1)
    }

    /// Output channels of a task: few enough that packed y stays in cache, more than one task for each thread.
    pub(crate) fn rows_per_task(&self, threads: usize) -> usize {
        let (tall, _) = self.tile();
        let tall = if self.form == Form::Dots { 1 } else { tall };
        // No more tasks than threads: each copies the image.
        let wanted = threads.div_ceil(self.geometry.groups());
        let cached = (256 * 1024 / (PIXELS * size_of::<E::Acc>())).max(tall);
        self.corr
            .m
            .div_ceil(wanted)
            .next_multiple_of(tall)
            .min(cached.next_multiple_of(tall))
            .min(self.corr.m.max(1))
    }

    /// Computes the gradient of a batch.
    pub(crate) fn run(
        &self,
        x: &[E],
        y: &[E],
        w: &mut [E],
        threads: usize,
        interrupt: &dyn Interrupt,
    ) -> Result<()> {
        let (corr, groups, batch) = (self.corr, self.geometry.groups(), self.geometry.batch());
        let taps = self.geometry.taps();
        let columns = match self.form {
            Form::Dots => corr.c * corr.most_taps(),
            Form::Last => self.blocks() * taps * self.width,
            Form::Rows => self.blocks() * self.width,
        };
        let mut sums = AlignedVec::<E::Acc>::zeroed(groups * corr.m * columns)?;
        if w.is_empty() {
            return Ok(());
        }
        let products = corr.products() as f64 * groups as f64;
        let lanes = self.kernels.lanes as f64;
        let threads = self.threads(threads);
        let rows = self.rows_per_task(threads);
        let tasks: Vec<(usize, usize, usize)> =
            (0..groups).flat_map(|g| even_parts(corr.m, rows).map(move |(m0, n)| (g, m0, n))).collect();
        let sizes = self.scratch(tasks.iter().map(|task| task.2).max().unwrap_or(1));
        let bytes = sizes.iter().sum::<usize>() * size_of::<E::Acc>();
        if bytes > super::plan::OFFSET_LIMIT {
            return Err(Error::Alloc { bytes });
        }
        let offsets = self.offsets();
        let (bands, together) = (self.band.bands(), self.together());
        let steps = batch.div_ceil(together) * bands;
        let per_step = products * together as f64 / bands as f64;
        let region = ((REGION_PRODUCTS * lanes * threads as f64 / per_step) as usize).clamp(1, steps.max(1));
        let (x_plane, y_plane) = (corr.source.iter().product::<usize>(), corr.grid.iter().product::<usize>());
        {
            let output = Output::new(sums.as_mut_slice());
            let failed = std::sync::OnceLock::new();
            for first in (0..steps).step_by(region) {
                if failed.get().is_some() {
                    break;
                }
                threads::run(tasks.len(), threads, interrupt, &|task| {
                    let (g, m0, n) = tasks[task];
                    let sums = output.run((g * corr.m + m0) * columns, n * columns);
                    let done = with_scratch(bytes, |scratch| {
                        let scratch = bytemuck::cast_slice_mut::<u8, E::Acc>(scratch);
                        let (image, rest) = scratch.split_at_mut(sizes[0]);
                        let (packed, tile) = rest.split_at_mut(sizes[1]);
                        for step in first..(first + region).min(steps) {
                            let (sample, index) = (step / bands * together, step % bands);
                            let samples = together.min(batch - sample);
                            let unit = sample * groups + g;
                            let (x, y) = (&x[unit * corr.c * x_plane..], &y[unit * corr.m * y_plane..]);
                            if self.form == Form::Dots {
                                let dots = RowDot {
                                    corr,
                                    kernels: self.kernels,
                                    plan: &self.band,
                                    offsets: &offsets,
                                };
                                let x = &x[..corr.c * x_plane];
                                dots.band(index, x, &y[..corr.m * y_plane], m0..m0 + n, sums, image);
                            } else {
                                let work = Step { index, x, y, samples, m0, rows: n };
                                self.band(&work, &offsets, sums, [&mut *image, &mut *packed, &mut *tile]);
                            }
                        }
                    });
                    if let Err(error) = done {
                        let _ = failed.set(error);
                    }
                })?;
            }
            failed.into_inner().map_or(Ok(()), Err::<(), Error>)?;
        }
        let (sums, rows) = (sums.as_slice(), Output::new(w));
        let count = groups * corr.m;
        let at_once = count.div_ceil(threads);
        threads::run(count.div_ceil(at_once), threads, interrupt, &|task| {
            for row in task * at_once..((task + 1) * at_once).min(count) {
                let w = rows.run(row * corr.c * taps, corr.c * taps);
                self.store(&sums[row * columns..][..columns], w);
            }
        })
    }

    /// The sums of one output channel as its row of the result.
    fn store(&self, sums: &[E::Acc], w: &mut [E]) {
        let taps = self.geometry.taps();
        if self.form == Form::Dots {
            // Taps that read nothing but padding have no sum.
            let kept = &self.corr.rows[0].phases[0];
            for (c, w) in w.chunks_exact_mut(taps).enumerate() {
                w.fill(E::narrow(Default::default()));
                for (tap, &sum) in kept.iter().zip(&sums[c * kept.len()..]) {
                    w[tap.weight] = E::narrow(sum);
                }
            }
            return;
        }
        let columns = self.width * if self.form == Form::Last { taps } else { 1 };
        for (w, sums) in w.chunks_mut(self.block * taps).zip(sums.chunks_exact(columns)) {
            if self.form == Form::Rows {
                for (w, &sum) in w.iter_mut().zip(sums) {
                    *w = E::narrow(sum);
                }
                continue;
            }
            for (lane, w) in w.chunks_exact_mut(taps).enumerate() {
                for (tap, w) in w.iter_mut().enumerate() {
                    *w = E::narrow(sums[tap * self.width + lane]);
                }
            }
        }
    }

    /// Offsets into the image: of the taps (`Dots`, `Last`), or nothing.
    fn offsets(&self) -> Vec<u32> {
        let g = self.geometry;
        let size = self.positions(self.band.size);
        let kernel = g.kernel();
        match self.form {
            Form::Dots => self.corr.rows[0].phases[0]
                .iter()
                .map(|tap| self.band.offset(self.corr, tap) as u32)
                .collect(),
            Form::Last => (0..g.taps())
                .map(|t| {
                    let at = [t / (kernel[1] * kernel[2]), t / kernel[2] % kernel[1], t % kernel[2]];
                    let at = [0, 1, 2].map(|d| at[d] * g.dilation()[d]);
                    (self.position(at, size) * self.width) as u32
                })
                .collect(),
            Form::Rows => Vec::new(),
        }
    }

    /// Adds one band to the sums of some output channels.
    fn band(&self, work: &Step<'_, E>, taps: &[u32], sums: &mut [E::Acc], scratch: [&mut [E::Acc]; 3]) {
        let &Step { index, x, y, samples, m0, rows } = work;
        let [image, packed, tile] = scratch;
        let outputs = self.band.outputs(self.corr, index);
        let n = [0, 1, 2].map(|d| outputs.end[d] - outputs.first[d]);
        let each: usize = n.iter().product();
        let pixels = each * samples;
        let size = self.positions(self.band.size);
        let g = self.geometry;
        let positions: usize = size.iter().product();
        // Where a sample's image begins.
        let image_of =
            |sample: usize| sample * self.width * if self.form == Form::Last { positions } else { each };
        let mut table = Vec::with_capacity(pixels);
        for sample in 0..samples {
            for d in 0..n[0] {
                for h in 0..n[1] {
                    for w in 0..n[2] {
                        let at = match self.form {
                            Form::Last => {
                                self.position([d * g.stride()[0], h * g.stride()[1], w * g.stride()[2]], size)
                            }
                            _ => table.len() % each,
                        };
                        table.push((image_of(sample) + at * self.width) as u32);
                    }
                }
            }
        }
        let [x_step, y_step] = [(self.corr.c, self.corr.source), (self.corr.m, self.corr.grid)]
            .map(|(channels, plane)| g.groups() * channels * plane.iter().product::<usize>());
        let off = Offsets { table: &table, largest: table.last().copied().unwrap_or(0) };
        let (tall, vectors) = self.tile();
        let lanes = self.kernels.lanes;
        let columns = sums.len() / rows;
        // The spare vector of a row is no output.
        let used = match self.form {
            Form::Last => self.block.next_multiple_of(lanes),
            _ => self.width,
        };
        let shifts: &[u32] = if self.form == Form::Last { taps } else { &[0] };
        for (r0, count) in even_parts(rows, tall) {
            let packed = packed[r0 * pixels..][..count * pixels].chunks_exact_mut(count * each);
            for (sample, packed) in packed.enumerate() {
                self.pack_y(&y[sample * y_step..], &outputs, m0 + r0, count, packed);
            }
        }
        for block in 0..self.blocks() {
            let channels = block * self.block..((block + 1) * self.block).min(self.corr.c);
            for sample in 0..samples {
                let (x, image) = (&x[sample * x_step..], &mut image[image_of(sample)..]);
                match self.form {
                    Form::Last => self.fill_last(x, channels.clone(), &outputs, size, image),
                    _ => self.fill_rows(x, channels.clone(), &outputs, image),
                }
            }
            for (r0, count) in even_parts(rows, tall) {
                let packed = &packed[r0 * pixels..][..count * pixels];
                for (s, &shift) in shifts.iter().enumerate() {
                    for (v0, wide) in even_parts(used / lanes, vectors) {
                        let from = &image[shift as usize + v0 * lanes..];
                        self.kernels.run_pv(count, wide, packed, from, off, tile);
                        for i in 0..count {
                            let to =
                                (r0 + i) * columns + (block * shifts.len() + s) * self.width + v0 * lanes;
                            add_into(
                                &mut sums[to..][..wide * lanes],
                                &tile[i * wide * lanes..][..wide * lanes],
                            );
                        }
                    }
                }
            }
        }
    }
}
