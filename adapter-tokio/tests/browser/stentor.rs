//! Owns one running server: the binary itself, from its first log lines to its exit code.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The server. Killed when dropped.
pub(crate) struct Stentor {
    child: Child,
    address: SocketAddr,
    log: Receiver<String>,
}

impl Stentor {
    /// Starts the server and waits until it listens.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stentor"));
        for (name, _) in std::env::vars_os() {
            // What the tester has set for servers of their own is not for this one.
            if name.to_string_lossy().starts_with("STENTOR_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .args(flags)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let (to, log) = channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                eprintln!("stentor: {line}");
                let _ = to.send(line);
            }
        });
        let mut server = Self {
            child,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            log,
        };
        server.address = server.first_address();
        server
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Asks it to shut down in an orderly way, and waits until it has.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let asked = Command::new("sh")
            .args(["-c", &format!("kill -TERM {}", self.child.id())])
            .status();
        assert!(asked.expect("a shell").success(), "the server runs");
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(begin.elapsed() < PATIENCE, "the server does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn first_address(&self) -> SocketAddr {
        let begin = Instant::now();
        loop {
            let line = match self
                .log
                .recv_timeout(PATIENCE.saturating_sub(begin.elapsed()))
            {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => panic!("the server does not listen"),
                Err(RecvTimeoutError::Disconnected) => panic!("the server has ended"),
            };
            if let Some((_, address)) = line.split_once("listening on address=") {
                return address.trim().parse().expect("an address");
            }
        }
    }
}

impl Drop for Stentor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
