//! Program `stentor-bench`: a load generator for WebSocket servers that runs on one thread, and
//! reports what the load costs the server. It needs Linux, because it reads `/proc`.
//!
//! The loads are in `load`, the connections in `net`, the measuring of time and memory in
//! `measure`. `compare` and `million` start servers themselves, with `server_process`.

mod args;
mod compare;
mod error;

mod load;
mod measure;
mod million;
mod net;
mod progress;
mod raw;
mod report;
mod server_process;
mod watchdog;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, BenchCommand, GlobalArgs};
use error::Error;
use report::Report;

fn main() -> ExitCode {
    let Arguments { command, global } = Arguments::parse();
    match run(&command, &global) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stentor-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &BenchCommand, global: &GlobalArgs) -> Result<(), Error> {
    if let Some(core) = global.core {
        measure::pin(core)?;
    }
    if global.awake || matches!(command, BenchCommand::Compare(_)) {
        measure::enable_busy_wait();
    }
    let report = match command {
        BenchCommand::Echo(it) => Report::Echo(it.load.run(&it.server.target(global)?, it.timing)?),
        BenchCommand::FanOut(it) => {
            Report::FanOut(it.load.run(&it.server.target(global)?, it.timing)?)
        }
        BenchCommand::Idle(it) => Report::Idle(it.load.run(&it.server.target(global)?)?),
        BenchCommand::Connect(it) => {
            Report::Connect(it.load.run(&it.server.target(global)?, it.timing)?)
        }
        BenchCommand::Mixed(it) => {
            let (traffic, by_priority) = it.load.run(&it.server.target(global)?, it.timing)?;
            Report::Mixed {
                traffic,
                by_priority,
            }
        }
        BenchCommand::Tasks(it) => {
            Report::Tasks(it.load.run(&it.server.target(global)?, it.timing)?)
        }
        BenchCommand::Urgent(it) => {
            Report::Urgent(it.load.run(&it.server.target(global)?, it.timing)?)
        }
        BenchCommand::Gateway(it) => {
            Report::Gateway(it.load.run(&it.server.target(global)?, it.timing)?)
        }
        BenchCommand::Laggards(it) => {
            let result = it.load.run(&it.server.target(global)?, it.timing)?;
            Report::Laggards(Box::new(result))
        }
        BenchCommand::Listen(server) => return load::listen(&server.target(global)?),
        BenchCommand::Million(million) => Report::Million(million.run(global.quiet)?),
        BenchCommand::Hold(it) => return it.hold.run(&it.server.target(global)?),
        BenchCommand::Raw(raw) => return raw.run(),
        BenchCommand::Compare(compare) => return compare.run(global.core, global.quiet),
    };
    for warning in report.warnings() {
        eprintln!("warning: {warning}");
    }
    if global.json {
        let json = serde_json::to_string(&report);
        println!(
            "{}",
            json.map_err(|error| Error::Failed(error.to_string()))?
        );
    } else {
        println!("{report}");
    }
    Ok(())
}
