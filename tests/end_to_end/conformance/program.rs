//! Process of a program that runs the conformance script: its arguments, and where it listens.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;

use stentor_sim::conformance::Application;
use stentor_tests::{Adapter, program};

/// A running server. It ends with the value.
pub(crate) struct Program {
    child: Child,
    address: SocketAddr,
}

impl Program {
    pub(crate) fn start(adapter: Option<Adapter>, application: Application, shards: u16) -> Self {
        let handler = match application {
            Application::Echo => "echo",
            Application::Rooms => "rooms",
        };
        let mut command = match adapter {
            Some(adapter) => {
                let mut command = adapter.command();
                let flags = format!(
                    "--listen 127.0.0.1:0 --tasks.workers 1 --handler {handler} --shards {shards}"
                );
                command.args(flags.split(' ')).stderr(Stdio::piped());
                command
            }
            // It has one shard.
            None => {
                let mut command = Command::new(program("mio-under-test"));
                command
                    .args([handler, "127.0.0.1:0"])
                    .stdout(Stdio::piped())
                    .stderr(Stdio::null());
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
