//! Frame of a server program: settings, signals and log in, an exit code out.

use std::io::{self, Write as _};
use std::process::ExitCode;

use tracing::error;

use super::{ShutdownReport, Signals};
use crate::{Settings, log};

/// Reads the settings, installs the signal handlers, sets up the log and calls `serve`. Returns
/// exit code 0 after an orderly shutdown, and 1 if the server failed. Exits with 2 if the settings
/// are wrong.
pub fn program(
    name: &str,
    serve: impl FnOnce(Settings, Signals) -> io::Result<ShutdownReport>,
) -> ExitCode {
    let settings = Settings::from_args(name);
    let ready = Signals::install().and_then(|signals| Ok((signals, log::init(&settings)?)));
    let (signals, _log) = match ready {
        Ok(ready) => ready,
        Err(error) => {
            // The log is not available yet.
            let _ = writeln!(io::stderr(), "error: {error}");
            return ExitCode::FAILURE;
        }
    };
    match serve(settings, signals) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            error!(%error, "server error");
            ExitCode::FAILURE
        }
    }
}
