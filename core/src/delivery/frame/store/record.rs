//! What the store keeps of each frame: its record, its payload if that is not in a run, and its
//! deadline, key and stream if it has any.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::delivery::frame::meta::{Key, PublishedAt};
use crate::delivery::frame::rank::Rank;
use crate::table::Place;
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) run: u32,
    pub(super) offset: u32,
    /// Bytes in the run: the whole frame, or its header only.
    pub(super) inline: u32,
    /// Bytes in all.
    pub(super) len: u32,
    /// Where the payload is if it is not in the run.
    pub(super) body: u32,
    pub(super) refs: u32,
    pub(super) born: PublishedAt,
    /// Where its deadline, its key and its stream are, if it has any.
    pub(super) term: u32,
    /// Of a batch the first part, of a part the one behind it; of a vacant place the next.
    pub(super) next: u32,
    /// How many messages it is.
    pub(super) messages: u16,
    pub(super) rank: Rank,
    /// Bytes of frame header in front of the payload.
    pub(super) header: u8,
    /// Whether others have the payload too.
    pub(super) shared: bool,
    /// Whether a batch of which it is a part is there.
    pub(super) is_part: bool,
}

const _: () = assert!(size_of::<Record>() == 44);

impl Place for Record {
    fn vacate(&mut self, next: u32) {
        self.next = next;
    }

    fn next_vacant(&self) -> u32 {
        self.next
    }
}

/// What few frames have, so that the others need no room for it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expiry {
    Of {
        deadline: Option<Timestamp>,
        key: Option<Key>,
        stream: Option<u32>,
    },
    Vacant(u32),
}

impl Place for Expiry {
    fn vacate(&mut self, next: u32) {
        *self = Self::Vacant(next);
    }

    fn next_vacant(&self) -> u32 {
        match *self {
            Self::Vacant(next) => next,
            Self::Of { .. } => u32::MAX,
        }
    }
}

/// A payload that is not in a run.
#[derive(Debug)]
pub(super) enum Body {
    /// Others have it too.
    Shared(Bytes),
    /// Nobody else has it.
    Owned(Vec<u8>),
    Vacant(u32),
}

impl Place for Body {
    fn vacate(&mut self, next: u32) {
        *self = Self::Vacant(next);
    }

    fn next_vacant(&self) -> u32 {
        match *self {
            Self::Vacant(next) => next,
            Self::Shared(_) | Self::Owned(_) => u32::MAX,
        }
    }
}

impl Body {
    /// Returns the bytes of memory it is charged with.
    pub(super) fn memory(&self) -> u64 {
        match self {
            Self::Shared(bytes) => bytes.len() as u64,
            Self::Owned(bytes) => bytes.capacity() as u64,
            Self::Vacant(_) => 0,
        }
    }
}

impl core::ops::Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Owned(bytes) => bytes,
            Self::Vacant(_) => &[],
        }
    }
}
