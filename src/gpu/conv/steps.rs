//! Cuts of a pass into dispatches that respect the device's limits: along the batch, then along the outputs' rows.

use super::correlation::Phase;
use super::plan::{Problem, Range};
use crate::error::{Error, Result};

/// Bytes of the workspace of split sums, at most.
const WORKSPACE: usize = 64 << 20;

/// Part of a phase's outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Its lattice: counts and shifts are the part's.
    pub phase: Phase,
    images: usize,
    /// Numbers of x that it reads, and of y that lie between its first and last output.
    pub x: Range,
    pub y: Range,
    /// Size of what it reads, and where that begins in x.
    pub x_size: [usize; 3],
    pub x_origin: [usize; 3],
    pub target_step: [usize; 3],
    /// Whether its outputs follow each other in y.
    pub dense: bool,
}

impl Part {
    pub(super) fn images(&self) -> usize {
        self.images
    }
    /// Outputs of all images.
    pub(super) fn pixels(&self) -> usize {
        self.images * self.phase.iter().map(|axis| axis.count).product::<usize>()
    }
}

/// A phase and what bounds its dispatches.
pub(super) struct Cut<'a> {
    problem: &'a Problem<'a>,
    phase: Phase,
    target_step: [usize; 3],
    /// Multiplications, and bytes of workspace, for each output.
    products: usize,
    workspace: usize,
}

impl<'a> Cut<'a> {
    pub(super) fn new(
        problem: &'a Problem<'a>,
        phase: &Phase,
        target_step: [usize; 3],
        products: usize,
        workspace: usize,
    ) -> Cut<'a> {
        Cut { problem, phase: *phase, target_step, products, workspace }
    }

    /// The parts, in the order of their outputs.
    pub(super) fn parts(&self) -> Result<Vec<Part>> {
        let batch = self.problem.corr.batch;
        let image = self.part(0, 1, 0, self.rows());
        let mut parts = Vec::new();
        if self.fits(&image) {
            // Images lie one after the other: sizes grow with them.
            let mut most = batch;
            while most > 1 && !self.fits(&self.part(0, most, 0, self.rows())) {
                most = most.div_ceil(2);
            }
            for n in (0..batch).step_by(most) {
                parts.push(self.part(n, most.min(batch - n), 0, self.rows()));
            }
            return Ok(parts);
        }
        let mut most = self.rows();
        let largest = |most: usize| {
            (0..self.rows())
                .step_by(most)
                .map(|row| self.part(0, 1, row, most.min(self.rows() - row)))
                .all(|part| self.fits(&part))
        };
        while most > 1 && !largest(most) {
            most = most.div_ceil(2);
        }
        for n in 0..batch {
            for row in (0..self.rows()).step_by(most) {
                let part = self.part(n, 1, row, most.min(self.rows() - row));
                self.check(&part)?;
                parts.push(part);
            }
        }
        Ok(parts)
    }

    /// The dimension that is cut: the outermost one with more than one output.
    fn axis(&self) -> usize {
        (0..2).find(|&d| self.phase[d].count > 1).unwrap_or(2)
    }
    fn rows(&self) -> usize {
        self.phase[self.axis()].count
    }

    fn reads(&self) -> bool {
        self.phase.iter().all(|axis| axis.taps > 0)
    }

    fn bytes(&self, part: &Part) -> usize {
        part.x.1.max(part.y.1) * self.problem.item()
    }

    fn fits(&self, part: &Part) -> bool {
        let target = self.problem.target;
        self.bytes(part) <= target.max_binding
            && part.pixels().saturating_mul(self.products) <= target.max_products
            && part.pixels().saturating_mul(self.workspace) <= WORKSPACE.min(target.max_binding)
    }

    /// Refuses what no binding holds; a long dispatch is none the less right.
    fn check(&self, part: &Part) -> Result<()> {
        let limit = self.problem.target.max_binding;
        let needed = self.bytes(part).max(part.pixels().saturating_mul(self.workspace));
        if needed <= limit {
            return Ok(());
        }
        let corr = &self.problem.corr;
        Err(Error::Argument(format!(
            "one row of outputs needs {needed} bytes of an image at once, but the device binds at most {limit}: \
             {} channels of size {:?} to {} channels of size {:?}",
            corr.groups * corr.inputs,
            corr.source,
            corr.groups * corr.outputs,
            corr.target
        )))
    }

    /// `count` images from `image` on, `rows` of their rows from `row` on.
    fn part(&self, image: usize, images: usize, row: usize, rows: usize) -> Part {
        let (problem, corr, d) = (self.problem, &self.problem.corr, self.axis());
        let mut phase = self.phase;
        phase[d].start += row * self.target_step[d];
        phase[d].count = rows;
        phase[d].shift += (row * phase[d].step) as isize;

        let channels = problem.y_channels();
        let pitch =
            |size: [usize; 3], channels: usize| [size[1] * size[2] * channels, size[2] * channels, channels];
        let y_pitch = pitch(corr.target, channels);
        let y_image = corr.target[0] * y_pitch[0];
        let at = |d: usize, q: usize| (phase[d].start + q * self.target_step[d]) * y_pitch[d];
        let first: usize = (0..3).map(|d| at(d, 0)).sum();
        let last: usize = (0..3).map(|d| at(d, phase[d].count - 1)).sum();
        let y = (image * y_image + first, (images - 1) * y_image + last - first + channels);

        // The rows of x between the first and the last tap, if nothing but they is between them in memory.
        let x_pitch = pitch(problem.x_size, problem.x_channels());
        let x_image = problem.x_size[0] * x_pitch[0];
        let (mut x_size, mut x_origin) = (problem.x_size, [0; 3]);
        let mut x = (image * x_image, images * x_image);
        let alone = images == 1 && problem.x_size[..d].iter().all(|&size| size == 1);
        if !self.reads() {
            x = (0, 0);
        } else if alone {
            let axis = phase[d];
            let place = problem.x_place[d] + axis.shift;
            let extent = (axis.count - 1) * axis.step + (axis.taps - 1) * axis.distance + 1;
            let size = problem.x_size[d] as isize;
            let low = place.clamp(0, size - 1);
            let high = (place + extent as isize).clamp(low + 1, size);
            x_origin[d] = low as usize;
            x_size[d] = (high - low) as usize;
            x = (x.0 + x_origin[d] * x_pitch[d], x_size[d] * x_pitch[d]);
        }
        let whole = |d: usize| phase[d].start == 0 && phase[d].count == corr.target[d];
        let dense = self.target_step == [1; 3] && (0..3).all(|i| whole(i) || (i == d && images == 1));
        Part { phase, images, x, y, x_size, x_origin, target_step: self.target_step, dense }
    }
}
