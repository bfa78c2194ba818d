//! Convolution on the CPU: plan, pack, run.
//!
//! A [`Plan`] fixes the kernel for a geometry and a pass; [`Plan::pack`] puts the weights in the order in which the
//! kernel reads them; [`Plan::run`] computes. A transposed convolution is the input gradient of the direct one, so
//! [`Pass`] speaks of the sides x and y of the direct convolution (see `geometry`).

mod band;
mod correlation;
mod depthwise;
mod implicit_gemm;
mod panels;
mod pixel_rows;
mod plan;
pub mod reference;
mod row_dot;
mod weight_grad;

use crate::aligned::AlignedVec;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::simd::{Float, Isa};
use crate::threads::Interrupt;
use crate::tile::kernels::{HasKernels, Kernels};
use correlation::Correlation;
use depthwise::Depthwise;
use implicit_gemm::Gemm;
use panels::Panels;
use plan::{Choice, Mode, choose};
use std::hash::{DefaultHasher, Hash, Hasher};
use weight_grad::{Form, WeightGrad};

/// What is computed from what, on the sides of the direct convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pass {
    /// y from x and w.
    Forward,
    /// x from y and w.
    InputGrad,
    /// w from x and y.
    WeightGrad,
}

/// An element type that has kernels.
pub trait ConvElement: Element<Acc: HasKernels> {}
impl<E: Element<Acc: HasKernels>> ConvElement for E {}

/// A geometry with its kernel.
pub struct Plan<E: Element> {
    geometry: Geometry,
    pass: Pass,
    corr: Correlation,
    choice: Choice,
    kernels: &'static Kernels<E::Acc>,
    /// Tells orders of packed weights apart that shape and kernel do not: the pass, and each phase's taps.
    layout: u64,
}

enum Packed<T> {
    Panels(Panels<T>),
    Plain(AlignedVec<T>),
}

/// Weights in a plan's order.
pub struct PackedWeight<E: Element> {
    packed: Packed<E::Acc>,
    choice: Choice,
    isa: &'static str,
    shape: Vec<usize>,
    layout: u64,
}

impl<E: Element> PackedWeight<E> {
    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        match &self.packed {
            Packed::Panels(panels) => panels.bytes(),
            Packed::Plain(data) => data.bytes(),
        }
    }
}

/// How a call would run.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// Algorithm.
    pub algorithm: &'static str,
    /// Kernel: algorithm, type, tile and instruction set.
    pub kernel: String,
    /// Rows and lanes of the tile.
    pub tile: [usize; 2],
    /// Threads that would work.
    pub threads: usize,
    /// Tasks that they share.
    pub tasks: usize,
    /// Scratch of each thread, in bytes.
    pub scratch: usize,
    /// Packed weights, in bytes.
    pub packed: usize,
    /// Why this kernel.
    pub reason: String,
}

impl<E: ConvElement> Plan<E> {
    /// Chooses the kernel.
    pub fn new(geometry: &Geometry, pass: Pass, isa: Isa) -> Plan<E> {
        let kernels = E::Acc::kernels(isa);
        let corr = match pass {
            Pass::InputGrad => Correlation::input_grad(geometry),
            _ => Correlation::forward(geometry),
        };
        let choice = choose(&corr, kernels, E::is_acc());
        let mut hasher = DefaultHasher::new();
        pass.hash(&mut hasher);
        for taps in corr.phases() {
            taps.len().hash(&mut hasher);
            taps.iter().for_each(|tap| tap.weight.hash(&mut hasher));
        }
        Plan { geometry: geometry.clone(), pass, corr, choice, kernels, layout: hasher.finish() }
    }

    /// The geometry it was made for.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn gemm(&self) -> Gemm<'_, E> {
        Gemm { corr: &self.corr, choice: self.choice, kernels: self.kernels, groups: self.geometry.groups() }
    }

    fn depthwise(&self) -> Depthwise<'_, E> {
        Depthwise {
            corr: &self.corr,
            choice: self.choice,
            kernels: self.kernels,
            groups: self.geometry.groups(),
        }
    }

    fn weight_grad(&self) -> WeightGrad<'_, E> {
        WeightGrad::new(&self.geometry, &self.corr, self.kernels)
    }

    /// Puts weights in the order of the kernel. For `Forward` and `InputGrad`.
    pub fn pack(&self, weights: &[E], threads: usize, interrupt: &dyn Interrupt) -> Result<PackedWeight<E>> {
        self.packed(weights, false, threads, interrupt)
    }

    fn packed(
        &self,
        weights: &[E],
        once: bool,
        threads: usize,
        interrupt: &dyn Interrupt,
    ) -> Result<PackedWeight<E>> {
        expect_len("weight", weights.len(), self.geometry.weight_len())?;
        let packed = if self.choice.mode == Mode::Depthwise {
            Packed::Plain(self.depthwise().pack(weights)?)
        } else {
            Packed::Panels(self.gemm().pack(weights, once, threads, interrupt)?)
        };
        let shape = self.geometry.weight_shape();
        let (choice, isa, layout) = (self.choice, self.kernels.isa, self.layout);
        Ok(PackedWeight { packed, choice, isa, shape, layout })
    }

    /// `pack` and `run` in one, for weights that are used once.
    pub fn run_once(
        &self,
        weights: &[E],
        source: &[E],
        bias: Option<&[E]>,
        output: &mut [E],
        threads: usize,
        interrupt: &dyn Interrupt,
    ) -> Result<()> {
        let packed = self.packed(weights, true, threads, interrupt)?;
        let done = self.run(&packed, source, bias, output, threads, interrupt);
        if let Packed::Panels(panels) = packed.packed {
            panels.recycle();
        }
        done
    }

    /// Whether `packed` is in this plan's order.
    pub fn accepts(&self, packed: &PackedWeight<E>) -> bool {
        let same_shape = packed.shape == self.geometry.weight_shape();
        same_shape
            && packed.choice == self.choice
            && packed.isa == self.kernels.isa
            && packed.layout == self.layout
    }

    /// `Forward` or `InputGrad`: `output` from `source` (the other side), packed weights and a bias of the output's
    /// channels.
    pub fn run(
        &self,
        packed: &PackedWeight<E>,
        source: &[E],
        bias: Option<&[E]>,
        output: &mut [E],
        threads: usize,
        interrupt: &dyn Interrupt,
    ) -> Result<()> {
        let (from, to) = match self.pass {
            Pass::Forward => (self.x_len(), self.y_len()),
            Pass::InputGrad => (self.y_len(), self.x_len()),
            Pass::WeightGrad => {
                return Err(Error::Internal("run() does not compute weight gradients".into()));
            }
        };
        expect_len("source", source.len(), from)?;
        expect_len("output", output.len(), to)?;
        if !self.accepts(packed) {
            return Err(Error::Internal("weights packed for another kernel".into()));
        }
        match &packed.packed {
            Packed::Panels(panels) => self.gemm().run(panels, source, bias, output, threads, interrupt),
            Packed::Plain(weights) => {
                self.depthwise().run(weights.as_slice(), source, bias, output, threads, interrupt)
            }
        }
    }

    /// `WeightGrad`: w from x and y.
    pub fn run_weight_grad(
        &self,
        x: &[E],
        y: &[E],
        w: &mut [E],
        threads: usize,
        interrupt: &dyn Interrupt,
    ) -> Result<()> {
        expect_len("x", x.len(), self.x_len())?;
        expect_len("y", y.len(), self.y_len())?;
        expect_len("w", w.len(), self.geometry.weight_len())?;
        self.weight_grad().run(x, y, w, threads, interrupt)
    }

    fn x_len(&self) -> usize {
        let g = &self.geometry;
        g.batch() * g.x_channels() * g.x_size().iter().product::<usize>()
    }

    fn y_len(&self) -> usize {
        let g = &self.geometry;
        g.batch() * g.y_channels() * g.y_size().iter().product::<usize>()
    }

    /// How a call would run on up to `threads` threads.
    pub fn explain(&self, threads: usize) -> Explanation {
        let (name, lanes) = (<E::Acc as Float>::NAME, self.kernels.lanes);
        let g = &self.geometry;
        let storage = if E::is_acc() { String::new() } else { format!("{}_", E::NAME) };
        if self.pass == Pass::WeightGrad {
            let grad = self.weight_grad();
            let [rows, vectors] = grad.shown_tile();
            let (algorithm, tag, reason) = match grad.form {
                Form::Dots => {
                    ("row dot products", "dot", "few channels: pixels in vectors leave no lane empty")
                }
                Form::Last => {
                    ("GEMM over pixels, channels last", "wgrad", "enough input channels to fill vectors")
                }
                Form::Rows => (
                    "GEMM over pixels, im2col rows",
                    "wgrad",
                    "few input channels: channels and taps share vectors",
                ),
            };
            let threads = grad.threads(threads);
            let rows_per_task = grad.rows_per_task(threads).max(1);
            let tasks = g.groups() * self.corr.m.div_ceil(rows_per_task);
            return Explanation {
                algorithm,
                kernel: format!("{tag}_{storage}{name}_{rows}x{}_{}", vectors * lanes, self.kernels.isa),
                tile: [rows, vectors * lanes],
                threads: threads.min(tasks).max(1),
                tasks,
                scratch: grad.scratch(rows_per_task).iter().sum::<usize>() * size_of::<E::Acc>(),
                packed: 0,
                reason: reason.into(),
            };
        }
        let Choice { mode, rows, vectors, direct } = self.choice;
        let (part, scratch) = match mode {
            Mode::Depthwise => self.depthwise().resources(g.batch(), threads),
            _ => self.gemm().resources(g.batch(), threads),
        };
        let place =
            if direct { "the image is read in place" } else { "the image is read through padded bands" };
        let (algorithm, tag, reason) = match mode {
            Mode::Pixels => ("implicit GEMM", "pv", format!("pixels fill vectors; {place}")),
            Mode::Channels => {
                ("implicit GEMM", "cv", format!("channels fill vectors better than pixels; {place}"))
            }
            Mode::Depthwise => ("depthwise", "dw", "one input channel in each group".to_string()),
        };
        let tile = [rows, vectors * lanes];
        let packed = match mode {
            Mode::Channels => g.weight_len() / self.corr.m.max(1) * self.corr.m.next_multiple_of(lanes),
            _ => g.weight_len(),
        };
        Explanation {
            algorithm,
            kernel: format!("{tag}_{storage}{name}_{}x{}_{}", tile[0], tile[1], self.kernels.isa),
            tile,
            threads: part.threads.min(part.tasks()).max(1),
            tasks: part.tasks(),
            scratch,
            packed: packed * size_of::<E::Acc>(),
            reason,
        }
    }
}

/// A bias in the type of sums; empty if there is none.
fn widened<E: Element>(bias: Option<&[E]>) -> Vec<E::Acc> {
    bias.map(|bias| bias.iter().map(|v| v.widen()).collect()).unwrap_or_default()
}

/// What outputs are that no product reaches: their channel's bias, or zero.
fn fill_with_bias<E: Element>(bias: &[E::Acc], channels: usize, plane: usize, output: &mut [E]) {
    for (row, channel) in output.chunks_exact_mut(plane).zip((0..channels).cycle()) {
        row.fill(E::narrow(bias.get(channel).copied().unwrap_or_default()));
    }
}

fn expect_len(what: &str, got: usize, expected: usize) -> Result<()> {
    if got == expected {
        return Ok(());
    }
    Err(Error::Internal(format!("{what} has {got} elements, the geometry {expected}")))
}

#[cfg(test)]
mod tests;
