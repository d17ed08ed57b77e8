//! Owns the servers that are compared: how each is started, on a core of its own,
//! and that it ends.

use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::fault::Fault;
use crate::load::Place;
use crate::measure::{Process, pin};

/// A server that can be started again and again.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    pub(super) name: String,
    program: PathBuf,
    /// `{address}` stands for where to listen, `{handler}` for what to be.
    args: Vec<String>,
    kind: MessageType,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum MessageType {
    Raw,
    Stentor,
    Peer,
}

/// What a server is to do with messages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Handler {
    Echo,
    Rooms,
}

impl fmt::Display for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Echo => "echo",
            Self::Rooms => "rooms",
        })
    }
}

impl Contender {
    /// The limit: this program.
    pub(super) fn raw() -> Result<Self, Fault> {
        let program = std::env::current_exe().map_err(Fault::system("this program"))?;
        Ok(Self {
            name: "raw".into(),
            program,
            args: ["raw", "--listen", "{address}"].map(String::from).into(),
            kind: MessageType::Raw,
        })
    }

    /// One of our own, with one shard; what is built otherwise is called so.
    pub(super) fn stentor(directory: &Path, name: &str, otherwise: &str) -> Self {
        let args = "--listen {address} --handler {handler} --shards 1 --log off";
        Self {
            name: format!("{name}{otherwise}"),
            program: directory.join(name),
            args: args.split(' ').map(String::from).collect(),
            kind: MessageType::Stentor,
        }
    }

    /// One of our own, with one shard, wherever it is.
    pub(crate) fn stentor_at(program: PathBuf) -> Self {
        Self {
            program,
            ..Self::stentor(Path::new(""), "stentor", "")
        }
    }

    /// One of `benches/peers`.
    pub(super) fn peer(directory: &Path, name: &str) -> Self {
        Self {
            name: name.into(),
            program: directory.join(name),
            args: ["{address}", "{handler}"].map(String::from).into(),
            kind: MessageType::Peer,
        }
    }

    pub(super) fn is_raw(&self) -> bool {
        self.kind == MessageType::Raw
    }

    pub(super) fn is_stentor(&self) -> bool {
        self.kind == MessageType::Stentor
    }

    /// Starts it on one core, and goes on on another.
    pub(super) fn start(&self, handler: Handler, cores: Cores) -> Result<Running, Fault> {
        // A child begins on the core of its parent.
        pin(cores.server)?;
        let running = self.start_anywhere(handler);
        pin(cores.generator)?;
        running
    }

    /// Starts it.
    pub(crate) fn start_anywhere(&self, handler: Handler) -> Result<Running, Fault> {
        let failed = || Fault::system(format!("{}", self.program.display()));
        let address = stentor_benches::free_address().map_err(failed())?;
        let mut command = Command::new(&self.program);
        for arg in &self.args {
            let arg = arg.replace("{address}", &address.to_string());
            command.arg(arg.replace("{handler}", &handler.to_string()));
        }
        if self.is_raw() && handler == Handler::Rooms {
            command.arg("--fan-out");
        }
        let null = Stdio::null;
        command.stdin(null()).stdout(null()).stderr(null());
        let mut running = Running {
            child: command.spawn().map_err(failed())?,
            address,
            kind: self.kind,
        };
        running.await_readiness(&self.name)?;
        Ok(running)
    }
}

/// A peer from the command line: a name, and a command with `{address}` in it.
impl FromStr for Contender {
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
            kind: MessageType::Peer,
        })
    }
}

/// Where server and generator run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cores {
    pub(super) server: usize,
    pub(super) generator: usize,
}

/// A server that runs. It ends with the value.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    address: SocketAddr,
    kind: MessageType,
}

impl Running {
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn process(&self) -> Result<Process, Fault> {
        Process::new(self.child.id())
    }

    pub(super) fn place(&self) -> Result<Place, Fault> {
        let address = self.address;
        let url = match self.kind {
            MessageType::Raw => format!("raw://{address}"),
            MessageType::Stentor | MessageType::Peer => format!("ws://{address}/ws"),
        };
        Ok(Place {
            target: url.parse()?,
            url,
            server: Some(self.process()?),
            metrics: self.kind == MessageType::Stentor,
            quiet: true,
        })
    }

    fn await_readiness(&mut self, name: &str) -> Result<(), Fault> {
        let begin = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            let failed = Fault::system(name);
            if let Some(status) = self.child.try_wait().map_err(failed)? {
                return Err(Fault::Program(format!("{name} ended at once: {status}")));
            }
            if begin.elapsed() > PATIENCE {
                return Err(Fault::Program(format!("{name} does not listen")));
            }
            std::thread::sleep(POLL);
        }
        // What it does on starting is not what is measured.
        std::thread::sleep(REST);
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);
const REST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_name_and_a_command() {
        let peer: Contender = "gws=./gws -a {address} -h {handler}"
            .parse()
            .expect("valid");
        assert_eq!(
            (peer.name.as_str(), peer.program.as_path()),
            ("gws", Path::new("./gws"))
        );
        assert_eq!(peer.args, ["-a", "{address}", "-h", "{handler}"]);
        for wrong in ["", "gws", "gws=", "=./gws {address}", "gws=./gws -p 80"] {
            assert!(wrong.parse::<Contender>().is_err(), "{wrong:?}");
        }
    }
}
