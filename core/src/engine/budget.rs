//! Memory budget of a shard as numbers: its share and the levels derived from it.

/// How much memory a shard may take, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) share: usize,
    /// Up to here it was tried in vain to get back to the share.
    pub(crate) tolerated: usize,
}

impl Budget {
    /// An even part of what a server of so many shards may take; 0 is without end.
    pub(crate) const fn new(all: usize, shards: u16) -> Self {
        let share = match all {
            0 => usize::MAX,
            all => all / shards as usize,
        };
        Self {
            share,
            tolerated: share,
        }
    }

    /// From here on nobody more is let in.
    pub(crate) const fn full(self) -> usize {
        self.share - self.share / 8
    }

    /// Down to here waiting data is dropped once there is too much of it, so that it
    /// need not be looked for with each message. Still [full](Self::full).
    pub(crate) const fn relieved(self) -> usize {
        self.share - self.share / 16
    }

    /// What messages that have not come to their end, and commands held back, may take.
    pub(crate) const fn for_input(self) -> usize {
        self.share / 2
    }
}
