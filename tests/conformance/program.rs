//! Owns the process under test: which program it is, how it is told what to do,
//! and where it says that it listens.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use stentor_sim::conformance::Application;

/// A running server. It ends with the value.
pub(crate) struct Program {
    child: Child,
    address: SocketAddr,
}

impl Program {
    pub(crate) fn start(application: Application, shards: u16) -> Self {
        let handler = match application {
            Application::Echo => "echo",
            Application::Rooms => "rooms",
        };
        let mut command = match BINARY {
            Some(binary) => {
                let mut command = Command::new(binary);
                let flags = format!(
                    "--listen 127.0.0.1:0 --tasks.workers 1 --handler {handler} --shards {shards}"
                );
                command.args(flags.split(' ')).stderr(Stdio::piped());
                command
            }
            None => {
                let mut command = Command::new(example());
                command
                    .args([handler, "127.0.0.1:0"])
                    .stdout(Stdio::piped());
                command
            }
        };
        let mut child = command.spawn().expect("the program runs");
        let said: Box<dyn Read + Send> = match (child.stdout.take(), child.stderr.take()) {
            (Some(said), _) => Box::new(said),
            (_, Some(said)) => Box::new(said),
            _ => unreachable!("one of them is piped"),
        };
        let mut lines = BufReader::new(said).lines();
        let address = loop {
            let line = lines.next().expect("it says where").expect("text");
            if let Some((_, port)) = line.split_once("127.0.0.1:") {
                let digits = port
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(port.len());
                let port = port[..digits].parse().expect("a port");
                break SocketAddr::from(([127, 0, 0, 1], port));
            }
        };
        // Whatever else it says must not fill the pipe.
        thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The package's binary, if it has one.
const BINARY: Option<&str> = match option_env!("CARGO_BIN_EXE_stentor") {
    Some(binary) => Some(binary),
    None => option_env!("CARGO_BIN_EXE_stentor-std"),
};

/// The example, which Cargo builds whenever it runs all tests of the core.
fn example() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let profile = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST");
    let example = profile.join("examples").join("mio");
    assert!(
        example.exists(),
        "a run of this test alone needs `cargo build -p stentor-core --example mio` first"
    );
    example
}
