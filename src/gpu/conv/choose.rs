//! Which algorithm forms the sums, from the geometry of one image, and what keeps a device busy.

use super::correlation::Correlation;
use super::plan::Target;
use super::tiles::{Gather, LARGE, LIGHT, SMALL, SQUARE, TILES, TRANSPOSED, Tile};
use crate::error::{Error, Result};

/// How sums are formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Implicit GEMM, its sum in so many parts.
    Gemm {
        gather: Gather,
        parts: usize,
    },
    Direct,
    Depthwise,
}

/// Workgroups that keep a device of this class busy.
pub(super) fn wanted(class: &str) -> usize {
    match class {
        "nvidia" => 264,
        "amd" => 192,
        "software" => 1,
        _ => 64,
    }
}

/// Tiles of a class, largest first; the last one also for split sums. The stem's loads are single numbers: their wait
/// lies behind the products only in the transposed tile.
pub(super) fn tiles(class: &str, gather: Gather) -> &'static [Tile] {
    match (class, gather) {
        ("apple" | "intel", Gather::Stem) => &[LIGHT],
        (_, Gather::Stem) => &[TRANSPOSED, LIGHT],
        ("apple" | "intel", _) => &[LIGHT, SMALL],
        // As many waves as the square tile cannot have, and no spills.
        ("amd", _) => &[LARGE, LIGHT, SMALL],
        _ => &[LARGE, SQUARE, LIGHT, SMALL],
    }
}

/// Fewer output channels than this in a group leave most of a tile's columns empty.
const GEMM_OUTPUTS: usize = 17;

/// Numbers of a part of a sum, at least, and parts at most.
const PART_LENGTH: usize = 256;

const MOST_PARTS: usize = 8;

pub(super) fn no_kernel(force: &str, why: &str) -> Error {
    Error::Argument(format!("{why}, but got force='{force}'"))
}

/// How sums are formed, from one image's geometry; a tile only if it is forced.
pub(super) fn choose(corr: &Correlation, target: &Target<'_>) -> Result<(Form, Option<Tile>)> {
    let (force, parts) = match target.force.split_once('/') {
        None => (target.force, None),
        Some((force, parts)) => {
            let count = parts.parse().ok().filter(|&n: &usize| n >= 1);
            (force, Some(count.ok_or_else(|| no_kernel(target.force, "the parts of a sum are counted"))?))
        }
    };
    let forced = TILES.into_iter().find(|tile| tile.to_string() == force);
    if !["", "direct", "any"].contains(&force) && forced.is_none() {
        return Err(no_kernel(
            target.force,
            "force must name a tile of the implicit GEMM, 'direct' or 'any'",
        ));
    }
    let depthwise = corr.inputs == 1 && corr.outputs == 1 && corr.groups > 1;
    if force.is_empty() || force == "any" {
        if depthwise {
            return Ok((Form::Depthwise, None));
        }
        if corr.outputs < GEMM_OUTPUTS || corr.groups * MOST_PARTS > 65535 {
            return Ok((Form::Direct, None));
        }
    }
    if force == "direct" || corr.inputs == 0 || corr.phases.is_empty() {
        return Ok((Form::Direct, None));
    }
    let phase = &corr.phases[0];
    let single = corr.phases.len() == 1 && corr.target_step == [1; 3];
    let pointwise = single
        && phase.iter().all(|axis| axis.taps == 1 && axis.step == 1 && axis.shift == 0)
        && corr.source == corr.target;
    let stem_fits = single && corr.groups == 1 && (phase[2].distance == 1 || phase[2].taps == 1);
    let gather = if pointwise {
        Gather::Pointwise
    } else if stem_fits
        && !corr.inputs.is_multiple_of(4)
        && forced.is_none_or(|tile| tile.has(Gather::Stem, false))
    {
        Gather::Stem
    } else {
        Gather::Any
    };
    // Channels padded to a multiple of four should not double the work.
    if forced.is_none() && gather == Gather::Any && corr.inputs < 3 {
        return Ok((Form::Direct, None));
    }
    let parts = match parts {
        Some(parts) => parts,
        None if forced.is_some() || gather == Gather::Stem => 1,
        None => parts_of(corr, target.class),
    };
    if let Some(tile) = forced
        && !tile.has(gather, parts > 1)
    {
        return Err(no_kernel(target.force, "this tile has no such kernel"));
    }
    Ok((Form::Gemm { gather, parts }, forced))
}

/// Parts of a sum that keep a device busy with one image.
pub(super) fn parts_of(corr: &Correlation, class: &str) -> usize {
    let pixels: usize = corr.phases[0].iter().map(|axis| axis.count).product();
    let taps: usize = corr.phases[0].iter().map(|axis| axis.taps).product();
    let groups = pixels.div_ceil(SMALL.bm) * corr.outputs.div_ceil(SMALL.bn) * corr.groups;
    if groups * 2 > wanted(class) {
        return 1;
    }
    (wanted(class) / groups).min(taps * corr.inputs / PART_LENGTH).clamp(1, MOST_PARTS)
}
