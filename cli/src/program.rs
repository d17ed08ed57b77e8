//! Owns what a server program does around its server: settings in, an exit code out.

use std::io::{self, Write as _};
use std::process::ExitCode;

use tracing::error;

use crate::{Settings, ShutdownReport, Signals, log};

/// Reads the settings, takes the signals, sets up the log and serves. The exit code is 0 after an
/// orderly end, 1 if the server failed, 2 if the settings are wrong.
pub fn program(
    name: &str,
    serve: impl FnOnce(Settings, Signals) -> io::Result<ShutdownReport>,
) -> ExitCode {
    let settings = Settings::from_args(name);
    let ready = Signals::take().and_then(|signals| Ok((signals, log::init(&settings)?)));
    let (signals, _log) = match ready {
        Ok(ready) => ready,
        Err(error) => {
            // There is no log to say it.
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
