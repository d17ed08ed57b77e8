//! Ids of clients: 64 bits, as decimal text, that no two connections of a service have.
//!
//! From the top: 1 bit of 0, 41 bits of milliseconds since 2024, 10 bits of the node, 10 bits of the
//! shard and 2 bits that count the ids of one millisecond. When these are used up, or the clock has
//! been set back, the time in the id goes on from the last one, so the ids of a shard always rise.

use core::time::Duration;

use stentor_core::ShardId;

/// 2024-01-01, in milliseconds of Unix time.
const EPOCH_MILLIS: u128 = 1_704_067_200_000;
const SEQUENCE_BITS: u32 = 2;
const SHARD_BITS: u32 = 10;
const NODE_BITS: u32 = 10;
const TIME_BITS: u32 = 41;

/// The ids of the connections of one shard.
#[derive(Debug)]
pub(crate) struct ClientIds {
    /// Node and shard, at their place.
    origin: u64,
    /// Milliseconds and count of the next id at the earliest, as one number.
    next: u64,
}

impl ClientIds {
    pub(crate) fn new(node: u16, shard: ShardId) -> Self {
        let low = |number: u16, bits: u32| u64::from(number) & ((1 << bits) - 1);
        Self {
            origin: low(node, NODE_BITS) << (SHARD_BITS + SEQUENCE_BITS)
                | low(shard.0, SHARD_BITS) << SEQUENCE_BITS,
            next: 0,
        }
    }

    /// Returns a new id. `unix_time` is the wall clock.
    pub(crate) fn next(&mut self, unix_time: Duration) -> u64 {
        let millis = unix_time.as_millis().saturating_sub(EPOCH_MILLIS) as u64;
        let moment = self.next.max(millis << SEQUENCE_BITS);
        self.next = moment + 1;
        let millis = (moment >> SEQUENCE_BITS) & ((1 << TIME_BITS) - 1);
        let sequence = moment & ((1 << SEQUENCE_BITS) - 1);
        millis << (NODE_BITS + SHARD_BITS + SEQUENCE_BITS) | self.origin | sequence
    }
}

/// Returns the shard that a client id is of.
pub(crate) const fn shard_of(client: u64) -> ShardId {
    ShardId((client >> SEQUENCE_BITS) as u16 & ((1 << SHARD_BITS) - 1))
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(EPOCH_MILLIS as u64 + millis)
    }

    #[test]
    fn an_id_has_time_node_shard_and_count() {
        let mut ids = ClientIds::new(3, ShardId(5));
        let origin = 3 << 12 | 5 << 2;
        assert_eq!(ids.next(at(7)), 7 << 22 | origin);
        assert_eq!(ids.next(at(7)), 7 << 22 | origin | 1);
        assert_eq!(ids.next(at(8)), 8 << 22 | origin);
        let last = (1 << TIME_BITS) - 1;
        assert_eq!(ids.next(at(last)), last << 22 | origin);
        assert!(ids.next(at(last)) < 1 << 63);
    }

    #[test]
    fn ids_rise_when_the_clock_does_not() {
        let mut ids = ClientIds::new(1, ShardId(0));
        let mut last = 0;
        let steps = [
            1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 10, 0, 999, 1_001, 2_000, 1_999,
        ];
        for millis in steps {
            let id = ids.next(at(millis));
            assert!(id > last, "{id} after {last}");
            last = id;
        }
        // A clock that nobody has told stands still before the epoch.
        assert!(ids.next(Duration::ZERO) > last);
    }

    #[test]
    fn shards_and_nodes_have_different_ids() {
        let mut seen = BTreeSet::new();
        for node in [0, 1, 1_023] {
            for shard in [0, 1, 1_023] {
                let mut ids = ClientIds::new(node, ShardId(shard));
                for _ in 0..100 {
                    assert!(seen.insert(ids.next(at(5))));
                }
            }
        }
    }
}
