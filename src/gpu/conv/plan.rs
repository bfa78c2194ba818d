//! Which dispatches compute a pass: pure functions of a geometry and of what the device can.
//!
//! `choose` fixes how sums are formed, from the geometry of one image alone, so that results have the same bits in
//! whatever batch an image comes; the tile and the cuts below may depend on the batch, as they change no sum.

pub(super) use super::choose::Form;
use super::choose::choose;
use super::correlation::{Axis, Correlation};
use super::params::Params;
use super::steps::Part;
use super::tiles::{Gather, LARGE, Tile};
use crate::conv::Pass;
use crate::error::{Error, Result};
use crate::geometry::Geometry;

/// What the device can, and a wish of tests.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    /// "nvidia", "amd", "apple", "intel", "software" or "other".
    pub class: &'a str,
    /// Storage in f16.
    pub f16: bool,
    /// Bytes of the largest binding.
    pub max_binding: usize,
    /// Multiplications of the largest dispatch.
    pub max_products: usize,
    /// "direct", or a tile as it is written in kernels' names, with `/n` for n parts of the sum. Empty: choose.
    pub force: &'a str,
}

/// Elements of an array: the first, and how many.
pub type Range = (usize, usize);

/// One dispatch that packs weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Pack {
    /// The uniform block.
    pub words: Vec<u8>,
    /// Workgroups.
    pub groups: usize,
    /// What it reads of w.
    pub w: Range,
    /// Numbers of the result.
    pub size: usize,
}

/// The copy of x that kernels read.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Numbers of the copy.
    pub size: usize,
    /// Its dispatches: uniform block, workgroups, images that it reads, what it writes.
    pub steps: Vec<(Vec<u8>, usize, Range, Range)>,
}

/// What a dispatch reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// x, w, bias, residual to y.
    Whole,
    /// x, w to the workspace.
    Part,
    /// Workspace, bias, residual to y.
    Reduce,
}

/// One dispatch.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Arrays.
    pub role: Role,
    /// Kernel.
    pub variant: String,
    /// Whether a kernel of this name and `_plain` may take its place if there is neither residual nor activation.
    pub plain: bool,
    /// The uniform block, its first five words open.
    pub words: Vec<u8>,
    /// Workgroups: a linear count, and a third dimension.
    pub groups: (usize, usize),
    /// What it touches of x (or of its copy), in numbers.
    pub x: Range,
    /// What it touches of y and of the residual.
    pub y: Range,
    /// Index of the packed weights.
    pub pack: usize,
    /// First output channel of the bias.
    pub channel: usize,
    /// Numbers in an element of x, and of y.
    pub units: (usize, usize),
}

/// A pass, ready to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// In the field's words.
    pub algorithm: &'static str,
    /// Kernel of most of the work.
    pub kernel: String,
    /// Outputs and output channels of a workgroup.
    pub tile: [usize; 2],
    /// Why it was chosen.
    pub reason: String,
    /// Threads of a workgroup.
    pub threads: usize,
    /// Whether kernels read a copy of x in any case; else x in place if it lies channels-last.
    pub staged: bool,
    /// The copy.
    pub stage: Stage,
    /// Packed weights.
    pub packs: Vec<Pack>,
    /// Dispatches in order.
    pub steps: Vec<Step>,
    /// Numbers in f32 of the workspace.
    pub workspace: usize,
}

/// What a pass and its options need beyond the correlation.
pub(super) struct Problem<'a> {
    pub corr: Correlation,
    pub target: &'a Target<'a>,
    pub rank3: bool,
    pub form: Form,
    pub tile: Option<Tile>,
    /// Channels of a group in the memory of x, and the size of what kernels read.
    pub ic_pad: usize,
    pub x_size: [usize; 3],
    /// Where x lies in it; what is before it is left out.
    pub x_place: [isize; 3],
    pub staged: bool,
    pub vec4: bool,
}

/// Plans `pass` of `geometry`, `Forward` or `InputGrad`.
pub fn plan(geometry: &Geometry, pass: Pass, target: &Target<'_>) -> Result<Plan> {
    let corr = match pass {
        Pass::Forward => Correlation::forward(geometry),
        Pass::InputGrad => Correlation::input_grad(geometry),
        Pass::WeightGrad => return Err(Error::Internal("weight gradients have a plan of their own".into())),
    };
    let problem = Problem::new(corr, target)?;
    problem.plan()
}

impl<'a> Problem<'a> {
    fn new(corr: Correlation, target: &'a Target<'a>) -> Result<Problem<'a>> {
        let (form, tile) = choose(&corr, target)?;
        let rank3 =
            corr.phases.iter().any(|phase| phase[0].taps > 1) || corr.source[0] > 1 || corr.target[0] > 1;
        let vec4 = corr.outputs.is_multiple_of(4) || (corr.outputs == 1 && corr.groups.is_multiple_of(4));
        let mut problem = Problem {
            ic_pad: corr.inputs,
            x_size: corr.source,
            x_place: [0; 3],
            staged: false,
            vec4: vec4 && (form == Form::Depthwise || corr.outputs.is_multiple_of(4)),
            corr,
            target,
            rank3,
            form,
            tile,
        };
        match form {
            Form::Gemm { gather: Gather::Stem, .. } => {
                problem.staged = true;
                for (d, axis) in problem.corr.phases[0].iter().enumerate() {
                    problem.x_place[d] = -axis.shift;
                    problem.x_size[d] = (axis.count - 1) * axis.step + (axis.taps - 1) * axis.distance + 1;
                }
            }
            Form::Gemm { .. } if !problem.corr.inputs.is_multiple_of(4) => {
                problem.staged = true;
                problem.ic_pad = problem.corr.inputs.next_multiple_of(4);
            }
            _ => {}
        }
        Ok(problem)
    }

    /// Channels in the memory of x, and of y.
    pub(super) fn x_channels(&self) -> usize {
        self.corr.groups * self.ic_pad
    }
    pub(super) fn y_channels(&self) -> usize {
        self.corr.groups * self.corr.outputs
    }

    /// Numbers in an element of x.
    pub(super) fn x_unit(&self) -> usize {
        match self.form {
            Form::Gemm { gather: Gather::Stem, .. } => 1,
            Form::Gemm { .. } => 4,
            Form::Direct => {
                if self.ic_pad.is_multiple_of(4) && self.ic_pad > 0 {
                    4
                } else {
                    1
                }
            }
            Form::Depthwise => {
                if self.vec4 {
                    4
                } else {
                    1
                }
            }
        }
    }

    pub(super) fn item(&self) -> usize {
        if self.target.f16 { 2 } else { 4 }
    }

    /// Vectors of output channels in a row of packed weights, for `outputs` of them.
    pub(super) fn columns(&self, outputs: usize) -> usize {
        match self.form {
            Form::Gemm { .. } => outputs.next_multiple_of(LARGE.bn) / 4,
            Form::Direct => outputs.div_ceil(4),
            Form::Depthwise => self.corr.groups.div_ceil(4),
        }
    }

    pub(super) fn gather(&self) -> Gather {
        match self.form {
            Form::Gemm { gather, .. } => gather,
            _ => Gather::Any,
        }
    }

    fn plan(&self) -> Result<Plan> {
        let (algorithm, reason) = self.explain();
        let mut plan = Plan {
            algorithm,
            kernel: String::new(),
            tile: [1, 1],
            reason,
            threads: 64,
            staged: self.staged,
            stage: self.stage(),
            packs: Vec::new(),
            steps: Vec::new(),
            workspace: 0,
        };
        if self.corr.batch == 0 {
            return Ok(plan);
        }
        let no_sums = self.corr.inputs == 0 || self.corr.phases.is_empty();
        if self.corr.sparse || no_sums {
            self.fill(&mut plan)?;
        }
        if !no_sums {
            for phase in &self.corr.phases {
                match self.form {
                    Form::Gemm { gather, parts } => self.gemm(&mut plan, phase, gather, parts)?,
                    Form::Direct => self.direct(&mut plan, phase)?,
                    Form::Depthwise => self.depthwise(&mut plan, phase)?,
                }
            }
        }
        Ok(plan)
    }

    fn explain(&self) -> (&'static str, String) {
        let staged = if self.staged { "; x is copied with padding" } else { "" };
        match self.form {
            Form::Gemm { gather, parts } => {
                let mut reason = match gather {
                    Gather::Tap => "channels fill whole stages of one tap",
                    Gather::Any => "channels in vectors of four",
                    Gather::Pointwise => "outputs are inputs",
                    Gather::Stem => "few input channels: rows of taps are runs of numbers",
                }
                .to_string();
                if parts > 1 {
                    reason.push_str(&format!("; a small map: sums in {parts} parts"));
                }
                ("implicit GEMM", reason + staged)
            }
            Form::Direct => ("direct", "few output channels in a group, or few in a sum".into()),
            Form::Depthwise => ("depthwise", "one input and output channel in each group".into()),
        }
    }

    /// The words that all kernels share.
    pub(super) fn params(&self, part: &Part, units: (usize, usize)) -> Params {
        let [z, y, x] = part.phase;
        let u = |v: usize| v as u32;
        let (xc, yc) = (self.x_channels() / units.0, self.y_channels() / units.1);
        let [_, xh, xw] = self.x_size;
        let xd = self.x_size[0];
        let [td, th, tw] = self.corr.target;
        let ts = part.target_step;
        let pad = |axis: Axis, d: usize| (part.x_origin[d] as isize - axis.shift - self.x_place[d]) as u32;
        Params {
            pixels: u(part.pixels()),
            dense: u32::from(part.dense),
            id: u(part.x_size[0]),
            ih: u(part.x_size[1]),
            iw: u(part.x_size[2]),
            x_group: u(self.ic_pad / units.0),
            y_group: u(self.corr.outputs / units.1),
            od: u(z.count),
            oh: u(y.count),
            ow: u(x.count),
            xn: u(xd * xh * xw * xc),
            xd: u(xh * xw * xc),
            xh: u(xw * xc),
            xw: u(xc),
            yn: u(td * th * tw * yc),
            yd: u(ts[0] * th * tw * yc),
            yh: u(ts[1] * tw * yc),
            yw: u(ts[2] * yc),
            sd: u(z.step),
            sh: u(y.step),
            sw: u(x.step),
            pd: pad(z, 0),
            ph: pad(y, 1),
            pw: pad(x, 2),
            dd: u(z.distance),
            dh: u(y.distance),
            dw: u(x.distance),
            kd: u(z.taps),
            kh: u(y.taps),
            kw: u(x.taps),
            ..Params::default()
        }
    }
}

pub(super) fn step(
    role: Role,
    variant: &str,
    params: &Params,
    groups: (usize, usize),
    part: &Part,
    pack: usize,
    units: (usize, usize),
) -> Step {
    Step {
        role,
        variant: variant.into(),
        plain: false,
        words: params.to_bytes(),
        groups,
        x: part.x,
        y: part.y,
        pack,
        channel: 0,
        units,
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
