//! `stentor-bench`: load for any WebSocket server on one thread, and what that
//! costs the server. `stentor-bench --help` has the commands. Needs Linux, whose
//! `/proc` says what a process uses.
//!
//! What is said on connections is in `load`, how bytes are moved in `net`, what is
//! measured in `measure`; `compare` runs servers side by side: our own, those on other
//! libraries with `--peers`, and any other by its command with `--peer`.

mod args;
mod compare;
mod fault;
mod frames;
mod load;
mod measure;
mod million;
mod net;
mod progress;
mod raw;
mod report;
mod server_process;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command, General};
use fault::Fault;
use report::Report;

fn main() -> ExitCode {
    let Arguments { command, general } = Arguments::parse();
    match run(&command, &general) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("stentor-bench: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command, general: &General) -> Result<(), Fault> {
    if let Some(core) = general.core {
        measure::pin(core)?;
    }
    if general.awake || matches!(command, Command::Compare(_)) {
        measure::stay_awake();
    }
    let report = match command {
        Command::Echo(it) => Report::Echo(it.load.run(&it.server.place(general)?, it.timing)?),
        Command::FanOut(it) => Report::FanOut(it.load.run(&it.server.place(general)?, it.timing)?),
        Command::Idle(it) => Report::Idle(it.load.run(&it.server.place(general)?)?),
        Command::Connect(it) => {
            Report::Connect(it.load.run(&it.server.place(general)?, it.timing)?)
        }
        Command::Mixed(it) => {
            let (flow, by_priority) = it.load.run(&it.server.place(general)?, it.timing)?;
            Report::Mixed { flow, by_priority }
        }
        Command::Tasks(it) => Report::Tasks(it.load.run(&it.server.place(general)?, it.timing)?),
        Command::Urgent(it) => Report::Urgent(it.load.run(&it.server.place(general)?, it.timing)?),
        Command::Gateway(it) => {
            Report::Gateway(it.load.run(&it.server.place(general)?, it.timing)?)
        }
        Command::Laggards(it) => {
            let lagged = it.load.run(&it.server.place(general)?, it.timing)?;
            Report::Laggards(Box::new(lagged))
        }
        Command::Listen(server) => return load::listen(&server.place(general)?),
        Command::Million(million) => Report::Million(million.run(general.quiet)?),
        Command::Hold(it) => return it.hold.run(&it.server.place(general)?),
        Command::Raw(raw) => return raw.run(),
        Command::Compare(compare) => return compare.run(general.core, general.quiet),
    };
    for warning in report.warnings() {
        eprintln!("warning: {warning}");
    }
    if general.json {
        let json = serde_json::to_string(&report);
        println!(
            "{}",
            json.map_err(|error| Fault::Program(error.to_string()))?
        );
    } else {
        println!("{report}");
    }
    Ok(())
}
