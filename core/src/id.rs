//! Owns the names of things that cross a machine's boundary. Every name is
//! small, `Copy` and means nothing outside the process.

use core::fmt;

/// One shard: the messaging machine of one CPU core. Counted from zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShardId(pub u16);

impl ShardId {
    /// The shard's place in a table of shards.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One worker of the pool. Counted from zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WorkerId(pub u16);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One connection. It names a slot of a shard rather than a socket; the
/// generation tells two occupants of one slot apart, so whatever arrives late
/// for the former misses the latter.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnId {
    slot: u32,
    generation: u32,
    shard: ShardId,
}

impl ConnId {
    pub(crate) const fn new(shard: ShardId, slot: u32, generation: u32) -> Self {
        Self {
            slot,
            generation,
            shard,
        }
    }

    /// The shard that owns the connection.
    pub const fn shard(self) -> ShardId {
        self.shard
    }

    /// The slot inside the shard: small, dense, reused. An adapter keeps its
    /// socket in a table under this index.
    pub const fn slot(self) -> usize {
        self.slot as usize
    }

    /// Which occupant of the slot this is.
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}#{}", self.shard.0, self.slot, self.generation)
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
