//! [`Settings`] of a server, checked and typed.

mod channel_option;
mod channel_table;
mod client_table;
mod command;
mod connections;
mod declaration;
mod descriptors;
mod endpoint;
mod error;
mod file;
pub(crate) mod flag;
mod foreign;
mod gateway;
pub(crate) mod given;
mod help;
mod json;
mod limits;
mod machine;
mod namespaces;
mod raw;
mod secrets;
mod sources;
mod table;
#[cfg(feature = "tls")]
mod tls;
mod tls_table;
pub(crate) mod value;
mod yaml;

use core::time::Duration;
use std::{ffi::OsString, io, path::Path, sync::Arc};

use stentor_core::config::{Hosts, Origins};
use stentor_core::proto::http::HostPattern;
use stentor_core::proto::ws::upgrade::Origin;
use stentor_core::tasks::TaskOrder;
use stentor_core::{Config, OverflowPolicy};
use stentor_gateway::{GatewaySettings, NoRoomPolicy, Rooms};
use tracing::level_filters::LevelFilter;

use crate::live::LiveSettings;
use crate::state_file::StateFile;
use crate::{ServerOptions, pages};

pub use command::run_command;
pub use endpoint::Endpoint;
pub use error::{SettingsError, Source};
pub(crate) use gateway::Signing;
use given::Given;
use raw::RawSettings;
use value::Allowed;

/// All settings of a server. Flags override environment variables, these override the file, and the
/// file overrides the defaults.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The limits of the core, with the seed, the shards, the allowed origins and the subprotocols.
    pub config: Config,
    /// The endpoints to listen on; for port 0 the operating system chooses one.
    pub listen: Vec<Endpoint>,
    /// The mode of the files of unix sockets.
    pub socket_mode: u32,
    /// The endpoint of the admin pages, if there is one.
    pub admin_listen: Option<Endpoint>,
    /// The allowed hosts of the admin pages.
    pub admin_hosts: Hosts,
    /// The built-in application.
    pub handler: HandlerKind,
    /// The recipients of a `msg` from a connection that is in no room.
    pub no_room_policy: NoRoomPolicy,
    /// Whether the sender of a room message does not receive it.
    pub exclude_sender: bool,
    /// The overflow policy of room messages.
    pub overflow_policy: OverflowPolicy,
    /// The time to live of room messages.
    pub message_ttl: Option<Duration>,
    /// The settings of the channel protocol, shared by all shards.
    pub gateway: Arc<GatewaySettings>,
    /// The TLS of the listeners, but for those of the admin pages.
    #[cfg(feature = "tls")]
    pub tls: Option<crate::tls::TlsServer>,
    /// How often the files of certificates are looked at.
    pub tls_reload_interval: Duration,
    /// What of them is replaced while a server runs.
    pub live: Arc<LiveSettings>,
    /// The values that were given.
    pub(crate) given: Given,
    /// What signs tokens.
    pub(crate) signing: Signing,
    /// The options of the server. [`from_args`](Self::from_args) always sets the maximum number of
    /// connections; [`parse`](Self::parse) sets it only if it is given.
    pub options: ServerOptions,
    /// The state file, if there is one.
    pub(crate) state_file: Option<StateFile>,
    /// The order of the tasks of a connection.
    pub task_order: TaskOrder,
    /// The duration of the built-in task.
    pub work_time: Duration,
    /// The least severe level that is logged.
    pub log_level: LevelFilter,
    /// The format of log lines.
    pub log_format: LogFormat,
    /// The maximum number of log lines that wait to be written.
    pub log_queue_lines: usize,
    /// The maximum number of bytes of log lines that wait to be written.
    pub log_queue_bytes: usize,
    /// The source of `max_connections`, for an error that is found when the descriptors are counted.
    pub(crate) max_connections_source: Source,
}

impl Settings {
    /// Returns the rooms application with these settings.
    pub const fn rooms(&self) -> Rooms {
        Rooms {
            no_room: self.no_room_policy,
            exclude_sender: self.exclude_sender,
            task_order: self.task_order,
            overflow: self.overflow_policy,
            ttl: self.message_ttl,
        }
    }

    /// Returns the settings of this process. Raises the soft limit of open files to the hard one and
    /// sets [`ServerOptions::max_connections`] from it. Sets the memory budget from the memory that the
    /// process may take, if none is given.
    ///
    /// Exits after `--help` and `--version` with code 0, and after an error, which it prints to
    /// standard error, with code 2.
    #[must_use]
    pub fn from_args(program_name: &str) -> Self {
        let claimed = Self::of_process(program_name).and_then(|mut settings| {
            settings.options.max_connections = Some(connections::limit(&settings)?);
            Ok(settings)
        });
        claimed.unwrap_or_else(|error| error.exit())
    }

    /// Returns the settings of this process, without claiming descriptors for them.
    ///
    /// # Errors
    /// Returns all errors.
    pub(crate) fn of_process(program_name: &str) -> Result<Self, SettingsError> {
        let args =
            core::iter::once(OsString::from(program_name)).chain(std::env::args_os().skip(1));
        let read = |path: &Path| std::fs::read_to_string(path);
        let mut raw = RawSettings::collect(args, |name| std::env::var_os(name), read)?;
        raw.memory = machine::memory(|path| read(path).ok());
        Self::from_raw(&raw)
    }

    /// Returns the reference of all settings in Markdown, as in `docs/configuration.md`.
    #[must_use]
    pub fn reference() -> String {
        help::reference()
    }

    /// Parses `args`, whose first element is the name of the program. `env` looks up a variable, and
    /// `read_file` reads the file named by `--config` or `STENTOR_CONFIG`.
    ///
    /// Of the process it uses only the number of cores and, if no seed is given, the random numbers
    /// of the operating system. Names to listen on are resolved, except for `localhost`.
    ///
    /// # Errors
    /// Returns all errors: the key, its source, its value and what is allowed. `--help` and
    /// `--version` are returned as [`SettingsError::Page`].
    pub fn parse<A, E, F>(args: A, env: E, read_file: F) -> Result<Self, SettingsError>
    where
        A: IntoIterator<Item: Into<OsString>>,
        E: Fn(&str) -> Option<OsString>,
        F: Fn(&Path) -> io::Result<String>,
    {
        let raw = RawSettings::collect(args.into_iter().map(Into::into), env, read_file)?;
        Self::from_raw(&raw)
    }

    fn from_raw(raw: &RawSettings) -> Result<Self, SettingsError> {
        let listen = raw.endpoints();
        let is_loopback = listen.iter().all(Endpoint::is_loopback);
        let origins = origins(raw, is_loopback);
        let public_metrics = raw.switch("metrics.public");
        let has_metrics = is_loopback || public_metrics;
        let builder = Config::builder()
            .hosts(hosts(raw, &origins, is_loopback))
            .proxies(raw.proxies());
        let handler = match raw.choice("server.handler") {
            "rooms" => HandlerKind::Rooms,
            "echo" => HandlerKind::Echo,
            _ => HandlerKind::Gateway,
        };
        let admin_listen = raw.admin_endpoint(&listen);
        let is_loopback = admin_listen.as_ref().is_some_and(Endpoint::is_loopback);
        let admin_hosts = hosts(raw, &origins, is_loopback);
        let rooms = rooms(raw);
        let (gateway, signing) = gateway::settings(raw, &listen, admin_listen.is_some(), rooms);
        let paths: &[_] = match handler {
            HandlerKind::Gateway if gateway.seed_protocol.enabled => {
                &["/connection/websocket", "/ws"]
            }
            HandlerKind::Gateway => &["/connection/websocket"],
            HandlerKind::Rooms | HandlerKind::Echo => &["/ws"],
        };
        let builder = pages::declare(builder, paths, has_metrics).origins(origins);
        let (builder, channels) = match handler {
            HandlerKind::Gateway => (gateway.client.limit(builder), gateway.client.channel_limit),
            HandlerKind::Rooms | HandlerKind::Echo => (builder, 1),
        };
        let settings = Self {
            config: limits::config(raw, builder, channels as u64),
            listen,
            socket_mode: raw.socket_mode(),
            admin_listen,
            admin_hosts,
            handler,
            no_room_policy: rooms.no_room,
            exclude_sender: rooms.exclude_sender,
            overflow_policy: rooms.overflow,
            message_ttl: rooms.ttl,
            gateway,
            live: Arc::default(),
            given: Given::new(raw),
            signing,
            #[cfg(feature = "tls")]
            tls: tls::server(raw),
            tls_reload_interval: raw.time(tls_table::RELOAD_INTERVAL),
            options: ServerOptions {
                workers: raw.number("tasks.workers") as usize,
                task_queue: raw.number("tasks.queue") as usize,
                max_connections: raw
                    .number_given("server.max_connections")
                    .map(|n| n as usize),
                shutdown_timeout: raw.time("server.shutdown_timeout"),
                shutdown_delay: raw.time("server.shutdown_delay"),
            },
            state_file: raw.state_file(),
            task_order: rooms.task_order,
            work_time: Duration::from_millis(raw.number("rooms.work_time")),
            log_level: raw.choice("log.level").parse().unwrap_or(LevelFilter::INFO),
            log_format: match raw.choice("log.format") {
                "json" => LogFormat::Json,
                _ => LogFormat::Text,
            },
            log_queue_lines: raw.number("log.queue_lines") as usize,
            log_queue_bytes: raw.number("log.queue_bytes") as usize,
            max_connections_source: raw.source("server.max_connections"),
        };
        raw.finish(settings)
    }
}

impl Settings {
    /// Returns the defaults with this configuration and these options.
    #[must_use]
    pub fn with(config: Config, options: ServerOptions) -> Self {
        Self {
            config,
            options,
            ..Self::default()
        }
    }
}

impl Default for Settings {
    /// Returns the defaults, with a random seed.
    ///
    /// # Panics
    /// If the operating system provides no random numbers.
    fn default() -> Self {
        Self::from_raw(&RawSettings::default()).expect("the defaults are valid")
    }
}

/// A built-in application.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HandlerKind {
    /// The channel protocol, and rooms and tasks on the same channels.
    Gateway,
    /// Rooms and tasks: `join`, `leave`, `msg`, `task`.
    Rooms,
    /// Returns every message to its sender.
    Echo,
}

/// A format of log lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LogFormat {
    /// Text.
    Text,
    /// One JSON object per line.
    Json,
}

/// Returns the rooms application.
fn rooms(raw: &RawSettings) -> Rooms {
    Rooms {
        no_room: match raw.choice("rooms.no_room_policy") {
            "everyone" => NoRoomPolicy::Everyone,
            _ => NoRoomPolicy::Nothing,
        },
        exclude_sender: raw.switch("rooms.exclude_sender"),
        task_order: match raw.choice("tasks.order") {
            "none" => TaskOrder::Any,
            _ => TaskOrder::Connection,
        },
        overflow: value::overflow_policy(raw.choice("rooms.overflow_policy")),
        ttl: raw.time_unless_zero("rooms.message_ttl"),
    }
}

/// Returns the allowed origins. Any loopback origin is allowed while the server listens on loopback
/// only.
fn origins(raw: &RawSettings, loopback: bool) -> Origins {
    let (any, allowed) = split(raw.origins());
    Origins {
        loopback,
        any,
        allowed,
    }
}

/// Returns the allowed hosts of an endpoint. An endpoint that other machines can reach may have names
/// that the server does not know, so any host is allowed unless some are given. The hosts of the
/// allowed origins are allowed too: a proxy may serve both.
fn hosts(raw: &RawSettings, origins: &Origins, is_loopback: bool) -> Hosts {
    let (any, mut allowed) = split::<HostPattern>(raw.hosts());
    let any = any || allowed.is_empty() && !is_loopback;
    let of_origins = origins.allowed.iter().filter_map(Origin::host);
    allowed.extend(of_origins.filter_map(|host| host.parse().ok()));
    Hosts { any, allowed }
}

/// Splits a list into whether it has `*` and its other entries.
fn split<T>(given: Vec<Allowed<T>>) -> (bool, Vec<T>) {
    let (mut any, mut some) = (false, Vec::new());
    for allowed in given {
        match allowed {
            Allowed::Any => any = true,
            Allowed::One(one) => some.push(one),
        }
    }
    (any, some)
}
