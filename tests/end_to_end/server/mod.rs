//! Server under test: a process, its metrics and what the operating system reports about it.
//! Dropping the value ends the process, by its PID.

mod metrics;

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::ops::{Deref, DerefMut};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use stentor_tests::Adapter;
use stentor_tests::log::Log;
use stentor_tests::process::{POLL, Process, SOON};

pub(crate) use metrics::Metrics;

/// A running server that listens on a free port of loopback.
pub(crate) struct ServerProcess(Process);

impl ServerProcess {
    /// Starts a server with these flags, separated by spaces.
    pub(crate) fn start(adapter: Adapter, flags: &str) -> Self {
        Self::start_at(adapter, "127.0.0.1:0", flags)
    }

    /// Starts a server that listens elsewhere; it is spoken to over loopback.
    pub(crate) fn start_at(adapter: Adapter, listen: &str, flags: &str) -> Self {
        Self::start_as(&mut adapter.command(), listen, flags).expect("the binary runs")
    }

    /// Starts a server as another user who may have so many threads, if that can be done.
    pub(crate) fn start_with_threads(
        adapter: Adapter,
        user: u32,
        threads: u64,
        flags: &str,
    ) -> io::Result<Self> {
        let before = getrlimit(Resource::Nproc);
        let current = Some(threads);
        // A child begins with the limits of its parent; on this one, which is root, it is not
        // enforced.
        setrlimit(Resource::Nproc, Rlimit { current, ..before })?;
        let server = Self::start_as(adapter.command().uid(user), "127.0.0.1:0", flags);
        setrlimit(Resource::Nproc, before)?;
        server
    }

    /// Starts a server by this command, with these flags.
    pub(crate) fn start_by(command: &mut Command, flags: &str) -> Self {
        Self::start_as(command, "127.0.0.1:0", flags).expect("the binary runs")
    }

    /// Starts a server whose log is not read, with an address of its own on loopback.
    pub(crate) fn start_unread(command: &mut Command, stderr: Stdio, flags: &str) -> Self {
        static STARTED: AtomicU8 = AtomicU8::new(1);
        let [.., high, low] = std::process::id().to_be_bytes();
        let ip = [127, STARTED.fetch_add(1, Ordering::Relaxed), high, low];
        let address = SocketAddr::from((ip, 8_080));
        raise_open_files();
        let child = command
            .args(["--log-format", "json", "--listen", &address.to_string()])
            .args(flags.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn();
        let mut server = Self(Process {
            child: child.expect("the binary runs"),
            log: Log::read(io::empty()),
            address,
        });
        eventually("it listens", || {
            assert!(server.is_running(), "it has ended");
            TcpStream::connect(address).is_ok()
        });
        server
    }

    /// Reads its log from now on.
    pub(crate) fn read_log(&mut self, from: impl Read + Send + 'static) {
        self.0.log = Log::read(from);
    }

    fn start_as(command: &mut Command, listen: &str, flags: &str) -> io::Result<Self> {
        raise_open_files();
        let flags = ["--listen", listen]
            .into_iter()
            .chain(flags.split_whitespace());
        Ok(Self(Process::start(command, flags)?))
    }

    /// Where it listens on loopback.
    pub(crate) fn address(&self) -> SocketAddr {
        match self.0.address() {
            address if address.ip().is_loopback() && address.is_ipv4() => address,
            elsewhere => ([127, 0, 0, 1], elsewhere.port()).into(),
        }
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// The page of metrics, now.
    pub(crate) fn metrics(&self) -> Metrics {
        Metrics::scrape(self.address())
    }

    /// Waits until a metric has this value.
    pub(crate) fn await_metric(&self, name: &str, value: u64) {
        self.await_metrics(&format!("{name} = {value}"), |metrics| {
            metrics.get(name) == value
        });
    }

    /// Waits until the metrics are as told; says with which they were.
    pub(crate) fn await_metrics(&self, what: &str, is: impl Fn(&Metrics) -> bool) -> Metrics {
        let begin = Instant::now();
        loop {
            let metrics = self.metrics();
            if is(&metrics) {
                return metrics;
            }
            assert!(begin.elapsed() < SOON, "not {what}:\n{metrics}");
            std::thread::sleep(POLL);
        }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Resident memory in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.status("VmRSS:") << 10
    }

    pub(crate) fn threads(&self) -> usize {
        self.status("Threads:")
    }

    /// Open descriptors, once those of the latest scrape are closed too.
    pub(crate) fn descriptors(&self) -> usize {
        let path = format!("/proc/{}/fd", self.child.id());
        let count = || std::fs::read_dir(&path).expect("it runs").count();
        let (mut last, mut same) = (count(), 0);
        while same < 10 {
            std::thread::sleep(POLL);
            let now = count();
            same = if now == last { same + 1 } else { 0 };
            last = now;
        }
        last
    }

    fn status(&self, key: &str) -> usize {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let word = line.and_then(|rest| rest.split_whitespace().next());
        word.and_then(|word| word.parse().ok()).expect("a number")
    }
}

impl Deref for ServerProcess {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.0
    }
}

impl DerefMut for ServerProcess {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.0
    }
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < SOON, "not: {what}");
        std::thread::sleep(POLL);
    }
}

/// The clients of all tests together need more descriptors than the usual soft limit.
fn raise_open_files() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        let _ = setrlimit(Resource::Nofile, limit);
    });
}
