//! Table of the limits: names, help texts, units, ranges and defaults.
//!
//! Does not check them, which [`ConfigBuilder::build`] does.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::config::connection::{CODECS, ConnectionLimits};
use crate::config::error::Unit;
use crate::proto::http::{HeadLimits, Hosts, MAX_HEADERS, Pages};
use crate::proto::proxy::Proxies;
use crate::proto::ws::MessageLimits;
use crate::proto::ws::upgrade::Origins;
use crate::time::micros;

macro_rules! limits {
    ($($(#[doc = $doc:literal])* $setting:literal $(| $short:literal)?,
        $name:ident: $kind:ident = $default:expr, $min:expr, $max:expr;)*) => {
        /// The checked limits of one server; every shard has the same.
        #[derive(Clone, Debug)]
        pub struct Config {
            pub(crate) seed: u64,
            pub(crate) origins: Origins,
            pub(crate) hosts: Hosts,
            pub(crate) proxies: Proxies,
            pub(crate) limits_loopback: bool,
            pub(crate) closes_excess: bool,
            pub(crate) websocket_paths: Vec<Cow<'static, str>>,
            pub(crate) pages: Pages,
            pub(crate) subprotocols: Vec<String>,
            pub(crate) shards: u16,
            pub(crate) compression: bool,
            pub(crate) connection_limits: [Option<ConnectionLimits>; CODECS],
            $(pub(crate) $name: limits!(@type $kind),)*
        }

        /// Collects limits; [`build`](Self::build) checks them all.
        #[derive(Clone, Debug)]
        #[must_use]
        pub struct ConfigBuilder(pub(super) Config);

        impl ConfigBuilder {
            $($(#[doc = $doc])*
            pub fn $name(mut self, value: limits!(@type $kind)) -> Self {
                self.0.$name = value;
                self
            })*
        }

        impl Config {
            $($(#[doc = $doc])*
            pub const fn $name(&self) -> limits!(@type $kind) {
                self.$name
            })*

            pub(super) fn defaults() -> Self {
                Self {
                    seed: 0,
                    origins: Origins::default(),
                    hosts: Hosts {
                        any: true,
                        allowed: Vec::new(),
                    },
                    proxies: Proxies::default(),
                    limits_loopback: false,
                    closes_excess: false,
                    websocket_paths: Vec::new(),
                    pages: Pages::new(),
                    subprotocols: Vec::new(),
                    shards: 1,
                    compression: false,
                    connection_limits: [None; CODECS],
                    $($name: $default,)*
                }
            }

            /// Every limit: names, help text, unit and range.
            pub const RANGES: &'static [Range] = &[$(Range {
                key: stringify!($name),
                setting: $setting,
                short: limits!(@option $($short)?),
                doc: concat!($($doc, "\n"),*),
                unit: limits!(@unit $kind),
                min: limits!(@number $kind, $min),
                default: limits!(@number $kind, $default),
                max: limits!(@number $kind, $max),
                get: |config| limits!(@number $kind, config.$name),
                set: |config, value| config.$name = limits!(@value $kind, value),
            },)*];
        }
    };
    (@option) => { None };
    (@option $short:literal) => { Some($short) };
    (@type time) => { Duration };
    (@type $kind:ident) => { usize };
    (@unit time) => { Unit::Milliseconds };
    (@unit bytes) => { Unit::Bytes };
    (@unit count) => { Unit::Count };
    (@number time, $value:expr) => { micros($value) / 1_000 };
    (@number $kind:ident, $value:expr) => { $value as u64 };
    (@value time, $value:expr) => { Duration::from_millis($value) };
    (@value $kind:ident, $value:expr) => { $value as usize };
}

// The first paragraph of each comment is also the help text of the setting. The order is that of the
// reference of the settings.
limits! {
    /// Number of closed connections per shard whose close reason is kept
    ///
    /// The oldest is discarded first.
    "admin.closed_history", gone_connections: count = 1_024, 0, 1 << 20;
    /// Of how many connections of a shard that end one is logged; 0 = none
    "log.access_sample", access_sample: count = 0, 0, 1_000_000_000;
    /// Maximum number of channels per connection, with an application that allows several
    ///
    /// Further joins are refused, see [`Handler::on_subscribe_refused`](crate::Handler::on_subscribe_refused).
    "rooms.max_per_connection", channels_per_connection: count = 64, 1, KIB;
    /// Number of connections per second that a shutdown closes, so that not all clients come back at
    /// once; more if the shutdown timeout is short; 0 = all at once
    ///
    /// For a minute after a start with a state file, half more are accepted per second at most.
    "server.shutdown_rate", shutdown_rate: count = 5_000, 0, 1_000_000;
    /// Time limit for a request head
    "client.handshake_timeout", handshake_timeout: time = Duration::from_secs(5), MS_10, HOUR;
    /// Time after which a peer that reads nothing is disconnected
    "client.write_timeout", write_timeout: time = Duration::from_secs(10), MS_10, HOUR;
    /// Minimum rate in bytes per second at which a peer reads what is queued for it; 0 = any
    ///
    /// A peer that is behind by more than `rate_window` is closed with 1008.
    "client.min_read_rate", min_read_rate: bytes = 256, 0, GIB;
    /// Minimum rate in bytes per second at which a peer sends a message of which more than 4 KiB
    /// have arrived; 0 = any
    ///
    /// A peer that is behind by more than `rate_window` is closed with 1008.
    "client.min_send_rate", min_send_rate: bytes = 256, 0, GIB;
    /// Window of the minimum rates: how far a peer may fall behind before it is closed
    ///
    /// A peer that reads or sends nothing is closed after this time, one at half the rate after twice
    /// this time.
    "client.rate_window", rate_window: time = Duration::from_secs(60), MS_10, HOUR;
    /// Maximum size of a request head; larger ones get 431
    "http.max_head", max_head: bytes = HeadLimits::DEFAULT.bytes, 256, 64 * KIB;
    /// Maximum size of the content of a request; larger ones get 413
    "http.max_body", max_body: bytes = 64 * KIB, 0, 64 * MIB;
    /// Maximum number of header fields in a request; more get 431
    "http.max_headers", max_headers: count = HeadLimits::DEFAULT.fields, 8, MAX_HEADERS;
    /// Time limit for the task that an application waits for before it answers a request; after it
    /// the request gets 504
    ///
    /// The task itself goes on, and its end is discarded.
    "http.answer_timeout", answer_timeout: time = Duration::from_secs(30), MS_10, HOUR;
    /// Maximum size of a message from a peer; a larger one is closed with 1009
    "websocket.max_message" | "max-message", max_message: bytes = MessageLimits::DEFAULT.bytes, 1, GIB;
    /// Maximum number of empty fragments in a message; one more is closed with 1008
    ///
    /// Empty fragments do not count towards `max_message`.
    "websocket.max_empty_fragments", max_empty_fragments: count = MessageLimits::DEFAULT.empty_fragments as usize, 0, 1 << 20;
    /// Silence after which a connection is pinged; shorter than --pong-wait, and nine tenths of it if
    /// only that is set and the default is too long
    "websocket.ping_interval" | "ping-interval",
    ping_interval: time = Duration::from_secs(54), MS_10, DAY;
    /// Silence after which a connection is closed with 1011
    ///
    /// Every received byte ends the silence.
    "websocket.pong_wait" | "pong-wait", pong_wait: time = Duration::from_secs(60), MS_10, DAY;
    /// Time limit for the answer to a close frame
    ///
    /// The peer has the same time again to close its side of the connection.
    "websocket.close_timeout" | "close-timeout",
    close_timeout: time = Duration::from_secs(5), MS_10, HOUR;
    /// 1 is the fastest, 9 the smallest
    "compression.level", compression_level: count = 6, 1, 9;
    /// Minimum size of a compressed message
    "compression.threshold", compression_threshold: bytes = 256, 1, GIB;
    /// Largest window on either side, in bits
    //= rfc7692#section-7.3 "To obtain a useful compression ratio, an LZ77 sliding window size..."
    "compression.window", compression_window: count = 15, 9, 15;
    /// Memory per shard for compression contexts, about 430 KiB per connection; when it is used up,
    /// new connections compress without context takeover
    "compression.contexts" | "compression-contexts", compression_contexts: bytes = 0, 0, 64 * GIB;
    /// Maximum number of messages queued per connection
    "queue.messages", queue_messages: count = 256, 1, 1 << 20;
    /// Maximum number of bytes queued per connection; an empty queue takes one message of any size
    ///
    /// Frame headers are included.
    "queue.bytes", queue_bytes: bytes = 4 * MIB, 128, GIB;
    /// Maximum number of replies queued per connection ahead of other messages; beyond it the
    /// connection is not read
    ///
    /// See [`Context::push`](crate::Context::push). If four times as many wait for room, the connection
    /// is closed.
    "queue.reply_messages", reply_messages: count = 64, 1, 255;
    /// Maximum number of bytes of these replies; an empty lane takes one of any size
    ///
    /// If four times as many bytes wait for room, the connection is closed.
    "queue.reply_bytes", reply_bytes: bytes = 256 * KIB, 128, GIB;
    /// Number of messages in order of priority after which one that has waited too long is sent next;
    /// 0 = never
    "queue.starvation_after", starvation_after: count = 0, 0, 10_000;
    /// Wait after which a message counts as starved
    "queue.starvation_wait",
    starvation_wait: time = Duration::from_secs(1), Duration::from_millis(1), HOUR;
    /// Approximate number of bytes per write
    ///
    /// A longer frame is written in one piece.
    "queue.write_batch", write_batch: bytes = 64 * KIB, KIB, 4 * MIB;
    /// Maximum number of bytes per connection that the kernel holds unsent, where nothing overtakes
    /// them, while the peer is slow or messages of different priorities wait (Linux)
    "queue.unsent_bytes", unsent_bytes: bytes = 32 * KIB, 4 * KIB, GIB;
    /// The same while the peer keeps up: what it reads in 25 ms, up to this (Linux)
    ///
    /// If it is not above `unsent_bytes`, that limit is fixed.
    "queue.max_unsent_bytes", unsent_bytes_max: bytes = MIB, 4 * KIB, GIB;
    /// Number of idempotency keys of publications that a shard remembers, for the channels that it owns;
    /// the oldest is forgotten first; 0 = none
    "channel.idempotency_keys", idempotency_keys: count = 1 << 16, 0, 1 << 24;
    /// How long an idempotency key is remembered
    "channel.idempotency_ttl", idempotency_ttl: time = Duration::from_secs(300), MS_10, DAY;
    /// Maximum number of connections per client address, of IPv6 per network of 64 bits; 0 = unlimited
    ///
    /// Further ones get 429. Trusted proxies are not counted, but the clients that they name.
    "limits.connections_per_address", address_connections: count = 4_096, 0, 1 << 20;
    /// Maximum number of sessions per second that a client address opens; 0 = any
    ///
    /// Of one second, they may come at once. Further ones get 429.
    "limits.sessions_per_address", address_sessions: count = 200, 0, 10_000;
    /// Number of client addresses whose connections and sessions are counted, rounded up to a power of
    /// two; at least twice as many as there are at a time
    "limits.addresses", addresses: count = 1 << 16, 8, 1 << 24;
    /// Maximum number of messages per second that a connection sends, pings included; 0 = any
    "limits.messages_per_second", message_rate: count = 0, 0, 1_000_000;
    /// Maximum number of bytes per second that a connection sends in its messages; 0 = any
    "limits.bytes_per_second", byte_rate: bytes = 0, 0, GIB;
    /// Time whose messages and bytes may come at once
    "limits.burst", rate_burst: time = Duration::from_secs(1), MS_10, HOUR;
    /// Memory for connections and their queues, all shards together, at least 1MiB per shard; 0 =
    /// unlimited
    ///
    /// Each shard has an equal part. From seven eighths on, new connections are refused with 503.
    /// Above it, queued messages of connections that read nothing are dropped, least urgent first.
    /// Incomplete messages may take half of it; a connection that sends more is closed with 1013.
    /// Socket buffers of the kernel are not counted.
    "memory.budget", memory_budget: bytes = 0, 0, 1_024 * GIB;
    /// Maximum number of messages in flight from one shard to another
    ///
    /// Also of messages to channels on the same shard with more members than `fan_out_slice`.
    "shard.credit_messages", credit_messages: count = 256, 1, 1 << 20;
    /// Maximum number of bytes in flight from one shard to another
    ///
    /// If none is in flight, one message of any size is allowed.
    "shard.credit_bytes", credit_bytes: bytes = 4 * MIB, 128, GIB;
    /// Number of members that a channel message is queued for at a time
    ///
    /// Messages to larger channels are queued in slices, and the shard does other work in between.
    "shard.fan_out_slice", fan_out_slice: count = 1_024, 1, 1 << 16;
    /// Maximum number of commands in flight from application threads
    "shard.remote_commands", remote_commands: count = 1_024, 1, 1 << 20;
    /// Maximum number of tasks in flight per shard; beyond it connections are not read; 0 = unlimited
    ///
    /// Tasks that wait for a worker are included. Without this limit, a task is refused if the
    /// dispatcher has no room for it.
    "tasks.per_shard", task_credits: count = 0, 0, 1 << 20;
    /// Maximum number of attempts per task
    "tasks.attempts", task_attempts: count = 3, 1, 100;
    /// Time limit of an attempt
    "tasks.timeout", task_timeout: time = Duration::from_secs(30), MS_10, DAY;
    /// Maximum wait before the second attempt; doubles with each further one; with full jitter
    "tasks.backoff", task_backoff: time = Duration::from_secs(1), MS_1, HOUR;
    /// Maximum wait between two attempts
    "tasks.max_backoff", task_backoff_max: time = Duration::from_secs(60), MS_1, DAY;
    /// Number of failed tasks that are kept
    ///
    /// The oldest is discarded first.
    "tasks.dead_letters", dead_letters: count = 1_024, 0, 1 << 20;
}

impl Config {
    /// The number of shards. A server replaces the default by the number of cores.
    pub const SHARDS: Range = Range {
        key: "shards",
        setting: "server.shards",
        short: Some("shards"),
        doc: " Number of shards; each is an event loop\n",
        unit: Unit::Count,
        min: 1,
        default: 1,
        max: 1_024,
        get: |config| config.shards as u64,
        set: |config, value| config.shards = value.try_into().unwrap_or(u16::MAX),
    };
}

/// A limit, as [`Config::RANGES`] lists it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Range {
    /// The name in the builder.
    pub key: &'static str,
    /// The dotted name of the setting, such as `queue.bytes`.
    pub setting: &'static str,
    /// A second, shorter flag of the setting, without its dashes.
    pub short: Option<&'static str>,
    /// The unit of the numbers.
    pub unit: Unit,
    /// The smallest value allowed.
    pub min: u64,
    /// The default.
    pub default: u64,
    /// The largest value allowed.
    pub max: u64,
    doc: &'static str,
    get: fn(&Config) -> u64,
    set: fn(&mut Config, u64),
}

impl Range {
    /// Returns the help text.
    pub fn about(&self) -> String {
        let lines = self.doc.lines().map(str::trim);
        let lines: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
        lines.join(" ")
    }

    /// Returns the value of this limit, durations in milliseconds.
    pub fn get(&self, config: &Config) -> u64 {
        (self.get)(config)
    }

    /// Sets this limit without a check.
    pub(super) fn set(&self, config: &mut Config, value: u64) {
        (self.set)(config, value);
    }
}

pub(super) const KIB: usize = 1 << 10;
pub(super) const MIB: usize = 1 << 20;
pub(super) const GIB: usize = 1 << 30;
const MS_1: Duration = Duration::from_millis(1);
pub(super) const MS_10: Duration = Duration::from_millis(10);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
