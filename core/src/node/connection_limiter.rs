//! Connection limit of one server, and the choice of a shard for each socket.
//!
//! Counts sockets; opens and closes none.

use alloc::vec::Vec;

use crate::engine::input::Admission;
use crate::id::ShardId;
use crate::sync::Gauge;

/// Number of sockets per shard, and of sockets refused. One per server. The limit is exact if only
/// one thread at a time calls [`admit`](Self::admit).
#[derive(Debug)]
pub struct ConnectionLimiter {
    limit: usize,
    shards: Vec<Sockets>,
    refused: Gauge,
}

#[derive(Debug)]
struct Sockets {
    /// Admitted within the limit and not yet closed.
    held: Gauge,
    /// Admitted beyond the limit, to be answered with 503.
    surplus: Gauge,
}

impl Sockets {
    fn none(_: u16) -> Self {
        Self {
            held: Gauge::new(),
            surplus: Gauge::new(),
        }
    }
}

impl ConnectionLimiter {
    /// Returns a limiter for a server without sockets. Without a limit, every socket is admitted.
    #[must_use]
    pub fn new(shards: u16, limit: Option<usize>) -> Self {
        Self {
            limit: limit.unwrap_or(usize::MAX),
            shards: (0..shards).map(Sockets::none).collect(),
            refused: Gauge::new(),
        }
    }

    /// Returns the maximum number of sockets.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the shards of the server.
    pub fn shards(&self) -> impl Iterator<Item = ShardId> + use<> {
        (0..self.shards.len() as u16).map(ShardId)
    }

    /// Chooses the shard with the fewest sockets for a new one and counts it there. Returns `None`
    /// if the socket must be closed without a response, and counts it as refused.
    pub fn admit(&self) -> Option<(ShardId, Admission)> {
        let held = |sockets: &Sockets| sockets.held.value();
        let surplus = |sockets: &Sockets| sockets.surplus.value();
        let least = self
            .shards()
            .min_by_key(|shard| held(&self.shards[shard.index()]))?;
        let sockets = &self.shards[least.index()];
        if self.shards.iter().map(held).sum::<usize>() < self.limit {
            sockets.held.increment();
            Some((least, Admission::Normal))
        } else if self.shards.iter().map(surplus).sum::<usize>() < MAX_SURPLUS {
            sockets.surplus.increment();
            Some((least, Admission::Surplus))
        } else {
            self.count_refused();
            None
        }
    }

    /// Releases an admitted socket that was closed.
    pub fn release(&self, shard: ShardId, admission: Admission) {
        let sockets = &self.shards[shard.index()];
        match admission {
            Admission::Normal => &sockets.held,
            Admission::Surplus => &sockets.surplus,
        }
        .decrement();
    }

    /// Returns the number of sockets admitted and not released.
    #[must_use]
    pub fn sockets(&self) -> usize {
        let of = |sockets: &Sockets| sockets.held.value() + sockets.surplus.value();
        self.shards.iter().map(of).sum()
    }

    /// Counts a socket that was refused because the server was full.
    pub fn count_refused(&self) {
        self.refused.increment();
    }

    /// Returns the number of sockets refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.value() as u64
    }
}

/// Sockets beyond the limit that get a response at a time. Further ones are closed without one.
const MAX_SURPLUS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_spread_evenly_up_to_the_limit_and_a_few_beyond_get_a_response() {
        let limiter = ConnectionLimiter::new(3, Some(6));
        let mut each = [0; 3];
        for _ in 0..6 {
            let (shard, admission) = limiter.admit().expect("room");
            assert_eq!(admission, Admission::Normal);
            each[shard.index()] += 1;
        }
        assert_eq!(each, [2, 2, 2]);
        for _ in 0..MAX_SURPLUS {
            assert_eq!(limiter.admit().map(|(_, a)| a), Some(Admission::Surplus));
        }
        assert_eq!(limiter.admit(), None);
        assert_eq!(limiter.refused(), 1);
        limiter.release(ShardId(1), Admission::Normal);
        assert_eq!(limiter.admit(), Some((ShardId(1), Admission::Normal)));
        assert_eq!(limiter.sockets(), 6 + MAX_SURPLUS);
    }
}
