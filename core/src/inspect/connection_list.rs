//! Selection of a shard's connections: by channel, queue length, bytes or age.

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::delivery::Depth;
use crate::inspect::connection_info::ConnectionInfo;

/// Which connections are wanted, and in which order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectionQuery {
    /// Members of this channel only.
    pub channel: Option<Bytes>,
    /// Those for whom at least so many messages wait.
    pub min_messages: u32,
    /// Those for whom at least so many bytes wait.
    pub min_bytes: u32,
    /// Those for whom something has waited for at least so long.
    pub min_age: Duration,
    /// Which come first.
    pub order: SortBy,
    /// How many at most; not more than [`MOST`](Self::MOST).
    pub most: usize,
}

/// Which connections come first: those with the most.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum SortBy {
    /// Messages that wait.
    #[default]
    Messages,
    /// Bytes that wait.
    Bytes,
    /// Time that what waits has waited.
    Age,
}

/// The connections that were wanted, the first of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct ConnectionList {
    /// How many there are in all.
    pub matching: usize,
    /// As many as were asked for, in order.
    pub connections: Vec<ConnectionInfo>,
}

impl ConnectionQuery {
    /// The most connections that one look at a shard explains.
    pub const MOST: usize = 1_000;

    pub(crate) fn admits(&self, depth: Depth) -> bool {
        depth.messages >= self.min_messages && depth.bytes >= self.min_bytes
    }
}

impl Default for ConnectionQuery {
    fn default() -> Self {
        Self {
            channel: None,
            min_messages: 0,
            min_bytes: 0,
            min_age: Duration::ZERO,
            order: SortBy::default(),
            most: Self::MOST,
        }
    }
}

impl SortBy {
    /// Returns what connections are put in order by, the greatest first.
    pub fn key(self, depth: Depth) -> u64 {
        match self {
            Self::Messages => depth.messages.into(),
            Self::Bytes => depth.bytes.into(),
            Self::Age => depth.oldest.as_micros() as u64,
        }
    }
}
