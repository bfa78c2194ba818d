//! Plain loops compiled once for each instruction set: the compiler makes vectors of them.

use super::{Isa, IsaKind};

/// Code that is worth compiling for each instruction set. `run` and all that it calls must be `#[inline(always)]`,
/// so that it becomes part of a function that has the features enabled.
pub(crate) trait Body {
    /// What it gives.
    type Out;
    /// Does it. `FUSED`: fused products and roundings to whole numbers are instructions.
    fn run<const FUSED: bool>(self) -> Self::Out;
}

impl Isa {
    /// Runs `body` as compiled for this instruction set.
    #[inline]
    pub(crate) fn run<B: Body>(self, body: B) -> B::Out {
        match self.0 {
            IsaKind::Scalar | IsaKind::Portable => body.run::<false>(),
            #[cfg(target_arch = "aarch64")]
            IsaKind::Neon => body.run::<true>(),
            // SAFETY: holding an `Isa` proves that the machine has it.
            #[cfg(target_arch = "x86_64")]
            IsaKind::Avx2 => unsafe { avx2(body) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            IsaKind::Avx512 => unsafe { avx512(body) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<B: Body>(body: B) -> B::Out {
    body.run::<true>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512dq,avx512bw")]
fn avx512<B: Body>(body: B) -> B::Out {
    body.run::<true>()
}
