//! Owns [`Settings`]: everything an operator can say, checked and typed. What the flags are called
//! and take is in `flag`, where a value comes from in `given`, how it is read in `value`.

mod connections;
mod endpoint;
mod error;
mod file;
pub(crate) mod flag;
mod help;
pub(crate) mod limits;
mod raw;
pub(crate) mod value;

use core::time::Duration;
use std::ffi::OsString;
use std::io;
use std::path::Path;

use stentor_core::handshake::{HostPattern, Origin};
use stentor_core::{Config, Hosts, Origins, Outside, OverflowPolicy, Rooms, TaskOrder};
use tracing::level_filters::LevelFilter;

pub use endpoint::Endpoint;
pub use error::{SettingsError, Source};
use raw::RawSettings;
use value::Allowed;

/// Everything an operator can say, by flag, environment variable or file, in that order of
/// precedence, and the defaults below all three.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The limits of the core, checked, with the seed, the shards, the allowed origins and the subprotocols.
    pub config: Config,
    /// What to listen on; port 0 lets the operating system choose.
    pub listen: Vec<Endpoint>,
    /// Where the admin pages are, if anywhere.
    pub admin_listen: Option<Endpoint>,
    /// By which hosts the admin pages may be addressed.
    pub admin_hosts: Hosts,
    /// Which built-in application answers.
    pub handler: HandlerKind,
    /// Who gets a `msg` from a connection that is in no room.
    pub outside_room: Outside,
    /// Whether a message to a room passes over the one who sent it.
    pub exclude_sender: bool,
    /// What a message to a room does at a full queue.
    pub room_overflow: OverflowPolicy,
    /// How long a message to a room is worth sending.
    pub message_ttl: Option<Duration>,
    /// How many workers run tasks.
    pub workers: usize,
    /// How many tasks may wait for a worker.
    pub worker_queue: usize,
    /// Which tasks of the rooms application wait for which.
    pub task_order: TaskOrder,
    /// How long the built-in task takes.
    pub work_time: Duration,
    /// How many connections may be open. [`from_args`](Self::from_args) always fills it in;
    /// [`parse`](Self::parse) leaves it out when nobody said it.
    pub max_connections: Option<usize>,
    /// How long a shutdown waits for what is queued and under way.
    pub drain: Duration,
    /// The least severe level that is logged.
    pub log: LevelFilter,
    /// How a log line looks.
    pub log_format: LogFormat,
    /// How many log lines may wait to be written.
    pub log_queue_lines: usize,
    /// How many bytes of log lines may wait to be written.
    pub log_queue_bytes: usize,
    /// Who said `max_connections`, for an error found only when the descriptors are counted.
    pub(crate) max_connections_source: Source,
}

impl Settings {
    /// The rooms application as it is set.
    pub const fn rooms(&self) -> Rooms {
        Rooms {
            outside: self.outside_room,
            exclude_sender: self.exclude_sender,
            task_order: self.task_order,
            overflow: self.room_overflow,
            ttl: self.message_ttl,
        }
    }

    /// The settings of this process, for `main`. Raises the soft limit of open files to the hard
    /// one and fills in [`max_connections`](Self::max_connections) from it.
    ///
    /// Does not return when there is nothing to run: `--help` and `--version` print and exit with
    /// 0, whatever is wrong is printed to standard error and the process exits with 2.
    #[must_use]
    pub fn from_args(program_name: &str) -> Self {
        let args =
            core::iter::once(OsString::from(program_name)).chain(std::env::args_os().skip(1));
        let parsed = Self::parse(
            args,
            |name| std::env::var_os(name),
            |path| std::fs::read_to_string(path),
        );
        let claimed = parsed.and_then(|mut settings| {
            settings.max_connections = Some(connections::limit(&settings)?);
            Ok(settings)
        });
        claimed.unwrap_or_else(|error| error.exit())
    }

    /// Returns the reference of all settings in Markdown, as in `docs/configuration.md`.
    #[must_use]
    pub fn reference() -> String {
        help::reference()
    }

    /// Parses `args`, whose first is the name of the program; `env` looks a variable up, and
    /// `read_file` reads the file named by `--config` or `STENTOR_CONFIG`.
    ///
    /// It touches nothing of the process except for the number of cores and, when no seed is
    /// given, the random numbers of the operating system. Names to listen on are resolved,
    /// `localhost` apart.
    ///
    /// # Errors
    /// Returns everything that is wrong: which key, where it came from, its value and what is
    /// allowed. `--help` and `--version` arrive here too, as [`SettingsError::Page`].
    pub fn parse<A, E, F>(args: A, env: E, read_file: F) -> Result<Self, SettingsError>
    where
        A: IntoIterator<Item: Into<OsString>>,
        E: Fn(&str) -> Option<OsString>,
        F: Fn(&Path) -> io::Result<String>,
    {
        let raw = RawSettings::collect(args.into_iter().map(Into::into), env, read_file)?;
        let listen = raw.endpoints();
        let is_loopback = listen.iter().all(Endpoint::is_loopback);
        let origins = origins(&raw, is_loopback);
        let public_metrics = raw.switch("metrics.public");
        let builder = Config::builder()
            .hosts(hosts(&raw, &origins, is_loopback))
            .metrics_page(is_loopback || public_metrics);
        let admin_listen = raw.admin_endpoint(&listen);
        let is_loopback = admin_listen.as_ref().is_some_and(Endpoint::is_loopback);
        let admin_hosts = hosts(&raw, &origins, is_loopback);
        let settings = Self {
            config: limits::config(&raw, builder.origins(origins)),
            listen,
            admin_listen,
            admin_hosts,
            handler: match raw.choice("server.handler") {
                "echo" => HandlerKind::Echo,
                _ => HandlerKind::Rooms,
            },
            outside_room: match raw.choice("rooms.no_room_policy") {
                "everyone" => Outside::Everyone,
                _ => Outside::Nothing,
            },
            exclude_sender: raw.switch("rooms.exclude_sender"),
            room_overflow: match raw.choice("rooms.overflow_policy") {
                "drop-new" => OverflowPolicy::DropNew,
                "drop-oldest" => OverflowPolicy::DropOldest,
                "conflate" => OverflowPolicy::Conflate,
                "disconnect" => OverflowPolicy::Disconnect,
                _ => OverflowPolicy::EvictLower,
            },
            message_ttl: match raw.number("rooms.message_ttl") {
                0 => None,
                millis => Some(Duration::from_millis(millis)),
            },
            workers: raw.number("tasks.workers") as usize,
            worker_queue: raw.number("tasks.queue") as usize,
            task_order: match raw.choice("tasks.order") {
                "none" => TaskOrder::Any,
                _ => TaskOrder::Connection,
            },
            work_time: Duration::from_millis(raw.number("rooms.work_time")),
            max_connections: raw
                .number_given("server.max_connections")
                .map(|n| n as usize),
            drain: Duration::from_millis(raw.number("server.shutdown_timeout")),
            log: raw.choice("log.level").parse().unwrap_or(LevelFilter::INFO),
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

/// Which built-in application answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HandlerKind {
    /// Rooms: join, leave, msg, task, and an echo of what is no command.
    Rooms,
    /// Every message comes back as it was.
    Echo,
}

/// How a log line looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Which pages may connect. Those of any loopback origin may while the server listens on
/// loopback only.
fn origins(raw: &RawSettings, loopback: bool) -> Origins {
    let (any, allowed) = split(raw.origins());
    Origins {
        loopback,
        any,
        allowed,
    }
}

/// By which hosts an endpoint may be addressed. One that others can reach has names that
/// nobody has told it, so there all pass unless some are named. Whose pages may connect,
/// their host may be named too: that is a proxy before both.
fn hosts(raw: &RawSettings, origins: &Origins, is_loopback: bool) -> Hosts {
    let (any, mut allowed) = split::<HostPattern>(raw.hosts());
    let any = any || allowed.is_empty() && !is_loopback;
    let of_origins = origins.allowed.iter().filter_map(Origin::host);
    allowed.extend(of_origins.filter_map(|host| host.parse().ok()));
    Hosts { any, allowed }
}

/// Whether everything is let in, and what is besides.
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
