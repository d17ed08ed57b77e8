//! Owns memory that is needed for a while and then by somebody else: for
//! messages that come in pieces, bytes that must wait, frames too long for a
//! run. An idle connection has none of it.

use alloc::vec::Vec;

/// Buffers that nobody needs just now.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    spare: Vec<Vec<u8>>,
}

impl Buffers {
    /// An empty buffer, if there is one used before: the smallest in which this
    /// length fits, or else the largest. None is made larger here, since a peer
    /// may announce what it never sends.
    pub(crate) fn take(&mut self, len: usize) -> Vec<u8> {
        let misfit = |(_, buffer): &(usize, &Vec<u8>)| {
            let capacity = buffer.capacity();
            if capacity >= len {
                (0, capacity)
            } else {
                (1, usize::MAX - capacity)
            }
        };
        let best = self.spare.iter().enumerate().min_by_key(misfit);
        best.map(|(at, _)| at)
            .map_or_else(Vec::new, |at| self.spare.swap_remove(at))
    }

    /// Gives a buffer back. One that has grown far beyond what most messages
    /// need is let go, and so is one more than a few.
    pub(crate) fn give(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() > 0 && buffer.capacity() <= LARGEST && self.spare.len() < MOST {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}

const LARGEST: usize = 256 << 10;
const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_that_fits_or_else_the_largest() {
        let mut buffers = Buffers::default();
        for capacity in [64, 512, 4_096] {
            buffers.give(Vec::with_capacity(capacity));
        }
        let mut take = |len| buffers.take(len).capacity();
        assert_eq!(
            [take(100), take(10_000), take(1), take(1)],
            [512, 4_096, 64, 0]
        );
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let mut buffers = Buffers::default();
        buffers.give(Vec::with_capacity(LARGEST + 1));
        assert!(buffers.spare.is_empty());
        for _ in 0..=MOST {
            buffers.give(Vec::with_capacity(LARGEST));
        }
        assert_eq!(buffers.spare.len(), MOST);
    }
}
