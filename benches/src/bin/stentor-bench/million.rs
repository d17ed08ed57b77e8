//! Command `million`: opens more idle connections than one process can have, with pairs of a server
//! and a `stentor-bench hold`, and measures what they cost servers and kernel.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use clap::Args;
use nix::sys::resource::{Resource, getrlimit};
use serde::Serialize;

use crate::error::Error;
use crate::load::{CLOSED, OPEN, at_least_one};
use crate::measure::MetricsPage;
use crate::progress::Progress;
use crate::server_process::{BenchHandler, ServerCommand, ServerProcess};

/// As many idle connections as this machine allows, with as many processes as needed
#[derive(Clone, Debug, Args)]
pub(crate) struct Million {
    /// Connections; the default is what memory and open files allow
    #[arg(short, long, value_parser = at_least_one)]
    pub(crate) connections: Option<usize>,
    /// Connections per server; the default is what the open files of a process allow
    #[arg(long, value_parser = at_least_one)]
    pub(crate) each: Option<usize>,
    /// Program of the server; the default is `stentor` beside this program
    #[arg(long)]
    pub(crate) server: Option<PathBuf>,
}

/// What the connections cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct MillionResult {
    pub(crate) connections: usize,
    pub(crate) servers: usize,
    pub(crate) opening_seconds: f64,
    pub(crate) closing_seconds: f64,
    /// Memory of the servers per connection, without what they used before.
    pub(crate) server_bytes_each: f64,
    /// Memory of the kernel per connection, for both ends.
    pub(crate) kernel_bytes_each: f64,
    /// Memory of the `hold` processes per connection.
    pub(crate) generator_bytes_each: f64,
}

/// A server, and the process that keeps connections to it open.
#[derive(Debug)]
struct ProcessPair {
    server: ServerProcess,
    server_before: u64,
    hold: HoldProcess,
    connections: usize,
}

impl Million {
    pub(crate) fn run(&self, quiet: bool) -> Result<MillionResult, Error> {
        let each = match self.each {
            Some(each) => each,
            None => connections_per_process()?,
        };
        let wanted = match self.connections {
            Some(connections) => connections,
            None => max_connections()?,
        };
        let server = match &self.server {
            Some(server) => server.clone(),
            None => std::env::current_exe()
                .map_err(Error::system("this program"))?
                .with_file_name("stentor"),
        };
        let command = ServerCommand::stentor_at(server);
        let mut progress = Progress::new(quiet);
        let kernel_before = kernel_memory()?;
        let begin = Instant::now();
        let mut pairs: Vec<ProcessPair> = Vec::new();
        let mut open = 0;
        while open < wanted {
            let connections = each.min(wanted - open);
            pairs.push(ProcessPair::open(&command, connections, open)?);
            open += connections;
            progress.update(|| format!("{open} of {wanted} connections are open"));
        }
        let opening_seconds = begin.elapsed().as_secs_f64();
        let (mut server_bytes, mut generator_bytes) = (0, 0);
        for pair in &pairs {
            pair.await_active(pair.connections as u64)?;
            let now = pair.server.process()?.memory()?;
            server_bytes += now.saturating_sub(pair.server_before);
            generator_bytes += pair.hold.memory()?;
        }
        let kernel_bytes = kernel_memory()?.saturating_sub(kernel_before);
        let (begin, servers) = (Instant::now(), pairs.len());
        for pair in &mut pairs {
            pair.close()?;
            open -= pair.connections;
            progress.update(|| format!("{open} of {wanted} connections are open"));
        }
        progress.end();
        let per_connection = |bytes: u64| bytes as f64 / wanted as f64;
        Ok(MillionResult {
            connections: wanted,
            servers,
            opening_seconds,
            closing_seconds: begin.elapsed().as_secs_f64(),
            server_bytes_each: per_connection(server_bytes),
            kernel_bytes_each: per_connection(kernel_bytes),
            generator_bytes_each: per_connection(generator_bytes),
        })
    }
}

impl ProcessPair {
    fn open(command: &ServerCommand, connections: usize, others: usize) -> Result<Self, Error> {
        let server = command.start(BenchHandler::Rooms)?;
        let server_before = server.process()?.memory()?;
        let mut hold = HoldProcess::start(&server, connections, others)?;
        hold.expect(OPEN)?;
        Ok(Self {
            server,
            server_before,
            hold,
            connections,
        })
    }

    fn close(&mut self) -> Result<(), Error> {
        // The process closes its connections when its standard input ends.
        drop(self.hold.child.stdin.take());
        self.hold.expect(CLOSED)?;
        self.await_active(0)
    }

    /// Waits until the server reports this number of connections.
    fn await_active(&self, wanted: u64) -> Result<(), Error> {
        let mut active = u64::MAX;
        for _ in 0..50 {
            let page = MetricsPage::scrape(self.server.address())?;
            active = page.sum("ws_active_connections");
            if active == wanted {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let message = format!("a server has {active} connections instead of {wanted}");
        Err(Error::Failed(message))
    }
}

/// A `stentor-bench hold`. Dropping the value kills it.
#[derive(Debug)]
struct HoldProcess {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl HoldProcess {
    fn start(server: &ServerProcess, connections: usize, others: usize) -> Result<Self, Error> {
        let failed = || Error::system("stentor-bench hold");
        let mut child = Command::new(std::env::current_exe().map_err(failed())?)
            .args(["hold", "--connections", &connections.to_string()])
            .args(["--others", &others.to_string()])
            .args(["--url", &format!("ws://{}/ws", server.address())])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed())?;
        let out = child.stdout.take();
        let out =
            out.ok_or_else(|| Error::Failed("stentor-bench hold has no standard output".into()))?;
        let stdout = BufReader::new(out);
        Ok(Self { child, stdout })
    }

    fn expect(&mut self, wanted: &str) -> Result<(), Error> {
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line);
        read.map_err(Error::system("stentor-bench hold"))?;
        if line.trim() == wanted {
            return Ok(());
        }
        // The process prints the reason to standard error.
        let message = format!("connections are not {wanted}");
        Err(Error::Failed(message))
    }

    fn memory(&self) -> Result<u64, Error> {
        crate::measure::MeasuredProcess::new(self.child.id())?.memory()
    }
}

impl Drop for HoldProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns how many connections a process can have, by its limit of open files.
fn connections_per_process() -> Result<usize, Error> {
    let failed = |errno: nix::Error| Error::system("the limit of open files")(errno.into());
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(failed)?;
    let reserved = (hard / RESERVED_FILES).clamp(64, 8_192);
    Ok(hard.saturating_sub(reserved).max(1) as usize)
}

/// Returns how many connections this machine can have, by memory and open files.
fn max_connections() -> Result<usize, Error> {
    let available = meminfo("MemAvailable:")?;
    let path = "/proc/sys/fs/file-nr";
    let files = fs::read_to_string(path).map_err(Error::system(path))?;
    // The fields are: allocated, free, maximum.
    let numbers: Vec<u64> = files
        .split_whitespace()
        .map_while(|word| word.parse().ok())
        .collect();
    let [used, _, most] = numbers[..] else {
        return Err(Error::Failed(format!("{path} does not have three numbers")));
    };
    let by_memory = available / 10 * 8 / CONNECTION_BYTES;
    // Each connection has a file at both ends.
    let by_files = most.saturating_sub(used) / 2 / 10 * 9;
    Ok((by_memory.min(by_files) as usize).max(1))
}

/// Returns the kernel's memory for sockets, files, threads and page tables.
fn kernel_memory() -> Result<u64, Error> {
    Ok(meminfo("Slab:")? + meminfo("KernelStack:")? + meminfo("PageTables:")?)
}

fn meminfo(key: &str) -> Result<u64, Error> {
    let path = "/proc/meminfo";
    let text = fs::read_to_string(path).map_err(Error::system(path))?;
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib << 10)
        .ok_or_else(|| Error::Failed(format!("{path} has no {key}")))
}

/// One of this many files of a process is kept for other purposes; the server reserves files in the
/// same way.
const RESERVED_FILES: u64 = 16;
/// Memory of a connection at both ends, with a margin.
const CONNECTION_BYTES: u64 = 12 << 10;
