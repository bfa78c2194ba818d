//! Dropout, whose random numbers are words of a counter: Philox4x32-10.

use super::shares::{Run, share_rows};
use crate::element::Element;
use crate::error::Result;
use crate::simd::philox::{Block, philox};
use crate::simd::{Body, Isa};
use crate::view::{Output, as_accumulators};

/// Elements of a unit of sharing out: the first-level cache holds them with their words.
const UNIT: usize = 2048;
const BLOCKS: usize = UNIT / size_of::<Block>() * size_of::<u32>();

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
    let settings = Settings {
        isa: run.isa,
        least: (p * 4_294_967_296.0).ceil() as u64,
        scale: 1.0 / (1.0 - p),
        offset,
        seed,
    };
    let y = Output::new(y);
    let direct = y.as_accumulator().zip(as_accumulators(x));
    let units = x.len().div_ceil(UNIT);
    share_rows(units, UNIT * size_of::<T>() * 2, run, &|units| {
        let mut words: [Block; BLOCKS] = [[0; size_of::<Block>() / size_of::<u32>()]; BLOCKS];
        for unit in units {
            let first = unit * UNIT;
            let n = UNIT.min(x.len() - first);
            if let Some((y, x)) = &direct {
                settings.decide(first, &x[first..first + n], y.run(first, n), &mut words);
                continue;
            }
            let mut wide = [[<T::Acc as Default>::default(); UNIT]; 2];
            let [from, to] = wide.each_mut().map(|row| &mut row[..n]);
            T::widen_row(&x[first..first + n], from);
            settings.decide(first, from, to, &mut words);
            T::narrow_row(to, y.run(first, n));
        }
    })
}

struct Settings {
    isa: Isa,
    /// The least word that keeps its element.
    least: u64,
    scale: f64,
    offset: u64,
    seed: u64,
}

impl Settings {
    /// Decides on at most a unit of elements, of which the first is at place `first`.
    fn decide<T: Droppable + Default>(&self, first: usize, from: &[T], to: &mut [T], words: &mut [Block]) {
        philox(self.isa, first as u64 / 4, self.offset, self.seed, words);
        match u32::try_from(self.least) {
            Ok(least) => {
                self.isa.run(Keep { least, scale: self.scale, words: words.as_flattened(), from, to })
            }
            // Dropout of everything.
            Err(_) => to.fill(T::default()),
        }
    }
}

/// Scales the elements whose words are at least `least`.
struct Keep<'a, T> {
    least: u32,
    scale: f64,
    words: &'a [u32],
    from: &'a [T],
    to: &'a mut [T],
}

impl<T: Droppable + Default> Body for Keep<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for ((to, &from), &word) in self.to.iter_mut().zip(self.from).zip(self.words) {
            *to = if word >= self.least { from.scaled(self.scale) } else { T::default() };
        }
    }
}
