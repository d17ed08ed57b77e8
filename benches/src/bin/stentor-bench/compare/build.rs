//! Server builds: runs cargo for the servers of a comparison, with the commands that users run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Error;

/// The root of the workspace.
pub(super) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// The root of the workspace of the peers.
const PEERS_ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");
/// The libraries of the peers; the servers have the same names.
pub(super) const PEERS: [&str; 5] = [
    "tokio-tungstenite",
    "fastwebsockets",
    "tokio-websockets",
    "yawc",
    "sockudo-ws",
];

/// A target directory of cargo.
#[derive(Clone, Debug)]
pub(super) struct CargoTarget {
    target: PathBuf,
}

impl CargoTarget {
    /// Returns a builder for the target directory of this program.
    pub(super) fn new() -> Result<Self, Error> {
        let this = std::env::current_exe().map_err(Error::system("this program"))?;
        let target = this.ancestors().nth(2).unwrap_or(Path::new("."));
        Ok(Self {
            target: target.into(),
        })
    }

    /// Builds our own servers, and returns their directory. They are built one after the other, as
    /// users do: in one build cargo unifies the features of their dependencies.
    pub(super) fn own(&self) -> Result<PathBuf, Error> {
        self.own_in(&self.target, |_| {})
    }

    /// Builds our own servers for the processor of this machine, and returns their directory.
    pub(super) fn native(&self) -> Result<PathBuf, Error> {
        self.own_in(&self.target.join("native"), |cargo| {
            cargo.env("RUSTFLAGS", "-C target-cpu=native");
        })
    }

    fn own_in(&self, target: &Path, configure: impl Fn(&mut Command)) -> Result<PathBuf, Error> {
        for package in ["stentor-tokio", "stentor-std"] {
            let mut cargo = cargo(ROOT, target);
            configure(&mut cargo);
            run(cargo.args(["--package", package]), package)?;
        }
        Ok(target.join("release"))
    }

    /// Builds peers, and returns their directory.
    pub(super) fn peers(&self, names: &[&str]) -> Result<PathBuf, Error> {
        let target = self.target.join("peers");
        let mut cargo = cargo(PEERS_ROOT, &target);
        for name in names {
            cargo.args(["--bin", name]);
        }
        run(&mut cargo, "benches/peers")?;
        Ok(target.join("release"))
    }
}

/// Returns the name of a peer with its version in the lock file.
pub(super) fn with_version(name: &str) -> String {
    let lock = fs::read_to_string(Path::new(PEERS_ROOT).join("Cargo.lock")).unwrap_or_default();
    version(&lock, name).map_or_else(|| name.into(), |version| format!("{name} {version}"))
}

fn version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    Some(rest.split_once('"')?.0)
}

fn cargo(directory: &str, target: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--release", "--locked", "--target-dir"])
        .arg(target)
        .current_dir(directory)
        .stdin(Stdio::null());
    cargo
}

fn run(cargo: &mut Command, what: &str) -> Result<(), Error> {
    let status = cargo.status().map_err(Error::system("cargo"))?;
    if !status.success() {
        return Err(Error::Failed(format!("{what} does not build")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_each_peer_is_known() {
        for name in PEERS {
            let named = with_version(name);
            let version = named.strip_prefix(name).expect("its name comes first");
            assert!(version.starts_with(' ') && version.contains('.'), "{named}");
        }
        assert_eq!(with_version("absent"), "absent");
    }

    #[test]
    fn every_peer_has_a_server() {
        let bins = fs::read_dir(Path::new(PEERS_ROOT).join("src/bin")).expect("there is one");
        let mut bins: Vec<_> = bins
            .map(|bin| bin.expect("an entry").path())
            .map(|path| path.file_stem().expect("a name").to_owned())
            .collect();
        bins.sort();
        let mut peers = PEERS;
        peers.sort_unstable();
        assert_eq!(bins, peers);
    }
}
