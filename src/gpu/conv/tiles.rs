//! Which kernels there are: the register tiles of the implicit GEMM, their ways to read x, and the depthwise kernels.
//!
//! | tile | per thread | threads | stage | for |
//! |---|---|---|---|---|
//! | 128x64 | 8x8 | 128 | 8, two buffers | large maps; 64 FMAs for each 16 numbers from workgroup memory |
//! | 64x64 | 8x8 | 64 | 8, two buffers | the same mix in smaller workgroups |
//! | 64x64 | 4x8 | 128 | 8, two buffers | half the registers, twice the waves |
//! | 32x64 | 4x8 | 64 | 8, two buffers | small maps |
//! | 128x64 | 8x8 | 128 | 16, x transposed | fewest registers of the 8x8 tiles |

use std::fmt;

/// How a tile brings x to workgroup memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Staging {
    /// Stages of 8 in two buffers, one barrier each.
    Db,
    /// Stages of 16 in one buffer, x as vectors over neighbouring outputs.
    Xt,
}

/// Outputs by output channels, of a workgroup and of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tile {
    pub bm: usize,
    pub bn: usize,
    pub pm: usize,
    pub pn: usize,
    pub staging: Staging,
}

const fn tile(bm: usize, pm: usize, staging: Staging) -> Tile {
    Tile { bm, bn: 64, pm, pn: 8, staging }
}

pub(crate) const LARGE: Tile = tile(128, 8, Staging::Db);
pub(crate) const SQUARE: Tile = tile(64, 8, Staging::Db);
pub(crate) const LIGHT: Tile = tile(64, 4, Staging::Db);
pub(crate) const SMALL: Tile = tile(32, 4, Staging::Db);
pub(crate) const TRANSPOSED: Tile = tile(128, 8, Staging::Xt);
/// All tiles.
pub(crate) const TILES: [Tile; 5] = [LARGE, SQUARE, LIGHT, SMALL, TRANSPOSED];

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let staging = if self.staging == Staging::Db { "db8" } else { "xt16" };
        write!(f, "{}x{}_{}x{}_{staging}", self.bm, self.bn, self.pm, self.pn)
    }
}

impl Tile {
    /// Numbers of a sum in a stage.
    pub(crate) fn bk(self) -> usize {
        if self.staging == Staging::Db { 8 } else { 16 }
    }
    pub(crate) fn threads(self) -> usize {
        self.bm / self.pm * (self.bn / self.pn)
    }
    /// Whether the kernel exists.
    pub(crate) fn has(self, gather: Gather, split: bool) -> bool {
        let stem = gather == Gather::Stem;
        (!split || (!stem && (self == LIGHT || self == SMALL)))
            && (!stem || self == TRANSPOSED || self == LIGHT)
    }
}

/// How the implicit GEMM reads x; see `conv_gemm.wgsl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gather {
    Tap,
    Any,
    Pointwise,
    Stem,
}

impl Gather {
    pub(crate) const ALL: [Gather; 4] = [Gather::Tap, Gather::Any, Gather::Pointwise, Gather::Stem];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Gather::Tap => "tap",
            Gather::Any => "any",
            Gather::Pointwise => "pointwise",
            Gather::Stem => "stem",
        }
    }
}

/// Storage type in names: numbers are computed in f32.
pub(crate) fn dtype(f16: bool) -> &'static str {
    if f16 { "f16" } else { "f32" }
}

pub(crate) fn store(vec4: bool) -> &'static str {
    if vec4 { "vec4" } else { "scalar" }
}

/// One implicit GEMM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gemm {
    pub tile: Tile,
    pub gather: Gather,
    /// Planes of taps; a pointwise kernel knows none.
    pub rank3: bool,
    /// A part of the sum, to a workspace.
    pub split: bool,
    /// Four output channels are stored at once.
    pub vec4: bool,
    pub f16: bool,
}

impl Gemm {
    pub(crate) fn name(&self) -> String {
        let rank = match (self.gather, self.rank3) {
            (Gather::Pointwise, _) => "",
            (_, false) => "_rank2",
            (_, true) => "_rank3",
        };
        let end = if self.split { "split" } else { store(self.vec4) };
        format!("conv_{}_{}_{}{rank}_{end}", self.tile, self.gather.name(), dtype(self.f16))
    }

    /// Every kernel.
    pub(crate) fn all() -> Vec<Gemm> {
        let mut all = Vec::new();
        for tile in TILES {
            for gather in Gather::ALL {
                for rank3 in [false, true] {
                    for (split, vec4) in [(false, true), (false, false), (true, true)] {
                        if tile.has(gather, split) && !(rank3 && gather == Gather::Pointwise) {
                            all.extend([false, true].map(|f16| Gemm {
                                tile,
                                gather,
                                rank3,
                                split,
                                vec4,
                                f16,
                            }));
                        }
                    }
                }
            }
        }
        all
    }
}

/// What a depthwise kernel unrolls; 0: a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unroll {
    pub kh: usize,
    pub kw: usize,
    /// Stride along H and W.
    pub step: usize,
    /// Outputs of a thread along W and H.
    pub tw: usize,
    pub th: usize,
}

/// Loops over everything.
pub(crate) const ANY: Unroll = Unroll { kh: 0, kw: 0, step: 1, tw: 4, th: 1 };
/// What is unrolled, best first.
pub(crate) const UNROLLED: [Unroll; 6] = [
    Unroll { kh: 3, kw: 3, step: 1, tw: 4, th: 2 },
    Unroll { kh: 3, kw: 3, step: 2, tw: 2, th: 2 },
    Unroll { kh: 0, kw: 3, step: 1, tw: 4, th: 1 },
    Unroll { kh: 0, kw: 5, step: 1, tw: 4, th: 1 },
    Unroll { kh: 0, kw: 5, step: 2, tw: 2, th: 1 },
    Unroll { kh: 0, kw: 7, step: 1, tw: 4, th: 1 },
];

/// One depthwise kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Depthwise {
    pub unroll: Unroll,
    pub rank3: bool,
    /// Four channels at once.
    pub vec4: bool,
    pub f16: bool,
    /// A bias at most, and outputs that follow each other: without the rest of the epilogue the kernel is half as long.
    pub plain: bool,
}

impl Depthwise {
    pub(crate) fn name(&self) -> String {
        let Unroll { kh, kw, step, tw, th } = self.unroll;
        let kernel = match (kh, kw) {
            (0, 0) => "any".into(),
            (0, _) => format!("rows{kw}s{step}"),
            _ => format!("{kh}x{kw}s{step}"),
        };
        let rank = if self.rank3 { "rank3" } else { "rank2" };
        let end = if self.plain { "_plain" } else { "" };
        format!("conv_depthwise_{kernel}_{tw}x{th}_{}_{rank}_{}{end}", dtype(self.f16), store(self.vec4))
    }

    /// Every kernel.
    pub(crate) fn all() -> Vec<Depthwise> {
        let mut all = Vec::new();
        for unroll in UNROLLED.into_iter().chain([ANY]) {
            for rank3 in [false, true] {
                for vec4 in [true, false] {
                    for plain in [true, false] {
                        all.extend([false, true].map(|f16| Depthwise { unroll, rank3, vec4, f16, plain }));
                    }
                }
            }
        }
        all
    }
}
