//! Dropout, whose random numbers are words of a counter: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel
//! random numbers: as easy as 1, 2, 3; SC 2011).

use super::shares::{Run, share_rows};
use crate::element::Element;
use crate::error::Result;
use crate::simd::Body;
use crate::view::Output;

/// Counters that are enciphered side by side.
const COUNTERS: usize = 16;
/// Elements that they decide on.
const BLOCK: usize = 4 * COUNTERS;
/// Blocks of a unit of sharing out.
const UNIT: usize = 64 * BLOCK;

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// The words of counters `first..first + COUNTERS` (low 64 bits) with `offset` (high 64 bits) under key
/// `seed`, as `[word][counter]`.
#[inline(always)]
fn philox(first: u64, offset: u64, seed: u64) -> [[u32; COUNTERS]; 4] {
    let mut words = [[0; COUNTERS]; 4];
    for lane in 0..COUNTERS {
        let counter = first.wrapping_add(lane as u64);
        words[0][lane] = counter as u32;
        words[1][lane] = (counter >> 32) as u32;
        words[2][lane] = offset as u32;
        words[3][lane] = (offset >> 32) as u32;
    }
    let mut key = [seed as u32, (seed >> 32) as u32];
    for _ in 0..10 {
        let [a, b, c, d] = &mut words;
        for lane in 0..COUNTERS {
            let ac = u64::from(a[lane]) * u64::from(MULTIPLIERS[0]);
            let ca = u64::from(c[lane]) * u64::from(MULTIPLIERS[1]);
            let (b_old, d_old) = (b[lane], d[lane]);
            a[lane] = (ca >> 32) as u32 ^ b_old ^ key[0];
            b[lane] = ca as u32;
            c[lane] = (ac >> 32) as u32 ^ d_old ^ key[1];
            d[lane] = ac as u32;
        }
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    words
}

/// A type that values are scaled in.
pub trait Droppable: Copy {
    /// `self * scale`.
    fn scaled(self, scale: f64) -> Self;
}

macro_rules! droppable {
    ($($t:ty),*) => {
        $(impl Droppable for $t {
            #[inline(always)]
            fn scaled(self, scale: f64) -> $t {
                self * scale as $t
            }
        })*
    };
}
droppable!(f32, f64);

/// Zeroes each element with probability `p` and multiplies the others by `1 / (1 - p)`. The element at place
/// i is kept if word i % 4 of counter (low 64 bits: i / 4, high 64 bits: `offset`) under key `seed` is at
/// least `p * 2^32`.
pub fn dropout<T: Element>(x: &[T], p: f64, seed: u64, offset: u64, y: &mut [T], run: Run<'_>) -> Result<()>
where
    T::Acc: Droppable,
{
    assert_eq!(x.len(), y.len());
    let settings =
        Settings { least: (p * 4_294_967_296.0).ceil() as u64, scale: 1.0 / (1.0 - p), offset, seed };
    let y = Output::new(y);
    let units = x.len().div_ceil(UNIT);
    share_rows(units, UNIT * size_of::<T>() * 2, run, &|units| {
        let mut values = [<T::Acc as Default>::default(); BLOCK];
        for unit in units {
            let first = unit * UNIT;
            let to = y.run(first, UNIT.min(x.len() - first));
            let from = &x[first..first + to.len()];
            for (number, (from, to)) in from.chunks(BLOCK).zip(to.chunks_mut(BLOCK)).enumerate() {
                let values = &mut values[..from.len()];
                T::widen_row(from, values);
                let counter = ((first + number * BLOCK) / 4) as u64;
                run.isa.run(Decide { settings: &settings, counter, values });
                T::narrow_row(values, to);
            }
        }
    })
}

struct Settings {
    /// The least word that keeps its element.
    least: u64,
    scale: f64,
    offset: u64,
    seed: u64,
}

/// At most `BLOCK` values, the first of which has word 0 of `counter`.
struct Decide<'a, T> {
    settings: &'a Settings,
    counter: u64,
    values: &'a mut [T],
}

impl<T: Droppable + Default> Body for Decide<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Settings { least, scale, offset, seed } = *self.settings;
        let words = philox(self.counter, offset, seed);
        let mut kept = [false; BLOCK];
        for lane in 0..COUNTERS {
            for word in 0..4 {
                kept[4 * lane + word] = u64::from(words[word][lane]) >= least;
            }
        }
        for (value, &kept) in self.values.iter_mut().zip(&kept) {
            *value = if kept { value.scaled(scale) } else { T::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_of_random123() {
        let word = |counter: u64, offset: u64, seed: u64| philox(counter, offset, seed).map(|word| word[0]);
        assert_eq!(word(0, 0, 0), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let ones = u64::MAX;
        assert_eq!(word(ones, ones, ones), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let counter = 0x85a3_08d3_243f_6a88;
        let (offset, seed) = (0x0370_7344_1319_8a2e, 0x299f_31d0_a409_3822);
        assert_eq!(word(counter, offset, seed), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn lanes_are_counters() {
        let (first, offset, seed) = (u64::from(u32::MAX) - 3, 5, 7);
        let together = philox(first, offset, seed);
        for lane in 0..COUNTERS {
            let alone = philox(first + lane as u64, offset, seed).map(|word| word[0]);
            assert_eq!(together.map(|word| word[lane]), alone);
        }
    }
}
