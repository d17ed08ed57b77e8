//! Command `compare`: builds servers, puts each under the same loads in turn, and writes the
//! results as JSON.

mod build;
mod plan;
mod results;

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use clap::builder::PossibleValuesParser;
use stentor_core::MessageType;

use crate::error::Error;
use crate::load::Timing;
use crate::measure::{MachineInfo, command_output};
use crate::progress::Progress;
use crate::server_process::{Cores, ServerCommand};
use build::{CargoTarget, PEERS, ROOT, with_version};
use plan::PlannedLoad;
use results::{Comparison, LoadResult, Passes, ServerResult};

/// Builds servers, measures them beside a bare epoll loop, and writes the results as JSON
#[derive(Clone, Debug, Args)]
pub(crate) struct Compare {
    /// A few loads only, in about a minute
    #[arg(long)]
    quick: bool,
    /// How often each server is measured under each load
    #[arg(long)]
    passes: Option<usize>,
    /// Seconds that are measured each time
    #[arg(long)]
    seconds: Option<f64>,
    /// Echoes binary messages instead of text, which servers have to validate
    #[arg(long)]
    binary: bool,
    /// Also measures our own servers built with `target-cpu=native`
    #[arg(long)]
    native: bool,
    /// Also builds and measures servers on other libraries: all, or those named
    #[arg(long, num_args = 0.., value_delimiter = ',', value_parser = PossibleValuesParser::new(PEERS))]
    peers: Option<Vec<String>>,
    /// Also measures this server: NAME=COMMAND, where {address} is where to listen and {handler}
    /// is `echo` or `rooms`; can be repeated
    #[arg(long)]
    peer: Vec<ServerCommand>,
    /// Core of the servers; the generator has --core, or 1
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// Directory for the result
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    results: PathBuf,
}

impl Compare {
    /// Runs the comparison, with the generator on the given core.
    pub(crate) fn run(&self, generator_core: Option<usize>, quiet: bool) -> Result<(), Error> {
        if cfg!(debug_assertions) {
            let what = "a comparison needs a build with --release, of this program too";
            return Err(Error::InvalidArgument(what.into()));
        }
        let peers = self.peers();
        let (passes, seconds) = if self.quick { (2, 0.8) } else { (3, 2.0) };
        let rounds = Rounds {
            servers: self.servers(&peers)?,
            cores: Cores {
                server: self.server_core,
                generator: generator_core.unwrap_or(1),
            },
            passes: self.passes.unwrap_or(passes),
            timing: Timing {
                seconds: self.seconds.unwrap_or(seconds),
                warm_up: 0.4,
            },
        };
        let kind = match self.binary {
            true => MessageType::Binary,
            false => MessageType::Text,
        };
        let plan = match self.quick {
            true => plan::quick(kind),
            false => plan::full(kind),
        };
        let mut progress = Progress::new(quiet);
        let total = plan.len();
        let mut loads = Vec::new();
        for (index, planned) in plan.into_iter().enumerate() {
            let (number, group, title) = (index + 1, &planned.group, &planned.title);
            let name = format!("{number}/{total} {group}, {title}");
            loads.push(LoadResult {
                servers: rounds.run(&planned, &name, &mut progress)?,
                group: planned.group,
                title: planned.title,
                in_plot: planned.in_plot,
            });
        }
        progress.end();
        let comparison = Comparison {
            date: today(),
            commit: commit(),
            machine: MachineInfo::read(),
            peers: peers.into_iter().map(with_version).collect(),
            passes: rounds.passes,
            seconds: rounds.timing.seconds,
            loads,
        };
        if !quiet {
            print!("{comparison}");
        }
        self.write(&comparison)
    }

    /// Returns the names of the peers to build.
    fn peers(&self) -> Vec<&str> {
        match &self.peers {
            None => Vec::new(),
            Some(names) if names.is_empty() => PEERS.into(),
            Some(names) => names.iter().map(String::as_str).collect(),
        }
    }

    /// Builds the servers. Returns the bare loop, our own servers, and the peers, in this order.
    fn servers(&self, peers: &[&str]) -> Result<Vec<ServerCommand>, Error> {
        let builder = CargoTarget::new()?;
        let mut all = vec![ServerCommand::raw()?];
        let own = builder.own()?;
        all.extend(OWN.map(|name| ServerCommand::stentor(&own, name, "")));
        if self.native {
            let own = builder.native()?;
            all.extend(OWN.map(|name| ServerCommand::stentor(&own, name, NATIVE)));
        }
        if !peers.is_empty() {
            let built = builder.peers(peers)?;
            all.extend(peers.iter().map(|name| ServerCommand::peer(&built, name)));
        }
        all.extend(self.peer.iter().cloned());
        Ok(all)
    }

    /// Writes the JSON, and prints its path.
    fn write(&self, comparison: &Comparison) -> Result<(), Error> {
        let mut name = comparison.date.clone();
        name += if self.quick { "-quick" } else { "" };
        name += if self.binary { "-binary" } else { "" };
        let failed = Error::system(format!("{}", self.results.display()));
        fs::create_dir_all(&self.results).map_err(failed)?;
        let path = self.results.join(name + ".json");
        comparison.write(&path)?;
        println!("{}", path.display());
        Ok(())
    }
}

fn today() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    now.split('T').next().unwrap_or(&now).into()
}

/// Returns the commit of the working tree, and whether there are uncommitted changes.
fn commit() -> String {
    let git = |args: &[&str]| command_output("git", &[&["-C", ROOT], args].concat());
    let commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".into());
    let changes = git(&["status", "--porcelain", "--untracked-files=no"]);
    let is_changed = changes.is_some_and(|changes| !changes.is_empty());
    format!("{commit}{}", if is_changed { ", with changes" } else { "" })
}

/// The measuring of one load after the other, of all servers in turn.
struct Rounds {
    servers: Vec<ServerCommand>,
    cores: Cores,
    passes: usize,
    timing: Timing,
}

impl Rounds {
    /// Measures every server under one load. A peer that fails is reported and skipped.
    fn run(
        &self,
        planned: &PlannedLoad,
        name: &str,
        progress: &mut Progress,
    ) -> Result<Vec<ServerResult>, Error> {
        let mut all = vec![Passes::new(); self.servers.len()];
        for pass in 1..=self.passes {
            for (command, passes) in self.servers.iter().zip(&mut all) {
                progress.update(|| format!("{name}: pass {pass}, {}", command.name));
                let handler = planned.load.handler(command);
                let server = command.start_pinned(handler, self.cores);
                let measured = server.and_then(|server| planned.load.run(&server, self.timing));
                let measured = match measured {
                    Ok(measured) => measured,
                    Err(error) if command.is_raw() || command.is_stentor() => {
                        return Err(error);
                    }
                    Err(error) => {
                        progress.print(&format!("{name}: {}: {error}", command.name));
                        None
                    }
                };
                passes.push(measured);
            }
        }
        let baseline = all.first().cloned().unwrap_or_default();
        let result = |(command, passes): (&ServerCommand, Passes)| {
            let baseline = (!command.is_raw()).then_some(&baseline);
            ServerResult::new(command.name.clone(), passes, baseline)
        };
        Ok(self.servers.iter().zip(all).map(result).collect())
    }
}

/// Our own servers; the names are those of the programs.
const OWN: [&str; 2] = ["stentor", "stentor-std"];

/// Follows the name of a server that is built for the processor of this machine.
const NATIVE: &str = ", native";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct CommandLine {
        #[command(flatten)]
        compare: Compare,
    }

    fn parse(line: &str) -> Result<Compare, clap::Error> {
        let words = ["compare"].into_iter().chain(line.split_whitespace());
        Ok(CommandLine::try_parse_from(words)?.compare)
    }

    #[test]
    fn peers_are_none_or_all_or_those_that_are_named() {
        let peers = |line| {
            let compare = parse(line).expect("valid");
            let names = compare.peers().into_iter().map(String::from);
            names.collect::<Vec<_>>()
        };
        assert!(peers("--quick").is_empty());
        assert_eq!(peers("--peers --quick"), PEERS);
        let named = ["yawc", "sockudo-ws"];
        assert_eq!(peers("--peers yawc,sockudo-ws"), named);
        assert_eq!(peers("--peers yawc sockudo-ws --native"), named);
        assert!(parse("--peers websocketpp").is_err());
    }
}
