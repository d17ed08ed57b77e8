//! Delivery reports: results of a publication at the queues of its members.

use crate::delivery::Outbound;

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
    /// Messages that had expired, found where channel was needed for it.
    pub expired: u64,
}

/// The numbers of a report, as they are added up over shards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts([u64; PARTS]);

/// How many numbers a report is.
pub(crate) const PARTS: usize = 6;

/// Returns the counters of a shard that reports are made of: what one fan-out adds to them is
/// what it did there.
pub(crate) fn counted(out: &mut Outbound) -> Parts {
    let counts = out.counts();
    let delivery = &counts.delivery;
    Parts([
        counts.members_offered,
        delivery.queued,
        delivery.refused_full + delivery.refused_closing + delivery.refused_codec,
        delivery.evicted,
        delivery.conflated,
        delivery.expired,
    ])
}

impl Parts {
    /// Returns what has been counted since `before`.
    pub(crate) fn since(self, before: Self) -> [u64; PARTS] {
        core::array::from_fn(|at| self.0[at] - before.0[at])
    }
}

impl From<[u64; PARTS]> for DeliveryReport {
    fn from([members, queued, refused, evicted, conflated, expired]: [u64; PARTS]) -> Self {
        Self {
            members,
            queued,
            refused,
            evicted,
            conflated,
            expired,
        }
    }
}
