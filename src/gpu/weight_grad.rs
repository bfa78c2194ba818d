//! Plans of GEMMs that sum over pixels: weight gradients, and matrix products as their pointwise form.
//!
//! `w[o, tap, c] = Σ over pixels g[pixel, o] · x[pixel at tap, c]`, with the channels of both sides side by side in
//! memory. A product `A B` has the rows of `A` for channels of g and the columns of `B` for channels of x.
//!
//! | kernel | a workgroup's outputs | a thread's | when |
//! |---|---|---|---|
//! | `128x64_8x8` | 128 x 64 | 8 x 8 | many output channels |
//! | `64x64_8x8` | 64 x 64 | 8 x 8 | 64 or fewer |
//! | `32x64_4x8` | 32 x 64 | 4 x 8 | 32 or fewer: more threads for the same outputs |
//! | `16x64_4x4` | 16 x 64 | 4 x 4 | 16 or fewer |
//! | `direct` | - | 1 | groups whose few channels would leave most of a tile empty |
//! | `direct`, depthwise | - | 4 channels | one channel in each group, and in all a multiple of 4 |
//!
//! Pixels are cut into splits: enough to occupy a large GPU, and short enough that rounding errors stay those of a
//! few thousand terms. Their sums are added in order by a second pass, so results repeat bit for bit.

use crate::geometry::Geometry;

/// A GEMM tile.
pub struct Tile {
    /// Its part of variants' names.
    pub name: &'static str,
    /// Output channels (rows) of a workgroup.
    pub rows: usize,
    /// Taps and input channels (columns) of a workgroup.
    pub columns: usize,
    /// Rows of a thread.
    pub thread_rows: usize,
    /// Columns of a thread.
    pub thread_columns: usize,
    /// Pixels of a stage.
    pub pixels: usize,
    /// Time of a product, relative to the best tile.
    cost: f64,
}

const fn tile(name: &'static str, size: [usize; 2], thread: [usize; 2], pixels: usize, cost: f64) -> Tile {
    let ([rows, columns], [thread_rows, thread_columns]) = (size, thread);
    Tile { name, rows, columns, thread_rows, thread_columns, pixels, cost }
}

/// The tiles that are compiled. Costs follow from what each reads from workgroup memory for a product; no card was
/// timed.
pub static TILES: [Tile; 4] = [
    tile("128x64_8x8", [128, 64], [8, 8], 8, 1.0),
    tile("64x64_8x8", [64, 64], [8, 8], 8, 1.05),
    tile("32x64_4x8", [32, 64], [4, 8], 8, 1.3),
    tile("16x64_4x4", [16, 64], [4, 4], 16, 1.8),
];
/// Spatial dimensions that have taps, and their part of variants' names.
pub const TAPS: [(usize, &str); 3] = [(0, "pointwise"), (2, "rank2"), (3, "rank3")];
/// Whether four channels of g, and of x, are one load, and its part of variants' names.
pub const LOADS: [(bool, bool, &str); 4] =
    [(true, true, "v44"), (true, false, "v41"), (false, true, "v14"), (false, false, "v11")];

/// What a direct product costs, relative to the best tile: two loads for each.
const DIRECT_COST: f64 = 12.0;
const DEPTHWISE_COST: f64 = 6.0;
/// Workgroups that occupy a large GPU.
const WORKGROUPS: usize = 384;
/// Threads of a direct kernel that do.
const THREADS: usize = 1 << 16;
/// Pixels of a split: at least so that a workgroup's start is worth it, at most for the sum's accuracy.
const SHORTEST: usize = 128;
const LONGEST: usize = 8192;
/// Products of a dispatch, at most: below a second on a slow GPU.
const DISPATCH_PRODUCTS: f64 = 2e10;

/// How one operand lies in memory: strides in elements of samples (or matrices), depth, height and width; the stride
/// of its channels is 1.
#[derive(Debug, Clone, Copy)]
pub struct Operand {
    /// Strides of n, d, h, w.
    pub strides: [i64; 4],
    /// Whether its first element stands at a multiple of four elements.
    pub aligned: bool,
}

impl Operand {
    fn fours(&self) -> bool {
        self.aligned && self.strides.iter().all(|stride| stride % 4 == 0)
    }
}

/// What to dispatch. Word 3 is the number of splits of a dispatch and word 7 the first of them; words 8 and 11 are
/// where g and x start in their bindings, in units of loads, and word 35 where y does.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The shader variant.
    pub variant: String,
    /// The uniform block.
    pub words: Vec<u32>,
    /// Elements of a load of g and of x.
    pub loads: [usize; 2],
    /// Parts of the sum; each leaves `outputs` elements.
    pub splits: usize,
    /// Splits of a dispatch, at most.
    pub splits_at_once: usize,
    /// Workgroups of a split along x and y, and the factor of the number of splits along z. For a direct kernel 0,
    /// its threads for each split, 0.
    pub grid: [usize; 3],
    /// Elements of the result.
    pub outputs: usize,
}

/// One sum over pixels, on the sides of a direct convolution.
struct Problem {
    samples: usize,
    groups: usize,
    rows: usize,
    channels: usize,
    x_size: [usize; 3],
    y_size: [usize; 3],
    kernel: [usize; 3],
    stride: [usize; 3],
    dilation: [usize; 3],
    low: [usize; 3],
    half: bool,
    /// Bytes that the parts of the sum may take.
    room: usize,
}

/// The plan of a weight gradient for `samples` samples of a geometry. `g` is linear over pixels: `g.strides[3]` is the
/// stride of all of them.
pub fn plan(geometry: &Geometry, samples: usize, half: bool, x: Operand, g: Operand, room: usize) -> Plan {
    let groups = geometry.groups();
    let problem = Problem {
        samples,
        groups,
        rows: geometry.y_channels() / groups,
        channels: geometry.x_channels() / groups,
        x_size: geometry.x_size(),
        y_size: geometry.y_size(),
        kernel: geometry.kernel(),
        stride: geometry.stride(),
        dilation: geometry.dilation(),
        low: geometry.pad_low(),
        half,
        room,
    };
    let taps = geometry.taps();
    let strides = Outputs {
        group: problem.rows * problem.channels * taps,
        row: problem.channels * taps,
        channel: taps,
        tap: 1,
    };
    problem.plan(x, g, [problem.channels as i64, problem.rows as i64], strides)
}

/// The plan of `batch` products of (m, k) by (k, n). `g` is the left matrix and `x` the right one: `strides[0]` is that
/// of matrices, `strides[3]` that of k; the strides of m and n are 1.
pub fn matmul_plan(
    batch: usize,
    [m, k, n]: [usize; 3],
    half: bool,
    x: Operand,
    g: Operand,
    room: usize,
) -> Plan {
    let problem = Problem {
        samples: 1,
        groups: batch,
        rows: m,
        channels: n,
        x_size: [1, 1, k],
        y_size: [1, 1, k],
        kernel: [1; 3],
        stride: [1; 3],
        dilation: [1; 3],
        low: [0; 3],
        half,
        room,
    };
    let steps = [x.strides[0], g.strides[0]];
    problem.plan(x, g, steps, Outputs { group: m * n, row: n, channel: 1, tap: 0 })
}

/// Strides of the result.
struct Outputs {
    group: usize,
    row: usize,
    channel: usize,
    tap: usize,
}

impl Problem {
    fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Whether tap and pixel are one offset for all three dimensions: no test of positions is needed.
    fn pointwise(&self) -> bool {
        self.taps() == 1 && self.stride == [1; 3] && self.low == [0; 3] && self.x_size == self.y_size
    }

    fn plan(&self, x: Operand, g: Operand, [x_group, g_group]: [i64; 2], out: Outputs) -> Plan {
        let columns = self.channels * self.taps();
        let pixels = self.samples * self.y_size.iter().product::<usize>();
        let (out_w, out_plane) = (self.y_size[2], self.y_size[1] * self.y_size[2]);
        // Pixels of x lie at one distance from each other, if it is never in between.
        let x_linear = (self.y_size[1] == 1 || x.strides[2] == x.strides[3] * out_w as i64)
            && (self.y_size[0] == 1 || x.strides[1] == x.strides[3] * out_plane as i64)
            && (self.samples == 1 || x.strides[0] == x.strides[3] * (out_plane * self.y_size[0]) as i64);
        let x_fours = x.fours() && x_group % 4 == 0 && (self.taps() == 1 || self.channels.is_multiple_of(4));
        let g_fours = g.fours() && g_group % 4 == 0;
        let padded = |tile: &Tile| {
            (self.rows.next_multiple_of(tile.rows) * columns.next_multiple_of(tile.columns)) as f64
        };
        let cost = |tile: &&Tile| padded(tile) * tile.cost;
        let tile = TILES.iter().min_by(|a, b| cost(a).total_cmp(&cost(b))).expect("tiles");
        let four_channels =
            self.rows == 1 && self.channels == 1 && self.groups.is_multiple_of(4) && x.fours() && g.fours();
        let direct_cost =
            (self.rows * columns) as f64 * if four_channels { DEPTHWISE_COST } else { DIRECT_COST };
        // Matrices have strides of their own, which the direct kernel does not know.
        let direct = out.tap != 0 && direct_cost < cost(&tile);
        let dtype = if self.half { "f16" } else { "f32" };
        let outputs = self.groups * self.rows * columns;
        let (variant, loads, rank, units, step, workgroups, products);
        if direct {
            let width = if four_channels { 4 } else { 1 };
            variant =
                format!("weight_grad_direct_{dtype}_{}", if width == 4 { "depthwise4" } else { "scalar" });
            (loads, rank, step) = ([width; 2], 3, 1);
            units = outputs / width;
            workgroups = THREADS.div_ceil(units.max(1));
            products = outputs as f64;
        } else {
            // Dimensions of one element are none, whatever the rank.
            rank = if self.pointwise() && x_linear {
                0
            } else if self.x_size[0] == 1 && self.y_size[0] == 1 && self.kernel[0] == 1 {
                2
            } else {
                3
            };
            let taps = TAPS.iter().find(|taps| taps.0 == rank).expect("a rank").1;
            let kind = LOADS.iter().find(|kind| (kind.0, kind.1) == (g_fours, x_fours)).expect("loads").2;
            variant = format!("weight_grad_{}_{dtype}_{taps}_{kind}", tile.name);
            loads = [if g_fours { 4 } else { 1 }, if x_fours { 4 } else { 1 }];
            (units, step) = (0, tile.pixels);
            let tiles = self.rows.div_ceil(tile.rows) * columns.div_ceil(tile.columns) * self.groups;
            workgroups = WORKGROUPS.div_ceil(tiles.max(1));
            products = self.groups as f64 * padded(tile);
        }
        let most = (self.room / (outputs * 4).max(1)).max(1);
        let chunk = (pixels.div_ceil(workgroups))
            .clamp(SHORTEST, LONGEST)
            .max(pixels.div_ceil(most))
            .next_multiple_of(step)
            .min(pixels.next_multiple_of(step))
            .max(step);
        let splits = pixels.div_ceil(chunk).max(1);
        let at_once = (DISPATCH_PRODUCTS / (products * chunk as f64)).max(1.0) as usize;
        let grid = if direct {
            [0, units, 0]
        } else {
            [columns.div_ceil(tile.columns), self.rows.div_ceil(tile.rows), self.groups]
        };
        // The third dimension of a grid, and of one split the linear number of threads, have limits of their own.
        let limit = if direct { (1 << 31) / units.max(1) } else { 65535 / self.groups.max(1) };
        let layout = Layout { chunk, splits, step, rank, loads, units, x_group, g_group, direct };
        let words = self.words(x, g, &layout, out);
        Plan { variant, words, loads, splits, splits_at_once: at_once.min(limit).max(1), grid, outputs }
    }

    fn words(&self, x: Operand, g: Operand, layout: &Layout, out: Outputs) -> Vec<u32> {
        let &Layout { chunk, splits, step, rank, loads: [g_load, x_load], units, x_group, g_group, direct } =
            layout;
        let (g_unit, x_unit) = (g_load as i64, x_load as i64);
        let [x_n, x_d, x_h, x_w] = x.strides.map(|stride| stride / x_unit);
        let [out_d, out_h, out_w] = self.y_size.map(|v| v as i64);
        let [stride_d, stride_h, stride_w] = self.stride.map(|v| v as i64);
        let pixels = (self.samples * self.y_size.iter().product::<usize>()) as i64;
        // A stage's pixels in mixed radix.
        let mut rest = step as i64;
        let mut digit = |size: i64| {
            let value = rest % size;
            rest /= size;
            value
        };
        let (w, h) = (digit(out_w), digit(out_h));
        let d = if rank == 3 { digit(out_d) } else { 0 };
        let offset = w * stride_w * x_w + h * stride_h * x_h + d * stride_d * x_d + rest * x_n;
        let after_h = if rank == 3 { stride_d * x_d } else { x_n };
        let stages = (chunk.div_ceil(step)).next_multiple_of(2) as i64;
        let rows = if direct { self.rows * self.groups / x_load } else { self.rows } as i64;
        let g_group = if direct { self.rows as i64 } else { g_group / g_unit };
        let outputs = (self.groups * self.rows * self.channels * self.taps()) as i64;
        let size = |v: usize| v as i64;
        let [size_d, size_h, size_w] = self.x_size.map(size);
        let [low_d, low_h, low_w] = self.low.map(size);
        let [dilation_d, dilation_h, dilation_w] = self.dilation.map(size);
        [
            [pixels, chunk as i64, stages, splits as i64],
            [rows, size(self.channels * self.taps()), size(self.channels), 0],
            [0, g.strides[3] / g_unit, g_group, 0],
            [x_group / x_unit, x_n, x_d, x_h],
            [x_w, size_d, size_h, size_w],
            [out_d, out_h, out_w, size(self.kernel[1])],
            [stride_d, stride_h, stride_w, size(self.kernel[2])],
            [low_d, low_h, low_w, size(self.taps())],
            [dilation_d, dilation_h, dilation_w, 0],
            [w * stride_w, h * stride_h, d * stride_d, offset],
            [out_w * stride_w, out_h * stride_h, out_d * stride_d, stride_h * x_h - out_w * stride_w * x_w],
            [after_h - out_h * stride_h * x_h, x_n - out_d * stride_d * x_d, outputs, size(out.group)],
            [size(out.row), size(out.channel), size(out.tap), size(units)],
        ]
        .into_iter()
        .flatten()
        // Offsets wrap modulo 2^32, as the shader's do.
        .map(|word| word as u32)
        .collect()
    }
}

struct Layout {
    chunk: usize,
    splits: usize,
    step: usize,
    rank: usize,
    loads: [usize; 2],
    units: usize,
    x_group: i64,
    g_group: i64,
    direct: bool,
}

#[cfg(test)]
#[path = "weight_grad_tests.rs"]
mod tests;
