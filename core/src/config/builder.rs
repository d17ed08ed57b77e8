//! Builder of the configuration, with the check of every limit.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::config::error::{ConfigError, Unit, within};
use crate::config::limits::{Config, ConfigBuilder, GIB, MIB, MS_10, Range};
use crate::proto::http::{Hosts, Page};
use crate::proto::proxy::Proxies;
use crate::proto::ws::deflate;
use crate::proto::ws::upgrade::Origins;
use crate::time::micros;

impl Config {
    /// Returns a builder with the defaults.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder(Self::defaults())
    }
}

impl ConfigBuilder {
    /// Sets the seed of everything random. A server takes it from the operating system, a test uses a
    /// constant.
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }

    /// Sets the number of shards.
    pub fn shards(mut self, shards: u16) -> Self {
        self.0.shards = shards;
        self
    }

    /// Sets whether messages are compressed for clients that offer permessage-deflate (RFC 7692).
    /// Without the feature `deflate` no offer is accepted.
    pub fn compression(mut self, compression: bool) -> Self {
        self.0.compression = compression && deflate::IS_BUILT;
        self
    }

    /// Sets the origins whose pages may connect besides the server's own.
    pub fn origins(mut self, origins: Origins) -> Self {
        self.0.origins = origins;
        self
    }

    /// Sets the host names of the server. The default is any.
    pub fn hosts(mut self, hosts: Hosts) -> Self {
        self.0.hosts = hosts;
        self
    }

    /// Sets the proxies that are trusted to say the address of their client. The default is none.
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.0.proxies = proxies;
        self
    }

    /// Sets whether the limits per address hold for loopback addresses too. The default is no.
    pub fn limits_loopback(mut self, limits: bool) -> Self {
        self.0.limits_loopback = limits;
        self
    }

    /// Sets whether a connection that sends faster than it may is closed, as the application
    /// [says](crate::Handler::too_many_messages). By default it is not read until it may send again.
    pub fn closes_excess(mut self, closes: bool) -> Self {
        self.0.closes_excess = closes;
        self
    }

    /// Adds a path of WebSockets, and none but those that are added has any. Without one, which is the
    /// default, the application decides about every path.
    pub fn websocket_path(mut self, path: impl Into<Cow<'static, str>>) -> Self {
        self.0.websocket_paths.push(path.into());
        self
    }

    /// Adds a page that is answered without the application. It replaces one at the same path. There
    /// is none by default.
    pub fn page(mut self, page: Page) -> Self {
        self.0.pages.insert(page);
        self
    }

    /// Sets the supported subprotocols in order of preference. The first one that a client offers is
    /// chosen, unless the application chooses another one.
    pub fn subprotocols(mut self, subprotocols: Vec<String>) -> Self {
        self.0.subprotocols = subprotocols;
        self
    }

    /// Sets a limit from [`Config::RANGES`], durations in milliseconds.
    pub fn limit(mut self, range: &Range, value: u64) -> Self {
        range.set(&mut self.0, value);
        self
    }

    /// Checks every limit against its range, and the limits against each other.
    ///
    /// # Errors
    /// Returns the first limit that is out of its range, with the range.
    pub fn build(self) -> Result<Config, ConfigError> {
        for range in Config::RANGES.iter().chain([&Config::SHARDS]) {
            within(
                range.key,
                range.unit,
                range.get(&self.0),
                range.min,
                range.max,
            )?;
        }
        for limits in self.0.connection_limits.iter().flatten() {
            limits.check()?;
        }
        let least_memory = u64::from(self.0.shards) * MIB as u64;
        if self.0.memory_budget > 0 {
            let (budget, most) = (self.0.memory_budget as u64, 1_024 * GIB as u64);
            within("memory_budget", Unit::Bytes, budget, least_memory, most)?;
        }
        let below_pong_wait = (micros(self.0.pong_wait) / 1_000).saturating_sub(1);
        within(
            "ping_interval",
            Unit::Milliseconds,
            micros(self.0.ping_interval) / 1_000,
            micros(MS_10) / 1_000,
            below_pong_wait,
        )?;
        Ok(self.0)
    }
}
