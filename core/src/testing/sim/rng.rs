//! Owns the one source of chance: everything that looks random in a simulation
//! follows from its seed.

use crate::chance::Chance;

/// A small generator. Same seed, same numbers.
#[derive(Clone, Debug)]
pub struct Rng(Chance);

impl Rng {
    /// The generator of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(Chance::new(seed))
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0.next()
    }

    /// A number below `end`; zero where that is zero.
    pub const fn below(&mut self, end: usize) -> usize {
        self.0.below(end as u64) as usize
    }

    /// A number from 0 to `most`.
    pub const fn up_to(&mut self, most: u64) -> u64 {
        self.below(most as usize + 1) as u64
    }

    /// True so many times in a hundred.
    pub const fn percent(&mut self, chance: u32) -> bool {
        self.below(100) < chance as usize
    }
}
