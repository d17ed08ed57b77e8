//! Owns the comparison: builds the servers as users build them, lets each bear the
//! same loads in turn, and writes down what came of it.

mod build;
mod chart;
mod contender;
mod figures;
mod page;
mod plan;
mod record;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::Args;
use clap::builder::PossibleValuesParser;
use stentor_core::MessageType;

use crate::args::General;
use crate::fault::Fault;
use crate::load::Timing;
use crate::measure::{Identity, said};
use crate::progress::Progress;
use build::{Builder, PEERS, ROOT, with_version};
use contender::Cores;
pub(crate) use contender::{Contender, Handler, Running};
use figures::Passes;
use page::Page;
use plan::Column;
use record::Record;

/// Builds the servers, measures them beside the limit, and writes it down
#[derive(Clone, Debug, Args)]
pub(crate) struct Compare {
    /// A few loads only, in about a minute
    #[arg(long)]
    quick: bool,
    /// How often each server bears each load
    #[arg(long)]
    passes: Option<usize>,
    /// Seconds that are measured each time
    #[arg(long)]
    seconds: Option<f64>,
    /// Echoes binary messages instead of text, which servers have to validate
    #[arg(long)]
    binary: bool,
    /// Our own servers once more, built for this machine's processor only
    #[arg(long)]
    native: bool,
    /// Builds servers on other libraries, and compares them too: all, or those named
    #[arg(long, num_args = 0.., value_delimiter = ',', value_parser = PossibleValuesParser::new(PEERS))]
    peers: Option<Vec<String>>,
    /// One more server: NAME=COMMAND, where {address} is where it is to listen, and
    /// {handler} is `echo` or `rooms`; repeat it for more
    #[arg(long)]
    peer: Vec<Contender>,
    /// Core of the servers; the generator has --core, or 1
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// Directory for the result
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    results: PathBuf,
}

impl Compare {
    pub(crate) fn run(&self, general: &General) -> Result<(), Fault> {
        if cfg!(debug_assertions) {
            let what = "a comparison needs a build with --release, of this program too";
            return Err(Fault::Argument(what.into()));
        }
        let cores = Cores {
            server: self.server_core,
            generator: general.core.unwrap_or(1),
        };
        let peers = self.peers();
        let contenders = self.contenders(&peers)?;
        let kind = match self.binary {
            true => MessageType::Binary,
            false => MessageType::Text,
        };
        let tables = match self.quick {
            true => plan::quick(kind),
            false => plan::whole(kind),
        };
        let (passes, seconds) = if self.quick { (2, 0.8) } else { (3, 2.0) };
        let passes = self.passes.unwrap_or(passes);
        let timing = Timing {
            seconds: self.seconds.unwrap_or(seconds),
            warm_up: 0.4,
        };
        let mut progress = Progress::new(general.quiet);
        let total: usize = tables.iter().map(|table| table.columns.len()).sum();
        let mut at = 0;
        let mut measured = Vec::new();
        for table in tables {
            let mut columns = Vec::new();
            for column in table.columns {
                at += 1;
                let name = format!("{at}/{total} {}, {}", table.title, column.title);
                let race = Race {
                    contenders: &contenders,
                    cores,
                    passes,
                    timing,
                };
                columns.push(record::Column {
                    of: race.run(&column, &name, &mut progress)?,
                    title: column.title,
                    in_chart: column.in_chart,
                });
            }
            measured.push(record::Table {
                title: table.title,
                columns,
            });
        }
        progress.end();
        let (date, commit) = (today(), commit());
        let record = Record {
            date,
            commit,
            machine: Identity::read(),
            peers: peers.into_iter().map(with_version).collect(),
            passes,
            seconds: timing.seconds,
            contenders: contenders.into_iter().map(|it| it.name).collect(),
            tables: measured,
        };
        let page = Page(&record).to_string();
        if !general.quiet {
            println!("{page}");
        }
        self.write(&record, &page)
    }

    /// The peers that are to be built.
    fn peers(&self) -> Vec<&str> {
        match &self.peers {
            None => Vec::new(),
            Some(names) if names.is_empty() => PEERS.into(),
            Some(names) => names.iter().map(String::as_str).collect(),
        }
    }

    /// The limit, both of our own, and whoever else is wanted.
    fn contenders(&self, peers: &[&str]) -> Result<Vec<Contender>, Fault> {
        let builder = Builder::new()?;
        let mut all = vec![Contender::raw()?];
        let own = builder.own()?;
        all.extend(OWN.map(|name| Contender::stentor(&own, name, "")));
        if self.native {
            let own = builder.native()?;
            all.extend(OWN.map(|name| Contender::stentor(&own, name, NATIVE)));
        }
        if !peers.is_empty() {
            let built = builder.peers(peers)?;
            all.extend(peers.iter().map(|name| Contender::peer(&built, name)));
        }
        all.extend(self.peer.iter().cloned());
        Ok(all)
    }

    /// Writes the figures, and the page and a chart of them; says where the page is.
    fn write(&self, record: &Record, page: &str) -> Result<(), Fault> {
        let mut name = record.date.clone();
        name += if self.quick { "-quick" } else { "" };
        name += if self.binary { "-binary" } else { "" };
        let failed = |path: &Path| Fault::system(format!("{}", path.display()));
        fs::create_dir_all(&self.results).map_err(failed(&self.results))?;
        let path = self.results.join(name + ".json");
        record.write(&path)?;
        chart::write(record, &path.with_extension("svg"))?;
        let path = path.with_extension("md");
        fs::write(&path, page).map_err(failed(&path))?;
        println!("{}", path.display());
        Ok(())
    }
}

/// Draws the chart of a comparison again
#[derive(Clone, Debug, Args)]
pub(crate) struct Chart {
    /// What `compare` has written: the page, or the figures beside it
    result: PathBuf,
}

impl Chart {
    pub(crate) fn run(&self) -> Result<(), Fault> {
        let record = Record::read(&self.result.with_extension("json"))?;
        let path = self.result.with_extension("svg");
        chart::write(&record, &path)?;
        println!("{}", path.display());
        Ok(())
    }
}

fn today() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    now.split('T').next().unwrap_or(&now).into()
}

/// Which commit the servers are of, and whether there was more.
fn commit() -> String {
    let git = |args: &[&str]| said("git", &[&["-C", ROOT], args].concat());
    let commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".into());
    let changes = git(&["status", "--porcelain", "--untracked-files=no"]);
    let is_changed = changes.is_some_and(|changes| !changes.is_empty());
    format!("{commit}{}", if is_changed { ", with changes" } else { "" })
}

/// One load for every contender, several times.
struct Race<'a> {
    contenders: &'a [Contender],
    cores: Cores,
    passes: usize,
    timing: Timing,
}

impl Race<'_> {
    /// What each of them did. One that fails is told of, and the others go on.
    fn run(
        &self,
        column: &Column,
        name: &str,
        progress: &mut Progress,
    ) -> Result<Vec<Passes>, Fault> {
        let mut all = vec![Passes::new(); self.contenders.len()];
        for pass in 1..=self.passes {
            for (contender, passes) in self.contenders.iter().zip(&mut all) {
                progress.say(|| format!("{name}: pass {pass}, {}", contender.name));
                let handler = column.load.handler(contender);
                let server = contender.start(handler, self.cores);
                let figure = server.and_then(|server| column.load.run(&server, self.timing));
                let figure = match figure {
                    Ok(figure) => figure,
                    Err(fault) if contender.is_raw() || contender.is_stentor() => {
                        return Err(fault);
                    }
                    Err(fault) => {
                        progress.state(&format!("{name}: {}: {fault}", contender.name));
                        None
                    }
                };
                passes.push(figure);
            }
        }
        Ok(all)
    }
}

/// Our own servers, which are called as they are built.
const OWN: [&str; 2] = ["stentor", "stentor-std"];

/// What is built for this machine only is called so.
const NATIVE: &str = ", native";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Command};

    fn compare(line: &str) -> Result<Compare, clap::Error> {
        let words = ["stentor-bench", "compare"].into_iter();
        let arguments = Arguments::try_parse_from(words.chain(line.split_whitespace()))?;
        let Command::Compare(compare) = arguments.command else {
            panic!("it is a comparison");
        };
        Ok(compare)
    }

    #[test]
    fn peers_are_none_or_all_or_those_that_are_named() {
        let peers = |line| {
            let compare = compare(line).expect("valid");
            let names = compare.peers().into_iter().map(String::from);
            names.collect::<Vec<_>>()
        };
        assert!(peers("--quick").is_empty());
        assert_eq!(peers("--peers --quick"), PEERS);
        let named = ["yawc", "sockudo-ws"];
        assert_eq!(peers("--peers yawc,sockudo-ws"), named);
        assert_eq!(peers("--peers yawc sockudo-ws --native"), named);
        assert!(compare("--peers websocketpp").is_err());
    }
}
