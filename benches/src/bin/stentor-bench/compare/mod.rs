//! Owns the comparison: builds the servers as users build them, lets each bear the
//! same loads in turn, and writes down what came of it.

mod contender;
mod figures;
mod page;
mod plan;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use clap::Args;

use crate::args::General;
use crate::fault::Fault;
use crate::load::Timing;
use crate::measure::{Identity, said};
use crate::progress::Progress;
use contender::Cores;
pub(crate) use contender::{Contender, Handler, Running};
use figures::Passes;
use page::Page;
use plan::{Column, Table};

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
        let contenders = self.contenders()?;
        let tables = if self.quick {
            plan::quick()
        } else {
            plan::whole()
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
            for column in &table.columns {
                at += 1;
                let name = format!("{at}/{total} {}, {}", table.title, column.title);
                let race = Race {
                    contenders: &contenders,
                    cores,
                    passes,
                    timing,
                };
                columns.push(race.run(column, &name, &mut progress)?);
            }
            measured.push((table, columns));
        }
        progress.end();
        self.write(&contenders, passes, timing, measured)
    }

    /// The limit, both of our own, and whoever else was named.
    fn contenders(&self) -> Result<Vec<Contender>, Fault> {
        let raw = Contender::raw()?;
        let own = build()?;
        let own = ["stentor", "stentor-std"].map(|name| Contender::stentor(&own, name));
        let mut all = vec![raw];
        all.extend(own);
        all.extend(self.peer.iter().cloned());
        Ok(all)
    }

    fn write(
        &self,
        contenders: &[Contender],
        passes: usize,
        timing: Timing,
        tables: Vec<(Table, Vec<Vec<Passes>>)>,
    ) -> Result<(), Fault> {
        let git = |args: &[&str]| {
            let all = [&["-C", ROOT], args].concat();
            said("git", &all)
        };
        let commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".into());
        let changes = git(&["status", "--porcelain", "--untracked-files=no"]);
        let is_changed = changes.is_some_and(|changes| !changes.is_empty());
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let date = now.split('T').next().unwrap_or(&now);
        let page = Page {
            date,
            commit: &format!("{commit}{}", if is_changed { ", with changes" } else { "" }),
            machine: &Identity::read(),
            passes,
            seconds: timing.seconds,
            contenders: contenders.iter().map(|it| it.name.as_str()).collect(),
            tables,
        };
        let suffix = if self.quick { "-quick" } else { "" };
        let path = self.results.join(format!("{date}{suffix}.md"));
        let failed = || Fault::system(format!("{}", path.display()));
        fs::create_dir_all(&self.results).map_err(failed())?;
        fs::write(&path, page.to_string()).map_err(failed())?;
        println!("{}", path.display());
        Ok(())
    }
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
                let server = contender.start(handler, self.cores)?;
                let figure = match column.load.run(&server, self.timing) {
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

/// Builds our own servers, and says where they are. One after the other, as users
/// do: together, one would get what the other asks of a dependency.
fn build() -> Result<PathBuf, Fault> {
    let this = std::env::current_exe().map_err(Fault::system("this program"))?;
    let directory = this.parent().unwrap_or(Path::new("."));
    let target = directory.parent().unwrap_or(Path::new("."));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for package in ["stentor-tokio", "stentor-std"] {
        let mut command = Command::new(&cargo);
        command
            .args(["build", "--release", "--locked", "--package", package])
            .arg("--target-dir")
            .arg(target)
            .current_dir(ROOT)
            .stdin(Stdio::null());
        let status = command.status().map_err(Fault::system("cargo"))?;
        if !status.success() {
            return Err(Fault::Program(format!("{package} does not build")));
        }
    }
    Ok(target.join("release"))
}

/// The workspace.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
