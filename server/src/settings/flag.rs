//! Table of the settings: key, short form, section, values and help text.
//!
//! The ranges of the core's limits are in [`stentor_core::Config::RANGES`].

use stentor_core::{Config, Unit};

use super::endpoint::ADDRESSES;
use super::value::{Bounds, HOSTS, ORIGINS, SUBPROTOCOLS};

use FlagKind::{Address, Addresses, Choice, Hosts, Limit, Origins, Shards, Subprotocols, Switch};

/// A setting: a flag, an environment variable and a path in the file.
#[derive(Debug)]
pub(crate) struct Flag {
    /// The dotted path in the file, such as `websocket.ping_interval`.
    pub(crate) key: &'static str,
    /// A second, shorter flag, without its dashes.
    pub(crate) short: Option<&'static str>,
    pub(crate) group: &'static str,
    pub(crate) takes: FlagKind,
    pub(crate) about: &'static str,
}

/// What a setting takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FlagKind {
    /// The limit of the core with this key in [`Config::RANGES`].
    Limit(&'static str),
    /// The number of shards, whose range the core keeps too.
    Shards,
    Number(Bounds),
    /// One of these words, and which of them by default.
    Choice(&'static [&'static str], &'static str),
    Switch,
    Address,
    Addresses,
    Origins,
    Hosts,
    Subprotocols,
}

impl Flag {
    /// Returns the setting with this key. Keys are written in this crate only.
    pub(crate) fn of(key: &str) -> &'static Self {
        Self::find(key).expect("a key from the table")
    }

    /// Returns the setting with this key, if there is one.
    pub(crate) fn find(key: &str) -> Option<&'static Self> {
        FLAGS.iter().find(|flag| flag.key == key)
    }

    /// Returns the setting that holds this limit of the core.
    pub(crate) fn of_limit(limit: &str) -> Option<&'static Self> {
        FLAGS
            .iter()
            .find(|flag| matches!(flag.takes, Limit(key) if key == limit))
    }

    /// Returns the key most similar to one that does not exist, if any is similar.
    pub(crate) fn nearest(key: &str) -> Option<&'static str> {
        let plain = |name: &str| name.replace(['-', '.'], "_");
        let wanted = plain(key.trim_start_matches('-'));
        let similarity = |flag: &Self| {
            let whole = [Some(flag.key), flag.short].into_iter().flatten();
            let whole = whole.map(|name| strsim::jaro_winkler(&wanted, &plain(name)));
            // Without its section a key is less likely to be meant.
            let last = flag.key.rsplit('.').next().unwrap_or_default();
            whole.fold(0.95 * strsim::jaro_winkler(&wanted, last), f64::max)
        };
        let mut best = (LEAST_SIMILARITY, None);
        for flag in FLAGS {
            let similarity = similarity(flag);
            if similarity > best.0 {
                best = (similarity, Some(flag.key));
            }
        }
        best.1
    }

    /// Returns the long flag without its dashes, such as `websocket.ping-interval`.
    pub(crate) fn long(&self) -> String {
        self.key.replace('_', "-")
    }

    /// Returns the flag that messages name: the short one, if there is one.
    pub(crate) fn name(&self) -> String {
        self.short.map_or_else(|| self.long(), Into::into)
    }

    pub(crate) fn is_list(&self) -> bool {
        matches!(self.takes, Addresses | Origins | Hosts | Subprotocols)
    }

    /// Returns the name of its environment variable.
    pub(crate) fn variable(&self) -> String {
        variable(self.key)
    }

    /// The bounds of a numeric flag.
    pub(crate) fn bounds(&self) -> Option<Bounds> {
        match self.takes {
            FlagKind::Limit(key) => Config::RANGES
                .iter()
                .find(|range| range.key == key)
                .map(Bounds::from),
            FlagKind::Shards => {
                // The core tells the range of what it does not list when it refuses a value.
                let refused = Config::builder().shards(0).build().err()?;
                Some(Bounds {
                    unit: refused.unit,
                    min: refused.min,
                    default: None,
                    max: refused.max,
                })
            }
            FlagKind::Number(bounds) => Some(bounds),
            Choice(..) | Switch | Address | Addresses | Origins | Hosts | Subprotocols => None,
        }
    }

    /// What is allowed, in words.
    pub(crate) fn allowed(&self) -> String {
        match self.takes {
            FlagKind::Limit(_) | FlagKind::Shards | FlagKind::Number(_) => self
                .bounds()
                .map(|bounds| bounds.allowed())
                .unwrap_or_default(),
            FlagKind::Choice(words, _) => words.join(", "),
            FlagKind::Switch => "true or false".into(),
            FlagKind::Address | FlagKind::Addresses => ADDRESSES.into(),
            FlagKind::Origins => ORIGINS.into(),
            FlagKind::Hosts => HOSTS.into(),
            FlagKind::Subprotocols => SUBPROTOCOLS.into(),
        }
    }
}

/// Returns the environment variable of the setting with this key.
pub(crate) fn variable(key: &str) -> String {
    format!("STENTOR_{}", key.replace('.', "_").to_ascii_uppercase())
}

const fn flag(
    group: &'static str,
    key: &'static str,
    short: Option<&'static str>,
    takes: FlagKind,
    about: &'static str,
) -> Flag {
    Flag {
        key,
        short,
        group,
        takes,
        about,
    }
}

const fn count(min: u64, default: u64, max: u64) -> FlagKind {
    FlagKind::Number(Bounds::new(Unit::Count, min, default, max))
}

const fn bytes(min: u64, default: u64, max: u64) -> FlagKind {
    FlagKind::Number(Bounds::new(Unit::Bytes, min, default, max))
}

const fn time(min: u64, default: u64, max: u64) -> FlagKind {
    FlagKind::Number(Bounds::new(Unit::Milliseconds, min, default, max))
}

/// A count whose default the machine decides.
const fn open(min: u64, max: u64) -> FlagKind {
    FlagKind::Number(Bounds {
        unit: Unit::Count,
        min,
        default: None,
        max,
    })
}

/// Two names are similar from this Jaro-Winkler similarity on.
const LEAST_SIMILARITY: f64 = 0.8;
const HOUR: u64 = 3_600_000;
const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

/// Every setting but the file itself, as the help lists them.
pub(crate) const FLAGS: &[Flag] = &[
    flag(
        "Server",
        "server.listen",
        Some("listen"),
        Addresses,
        "Addresses to listen on: `host:port`, or a port for all interfaces; repeatable; port 0 lets the system choose",
    ),
    flag(
        "Server",
        "server.shards",
        Some("shards"),
        Shards,
        "Number of shards; each is an event loop",
    ),
    flag(
        "Server",
        "server.max_connections",
        Some("max-connections"),
        open(1, u32::MAX as u64),
        "Maximum number of open connections; further ones get 503",
    ),
    flag(
        "Server",
        "server.handler",
        Some("handler"),
        Choice(&["rooms", "echo"], "rooms"),
        "Built-in application",
    ),
    flag(
        "Server",
        "server.shutdown_timeout",
        Some("shutdown-timeout"),
        time(0, 10_000, HOUR),
        "How long a shutdown waits for queued messages and running tasks",
    ),
    flag(
        "Server",
        "server.seed",
        Some("seed"),
        open(0, u64::MAX),
        "Seed of everything random, to repeat a run",
    ),
    flag(
        "Admin and metrics",
        "admin.listen",
        Some("admin-listen"),
        Address,
        "Address of the admin pages and /metrics; they are unauthenticated",
    ),
    flag(
        "Admin and metrics",
        "admin.closed_history",
        None,
        Limit("gone_connections"),
        "Number of closed connections per shard whose close reason is kept",
    ),
    flag(
        "Admin and metrics",
        "metrics.public",
        None,
        Switch,
        "Serves /metrics on the addresses of --listen even if not all are loopback",
    ),
    flag(
        "Rooms",
        "rooms.no_room_policy",
        None,
        Choice(&["nothing", "everyone"], "nothing"),
        "Recipients of a msg from a connection that is in no room",
    ),
    flag(
        "Rooms",
        "rooms.exclude_sender",
        None,
        Switch,
        "Leaves the sender out of its own room messages",
    ),
    flag(
        "Rooms",
        "rooms.overflow_policy",
        None,
        Choice(
            &[
                "evict-lower",
                "drop-new",
                "drop-oldest",
                "conflate",
                "disconnect",
            ],
            "evict-lower",
        ),
        "What a room message does when a send queue is full",
    ),
    flag(
        "Rooms",
        "rooms.message_ttl",
        None,
        time(0, 0, HOUR),
        "Time to live of a room message; 0s = unlimited",
    ),
    flag(
        "Rooms",
        "rooms.max_per_connection",
        None,
        Limit("rooms_per_connection"),
        "Maximum number of rooms per connection, with an application that allows several",
    ),
    flag(
        "Rooms",
        "rooms.work_time",
        None,
        time(0, 0, HOUR),
        "Duration of the built-in task, to try back-pressure",
    ),
    flag(
        "Clients",
        "client.allowed_origins",
        Some("allow-origin"),
        Origins,
        "Origins whose pages may connect besides the server's own; repeatable",
    ),
    flag(
        "Clients",
        "client.allowed_hosts",
        None,
        Hosts,
        "Host names of this server besides IP addresses, localhost and the hosts of the allowed origins; repeatable",
    ),
    flag(
        "Clients",
        "client.handshake_timeout",
        None,
        Limit("handshake_timeout"),
        "Time limit for a request head",
    ),
    flag(
        "Clients",
        "client.write_timeout",
        None,
        Limit("write_timeout"),
        "Time after which a peer that reads nothing is disconnected",
    ),
    flag(
        "Clients",
        "client.min_read_rate",
        None,
        Limit("min_read_rate"),
        "Minimum rate in bytes per second at which a peer reads what is queued for it; 0 = any",
    ),
    flag(
        "Clients",
        "client.min_send_rate",
        None,
        Limit("min_send_rate"),
        "Minimum rate in bytes per second at which a peer sends a message of which more than 4 KiB have arrived; 0 = any",
    ),
    flag(
        "Clients",
        "client.rate_window",
        None,
        Limit("rate_window"),
        "Window of the minimum rates: how far a peer may fall behind before it is closed",
    ),
    flag(
        "HTTP",
        "http.max_head",
        None,
        Limit("max_head"),
        "Maximum size of a request head; larger ones get 431",
    ),
    flag(
        "HTTP",
        "http.max_headers",
        None,
        Limit("max_headers"),
        "Maximum number of header fields in a request; more get 431",
    ),
    flag(
        "WebSocket",
        "websocket.subprotocols",
        None,
        Subprotocols,
        "Supported subprotocols, in order of preference; repeatable",
    ),
    flag(
        "WebSocket",
        "websocket.max_message",
        Some("max-message"),
        Limit("max_message"),
        "Maximum size of a message from a peer; a larger one is closed with 1009",
    ),
    flag(
        "WebSocket",
        "websocket.max_empty_fragments",
        None,
        Limit("max_empty_fragments"),
        "Maximum number of empty fragments in a message; one more is closed with 1008",
    ),
    flag(
        "WebSocket",
        "websocket.ping_interval",
        Some("ping-interval"),
        Limit("ping_interval"),
        "Silence after which a connection is pinged; shorter than --pong-wait, and nine tenths of it if only that is set and the default is too long",
    ),
    flag(
        "WebSocket",
        "websocket.pong_wait",
        Some("pong-wait"),
        Limit("pong_wait"),
        "Silence after which a connection is closed with 1011",
    ),
    flag(
        "WebSocket",
        "websocket.close_timeout",
        Some("close-timeout"),
        Limit("close_timeout"),
        "Time limit for the answer to a close frame",
    ),
    flag(
        "Compression",
        "compression.enabled",
        Some("compression"),
        Switch,
        "Compresses messages for clients that offer permessage-deflate",
    ),
    flag(
        "Compression",
        "compression.level",
        None,
        Limit("compression_level"),
        "1 is the fastest, 9 the smallest",
    ),
    flag(
        "Compression",
        "compression.threshold",
        None,
        Limit("compression_threshold"),
        "Minimum size of a compressed message",
    ),
    flag(
        "Compression",
        "compression.window",
        None,
        Limit("compression_window"),
        "Largest window on either side, in bits",
    ),
    flag(
        "Compression",
        "compression.contexts",
        Some("compression-contexts"),
        Limit("compression_contexts"),
        "Memory per shard for compression contexts, about 430 KiB per connection; when it is used up, new connections compress without context takeover",
    ),
    flag(
        "Compression",
        "compression.own_broadcasts",
        None,
        Switch,
        "Compresses a broadcast anew for each member that keeps a context",
    ),
    flag(
        "Send queues",
        "queue.messages",
        None,
        Limit("queue_messages"),
        "Maximum number of messages queued per connection",
    ),
    flag(
        "Send queues",
        "queue.bytes",
        None,
        Limit("queue_bytes"),
        "Maximum number of bytes queued per connection; an empty queue takes one message of any size",
    ),
    flag(
        "Send queues",
        "queue.starvation_after",
        None,
        Limit("starvation_after"),
        "Number of messages in order of priority after which one that has waited too long is sent next; 0 = never",
    ),
    flag(
        "Send queues",
        "queue.starvation_wait",
        None,
        Limit("starvation_wait"),
        "Wait after which a message counts as starved",
    ),
    flag(
        "Send queues",
        "queue.write_batch",
        None,
        Limit("write_batch"),
        "Approximate number of bytes per write",
    ),
    flag(
        "Send queues",
        "queue.unsent_bytes",
        None,
        Limit("unsent_bytes"),
        "Maximum number of bytes per connection that the kernel holds unsent, where nothing overtakes them, while the peer is slow or messages of different priorities wait (Linux)",
    ),
    flag(
        "Send queues",
        "queue.max_unsent_bytes",
        None,
        Limit("unsent_bytes_max"),
        "The same while the peer keeps up: what it reads in 25 ms, up to this (Linux)",
    ),
    flag(
        "Memory and shards",
        "memory.budget",
        None,
        Limit("memory_budget"),
        "Memory for connections and their queues, all shards together, at least 1MiB per shard; 0 = unlimited",
    ),
    flag(
        "Memory and shards",
        "shard.credit_messages",
        None,
        Limit("credit_messages"),
        "Maximum number of messages in flight from one shard to another",
    ),
    flag(
        "Memory and shards",
        "shard.credit_bytes",
        None,
        Limit("credit_bytes"),
        "Maximum number of bytes in flight from one shard to another",
    ),
    flag(
        "Memory and shards",
        "shard.fan_out_slice",
        None,
        Limit("fan_out_slice"),
        "Number of members that a room message is queued for at a time",
    ),
    flag(
        "Memory and shards",
        "shard.remote_commands",
        None,
        Limit("remote_commands"),
        "Maximum number of commands in flight from application threads",
    ),
    flag(
        "Tasks",
        "tasks.workers",
        None,
        count(1, 8, 1_024),
        "Number of workers",
    ),
    flag(
        "Tasks",
        "tasks.queue",
        None,
        count(1, 1_024, 1 << 20),
        "Maximum number of tasks that wait for a worker; further ones are refused",
    ),
    flag(
        "Tasks",
        "tasks.order",
        None,
        Choice(&["connection", "none"], "connection"),
        "Whether the tasks of a connection run one after the other",
    ),
    flag(
        "Tasks",
        "tasks.per_shard",
        None,
        Limit("task_credits"),
        "Maximum number of tasks in flight per shard; beyond it connections are not read; 0 = unlimited",
    ),
    flag(
        "Tasks",
        "tasks.attempts",
        None,
        Limit("task_attempts"),
        "Maximum number of attempts per task",
    ),
    flag(
        "Tasks",
        "tasks.timeout",
        None,
        Limit("task_timeout"),
        "Time limit of an attempt",
    ),
    flag(
        "Tasks",
        "tasks.backoff",
        None,
        Limit("task_backoff"),
        "Maximum wait before the second attempt; doubles with each further one; with full jitter",
    ),
    flag(
        "Tasks",
        "tasks.max_backoff",
        None,
        Limit("task_backoff_max"),
        "Maximum wait between two attempts",
    ),
    flag(
        "Tasks",
        "tasks.dead_letters",
        None,
        Limit("dead_letters"),
        "Number of failed tasks that are kept",
    ),
    flag(
        "Log",
        "log.level",
        Some("log"),
        Choice(LEVELS, "info"),
        "Least severe level that is logged",
    ),
    flag(
        "Log",
        "log.format",
        Some("log-format"),
        Choice(&["text", "json"], "text"),
        "Format of log lines",
    ),
    flag(
        "Log",
        "log.queue_lines",
        None,
        count(1, 8_192, 1 << 20),
        "Maximum number of log lines that wait to be written; further ones are dropped and counted",
    ),
    flag(
        "Log",
        "log.queue_bytes",
        None,
        bytes(4 << 10, 1 << 20, 1 << 30),
        "Maximum number of bytes of them; as many again may be in flight to standard error",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_of_the_core_is_a_setting_and_every_number_has_bounds() {
        for range in Config::RANGES {
            assert!(Flag::of_limit(range.key).is_some(), "{}", range.key);
        }
        for flag in FLAGS {
            let numeric = matches!(flag.takes, Limit(_) | Shards | FlagKind::Number(_));
            assert_eq!(flag.bounds().is_some(), numeric, "{}", flag.key);
            assert!(!flag.allowed().is_empty(), "{}", flag.key);
        }
    }

    #[test]
    fn names_are_unique_in_every_form() {
        let mut names: Vec<String> = FLAGS
            .iter()
            .flat_map(|flag| [Some(flag.long()), flag.short.map(Into::into)])
            .flatten()
            .collect();
        let mut variables: Vec<String> = FLAGS.iter().map(Flag::variable).collect();
        for names in [&mut names, &mut variables] {
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all);
        }
    }

    #[test]
    fn a_wrong_key_has_a_nearest_one() {
        for (wrong, nearest) in [
            ("websocket.ping_intervall", Some("websocket.ping_interval")),
            ("ping_interval", Some("websocket.ping_interval")),
            ("--allow-orgin", Some("client.allowed_origins")),
            ("listen", Some("server.listen")),
            ("queue.mesages", Some("queue.messages")),
            ("xyzzy", None),
        ] {
            assert_eq!(Flag::nearest(wrong), nearest, "{wrong}");
        }
    }
}
