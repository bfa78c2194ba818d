//! Naive loops for all three passes, over any arithmetic: the oracle of the kernel tests, and the only path for
//! integers, where correctness is all that is asked.
//!
//! They share nothing with the engine but the geometry: each formula is written out over the direct convolution
//! `y[m, o] = Σ w[m, c, t] · x[c, o · stride + t · dilation - pad]`.

use crate::error::Result;
use crate::geometry::Geometry;
use crate::threads::{self, Interrupt};
use crate::view::Output;
use std::ops::Range;

/// Arithmetic of an element type; integers wrap around.
pub trait Number: Copy + Default + Send + Sync + 'static {
    /// `self + a * b`.
    fn plus_product(self, a: Self, b: Self) -> Self;
}

macro_rules! numbers {
    ($add:ident $mul:ident: $($t:ty)*) => {
        $(impl Number for $t {
            #[inline]
            fn plus_product(self, a: Self, b: Self) -> Self {
                self.$add(a.$mul(b))
            }
        })*
    };
}
numbers!(wrapping_add wrapping_mul: i8 i16 i32 i64 u8 u16 u32 u64);

use std::ops::{Add, Mul};
numbers!(add mul: f32 f64);

/// Products of one task, about, so that an interrupt is heard soon. Few in unit tests, so that they cut planes too.
const TASK_PRODUCTS: usize = if cfg!(test) { 1 << 13 } else { 1 << 25 };

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

/// One run of products along a row: `y[y + i]` meets `x[x + i * stride]` for `i < len`.
struct Run {
    tap: usize,
    y: usize,
    x: usize,
    len: usize,
}

/// Which elements of one plane a task looks at.
enum Part {
    /// Of y.
    Y(Range<usize>),
    /// Of x.
    X(Range<usize>),
}

/// The numbers `i` of `0..n` for which `first + i * step` lies in `range`.
fn within(first: usize, step: usize, n: usize, range: &Range<usize>) -> Range<usize> {
    let at_least = |bound: usize| bound.saturating_sub(first).div_ceil(step).min(n);
    let low = at_least(range.start);
    low..at_least(range.end).max(low)
}

/// Calls `f` for every run of products of a part of a plane.
fn runs(g: &Geometry, part: &Part, mut f: impl FnMut(Run)) {
    let (x, y, kernel, stride) = (g.x_size(), g.y_size(), g.kernel(), g.stride());
    let at = |d: usize, t: usize| {
        let shift = (t * g.dilation()[d]) as isize - g.pad_low()[d] as isize;
        inside(x[d], y[d], stride[d], shift)
    };
    for td in 0..kernel[0] {
        let (depths, d0) = at(0, td);
        for th in 0..kernel[1] {
            let (heights, h0) = at(1, th);
            for tw in 0..kernel[2] {
                let (widths, w0) = at(2, tw);
                let tap = (td * kernel[1] + th) * kernel[2] + tw;
                for (i, d) in depths.clone().enumerate() {
                    // Rows of this depth that the part may hold: any whose first or last element is near enough.
                    let (xd, n) = (d0 + i * stride[0], heights.len());
                    let some = match part {
                        Part::Y(range) => within(
                            (d * y[1] + heights.start) * y[2] + y[2],
                            y[2],
                            n,
                            &(range.start + 1..range.end + y[2]),
                        ),
                        Part::X(range) => within(
                            (xd * x[1] + h0) * x[2] + x[2],
                            stride[1] * x[2],
                            n,
                            &(range.start + 1..range.end + x[2]),
                        ),
                    };
                    for j in some {
                        let y0 = (d * y[1] + heights.start + j) * y[2] + widths.start;
                        let x0 = (xd * x[1] + h0 + j * stride[1]) * x[2] + w0;
                        let mine = match part {
                            Part::Y(range) => within(y0, 1, widths.len(), range),
                            Part::X(range) => within(x0, stride[2], widths.len(), range),
                        };
                        if !mine.is_empty() {
                            let x = x0 + mine.start * stride[2];
                            f(Run { tap, y: y0 + mine.start, x, len: mine.len() });
                        }
                    }
                }
            }
        }
    }
}

/// Fills `planes` planes of `plane` elements by tasks of about [`TASK_PRODUCTS`], `products` for each element.
fn share<T: Number>(
    output: &mut [T],
    planes: usize,
    products: usize,
    threads: usize,
    interrupt: &dyn Interrupt,
    task: impl Fn(usize, Range<usize>, &mut [T]) + Sync,
) -> Result<()> {
    if output.is_empty() {
        return Ok(());
    }
    let plane = output.len() / planes;
    let chunk = (TASK_PRODUCTS / products.max(1)).clamp(1, plane);
    let parts = plane.div_ceil(chunk);
    let threads = if output.len().saturating_mul(products) < TASK_PRODUCTS / 64 { 1 } else { threads };
    let output = Output::new(output);
    threads::run(planes * parts, threads, interrupt, &|i| {
        let (row, first) = (i / parts, i % parts * chunk);
        let range = first..(first + chunk).min(plane);
        task(row, range.clone(), output.run(row * plane + range.start, range.len()));
    })
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
    share(y, g.batch() * channels, s.cx * s.taps, threads, interrupt, |row, range, y| {
        let (n, channel) = (row / channels, row % channels);
        y.fill(bias.map_or(T::default(), |b| b[channel]));
        let (start, stride) = (range.start, g.stride()[2]);
        let part = Part::Y(range);
        for c in 0..s.cx {
            let x = &x[((n * s.groups + channel / s.cy) * s.cx + c) * s.x_plane()..][..s.x_plane()];
            let w = &w[(channel * s.cx + c) * s.taps..][..s.taps];
            runs(g, &part, |run| {
                let x = x[run.x..].iter().step_by(stride);
                for (y, &x) in y[run.y - start..][..run.len].iter_mut().zip(x) {
                    *y = y.plus_product(w[run.tap], x);
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
    share(x, g.batch() * channels, s.cy * s.taps, threads, interrupt, |row, range, x| {
        let (n, channel) = (row / channels, row % channels);
        x.fill(bias.map_or(T::default(), |b| b[channel]));
        let (start, stride) = (range.start, g.stride()[2]);
        let part = Part::X(range);
        for c in 0..s.cy {
            let oc = channel / s.cx * s.cy + c;
            let y = &y[(n * s.groups * s.cy + oc) * s.y_plane()..][..s.y_plane()];
            let w = &w[(oc * s.cx + channel % s.cx) * s.taps..][..s.taps];
            runs(g, &part, |run| {
                let x = x[run.x - start..].iter_mut().step_by(stride);
                for (&y, x) in y[run.y..][..run.len].iter().zip(x) {
                    *x = x.plus_product(w[run.tap], y);
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
    w.fill(T::default());
    if w.is_empty() {
        return Ok(());
    }
    // The sum over y is cut, so that no task is long; parts follow each other.
    let chunk = (TASK_PRODUCTS / s.taps).clamp(1, s.y_plane());
    let pairs = s.groups * s.cy * s.cx;
    let threads = if pairs * s.taps.saturating_mul(chunk) < TASK_PRODUCTS / 64 { 1 } else { threads };
    for n in 0..g.batch() {
        for first in (0..s.y_plane()).step_by(chunk) {
            let part = Part::Y(first..(first + chunk).min(s.y_plane()));
            let w = Output::new(&mut *w);
            threads::run(pairs, threads, interrupt, &|row| {
                let (oc, c) = (row / s.cx, row % s.cx);
                let w = w.run(row * s.taps, s.taps);
                let stride = g.stride()[2];
                let x = &x[((n * s.groups + oc / s.cy) * s.cx + c) * s.x_plane()..][..s.x_plane()];
                let y = &y[(n * s.groups * s.cy + oc) * s.y_plane()..][..s.y_plane()];
                runs(g, &part, |run| {
                    let pairs = y[run.y..][..run.len].iter().zip(x[run.x..].iter().step_by(stride));
                    w[run.tap] = pairs.fold(w[run.tap], |sum, (&y, &x)| sum.plus_product(y, x));
                });
            })?;
        }
    }
    Ok(())
}
