//! The command `plan`: what a load needs, from figures that were measured.

use std::fmt::Write as _;
use std::path::Path;
use std::thread;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;
use stentor_core::config::Unit;

use super::usage;
use crate::settings::descriptors;
use crate::settings::error::SettingsError;
use crate::settings::machine;
use crate::settings::value::Bounds;

/// What was measured, on two cores of a virtual machine, as `docs/benchmarks.md` describes. Times are
/// microseconds of CPU, of the process and of the kernel on its behalf.
mod measured {
    /// The process before anybody connects, with one shard.
    pub(super) const PROCESS: u64 = 8 << 20;
    /// What one more shard takes.
    pub(super) const SHARD: u64 = 512 << 10;
    /// An idle client of the channel protocol, connected with a token.
    pub(super) const CLIENT: u64 = 560;
    /// A subscription with presence, in a channel that others share.
    pub(super) const SUBSCRIPTION: u64 = 365;
    /// The TLS of a connection.
    pub(super) const TLS: u64 = 3_700;
    /// One end of a connection in the kernel, without data.
    pub(super) const SOCKET: u64 = 5_120;
    /// A message that is read by itself, with its part of waiting for events.
    pub(super) const RECEIVED: f64 = 2.4;
    /// A delivery that is written by itself.
    pub(super) const DELIVERY: f64 = 4.8;
    /// A delivery that is written with fifteen others.
    pub(super) const DELIVERY_TOGETHER: f64 = 0.25;
    /// A KiB of a message, read or written.
    pub(super) const KIB: f64 = 0.15;
    /// How much more messages take with TLS.
    pub(super) const TLS_FACTOR: f64 = 1.3;
    /// A client that connects with a token and subscribes once, one message after the other.
    pub(super) const CONNECT: f64 = 125.0;
    /// A full TLS handshake.
    pub(super) const TLS_HANDSHAKE: f64 = 240.0;
    /// A ping with its answer.
    pub(super) const PING: f64 = 6.0;
}

/// How much of a core is to be used: the rest is for peaks.
const BUSY: f64 = 0.7;
/// How often a client is pinged, by default, in seconds.
const PING_INTERVAL: f64 = 25.0;
/// The share of the clients that is assumed not to read.
const STUCK: u64 = 100;

struct LoadArg {
    name: &'static str,
    bounds: Bounds,
    about: &'static str,
}

const fn load_arg(name: &'static str, bounds: Bounds, about: &'static str) -> LoadArg {
    LoadArg {
        name,
        bounds,
        about,
    }
}

const ARGS: &[LoadArg] = &[
    load_arg(
        "connections",
        Bounds::new(Unit::Count, 1, 10_000, 100_000_000),
        "How many clients are connected",
    ),
    load_arg(
        "rate",
        Bounds::new(Unit::Count, 0, 0, 1_000_000_000),
        "How many messages are published in a second, by all together",
    ),
    load_arg(
        "members",
        Bounds::new(Unit::Count, 0, 1, 100_000_000),
        "How many clients get each of them",
    ),
    load_arg(
        "message-size",
        Bounds::new(Unit::Bytes, 1, 128, 1 << 30),
        "How long a message is",
    ),
    load_arg(
        "channels",
        Bounds::new(Unit::Count, 0, 1, 1_024),
        "How many subscriptions a client has",
    ),
    load_arg(
        "connects",
        Bounds::new(Unit::Count, 0, 0, 10_000_000),
        "How many clients connect in a second",
    ),
    load_arg(
        "queue",
        Bounds::new(Unit::Bytes, 1 << 10, 1 << 20, 1 << 30),
        "The most bytes that wait for a client: client.queue_max_size",
    ),
];

const TLS: &str = "tls";
const FORMAT: &str = "format";

pub(super) fn command(name: &'static str) -> Command {
    let numbers = ARGS.iter().map(|arg| {
        let default = arg.bounds.default.map(|number| arg.bounds.show(number));
        let default = default.unwrap_or_default();
        Arg::new(arg.name)
            .long(arg.name)
            .value_name("NUMBER")
            .help(format!("{} [default: {default}]", arg.about))
    });
    Command::new(name)
        .about("Prints the memory, cores and open files that a load needs, from measured figures")
        .args(numbers)
        .arg(
            Arg::new(TLS)
                .long(TLS)
                .action(ArgAction::SetTrue)
                .help("Clients use TLS"),
        )
        .arg(
            Arg::new(FORMAT)
                .long(FORMAT)
                .value_name("text|json")
                .help("The format [default: text]"),
        )
}

/// Returns the plan for a load on this machine.
///
/// # Errors
/// Everything that is wrong with the numbers.
pub(super) fn print(matches: &ArgMatches) -> Result<String, SettingsError> {
    let mut errors = Vec::new();
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let mut numbers = ARGS.iter().map(|arg| {
        let number = match text(arg.name) {
            None => arg.bounds.default,
            Some(given) => arg.bounds.parse(given),
        };
        if number.is_none() {
            let given = text(arg.name).unwrap_or_default();
            let allowed = arg.bounds.allowed();
            errors.push(format!(
                "--{}: `{given}` is not allowed; it takes {allowed}",
                arg.name
            ));
        }
        number.unwrap_or_default()
    });
    let mut next = || numbers.next().unwrap_or_default();
    let load = Load {
        connections: next(),
        rate: next(),
        members: next(),
        message_size: next(),
        channels: next(),
        connects: next(),
        queue: next(),
        has_tls: matches.get_flag(TLS),
    };
    drop(numbers);
    let format = text(FORMAT).unwrap_or("text");
    if !["text", "json"].contains(&format) {
        errors.push(format!(
            "--{FORMAT}: `{format}` is not allowed; it takes text or json"
        ));
    }
    if !errors.is_empty() {
        return Err(usage(&errors.join("\nerror: ")));
    }
    let (needs, machine) = (load.needs(), Machine::this());
    Ok(match format {
        "json" => needs.json(&machine),
        _ => needs.text(&load, &machine),
    })
}

#[derive(Clone, Copy, Debug)]
struct Load {
    connections: u64,
    rate: u64,
    members: u64,
    message_size: u64,
    channels: u64,
    connects: u64,
    queue: u64,
    has_tls: bool,
}

/// What a load needs.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Needs {
    /// Cores while messages are few, so that each is read and written by itself.
    cores_apart: f64,
    /// Cores if what comes together is read and written together, as it is while a server is busy.
    cores_together: f64,
    /// Shards for messages that come together, and for messages apart: the latter for the shortest delays.
    shards: [u64; 2],
    /// Bytes of the process while nothing waits.
    process: u64,
    /// Bytes of sockets in the kernel while nothing waits.
    sockets: u64,
    /// Bytes more while one client in [`STUCK`] does not read.
    waiting: u64,
    files: u64,
}

/// What a machine has. What the system does not tell is not there.
#[derive(Clone, Copy, Debug)]
struct Machine {
    cores: Option<u64>,
    memory: Option<u64>,
    files: Option<u64>,
}

impl Machine {
    fn this() -> Self {
        let read = |path: &Path| std::fs::read_to_string(path).ok();
        Self {
            cores: thread::available_parallelism()
                .ok()
                .map(|cores| cores.get() as u64),
            memory: machine::memory(read),
            files: descriptors::raise().ok(),
        }
    }
}

impl Load {
    fn needs(&self) -> Needs {
        let (rate, members) = (self.rate as f64, self.members as f64);
        let kib = self.message_size as f64 / 1_024.0 * measured::KIB;
        let factor = if self.has_tls {
            measured::TLS_FACTOR
        } else {
            1.0
        };
        let connect = measured::CONNECT
            + if self.has_tls {
                measured::TLS_HANDSHAKE
            } else {
                0.0
            };
        let others = self.connects as f64 * connect
            + self.connections as f64 / PING_INTERVAL * measured::PING * factor;
        let cores = |delivery: f64| {
            let messages = rate * (measured::RECEIVED + kib + members * (delivery + kib));
            (messages * factor + others) / 1e6
        };
        let cores_apart = cores(measured::DELIVERY);
        let cores_together = cores(measured::DELIVERY_TOGETHER);
        let shards =
            [cores_together, cores_apart].map(|cores| (cores / BUSY).ceil().max(1.0) as u64);
        let tls = if self.has_tls { measured::TLS } else { 0 };
        let connection = measured::CLIENT + tls + self.channels * measured::SUBSCRIPTION;
        let stuck = self.connections.div_ceil(STUCK);
        let waits = if self.rate > 0 && self.members > 0 {
            self.queue
        } else {
            0
        };
        Needs {
            cores_apart,
            cores_together,
            shards,
            process: measured::PROCESS
                + (shards[1] - 1) * measured::SHARD
                + self.connections * connection,
            sockets: self.connections * measured::SOCKET,
            waiting: stuck * waits,
            files: files_for(self.connections),
        }
    }
}

/// Returns the smallest limit of open files that allows so many connections.
fn files_for(connections: u64) -> u64 {
    let fits = |files: u64| files.saturating_sub(descriptors::reserve(files)) >= connections;
    let (mut too_few, mut enough) = (0, 2 * connections + 128);
    while enough - too_few > 1 {
        let middle = too_few + (enough - too_few) / 2;
        if fits(middle) {
            enough = middle;
        } else {
            too_few = middle;
        }
    }
    enough
}

impl Needs {
    const fn memory(&self) -> u64 {
        self.process + self.sockets + self.waiting
    }

    /// Returns what the machine does not have enough of.
    fn lacks(&self, machine: &Machine) -> Vec<&'static str> {
        let exceeds = |need: u64, has: Option<u64>| has.is_some_and(|has| need > has);
        let mut lacks = Vec::new();
        for (name, is_lacking) in [
            ("memory", exceeds(self.memory(), machine.memory)),
            ("cores", exceeds(self.shards[0], machine.cores)),
            ("files", exceeds(self.files, machine.files)),
        ] {
            if is_lacking {
                lacks.push(name);
            }
        }
        lacks
    }

    fn json(&self, machine: &Machine) -> String {
        let plan = json!({
            "cores": { "alone": self.cores_apart, "together": self.cores_together },
            "shards": { "alone": self.shards[1], "together": self.shards[0] },
            "memory": {
                "process": self.process,
                "sockets": self.sockets,
                "waiting": self.waiting,
                "total": self.memory(),
            },
            "files": self.files,
            "machine": {
                "cores": machine.cores,
                "memory": machine.memory,
                "files": machine.files,
            },
            "lacks": self.lacks(machine),
        });
        format!("{plan:#}\n")
    }

    fn text(&self, load: &Load, machine: &Machine) -> String {
        let mib = |bytes: u64| format!("{} MiB", bytes.div_ceil(1 << 20));
        let here =
            |has: Option<String>| has.map_or(String::new(), |has| format!("  (here: {has})"));
        let count = |has: Option<u64>| here(has.map(|has| has.to_string()));
        let lacks = self.lacks(machine);
        let mut text = String::new();
        let mut line = |name: &str, value: &str, rest: &str| {
            // Writing to a text does not fail.
            let _ = writeln!(text, "{name:<28}{value:>12}{rest}");
        };
        let cores = format!("{:.2}", self.cores_apart);
        line("cores, messages apart", &cores, &count(machine.cores));
        let cores = format!("{:.2}", self.cores_together);
        line("cores, messages together", &cores, "");
        let [least, most] = self.shards;
        let shards = match least == most {
            true => least.to_string(),
            false => format!("{least} to {most}"),
        };
        line("shards, one for a core", &shards, "");
        line("memory of the process", &mib(self.process), "");
        line("memory of sockets", &mib(self.sockets), "");
        let percent = format!("  (1 client in {STUCK})");
        line("more if some do not read", &mib(self.waiting), &percent);
        let total = here(machine.memory.map(mib));
        line("memory, all together", &mib(self.memory()), &total);
        line(
            "open files (ulimit -n)",
            &self.files.to_string(),
            &count(machine.files),
        );
        if self.waiting > 0 {
            let budget = (self.process + self.waiting).div_ceil(1 << 20);
            let _ = writeln!(text, "\n--memory.budget {budget}MiB bounds what waits.");
        }
        let deliveries = load.rate.saturating_mul(load.members);
        let _ = writeln!(
            text,
            "\nFor {deliveries} deliveries a second. A core is used to {:.0} %. Measure before you buy:\n\
             processors, kernels and networks differ by a factor of two.",
            BUSY * 100.0
        );
        if !lacks.is_empty() {
            let _ = writeln!(text, "\nThis machine has too little: {}.", lacks.join(", "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Load = Load {
        connections: 100_000,
        rate: 0,
        members: 1,
        message_size: 128,
        channels: 1,
        connects: 0,
        queue: 1 << 20,
        has_tls: false,
    };

    #[test]
    fn idle_clients_need_memory_and_files() {
        let needs = IDLE.needs();
        assert_eq!(needs.process, (8 << 20) + 100_000 * (560 + 365));
        assert_eq!(needs.sockets, 512_000_000);
        assert_eq!((needs.waiting, needs.shards), (0, [1, 1]));
        assert!(needs.cores_apart < 0.03 && needs.cores_apart == needs.cores_together);
        let with_tls = Load {
            has_tls: true,
            ..IDLE
        };
        assert_eq!(with_tls.needs().process - needs.process, 370_000_000);
    }

    #[test]
    fn deliveries_need_cores() {
        let load = Load {
            rate: 100,
            members: 10_000,
            ..IDLE
        };
        let needs = load.needs();
        // A million deliveries a second.
        assert!((4.0..6.0).contains(&needs.cores_apart), "{needs:?}");
        assert!((0.2..0.5).contains(&needs.cores_together), "{needs:?}");
        assert_eq!(needs.shards, [1, (needs.cores_apart / BUSY).ceil() as u64]);
        assert_eq!(needs.waiting, 1_000 << 20);
        let longer = Load {
            message_size: 64 << 10,
            ..load
        };
        assert!(longer.needs().cores_together > 9.0);
    }

    #[test]
    fn the_limit_of_files_is_the_smallest_that_is_enough() {
        for connections in [1, 2, 960, 961, 18_750, 1_000_000] {
            let files = files_for(connections);
            let fit = |files| descriptors::connections_for(files) as u64;
            assert!(fit(files) >= connections, "{connections}");
            assert!(
                connections == 1 || fit(files - 1) < connections,
                "{connections}"
            );
        }
    }

    #[test]
    fn what_a_machine_has_too_little_of_is_named() {
        let needs = IDLE.needs();
        let machine = |cores, memory, files| Machine {
            cores: Some(cores),
            memory: Some(memory),
            files: Some(files),
        };
        assert!(needs.lacks(&machine(1, 1 << 30, 1 << 20)).is_empty());
        assert_eq!(needs.lacks(&machine(1, 1 << 29, 1 << 20)), ["memory"]);
        assert_eq!(needs.lacks(&machine(1, 1 << 30, 100_000)), ["files"]);
        let unknown = Machine {
            cores: None,
            memory: None,
            files: None,
        };
        assert!(needs.lacks(&unknown).is_empty());
        assert!(!needs.text(&IDLE, &unknown).contains("here"));
    }
}
