//! Naive loops for all three passes, over any arithmetic: the oracle of the kernel tests, and the only path for
//! integers, where correctness is all that is asked.
//!
//! They share nothing with the engine but the geometry: each formula is written out over the direct convolution
//! `y[m, o] = Σ w[m, c, t] · x[c, o · stride + t · dilation - pad]`.

use crate::error::Result;
use crate::geometry::Geometry;
use crate::threads::{self, Interrupt};
use crate::view::Output;

/// Arithmetic of an element type; integers wrap around.
pub trait Number: Copy + Default + Send + Sync + 'static {
    /// `self + a * b`.
    fn plus_product(self, a: Self, b: Self) -> Self;
    /// `self + a`.
    fn plus(self, a: Self) -> Self;
}

macro_rules! numbers {
    ($add:ident $mul:ident: $($t:ty)*) => {
        $(impl Number for $t {
            #[inline]
            fn plus_product(self, a: Self, b: Self) -> Self {
                self.$add(a.$mul(b))
            }
            #[inline]
            fn plus(self, a: Self) -> Self {
                self.$add(a)
            }
        })*
    };
}
numbers!(wrapping_add wrapping_mul: i8 i16 i32 i64 u8 u16 u32 u64);

use std::ops::{Add, Mul};
numbers!(add mul: f32 f64);

/// Products of one task, so that an interrupt is heard soon.
const TASK_PRODUCTS: usize = 1 << 24;

/// The outputs `o` of one dimension whose tap lies inside `x`, and where that is for the first of them.
fn inside(size: usize, outputs: usize, stride: usize, shift: isize) -> (std::ops::Range<usize>, usize) {
    let first = if shift < 0 { shift.unsigned_abs().div_ceil(stride) } else { 0 };
    let room = size as isize - shift;
    let end = if room <= 0 { 0 } else { (room as usize).div_ceil(stride).min(outputs) };
    let first = first.min(end);
    let at = (first * stride) as isize + shift;
    (first..end, if first < end { at as usize } else { 0 })
}

/// Strides of the direct convolution as plain numbers.
struct Sides {
    groups: usize,
    cx: usize,
    cy: usize,
    x: [usize; 3],
    y: [usize; 3],
    taps: usize,
}

impl Sides {
    fn new(g: &Geometry) -> Sides {
        let groups = g.groups();
        Sides {
            groups,
            cx: g.x_channels() / groups,
            cy: g.y_channels() / groups,
            x: g.x_size(),
            y: g.y_size(),
            taps: g.taps(),
        }
    }
    fn x_plane(&self) -> usize {
        self.x.iter().product()
    }
    fn y_plane(&self) -> usize {
        self.y.iter().product()
    }
}

/// Calls `f(tap, y row start, x row start, outputs, x column of the first)` for every row of products.
fn rows(g: &Geometry, mut f: impl FnMut(usize, usize, usize, std::ops::Range<usize>, usize)) {
    let (x, y, kernel) = (g.x_size(), g.y_size(), g.kernel());
    let at = |d: usize, t: usize| {
        let shift = (t * g.dilation()[d]) as isize - g.pad_low()[d] as isize;
        inside(x[d], y[d], g.stride()[d], shift)
    };
    for td in 0..kernel[0] {
        let (depths, d0) = at(0, td);
        for th in 0..kernel[1] {
            let (heights, h0) = at(1, th);
            for tw in 0..kernel[2] {
                let (widths, w0) = at(2, tw);
                let tap = (td * kernel[1] + th) * kernel[2] + tw;
                for (i, d) in depths.clone().enumerate() {
                    for (j, h) in heights.clone().enumerate() {
                        let xd = d0 + i * g.stride()[0];
                        let xh = h0 + j * g.stride()[1];
                        f(tap, (d * y[1] + h) * y[2], (xd * x[1] + xh) * x[2], widths.clone(), w0);
                    }
                }
            }
        }
    }
}

/// Shares `rows` independent rows of `output` out among threads.
fn share<T: Number>(
    output: &mut [T],
    rows: usize,
    products: usize,
    threads: usize,
    interrupt: &dyn Interrupt,
    task: impl Fn(usize, &mut [T]) + Sync,
) -> Result<()> {
    if output.is_empty() {
        return Ok(());
    }
    let row = output.len() / rows;
    let threads = if products < TASK_PRODUCTS / 64 { 1 } else { threads };
    let output = Output::new(output);
    threads::run(rows, threads, interrupt, &|i| task(i, output.run(i * row, row)))
}

/// `y` from `x` and `w`.
pub fn forward<T: Number>(
    g: &Geometry,
    x: &[T],
    w: &[T],
    bias: Option<&[T]>,
    y: &mut [T],
    threads: usize,
    interrupt: &dyn Interrupt,
) -> Result<()> {
    let s = Sides::new(g);
    let channels = s.groups * s.cy;
    let products = y.len() * s.cx * s.taps;
    share(y, g.batch() * channels, products, threads, interrupt, |row, y| {
        let (n, channel) = (row / channels, row % channels);
        y.fill(bias.map_or(T::default(), |b| b[channel]));
        let stride = g.stride()[2];
        for c in 0..s.cx {
            let x = &x[((n * s.groups + channel / s.cy) * s.cx + c) * s.x_plane()..][..s.x_plane()];
            let w = &w[(channel * s.cx + c) * s.taps..][..s.taps];
            rows(g, |tap, y0, x0, widths, w0| {
                let x = x[x0..].get(w0..).unwrap_or(&[]).iter().step_by(stride);
                for (y, &x) in y[y0..][widths].iter_mut().zip(x) {
                    *y = y.plus_product(w[tap], x);
                }
            });
        }
    })
}

/// `x` from `y` and `w`; a bias is added for transposed convolutions.
pub fn input_grad<T: Number>(
    g: &Geometry,
    y: &[T],
    w: &[T],
    bias: Option<&[T]>,
    x: &mut [T],
    threads: usize,
    interrupt: &dyn Interrupt,
) -> Result<()> {
    let s = Sides::new(g);
    let channels = s.groups * s.cx;
    let products = y.len() * s.cx * s.taps;
    share(x, g.batch() * channels, products, threads, interrupt, |row, x| {
        let (n, channel) = (row / channels, row % channels);
        x.fill(bias.map_or(T::default(), |b| b[channel]));
        let stride = g.stride()[2];
        for c in 0..s.cy {
            let oc = channel / s.cx * s.cy + c;
            let y = &y[(n * s.groups * s.cy + oc) * s.y_plane()..][..s.y_plane()];
            let w = &w[(oc * s.cx + channel % s.cx) * s.taps..][..s.taps];
            rows(g, |tap, y0, x0, widths, w0| {
                let x = x[x0..].get_mut(w0..).unwrap_or(&mut []).iter_mut().step_by(stride);
                for (&y, x) in y[y0..][widths].iter().zip(x) {
                    *x = x.plus_product(w[tap], y);
                }
            });
        }
    })
}

/// `w` from `x` and `y`.
pub fn weight_grad<T: Number>(
    g: &Geometry,
    x: &[T],
    y: &[T],
    w: &mut [T],
    threads: usize,
    interrupt: &dyn Interrupt,
) -> Result<()> {
    let s = Sides::new(g);
    let products = y.len() * s.cx * s.taps;
    share(w, s.groups * s.cy * s.cx, products, threads, interrupt, |row, w| {
        let (oc, c) = (row / s.cx, row % s.cx);
        w.fill(T::default());
        let stride = g.stride()[2];
        for n in 0..g.batch() {
            let x = &x[((n * s.groups + oc / s.cy) * s.cx + c) * s.x_plane()..][..s.x_plane()];
            let y = &y[(n * s.groups * s.cy + oc) * s.y_plane()..][..s.y_plane()];
            rows(g, |tap, y0, x0, widths, w0| {
                let x = x[x0..].get(w0..).unwrap_or(&[]).iter().step_by(stride);
                w[tap] = y[y0..][widths].iter().zip(x).fold(w[tap], |sum, (&y, &x)| sum.plus_product(y, x));
            });
        }
    })
}

/// Adds `bias` to every element of its channel; for the exact sums of wide accumulators.
pub fn add_bias<T: Number>(y: &mut [T], bias: &[T], plane: usize) {
    for (row, &b) in y.chunks_exact_mut(plane.max(1)).zip(bias.iter().cycle()) {
        for v in row {
            *v = v.plus(b);
        }
    }
}
