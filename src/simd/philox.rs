//! Philox4x32-10 on vectors (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011).
//!
//! Lanes of 64 bits hold a word each, one vector for each of the four words. Their upper halves hold anything, as
//! instructions that multiply 32 bits by 32 bits do not look at them.

use super::{Isa, IsaKind};

/// Counters whose words are written at once.
const COUNTERS: usize = 8;
/// The words of so many counters, one counter after the other.
pub(crate) type Block = [u32; 4 * COUNTERS];

const ROUNDS: usize = 10;
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// The keys of all rounds.
type Keys = [[u32; 2]; ROUNDS];

fn round_keys(seed: u64) -> Keys {
    let mut key = [seed as u32, (seed >> 32) as u32];
    std::array::from_fn(|_| {
        let used = key;
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        used
    })
}

/// Fills blocks with the words of the counters (low 64 bits) from `counter` on, with `offset` (high 64 bits), under
/// key `seed`.
pub(crate) fn philox(isa: Isa, counter: u64, offset: u64, seed: u64, blocks: &mut [Block]) {
    let keys = round_keys(seed);
    match isa.kind() {
        // SAFETY: holding an `Isa` proves that the machine has it.
        #[cfg(target_arch = "x86_64")]
        IsaKind::Avx2 => unsafe { x86::avx2(counter, offset, &keys, blocks) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        IsaKind::Avx512 => unsafe { x86::avx512(counter, offset, &keys, blocks) },
        _ => plain(counter, offset, &keys, blocks),
    }
}

fn plain(counter: u64, offset: u64, keys: &Keys, blocks: &mut [Block]) {
    for (number, words) in blocks.as_flattened_mut().as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let counter = counter.wrapping_add(number as u64);
        let [mut a, mut b] = [counter as u32, (counter >> 32) as u32];
        let [mut c, mut d] = [offset as u32, (offset >> 32) as u32];
        for key in keys {
            let ac = u64::from(a) * u64::from(MULTIPLIERS[0]);
            let ca = u64::from(c) * u64::from(MULTIPLIERS[1]);
            (a, b) = ((ca >> 32) as u32 ^ b ^ key[0], ca as u32);
            (c, d) = ((ac >> 32) as u32 ^ d ^ key[1], ac as u32);
        }
        *words = [a, b, c, d];
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Block, COUNTERS, Keys, MULTIPLIERS};
    use std::arch::x86_64::*;

    /// Blocks whose steps take turns, as each step waits for the one before it.
    const AT_ONCE: usize = 4;

    /// Lanes are ordered so that joining words to pairs, and pairs to fours within parts of 128 bits, gives counter
    /// after counter.
    #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512dq,avx512bw")]
    pub(super) fn avx512(counter: u64, offset: u64, keys: &Keys, blocks: &mut [Block]) {
        let lanes = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
        let splat = |word: u32| _mm512_set1_epi64(i64::from(word));
        let multipliers = MULTIPLIERS.map(splat);
        let some = |from: u64, blocks: &mut [Block; AT_ONCE]| {
            let counters = |i| from.wrapping_add((i * COUNTERS) as u64) as i64;
            let mut a: [__m512i; AT_ONCE] =
                std::array::from_fn(|i| _mm512_add_epi64(_mm512_set1_epi64(counters(i)), lanes));
            let mut b = a.map(|a| _mm512_srli_epi64::<32>(a));
            let (mut c, mut d) = ([splat(offset as u32); AT_ONCE], [splat((offset >> 32) as u32); AT_ONCE]);
            for key in keys {
                let key = key.map(splat);
                for i in 0..AT_ONCE {
                    let ac = _mm512_mul_epu32(a[i], multipliers[0]);
                    let ca = _mm512_mul_epu32(c[i], multipliers[1]);
                    // Exclusive or of three.
                    a[i] = _mm512_ternarylogic_epi64::<0x96>(_mm512_srli_epi64::<32>(ca), b[i], key[0]);
                    c[i] = _mm512_ternarylogic_epi64::<0x96>(_mm512_srli_epi64::<32>(ac), d[i], key[1]);
                    (b[i], d[i]) = (ca, ac);
                }
            }
            for (i, block) in blocks.iter_mut().enumerate() {
                let ab = _mm512_mask_blend_epi32(0xaaaa, a[i], _mm512_slli_epi64::<32>(b[i]));
                let cd = _mm512_mask_blend_epi32(0xaaaa, c[i], _mm512_slli_epi64::<32>(d[i]));
                let to = block.as_mut_ptr();
                // SAFETY: a block has as many words as two vectors.
                unsafe {
                    _mm512_storeu_si512(to.cast(), _mm512_unpacklo_epi64(ab, cd));
                    _mm512_storeu_si512(to.add(16).cast(), _mm512_unpackhi_epi64(ab, cd));
                }
            }
        };
        let (groups, rest) = blocks.as_chunks_mut::<AT_ONCE>();
        let at = |group: usize| counter.wrapping_add((group * AT_ONCE * COUNTERS) as u64);
        let whole = groups.len();
        for (number, group) in groups.iter_mut().enumerate() {
            some(at(number), group);
        }
        if !rest.is_empty() {
            let mut last = [[0; 4 * COUNTERS]; AT_ONCE];
            some(at(whole), &mut last);
            rest.copy_from_slice(&last[..rest.len()]);
        }
    }

    /// As above, by half a block.
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2(counter: u64, offset: u64, keys: &Keys, blocks: &mut [Block]) {
        let lanes = _mm256_setr_epi64x(0, 2, 1, 3);
        let splat = |word: u32| _mm256_set1_epi64x(i64::from(word));
        let multipliers = MULTIPLIERS.map(splat);
        let halves = blocks.as_flattened_mut().as_chunks_mut::<{ 2 * COUNTERS }>().0;
        for (number, half) in halves.iter_mut().enumerate() {
            let first = counter.wrapping_add((number * COUNTERS / 2) as u64);
            let mut a = _mm256_add_epi64(_mm256_set1_epi64x(first as i64), lanes);
            let mut b = _mm256_srli_epi64::<32>(a);
            let (mut c, mut d) = (splat(offset as u32), splat((offset >> 32) as u32));
            for key in keys {
                let ac = _mm256_mul_epu32(a, multipliers[0]);
                let ca = _mm256_mul_epu32(c, multipliers[1]);
                a = _mm256_xor_si256(_mm256_srli_epi64::<32>(ca), _mm256_xor_si256(b, splat(key[0])));
                c = _mm256_xor_si256(_mm256_srli_epi64::<32>(ac), _mm256_xor_si256(d, splat(key[1])));
                (b, d) = (ca, ac);
            }
            let ab = _mm256_blend_epi32::<0xaa>(a, _mm256_slli_epi64::<32>(b));
            let cd = _mm256_blend_epi32::<0xaa>(c, _mm256_slli_epi64::<32>(d));
            let to = half.as_mut_ptr();
            // SAFETY: half a block has as many words as two vectors.
            unsafe {
                _mm256_storeu_si256(to.cast(), _mm256_unpacklo_epi64(ab, cd));
                _mm256_storeu_si256(to.add(8).cast(), _mm256_unpackhi_epi64(ab, cd));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_of_random123() {
        for isa in Isa::available() {
            let words = |counter, offset, seed| {
                let mut blocks = [[0; 4 * COUNTERS]; 1];
                philox(isa, counter, offset, seed, &mut blocks);
                blocks[0][..4].to_vec()
            };
            assert_eq!(words(0, 0, 0), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
            let ones = u64::MAX;
            assert_eq!(words(ones, ones, ones), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
            let counter = 0x85a3_08d3_243f_6a88;
            let (offset, seed) = (0x0370_7344_1319_8a2e, 0x299f_31d0_a409_3822);
            assert_eq!(words(counter, offset, seed), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
        }
    }

    #[test]
    fn counters_follow_each_other_on_every_instruction_set() {
        let (first, offset, seed) = (u64::from(u32::MAX) - 3, (5 << 32) | 9, (7 << 40) | 3);
        let mut expected = [[0; 4 * COUNTERS]; 3];
        plain(first, offset, &round_keys(seed), &mut expected);
        for isa in Isa::available() {
            let mut blocks = [[0; 4 * COUNTERS]; 3];
            philox(isa, first, offset, seed, &mut blocks);
            assert_eq!(blocks, expected, "{}", isa.name());
        }
    }
}
