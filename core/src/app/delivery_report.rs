//! Owns the answer to what became of something said to others.

use crate::stats::Delivery;

/// What a publication did at the queues of those it was for: `members` were
/// offered it, and `members = queued + refused`. The others count what had to go.
///
/// For a message to one connection `members` is one, or zero if that is gone.
///
/// Queued is not yet received: the connection may end first, and the message may
/// still be evicted, replaced, or expire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveryReport {
    /// Connections that it was offered to.
    pub members: u64,
    /// Of those, the ones whose queue took it.
    pub queued: u64,
    /// Of those, the ones whose queue was full, or that were closing.
    pub refused: u64,
    /// Messages that had to make room for it.
    pub evicted: u64,
    /// Messages whose place it took.
    pub conflated: u64,
    /// Messages that had expired, found where room was needed for it.
    pub expired: u64,
}

impl DeliveryReport {
    /// How many numbers it is.
    pub(crate) const PARTS: usize = 6;

    pub(crate) const fn from_parts(parts: [u64; Self::PARTS]) -> Self {
        let [members, queued, refused, evicted, conflated, expired] = parts;
        Self {
            members,
            queued,
            refused,
            evicted,
            conflated,
            expired,
        }
    }

    /// The counters of a shard that its numbers are taken from: what one fan-out
    /// adds to them is what it did there.
    pub(crate) const fn counted(members: u64, delivery: &Delivery) -> [u64; Self::PARTS] {
        [
            members,
            delivery.queued,
            delivery.refused_full + delivery.refused_closing,
            delivery.evicted,
            delivery.conflated,
            delivery.expired,
        ]
    }
}
