//! Owns the count of sockets: which shard gets a new one, whether that is within the limit of
//! connections, and what went wrong before a shard was reached. Opens and closes none.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use stentor_core::{Admission, ShardId};
use tracing::warn;

use crate::admin::StatusCounters;
use crate::metrics::Snapshot;
use crate::{Settings, Throttle};

/// How many sockets each shard has, and how many were turned away. One per server; the limit is
/// exact where one thread at a time [`admit`](Self::admit)s.
#[derive(Debug)]
pub struct ConnectionLimiter {
    limit: usize,
    shards: Vec<Sockets>,
    full: AtomicU64,
    accept_errors: AtomicU64,
    /// The log lines about them.
    accept_lines: Mutex<Throttle>,
    restarts: AtomicU64,
    admin: StatusCounters,
}

#[derive(Debug, Default)]
struct Sockets {
    /// Handed in and not yet closed, those over the limit apart.
    held: AtomicUsize,
    /// Over the limit; being told so.
    surplus: AtomicUsize,
}

impl ConnectionLimiter {
    /// No sockets on the shards of a server.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let limit = settings.max_connections.unwrap_or(usize::MAX);
        Self::of(settings.config.shards(), limit)
    }

    fn of(shards: u16, limit: usize) -> Self {
        Self {
            limit,
            shards: (0..shards).map(|_| Sockets::default()).collect(),
            full: AtomicU64::new(0),
            accept_errors: AtomicU64::new(0),
            accept_lines: Mutex::new(Throttle::new(ACCEPT_LINES, ACCEPT_LINES)),
            restarts: AtomicU64::new(0),
            admin: StatusCounters::default(),
        }
    }

    /// The most sockets there may be.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Every shard.
    pub fn shards(&self) -> impl Iterator<Item = ShardId> + use<> {
        (0..self.shards.len() as u16).map(ShardId)
    }

    /// Chooses the shard with the fewest sockets for a new one, and counts it there. `None` if it
    /// is to be closed unheard, which is counted too.
    pub fn admit(&self) -> Option<(ShardId, Admission)> {
        let held = |sockets: &Sockets| sockets.held.load(Ordering::Relaxed);
        let surplus = |sockets: &Sockets| sockets.surplus.load(Ordering::Relaxed);
        let least = self
            .shards()
            .min_by_key(|shard| held(&self.shards[shard.index()]))?;
        let sockets = &self.shards[least.index()];
        if self.shards.iter().map(held).sum::<usize>() < self.limit {
            sockets.held.fetch_add(1, Ordering::Relaxed);
            Some((least, Admission::Normal))
        } else if self.shards.iter().map(surplus).sum::<usize>() < MOST_SURPLUS {
            sockets.surplus.fetch_add(1, Ordering::Relaxed);
            Some((least, Admission::Surplus))
        } else {
            self.count_full();
            None
        }
    }

    /// A socket that was admitted is closed.
    pub fn forget(&self, shard: ShardId, admission: Admission) {
        let sockets = &self.shards[shard.index()];
        match admission {
            Admission::Normal => &sockets.held,
            Admission::Surplus => &sockets.surplus,
        }
        .fetch_sub(1, Ordering::Relaxed);
    }

    /// How many sockets are admitted and not forgotten.
    #[must_use]
    pub fn sockets(&self) -> usize {
        let of = |sockets: &Sockets| {
            sockets.held.load(Ordering::Relaxed) + sockets.surplus.load(Ordering::Relaxed)
        };
        self.shards.iter().map(of).sum()
    }

    /// A socket was turned away because there is no room for it.
    pub fn count_full(&self) {
        self.full.fetch_add(1, Ordering::Relaxed);
    }

    /// A socket could not be accepted, mostly because no descriptor is left. Counts it, and logs it
    /// once a second at most: it is tried again soon.
    pub fn accept_failed(&self, error: &io::Error) {
        self.accept_errors.fetch_add(1, Ordering::Relaxed);
        let mut lines = self
            .accept_lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(held_back) = lines.admit(Instant::now()) {
            warn!(%error, held_back, "accept error");
        }
    }

    /// A shard has failed and begun anew.
    pub fn count_restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// A request for an admin page was answered with this status.
    pub fn count_admin(&self, status: u16) {
        self.admin.count(status);
    }

    /// Enters what was counted here.
    pub fn fill(&self, snapshot: &mut Snapshot<'_>) {
        snapshot.refused_full = self.full.load(Ordering::Relaxed);
        snapshot.accept_errors = self.accept_errors.load(Ordering::Relaxed);
        snapshot.shard_restarts = self.restarts.load(Ordering::Relaxed);
        snapshot.admin = self.admin.counts();
    }
}

/// Sockets over the limit that are told so at a time; more are closed unheard.
const MOST_SURPLUS: usize = 32;
/// Lines about sockets that could not be accepted, in a second.
const ACCEPT_LINES: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_spread_evenly_up_to_the_limit_and_a_few_are_told() {
        let census = ConnectionLimiter::of(3, 6);
        let mut each = [0; 3];
        for _ in 0..6 {
            let (shard, admission) = census.admit().expect("room");
            assert_eq!(admission, Admission::Normal);
            each[shard.index()] += 1;
        }
        assert_eq!(each, [2, 2, 2]);
        for _ in 0..MOST_SURPLUS {
            assert_eq!(census.admit().map(|(_, a)| a), Some(Admission::Surplus));
        }
        assert_eq!(census.admit(), None);
        census.forget(ShardId(1), Admission::Normal);
        assert_eq!(census.admit(), Some((ShardId(1), Admission::Normal)));
        assert_eq!(census.sockets(), 6 + MOST_SURPLUS);
    }
}
