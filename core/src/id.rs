//! Identifiers that cross the boundary of a state machine. Each is small, `Copy` and meaningless
//! outside the process.

use core::fmt;
use core::str::FromStr;

/// One shard: the messaging state machine of one CPU core. Counted from zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShardId(pub u16);

impl ShardId {
    /// Returns the index of the shard in a table of shards.
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

/// One connection. Identifies a slot of a shard rather than a socket. The generation distinguishes
/// successive connections in one slot, so a late input for a previous one does not reach the
/// current one.
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

    /// Returns the shard that owns the connection.
    pub const fn shard(self) -> ShardId {
        self.shard
    }

    /// Returns the slot inside the shard: a small, dense index that is reused. An adapter keeps its
    /// sockets in a table with this index.
    pub const fn slot(self) -> usize {
        self.slot as usize
    }

    /// Returns the generation: which connection in the slot this is.
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}#{}", self.shard.0, self.slot, self.generation)
    }
}

impl FromStr for ConnId {
    type Err = NotAConnId;

    /// Reads what [`Display`](fmt::Display) writes. A name that nobody has is read too.
    fn from_str(text: &str) -> Result<Self, NotAConnId> {
        let (shard, rest) = text.split_once('.').ok_or(NotAConnId)?;
        let (slot, generation) = rest.split_once('#').ok_or(NotAConnId)?;
        let shard = number(shard)?.try_into().map_err(|_| NotAConnId)?;
        Ok(Self::new(
            ShardId(shard),
            number(slot)?,
            number(generation)?,
        ))
    }
}

fn number(digits: &str) -> Result<u32, NotAConnId> {
    // A sign would be taken for a part of the number.
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        digits.parse().map_err(|_| NotAConnId)
    } else {
        Err(NotAConnId)
    }
}

/// A text that names no connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotAConnId;

impl fmt::Display for NotAConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a connection is named like 0.12#3: shard, slot and generation")
    }
}

impl core::error::Error for NotAConnId {}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_name_reads_back_and_nothing_else_is_one() {
        for id in [
            ConnId::new(ShardId(0), 0, 0),
            ConnId::new(ShardId(u16::MAX), u32::MAX, u32::MAX),
        ] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for text in [
            "",
            "0",
            "0.1",
            "0#1",
            "0.1#",
            ".1#2",
            "0.1#2 ",
            "+0.1#2",
            "65536.1#2",
        ] {
            assert_eq!(text.parse::<ConnId>(), Err(NotAConnId), "{text:?}");
        }
    }
}
