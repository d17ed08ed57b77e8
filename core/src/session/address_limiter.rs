//! Limits of one address: how many connections it has, and how fast it opens sessions. One for all
//! shards of a server.
//!
//! Does not know what is refused how. An IPv6 address stands for its network of 64 bits, which is what
//! one customer has.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::{BuildHasher as _, Hasher as _};
use core::net::IpAddr;

use foldhash::fast::FixedState;

use crate::config::Config;
use crate::proto::proxy::mapped;
use crate::sync::{Counted, Gauge, LazyTable};
use crate::time::Timestamp;

/// The connections and the sessions of each address, as all shards of a server count them. A clone is
/// the same one.
// Nothing depends on who drops it last, so its count is not one that models of loom see: what owns it is
// itself in an `Arc` whose count they do not see.
#[derive(Clone, Debug)]
pub struct AddressLimiter(Arc<Limits>);

#[derive(Debug)]
struct Limits {
    seed: u64,
    /// Maximum number of connections; 0 is no limit.
    connections: u32,
    /// Time in [`UNIT`] after which an address may open another session; 0 is no limit.
    interval: u64,
    has_loopback: bool,
    /// Made when the first address is counted: a server on loopback needs none.
    counts: LazyTable,
    rates: LazyTable,
    /// Connections that are told that their address has too many.
    excess: Gauge,
}

impl AddressLimiter {
    /// Returns a limiter that has seen nothing.
    pub fn new(config: &Config) -> Self {
        let rate = config.address_sessions as u64;
        Self(Arc::new(Limits {
            seed: config.seed(),
            connections: config.address_connections as u32,
            interval: SECOND.checked_div(rate).map_or(0, |each| each.max(1)),
            has_loopback: config.limits_loopback(),
            counts: LazyTable::new(config.addresses),
            rates: LazyTable::new(config.addresses),
            excess: Gauge::new(),
        }))
    }

    /// Returns the key of an address, unless it has no limits.
    fn key(&self, address: IpAddr) -> Option<u64> {
        let address = address.to_canonical();
        if address.is_loopback() && !self.0.has_loopback {
            return None;
        }
        let bits = match address {
            IpAddr::V4(_) => mapped(address),
            IpAddr::V6(_) => mapped(address) >> 64 << 64,
        };
        let mut hasher = FixedState::with_seed(self.0.seed).build_hasher();
        hasher.write_u128(bits);
        Some(hasher.finish())
    }

    /// Counts a connection of an address.
    pub(crate) fn enter(&self, address: IpAddr) -> Counted {
        if self.0.connections == 0 {
            return Counted::NoLimit;
        }
        match self.key(address) {
            Some(key) => self.0.counts.get().enter(key, self.0.connections),
            None => Counted::NoLimit,
        }
    }

    /// Returns whether an address has as many connections as it may have.
    pub(crate) fn is_full(&self, address: IpAddr) -> bool {
        let limit = u64::from(self.0.connections);
        let key = self.key(address).filter(|_| limit > 0);
        key.is_some_and(|key| self.0.counts.get().count(key) >= limit)
    }

    /// Counts a connection of an address no longer.
    pub(crate) fn leave(&self, address: IpAddr) {
        if let Some(key) = self.key(address) {
            self.0.counts.get().leave(key);
        }
    }

    /// Returns whether an address may open a session now, and counts that it does.
    pub(crate) fn may_open(&self, address: IpAddr, now: Timestamp) -> bool {
        if self.0.interval == 0 {
            return true;
        }
        let Some(key) = self.key(address) else {
            return true;
        };
        let now = now.as_micros() / UNIT;
        self.0.rates.get().take(key, now, self.0.interval, SECOND)
    }

    /// Returns whether one more connection may be told that its address has too many, and counts it.
    pub(crate) fn enter_excess(&self) -> bool {
        let may = self.0.excess.value() < MAX_EXCESS;
        if may {
            self.0.excess.increment();
        }
        may
    }

    /// Counts such a connection no longer.
    pub(crate) fn leave_excess(&self) {
        self.0.excess.decrement();
    }

    /// Returns the bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        self.0.counts.memory() + self.0.rates.memory()
    }
}

/// The addresses of the connections of one shard.
#[derive(Debug)]
pub(crate) struct ShardAddresses {
    limiter: AddressLimiter,
    /// By slot, as far as connections are counted.
    standings: Vec<Standing>,
}

/// How a connection stands with its address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Standing {
    /// It does not count.
    #[default]
    None,
    /// It counts among the connections of its address.
    Counted,
    /// It is told that its address has too many.
    Excess,
}

impl ShardAddresses {
    /// Returns those of a configuration, if it has limits.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        let is_used = config.address_connections > 0 || config.address_sessions > 0;
        is_used.then(|| Self {
            limiter: AddressLimiter::new(config),
            standings: Vec::new(),
        })
    }

    /// Counts together with others.
    pub(crate) fn share(&mut self, limiter: &AddressLimiter) {
        self.limiter.clone_from(limiter);
    }

    /// Returns the limiter.
    pub(crate) const fn limiter(&self) -> &AddressLimiter {
        &self.limiter
    }

    /// Returns how a connection stands.
    pub(crate) fn standing(&self, at: u32) -> Standing {
        self.standings.get(at as usize).copied().unwrap_or_default()
    }

    /// Sets how a connection stands.
    pub(crate) fn set_standing(&mut self, at: u32, standing: Standing) {
        let at = at as usize;
        if self.standings.len() <= at {
            self.standings.resize(at + 1, Standing::None);
        }
        self.standings[at] = standing;
    }

    /// Counts the connection in a slot, which has this address, no longer.
    pub(crate) fn leave(&mut self, at: u32, address: Option<IpAddr>) {
        let Some(standing) = self.standings.get_mut(at as usize) else {
            return;
        };
        match core::mem::take(standing) {
            Standing::None => {}
            Standing::Counted => {
                if let Some(address) = address {
                    self.limiter.leave(address);
                }
            }
            Standing::Excess => self.limiter.leave_excess(),
        }
    }

    /// Gives back the memory of slots that are no longer there.
    pub(crate) fn shrink(&mut self, slots: usize) {
        if self.standings.len() > slots {
            self.standings.truncate(slots);
            self.standings.shrink_to(slots);
        }
    }

    /// Returns the bytes of memory; of the tables that shards share, a part.
    pub(crate) fn memory(&self, shards: u16) -> usize {
        self.standings.capacity() + self.limiter.memory() / usize::from(shards)
    }
}

/// Unit of the times of rates in microseconds: 44 bits of it are eight years.
const UNIT: u64 = 16;
const SECOND: u64 = 1_000_000 / UNIT;
/// Connections that are told at a time that their address has too many; further ones are closed
/// without a response.
const MAX_EXCESS: usize = 64;

#[cfg(all(test, not(loom)))]
mod tests {
    use core::time::Duration;

    use super::*;

    fn limiter(connections: usize, sessions: usize) -> AddressLimiter {
        let config = Config::builder()
            .address_connections(connections)
            .address_sessions(sessions);
        AddressLimiter::new(&config.build().expect("in range"))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_has_so_many_connections_and_its_network_of_64_bits_is_one() {
        let limiter = limiter(2, 0);
        for (one, same, other) in [
            ("192.0.2.7", "::ffff:192.0.2.7", "192.0.2.8"),
            ("2001:db8::1", "2001:db8::ffff:0:0:2", "2001:db8:0:1::1"),
        ] {
            assert_eq!(limiter.enter(address(one)), Counted::Yes);
            assert_eq!(limiter.enter(address(same)), Counted::Yes);
            assert_eq!(limiter.enter(address(one)), Counted::Full);
            assert_eq!(limiter.enter(address(other)), Counted::Yes);
            limiter.leave(address(same));
            assert_eq!(limiter.enter(address(one)), Counted::Yes);
        }
    }

    #[test]
    fn an_address_opens_so_many_sessions_a_second() {
        let limiter = limiter(0, 10);
        let opened = |seconds: f64, of| {
            let now = Timestamp::ORIGIN.after(Duration::from_secs_f64(seconds));
            (0..)
                .take_while(|_| limiter.may_open(address(of), now))
                .count()
        };
        assert_eq!(opened(5.0, "192.0.2.7"), 10);
        assert_eq!(opened(5.0, "192.0.2.8"), 10);
        assert_eq!(opened(5.05, "192.0.2.7"), 0);
        assert_eq!(opened(5.5, "192.0.2.7"), 5);
        assert_eq!(opened(99.0, "192.0.2.7"), 10);
    }

    #[test]
    fn loopback_has_no_limits_and_takes_no_memory() {
        let limiter = limiter(1, 1);
        for text in ["127.0.0.1", "::1", "::ffff:127.1.2.3"] {
            for _ in 0..3 {
                assert_eq!(limiter.enter(address(text)), Counted::NoLimit);
                assert!(limiter.may_open(address(text), Timestamp::ORIGIN));
            }
        }
        assert_eq!(limiter.memory(), 0);
        assert_eq!(limiter.enter(address("192.0.2.7")), Counted::Yes);
        assert!(limiter.memory() >= 8 * Config::default().addresses());
    }
}
