//! Random numbers of a simulation: all of them follow from its seed.

/// A small generator (splitmix64). The same seed gives the same numbers.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Returns the generator of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`, or zero if that is zero.
    pub const fn below(&mut self, end: usize) -> usize {
        ((self.next() as u128 * end as u128) >> 64) as usize
    }

    /// Returns a number from 0 to `most`.
    pub const fn up_to(&mut self, most: u64) -> u64 {
        self.below(most as usize + 1) as u64
    }

    /// Returns true in this percentage of calls.
    pub const fn percent(&mut self, chance: u32) -> bool {
        self.below(100) < chance as usize
    }
}
