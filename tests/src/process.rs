//! Process of a server: its log, where it listens, its signals and its end, which comes with the
//! value at the latest.

use std::io;
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::log::Log;

/// How long anything may take that ought to happen soon.
pub const SOON: Duration = Duration::from_secs(20);

/// A running server.
#[derive(Debug)]
pub struct Process {
    /// The process.
    pub child: Child,
    /// Its log.
    pub log: Log,
    /// The first address on which it listens.
    pub address: SocketAddr,
}

impl Process {
    /// Runs this command with these flags until it listens.
    pub fn start<'a>(
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
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its number.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal by which servers are told to end.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Waits for the process to end by itself.
    pub fn exit_within(&mut self, limit: Duration) -> ExitStatus {
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

/// How often it is looked whether something holds by now.
pub const POLL: Duration = Duration::from_millis(10);
