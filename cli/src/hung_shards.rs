//! Owns what is said of a server that ends without some of its shards, because an application does
//! not return.

use core::fmt;
use std::io;
use std::time::Duration;

use stentor_core::ShardId;
use tracing::error;

/// Shards that had not ended when the time for it was over. No thread can be ended from outside:
/// theirs are left behind, with all their connections, until the process ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HungShards {
    shards: Vec<ShardId>,
}

impl HungShards {
    /// How long the threads of a server have to end once the drain is over.
    pub const GRACE: Duration = Duration::from_secs(3);

    /// These shards hang, if there are any; the log says so too.
    #[must_use]
    pub fn of(shards: Vec<ShardId>) -> Option<Self> {
        for shard in &shards {
            error!(shard = shard.0, "a shard hangs and is left behind");
        }
        (!shards.is_empty()).then_some(Self { shards })
    }

    /// Which ones.
    #[must_use]
    pub fn shards(&self) -> &[ShardId] {
        &self.shards
    }
}

impl fmt::Display for HungShards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an application does not return, on shard ")?;
        for (at, shard) in self.shards.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{}", shard.0)?;
        }
        Ok(())
    }
}

impl core::error::Error for HungShards {}

impl From<HungShards> for io::Error {
    fn from(hang: HungShards) -> Self {
        Self::new(io::ErrorKind::TimedOut, hang)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_its_shards() {
        assert_eq!(HungShards::of(Vec::new()), None);
        let hang = HungShards::of([0, 3].map(ShardId).into()).expect("two");
        let error = io::Error::from(hang);
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let said = "an application does not return, on shard 0, 3";
        assert_eq!(error.to_string(), said);
    }
}
