//! Owns a server's binary as a process: its log, where it listens, its signals and
//! its end, which comes with the value at the latest. Shared by the tests that run
//! it; the binary is that of the package for which they are built.

pub(crate) mod log;

use std::io;
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use log::Log;

/// How long anything may take that ought to happen soon.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A running server.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) log: Log,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Runs the [`command`] with these flags until it listens.
    pub(crate) fn start<'a>(
        command: &mut Command,
        flags: impl IntoIterator<Item = &'a str>,
    ) -> io::Result<Self> {
        let mut child = command
            .args(["--log-format", "json"])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = Log::read(child.stderr.take().expect("piped"));
        let mut process = Self {
            child,
            log,
            address: ([0, 0, 0, 0], 0).into(),
        };
        // If it does not come, the process ends with the value.
        let line = process.log.wait_for("listening on");
        process.address = line.text("address").parse().expect("an address");
        Ok(process)
    }

    /// The first address on which it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal by which servers are told to end.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Waits for the process to end by itself.
    pub(crate) fn exit_within(&mut self, limit: Duration) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(begin.elapsed() < limit, "still running after {limit:?}");
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log);
        }
    }
}

/// The binary, with no setting from the environment of the test.
pub(crate) fn command() -> Command {
    let mut command = Command::new(BINARY);
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("STENTOR_") {
            command.env_remove(key);
        }
    }
    command
}

const BINARY: &str = match (
    option_env!("CARGO_BIN_EXE_stentor"),
    option_env!("CARGO_BIN_EXE_stentor-std"),
) {
    (Some(path), _) | (_, Some(path)) => path,
    _ => panic!("the package has no server"),
};

/// How often it is looked whether something holds by now.
pub(crate) const POLL: Duration = Duration::from_millis(10);
