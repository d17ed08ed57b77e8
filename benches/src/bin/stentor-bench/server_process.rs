//! Server processes: how each server of a comparison is started, on a core of its own, and
//! stopped.

use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::load::LoadTarget;
use crate::measure::{MeasuredProcess, pin};

/// The command that starts a server.
#[derive(Clone, Debug)]
pub(crate) struct ServerCommand {
    pub(crate) name: String,
    program: PathBuf,
    /// `{address}` and `{handler}` are replaced when the server is started.
    args: Vec<String>,
    kind: ServerKind,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ServerKind {
    Raw,
    Stentor,
    Peer,
}

/// What a server does with messages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum BenchHandler {
    Echo,
    Rooms,
}

impl fmt::Display for BenchHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Echo => "echo",
            Self::Rooms => "rooms",
        })
    }
}

impl ServerCommand {
    /// Returns the command of the bare loop, which is part of this program.
    pub(crate) fn raw() -> Result<Self, Error> {
        let program = std::env::current_exe().map_err(Error::system("this program"))?;
        Ok(Self {
            name: "raw".into(),
            program,
            args: ["raw", "--listen", "{address}"].map(String::from).into(),
            kind: ServerKind::Raw,
        })
    }

    /// Returns the command of one of our own servers, with one shard. `suffix` follows its name.
    pub(crate) fn stentor(directory: &Path, name: &str, suffix: &str) -> Self {
        let args = "--listen {address} --handler {handler} --shards 1 --log off";
        Self {
            name: format!("{name}{suffix}"),
            program: directory.join(name),
            args: args.split(' ').map(String::from).collect(),
            kind: ServerKind::Stentor,
        }
    }

    /// Returns the command of a `stentor` at this path, with one shard.
    pub(crate) fn stentor_at(program: PathBuf) -> Self {
        Self {
            program,
            ..Self::stentor(Path::new(""), "stentor", "")
        }
    }

    /// Returns the command of one of `benches/peers`.
    pub(crate) fn peer(directory: &Path, name: &str) -> Self {
        Self {
            name: name.into(),
            program: directory.join(name),
            args: ["{address}", "{handler}"].map(String::from).into(),
            kind: ServerKind::Peer,
        }
    }

    pub(crate) fn is_raw(&self) -> bool {
        self.kind == ServerKind::Raw
    }

    pub(crate) fn is_stentor(&self) -> bool {
        self.kind == ServerKind::Stentor
    }

    /// Starts the server on its core, and moves this thread to the generator's core.
    pub(crate) fn start_pinned(
        &self,
        handler: BenchHandler,
        cores: Cores,
    ) -> Result<ServerProcess, Error> {
        // A child process inherits the core of its parent.
        pin(cores.server)?;
        let running = self.start(handler);
        pin(cores.generator)?;
        running
    }

    /// Starts the server, and waits until it accepts connections.
    pub(crate) fn start(&self, handler: BenchHandler) -> Result<ServerProcess, Error> {
        let failed = || Error::system(format!("{}", self.program.display()));
        let address = stentor_benches::free_address().map_err(failed())?;
        let mut command = Command::new(&self.program);
        for arg in &self.args {
            let arg = arg.replace("{address}", &address.to_string());
            command.arg(arg.replace("{handler}", &handler.to_string()));
        }
        if self.is_raw() && handler == BenchHandler::Rooms {
            command.arg("--fan-out");
        }
        let null = Stdio::null;
        command.stdin(null()).stdout(null()).stderr(null());
        let mut running = ServerProcess {
            child: command.spawn().map_err(failed())?,
            address,
            kind: self.kind,
        };
        running.await_readiness(&self.name)?;
        Ok(running)
    }
}

/// Parses a peer of the command line: a name, and a command that contains `{address}`.
impl FromStr for ServerCommand {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "NAME=COMMAND, where the command has {address} in it".to_owned();
        let (name, command) = text.split_once('=').ok_or_else(wrong)?;
        let mut words = command.split_whitespace().map(String::from);
        let program = words.next().ok_or_else(wrong)?.into();
        let args: Vec<_> = words.collect();
        if name.is_empty() || !args.iter().any(|arg| arg.contains("{address}")) {
            return Err(wrong());
        }
        Ok(Self {
            name: name.into(),
            program,
            args,
            kind: ServerKind::Peer,
        })
    }
}

/// The cores of server and generator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) generator: usize,
}

/// A running server. Dropping the value kills it.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: Child,
    address: SocketAddr,
    kind: ServerKind,
}

impl ServerProcess {
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn process(&self) -> Result<MeasuredProcess, Error> {
        MeasuredProcess::new(self.child.id())
    }

    pub(crate) fn target(&self) -> Result<LoadTarget, Error> {
        let address = self.address;
        let url = match self.kind {
            ServerKind::Raw => format!("raw://{address}"),
            ServerKind::Stentor | ServerKind::Peer => format!("ws://{address}/ws"),
        };
        Ok(LoadTarget {
            endpoint: url.parse()?,
            url,
            server: Some(self.process()?),
            metrics: self.kind == ServerKind::Stentor,
            quiet: true,
        })
    }

    fn await_readiness(&mut self, name: &str) -> Result<(), Error> {
        let begin = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            let failed = Error::system(name);
            if let Some(status) = self.child.try_wait().map_err(failed)? {
                return Err(Error::Failed(format!("{name} exited at once: {status}")));
            }
            if begin.elapsed() > TIMEOUT {
                return Err(Error::Failed(format!("{name} does not listen")));
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        // Its start-up is not to be part of the measurement.
        std::thread::sleep(SETTLE);
        Ok(())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const TIMEOUT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(10);
const SETTLE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_name_and_a_command() {
        let peer: ServerCommand = "gws=./gws -a {address} -h {handler}"
            .parse()
            .expect("valid");
        assert_eq!(
            (peer.name.as_str(), peer.program.as_path()),
            ("gws", Path::new("./gws"))
        );
        assert_eq!(peer.args, ["-a", "{address}", "-h", "{handler}"]);
        for wrong in ["", "gws", "gws=", "=./gws {address}", "gws=./gws -p 80"] {
            assert!(wrong.parse::<ServerCommand>().is_err(), "{wrong:?}");
        }
    }
}
