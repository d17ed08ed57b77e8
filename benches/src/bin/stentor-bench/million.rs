//! Owns the opening of more idle connections than one process can have: pairs of
//! a server and a keeper of connections, as many as are needed; what they cost the
//! servers and the kernel; and their orderly end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use clap::Args;
use nix::sys::resource::{Resource, getrlimit};
use serde::Serialize;

use crate::fault::Fault;
use crate::load::{CLOSED, OPEN, at_least_one};
use crate::measure::Page;
use crate::progress::Progress;
use crate::server_process::{Handler, ServerCommand, ServerProcess};

/// As many idle connections as this machine allows, over as many processes as that takes
#[derive(Clone, Debug, Args)]
pub(crate) struct Million {
    /// Connections; as many as there are memory and files for, if it is not said
    #[arg(short, long, value_parser = at_least_one)]
    pub(crate) connections: Option<usize>,
    /// Connections of one server and its keeper; as many as a process may have files,
    /// if it is not said
    #[arg(long, value_parser = at_least_one)]
    pub(crate) each: Option<usize>,
    /// The server; the `stentor` beside this program, if it is not said
    #[arg(long)]
    pub(crate) server: Option<PathBuf>,
}

/// What they cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Held {
    pub(crate) connections: usize,
    pub(crate) servers: usize,
    pub(crate) opening_seconds: f64,
    pub(crate) closing_seconds: f64,
    /// What the servers have for each: their memory less what they had before it.
    pub(crate) server_bytes_each: f64,
    /// What the kernel has for each, both of its ends together.
    pub(crate) kernel_bytes_each: f64,
    /// What this generator's side has for each.
    pub(crate) keeper_bytes_each: f64,
}

/// A server, and the process that keeps connections to it.
#[derive(Debug)]
struct Pair {
    server: ServerProcess,
    server_before: u64,
    keeper: Keeper,
    connections: usize,
}

impl Million {
    pub(crate) fn run(&self, quiet: bool) -> Result<Held, Fault> {
        let each = match self.each {
            Some(each) => each,
            None => files_of_a_process()?,
        };
        let wanted = match self.connections {
            Some(connections) => connections,
            None => room_for()?,
        };
        let server = match &self.server {
            Some(server) => server.clone(),
            None => std::env::current_exe()
                .map_err(Fault::system("this program"))?
                .with_file_name("stentor"),
        };
        let command = ServerCommand::stentor_at(server);
        let mut progress = Progress::new(quiet);
        let kernel_before = kernel_memory()?;
        let begin = Instant::now();
        let mut pairs: Vec<Pair> = Vec::new();
        let mut open = 0;
        while open < wanted {
            let connections = each.min(wanted - open);
            pairs.push(Pair::open(&command, connections, open)?);
            open += connections;
            progress.say(|| format!("{open} of {wanted} connections are open"));
        }
        let opening_seconds = begin.elapsed().as_secs_f64();
        let (mut server_bytes, mut keeper_bytes) = (0, 0);
        for pair in &pairs {
            pair.await_active(pair.connections as u64)?;
            let now = pair.server.process()?.memory()?;
            server_bytes += now.saturating_sub(pair.server_before);
            keeper_bytes += pair.keeper.memory()?;
        }
        let kernel_bytes = kernel_memory()?.saturating_sub(kernel_before);
        let (begin, servers) = (Instant::now(), pairs.len());
        for pair in &mut pairs {
            pair.close()?;
            open -= pair.connections;
            progress.say(|| format!("{open} of {wanted} connections are open"));
        }
        progress.end();
        let per_connection = |bytes: u64| bytes as f64 / wanted as f64;
        Ok(Held {
            connections: wanted,
            servers,
            opening_seconds,
            closing_seconds: begin.elapsed().as_secs_f64(),
            server_bytes_each: per_connection(server_bytes),
            kernel_bytes_each: per_connection(kernel_bytes),
            keeper_bytes_each: per_connection(keeper_bytes),
        })
    }
}

impl Pair {
    fn open(command: &ServerCommand, connections: usize, others: usize) -> Result<Self, Fault> {
        let server = command.start(Handler::Rooms)?;
        let server_before = server.process()?.memory()?;
        let mut keeper = Keeper::start(&server, connections, others)?;
        keeper.expect(OPEN)?;
        Ok(Self {
            server,
            server_before,
            keeper,
            connections,
        })
    }

    fn close(&mut self) -> Result<(), Fault> {
        // Its standard input ends.
        drop(self.keeper.child.stdin.take());
        self.keeper.expect(CLOSED)?;
        self.await_active(0)
    }

    /// Waits until the server says that it has so many connections.
    fn await_active(&self, wanted: u64) -> Result<(), Fault> {
        let mut active = u64::MAX;
        for _ in 0..50 {
            let page = Page::scrape(self.server.address())?;
            active = page.sum("ws_active_connections");
            if active == wanted {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let said = format!("a server has {active} connections instead of {wanted}");
        Err(Fault::Program(said))
    }
}

/// The process that keeps connections. It ends with the value.
#[derive(Debug)]
struct Keeper {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Keeper {
    fn start(server: &ServerProcess, connections: usize, others: usize) -> Result<Self, Fault> {
        let failed = || Fault::system("a keeper of connections");
        let mut child = Command::new(std::env::current_exe().map_err(failed())?)
            .args(["hold", "--connections", &connections.to_string()])
            .args(["--others", &others.to_string()])
            .args(["--url", &format!("ws://{}/ws", server.address())])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed())?;
        let out = child.stdout.take();
        let out = out.ok_or_else(|| Fault::Program("it has no standard output".into()))?;
        let said = BufReader::new(out);
        Ok(Self { child, said })
    }

    fn expect(&mut self, wanted: &str) -> Result<(), Fault> {
        let mut line = String::new();
        let read = self.said.read_line(&mut line);
        read.map_err(Fault::system("a keeper of connections"))?;
        if line.trim() == wanted {
            return Ok(());
        }
        // Why, it has said on standard error.
        let said = format!("connections are not {wanted}");
        Err(Fault::Program(said))
    }

    fn memory(&self) -> Result<u64, Fault> {
        crate::measure::Process::new(self.child.id())?.memory()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many connections there may be in one process, by its files.
fn files_of_a_process() -> Result<usize, Fault> {
    let failed = |errno: nix::Error| Fault::system("the limit of open files")(errno.into());
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(failed)?;
    let besides = (hard / FILES_BESIDES).clamp(64, 8_192);
    Ok(hard.saturating_sub(besides).max(1) as usize)
}

/// How many connections there is room for on this machine, by memory and files.
fn room_for() -> Result<usize, Fault> {
    let available = meminfo("MemAvailable:")?;
    let path = "/proc/sys/fs/file-nr";
    let files = fs::read_to_string(path).map_err(Fault::system(path))?;
    // In use, free of those once used, and at most.
    let numbers: Vec<u64> = files
        .split_whitespace()
        .map_while(|word| word.parse().ok())
        .collect();
    let [used, _, most] = numbers[..] else {
        return Err(Fault::Program(format!("{path} has not three numbers")));
    };
    let by_memory = available / 10 * 8 / BYTES_OF_A_CONNECTION;
    // Each has a file at either end.
    let by_files = most.saturating_sub(used) / 2 / 10 * 9;
    Ok((by_memory.min(by_files) as usize).max(1))
}

/// What the kernel has for sockets and files, and for what it knows of processes.
fn kernel_memory() -> Result<u64, Fault> {
    Ok(meminfo("Slab:")? + meminfo("KernelStack:")? + meminfo("PageTables:")?)
}

fn meminfo(key: &str) -> Result<u64, Fault> {
    let path = "/proc/meminfo";
    let text = fs::read_to_string(path).map_err(Fault::system(path))?;
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib << 10)
        .ok_or_else(|| Fault::Program(format!("{path} has no {key}")))
}

/// Of so many files of a process one is no connection: so the server keeps house.
const FILES_BESIDES: u64 = 16;
/// What a connection needs at both of its ends together, roughly and with some to spare.
const BYTES_OF_A_CONNECTION: u64 = 12 << 10;
