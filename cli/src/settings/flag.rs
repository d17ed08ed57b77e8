//! Owns the table of flags: name, group, what each takes, what it is for. The ranges of the core's
//! limits are not here; they come from [`stentor_core::Config::RANGES`].

use stentor_core::{Config, Unit};

use super::endpoint::ADDRESSES;
use super::value::{Bounds, HOSTS, ORIGINS, SUBPROTOCOLS};

use FlagKind::{Address, Addresses, Choice, Hosts, Limit, Origins, Shards, Subprotocols, Switch};

/// One flag, which is also one environment variable and one key of the file.
#[derive(Debug)]
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    pub(crate) group: &'static str,
    pub(crate) takes: FlagKind,
    pub(crate) about: &'static str,
}

/// What a flag takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FlagKind {
    /// A limit of the core, of the same name.
    Limit,
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
    /// The flag of that name; names are written in this crate only.
    pub(crate) fn named(name: &str) -> &'static Self {
        FLAGS
            .iter()
            .find(|flag| flag.name == name)
            .expect("a name from the table")
    }

    pub(crate) fn is_list(&self) -> bool {
        matches!(self.takes, Addresses | Origins | Hosts | Subprotocols)
    }

    /// The name of its environment variable.
    pub(crate) fn variable(&self) -> String {
        variable(self.name)
    }

    /// The bounds of a numeric flag.
    pub(crate) fn bounds(&self) -> Option<Bounds> {
        match self.takes {
            FlagKind::Limit => {
                let key = self.name.replace('-', "_");
                Config::RANGES
                    .iter()
                    .find(|range| range.key == key)
                    .map(Bounds::from)
            }
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
            FlagKind::Limit | FlagKind::Shards | FlagKind::Number(_) => self
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

/// The environment variable of the flag `name`.
pub(crate) fn variable(name: &str) -> String {
    format!("STENTOR_{}", name.replace('-', "_").to_ascii_uppercase())
}

const fn flag(
    group: &'static str,
    name: &'static str,
    takes: FlagKind,
    about: &'static str,
) -> Flag {
    Flag {
        name,
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

const HOUR: u64 = 3_600_000;
const SERVER: &str = "Server";
const ROOMS: &str = "Rooms";
const REQUESTS: &str = "Requests and messages";
const QUEUES: &str = "Queues and credits";
const COMPRESSION: &str = "Compression";
const TIMES: &str = "Times";
const TASKS: &str = "Tasks";
const LOG: &str = "Log";
const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

/// Every flag but `--config`, `--help` and `--version`, as the help lists them.
pub(crate) const FLAGS: &[Flag] = &[
    flag(
        SERVER,
        "listen",
        Addresses,
        "Where to listen: an address, a name or a port alone, for all interfaces; repeat it for \
         more, port 0 lets the system choose",
    ),
    flag(
        SERVER,
        "admin-listen",
        Address,
        "Address of the admin pages and /metrics, which ask for no password",
    ),
    flag(
        SERVER,
        "public-metrics",
        Switch,
        "Whether /metrics is also on the addresses of --listen when not all are loopback",
    ),
    flag(
        SERVER,
        "shards",
        Shards,
        "Shards, each an event loop of its own",
    ),
    flag(
        SERVER,
        "max-connections",
        open(1, u32::MAX as u64),
        "Connections that may be open; one more gets 503",
    ),
    flag(
        SERVER,
        "handler",
        Choice(&["rooms", "echo"], "rooms"),
        "Built-in application that answers",
    ),
    flag(
        SERVER,
        "gone-connections",
        Limit,
        "Connections of each shard of which it is remembered why they ended, the latest",
    ),
    flag(
        SERVER,
        "drain",
        time(0, 10_000, HOUR),
        "How long a shutdown waits for what is queued and under way",
    ),
    flag(
        SERVER,
        "seed",
        open(0, u64::MAX),
        "Seed of everything that looks random, to repeat a run",
    ),
    flag(
        ROOMS,
        "outside-room",
        Choice(&["nothing", "everyone"], "nothing"),
        "Who gets a msg from somebody in no room",
    ),
    flag(
        ROOMS,
        "exclude-sender",
        Switch,
        "Whether a message to a room passes over its sender",
    ),
    flag(
        ROOMS,
        "room-overflow",
        Choice(
            &["make-room", "refuse", "evict-oldest", "conflate", "close"],
            "make-room",
        ),
        "What a message to a room does at a full queue",
    ),
    flag(
        ROOMS,
        "message-ttl",
        time(0, 0, HOUR),
        "How long a message to a room is worth sending; 0s is for ever",
    ),
    flag(
        ROOMS,
        "rooms-per-connection",
        Limit,
        "Rooms that a connection may be in, with an application that lets it be in several",
    ),
    flag(
        REQUESTS,
        "allow-origin",
        Origins,
        "Origin whose pages may connect, beside the server's own; repeat it for more",
    ),
    flag(
        REQUESTS,
        "allow-host",
        Hosts,
        "Host by which the server may be addressed, beside IP addresses, localhost and the hosts \
         of --allow-origin; repeat it for more",
    ),
    flag(
        REQUESTS,
        "subprotocol",
        Subprotocols,
        "Subprotocol that is spoken, the one liked best first; repeat it for more",
    ),
    flag(
        REQUESTS,
        "max-head",
        Limit,
        "Longest request head; a longer one gets 431",
    ),
    flag(
        REQUESTS,
        "max-headers",
        Limit,
        "Most header fields of a request; one more gets 431",
    ),
    flag(
        REQUESTS,
        "max-empty-fragments",
        Limit,
        "Most fragments of a message without payload; one more is closed with 1008",
    ),
    flag(
        REQUESTS,
        "max-message",
        Limit,
        "Longest message from a peer; a longer one is closed with 1009",
    ),
    flag(
        QUEUES,
        "queue-messages",
        Limit,
        "Messages that may wait for one connection",
    ),
    flag(
        QUEUES,
        "queue-bytes",
        Limit,
        "Bytes that may wait for one connection; an empty queue takes one message of any size",
    ),
    flag(
        QUEUES,
        "memory-budget",
        Limit,
        "Memory for connections and what waits for them, all shards together; 0 is without end",
    ),
    flag(
        QUEUES,
        "starvation-after",
        Limit,
        "After how many messages in order of urgency one goes next that has waited too long; \
         with 0 the urgent always go first",
    ),
    flag(QUEUES, "starvation-wait", Limit, "How long is too long"),
    flag(
        QUEUES,
        "write-batch",
        Limit,
        "Roughly how much is handed to one write",
    ),
    flag(
        QUEUES,
        "unsent-bytes",
        Limit,
        "How much the kernel holds of a connection that it cannot send yet, where nothing \
         overtakes it, while the peer is slow or messages of different priorities wait (Linux)",
    ),
    flag(
        QUEUES,
        "unsent-bytes-max",
        Limit,
        "The same while the peer keeps up: what it takes in 25 ms, and this at most (Linux)",
    ),
    flag(
        QUEUES,
        "credit-messages",
        Limit,
        "Publications, and messages to one connection, that one shard may have under way to \
         another",
    ),
    flag(QUEUES, "credit-bytes", Limit, "Bytes of them"),
    flag(
        QUEUES,
        "fan-out-slice",
        Limit,
        "Members for which a message to a room is queued at a time",
    ),
    flag(
        QUEUES,
        "remote-commands",
        Limit,
        "Commands of the application from outside its shards that may be under way",
    ),
    flag(
        COMPRESSION,
        "compression",
        Switch,
        "Whether messages are compressed for whoever offers permessage-deflate",
    ),
    flag(
        COMPRESSION,
        "compression-level",
        Limit,
        "1 is the fastest, 9 the smallest",
    ),
    flag(
        COMPRESSION,
        "compression-threshold",
        Limit,
        "Shortest message that is compressed",
    ),
    flag(
        COMPRESSION,
        "compression-window",
        Limit,
        "Largest window on either side, in bits",
    ),
    flag(
        COMPRESSION,
        "compression-contexts",
        Limit,
        "Memory a shard may spend on contexts of single connections, some 430 KiB each; \
         who finds no room keeps none",
    ),
    flag(
        COMPRESSION,
        "compression-own-broadcasts",
        Switch,
        "Whether a message to many is compressed anew for each member that keeps a context",
    ),
    flag(
        TIMES,
        "write-timeout",
        Limit,
        "How long a peer may take nothing of what waits for it before it is cut off",
    ),
    flag(
        TIMES,
        "min-read-rate",
        Limit,
        "Slowest rate, in bytes a second, at which a peer may take what waits for it; 0 is any",
    ),
    flag(
        TIMES,
        "min-send-rate",
        Limit,
        "Slowest rate, in bytes a second, at which a peer may send a message of which more than \
         4 KiB have come; 0 is any",
    ),
    flag(
        TIMES,
        "rate-window",
        Limit,
        "How far a peer may be behind these rates before it is closed: for so long it may take or \
         send nothing, and twice as long be half as fast",
    ),
    flag(
        TIMES,
        "pong-wait",
        Limit,
        "How long a connection may be silent before it is closed, with code 1011 if its socket \
         takes that",
    ),
    flag(
        TIMES,
        "ping-interval",
        Limit,
        "How long a connection may be silent before it is pinged; shorter than --pong-wait, \
         and nine tenths of it when only that is given and the default does not fit",
    ),
    flag(
        TIMES,
        "handshake-timeout",
        Limit,
        "How long a peer may take for its request head",
    ),
    flag(
        TIMES,
        "close-timeout",
        Limit,
        "How long a peer may take to answer a close frame",
    ),
    flag(
        TASKS,
        "workers",
        count(1, 8, 1_024),
        "Workers that run tasks",
    ),
    flag(
        TASKS,
        "worker-queue",
        count(1, 1_024, 1 << 20),
        "Tasks that may wait for a worker; one more is refused",
    ),
    flag(
        TASKS,
        "task-order",
        Choice(&["connection", "none"], "connection"),
        "Whether the tasks of a connection run one after the other",
    ),
    flag(
        TASKS,
        "task-credits",
        Limit,
        "Tasks that a shard may have under way; who has one more is not read until it is its turn; \
         with 0 there is no such bound",
    ),
    flag(TASKS, "task-attempts", Limit, "How often a task is tried"),
    flag(
        TASKS,
        "task-timeout",
        Limit,
        "How long an attempt may take before it counts as failed",
    ),
    flag(
        TASKS,
        "task-backoff",
        Limit,
        "Longest wait before the second attempt, twice as long before each further one; \
         a random part of it is waited",
    ),
    flag(
        TASKS,
        "task-backoff-max",
        Limit,
        "Longest wait between two attempts",
    ),
    flag(
        TASKS,
        "dead-letters",
        Limit,
        "Tasks that are kept when they have failed for good",
    ),
    flag(
        TASKS,
        "work-time",
        time(0, 0, HOUR),
        "How long the built-in task takes, to try back-pressure",
    ),
    flag(
        LOG,
        "log",
        Choice(LEVELS, "info"),
        "Least severe level that is logged",
    ),
    flag(
        LOG,
        "log-format",
        Choice(&["text", "json"], "text"),
        "How a log line looks",
    ),
    flag(
        LOG,
        "log-queue-lines",
        count(1, 8_192, 1 << 20),
        "Log lines that may wait to be written; one more is dropped and counted",
    ),
    flag(
        LOG,
        "log-queue-bytes",
        bytes(4 << 10, 1 << 20, 1 << 30),
        "Bytes of them; as many again may be under way to standard error",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_of_the_core_has_a_flag_and_every_number_has_bounds() {
        for range in Config::RANGES {
            let name = range.key.replace('_', "-");
            assert!(
                FLAGS
                    .iter()
                    .any(|flag| flag.name == name && matches!(flag.takes, Limit)),
                "{name}"
            );
        }
        for flag in FLAGS {
            let numeric = matches!(flag.takes, Limit | Shards | FlagKind::Number(_));
            assert_eq!(flag.bounds().is_some(), numeric, "{}", flag.name);
            assert!(!flag.allowed().is_empty(), "{}", flag.name);
        }
    }
}
