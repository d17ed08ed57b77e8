//! Declarations of the settings that are not limits of the core.

use stentor_core::Config;
use stentor_core::config::Unit;

use super::Settings;
use super::client_table;
use super::declaration::FlagKind::{
    self, Address, Addresses, Choice, Hosts, Limit, Number, Origins, Proxies, Subprotocols, Switch,
    Text,
};
use super::declaration::{Declaration, bytes, count, millis, open};
use super::tls_table;
use super::value::Bounds;
use crate::ServerOptions;

/// The sections of the help, and the prefixes of their keys. The longest prefix of a key decides.
pub(super) const SECTIONS: &[(&str, &[&str])] = &[
    ("Server", &["server.", "node."]),
    ("TLS", &["tls."]),
    ("Proxies", &["proxy."]),
    ("Admin and metrics", &["admin.", "metrics."]),
    ("Rooms", &["rooms.", "seed_protocol."]),
    ("Clients", &["client."]),
    (
        "Channel protocol",
        &[
            "client.insecure",
            "client.allow_anonymous_",
            "client.ping_interval",
            "client.pong_timeout",
            "client.stale_close_delay",
            "client.expired_",
            "client.channel_limit",
            "client.max_errors",
            "client.history_",
            "client.recovery_",
            "client.connect_",
            "client.subscribe_to_user_personal_channel.",
            "rpc.",
        ],
    ),
    (
        "Other transports",
        &[
            "http_stream.",
            "sse.",
            "poll.",
            "client.detached_for",
            "uni_websocket.",
            "uni_http_stream.",
            "uni_sse.",
        ],
    ),
    ("Tokens", &["client.token.", "client.subscription_token."]),
    ("Server API", &["http_api."]),
    ("Channels", &["channel."]),
    ("Options of channels", &["channel.without_namespace."]),
    ("HTTP", &["http."]),
    ("WebSocket", &["websocket."]),
    ("Compression", &["compression."]),
    ("Send queues", &["queue."]),
    ("Limits for strangers", &["limits."]),
    ("Memory and shards", &["memory.", "shard."]),
    ("Tasks", &["tasks."]),
    ("Log", &["log."]),
];

/// Returns the prefix of the section of a key.
pub(super) fn section_prefix(key: &str) -> &'static str {
    let prefixes = SECTIONS.iter().flat_map(|(_, prefixes)| *prefixes);
    let prefixes = prefixes.filter(|prefix| key.starts_with(**prefix));
    prefixes
        .max_by_key(|prefix| prefix.len())
        .expect("every key has a section")
}

/// Returns the declarations of all settings that are not limits of the core.
pub(super) fn own() -> impl Iterator<Item = &'static Declaration> {
    OWN.iter()
        .chain(tls_table::DECLARATIONS)
        .chain(client_table::declarations())
}

/// The default of `server.listen`.
pub(super) const DEFAULT_LISTEN: &str = "localhost:8080";

const OPTIONS: ServerOptions = ServerOptions::new();

const OWN: &[Declaration] = &[
    Declaration::new(
        "server.listen",
        Addresses,
        "Addresses to listen on: `host:port`, a port for all interfaces, `unix:PATH`, or `systemd` for \
         sockets of the service manager; repeatable; port 0 lets the system choose",
    )
    .short("listen")
    .range("host:port, or a port")
    .default(DEFAULT_LISTEN),
    Declaration::new(
        "server.socket_mode",
        Text("660"),
        "Mode of the files of unix sockets, in octal",
    )
    .range("000 to 777"),
    Declaration {
        key: Config::SHARDS.setting,
        short: Config::SHARDS.short,
        kind: Limit(&Config::SHARDS),
        about: None,
        range: None,
        default: Some("the cores available"),
    },
    Declaration::new(
        "server.max_connections",
        open(1, u32::MAX as u64, |settings| {
            settings.options.max_connections.map(|n| n as u64)
        }),
        "Maximum number of open connections; further ones get 503",
    )
    .short("max-connections")
    .range("1 to the hard limit of open files less a reserve")
    .default("all of that"),
    Declaration::new(
        "server.handler",
        Choice(&["gateway", "rooms", "echo"], "gateway"),
        "Built-in application: the channel protocol and the text protocol of rooms, rooms alone, or echo",
    )
    .short("handler"),
    Declaration::new(
        "server.shutdown_timeout",
        time(millis(OPTIONS.shutdown_timeout), |settings| {
            Some(millis(settings.options.shutdown_timeout))
        }),
        "How long a shutdown waits for queued messages and running tasks",
    )
    .short("shutdown-timeout"),
    Declaration::new(
        "server.shutdown_delay",
        time(millis(OPTIONS.shutdown_delay), |settings| {
            Some(millis(settings.options.shutdown_delay))
        }),
        "How long a server goes on before it shuts down, while `/readyz` says that it is about to end, so \
         that balancers send nobody any more",
    ),
    Declaration::new(
        "server.state_file",
        Text(""),
        "File in which the streams of channels are saved at the end, and from which they are restored at \
         the start; it is removed then",
    )
    .short("state-file")
    .range("a path"),
    Declaration::new(
        "server.state_max_bytes",
        bytes(4 << 10, 256 << 20, 1 << 40, |settings| {
            let file = settings.state_file.as_ref();
            Some(file?.max_bytes)
        }),
        "Maximum length of the state file; beyond it positions are saved without publications",
    ),
    Declaration::new(
        "server.state_max_age",
        time(3_600_000, |settings| {
            let file = settings.state_file.as_ref();
            Some(millis(file?.max_age))
        }),
        "Age from which on a state file is not used",
    ),
    Declaration::new(
        "server.seed",
        open(0, u64::MAX, |_| None),
        "Seed of everything random, to repeat a run",
    )
    .short("seed")
    .default("from the system's random numbers"),
    Declaration::new(
        "proxy.listen",
        Addresses,
        "Addresses to listen on, as for --listen, where each connection begins with a header of the \
         PROXY protocol, version 1 or 2; repeatable",
    )
    .range("host:port, or a port"),
    Declaration::new(
        "proxy.trusted",
        Proxies,
        "Proxies that are believed: their PROXY headers, and the fields of the requests that they \
         forward; repeatable",
    )
    .range("an address, a network, or unix")
    .default("none"),
    Declaration::new(
        "proxy.field",
        Choice(&["x-forwarded-for", "forwarded", "none"], "x-forwarded-for"),
        "Field in which trusted proxies say for whom they forward a request",
    ),
    Declaration::new(
        "admin.listen",
        Address,
        "Address of the admin pages and /metrics; they are unauthenticated",
    )
    .short("admin-listen")
    .range("host:port, or a port"),
    Declaration::new(
        "metrics.public",
        Switch,
        "Serves /metrics on the addresses of --listen even if not all are loopback",
    ),
    Declaration::new(
        "rooms.no_room_policy",
        Choice(&["nothing", "everyone"], "nothing"),
        "Recipients of a msg from a connection that is in no room",
    ),
    Declaration::new(
        "rooms.exclude_sender",
        Switch,
        "Leaves the sender out of its own room messages",
    ),
    Declaration::new(
        "rooms.overflow_policy",
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
    Declaration::new(
        "rooms.message_ttl",
        time(0, |settings| {
            Some(millis(settings.message_ttl.unwrap_or_default()))
        }),
        "Time to live of a room message; 0s = unlimited",
    ),
    Declaration::new(
        "rooms.work_time",
        time(0, |settings| Some(millis(settings.work_time))),
        "Duration of the built-in task, to try back-pressure",
    ),
    Declaration::new(
        "client.allowed_origins",
        Origins,
        "Origins whose pages may connect besides the server's own; repeatable",
    )
    .short("allow-origin")
    .range("scheme://host[:port], where * stands for any characters, null, or * for any")
    .default("none, or any loopback origin while listening on loopback only"),
    Declaration::new(
        "client.allowed_hosts",
        Hosts,
        "Host names of this server besides IP addresses, localhost and the hosts of the allowed \
         origins; repeatable",
    )
    .range("host, host:port, *.host, or * for any")
    .default("none, or any while not listening on loopback only"),
    Declaration::new(
        "websocket.subprotocols",
        Subprotocols,
        "Supported subprotocols, in order of preference; repeatable",
    )
    .range("a token"),
    Declaration::new(
        "compression.enabled",
        Switch,
        "Compresses messages for clients that offer permessage-deflate",
    )
    .short("compression"),
    Declaration::new(
        "limits.loopback",
        Switch,
        "Applies the limits per address to loopback addresses too",
    ),
    Declaration::new(
        "limits.excess",
        Choice(&["pause", "close"], "pause"),
        "What becomes of a connection that sends more than it may: it is not read for a while, or it is \
         closed with 3013, without the channel protocol with 1008",
    ),
    Declaration::new(
        "tasks.workers",
        count(
            1,
            OPTIONS.workers as u64,
            ServerOptions::MAX_WORKERS as u64,
            |settings| Some(settings.options.workers as u64),
        ),
        "Number of workers",
    ),
    Declaration::new(
        "tasks.queue",
        count(1, OPTIONS.task_queue as u64, 1 << 20, |settings| {
            Some(settings.options.task_queue as u64)
        }),
        "Maximum number of tasks that wait for a worker; further ones are refused",
    ),
    Declaration::new(
        "tasks.order",
        Choice(&["connection", "none"], "connection"),
        "Whether the tasks of a connection run one after the other",
    ),
    Declaration::new(
        "log.level",
        Choice(&["off", "error", "warn", "info", "debug", "trace"], "info"),
        "Least severe level that is logged",
    )
    .short("log"),
    Declaration::new(
        "log.format",
        Choice(&["text", "json"], "text"),
        "Format of log lines",
    )
    .short("log-format"),
    Declaration::new(
        "log.queue_lines",
        count(1, 8_192, 1 << 20, |settings| {
            Some(settings.log_queue_lines as u64)
        }),
        "Maximum number of log lines that wait to be written; further ones are dropped and counted",
    ),
    Declaration::new(
        "log.queue_bytes",
        bytes(4 << 10, 1 << 20, 1 << 30, |settings| {
            Some(settings.log_queue_bytes as u64)
        }),
        "Maximum number of bytes of them; as many again may be in flight to standard error",
    ),
];

/// A time of at most an hour.
const fn time(default: u64, get: fn(&Settings) -> Option<u64>) -> FlagKind {
    let bounds = Bounds::new(Unit::Milliseconds, 0, default, 3_600_000);
    Number { bounds, get }
}
