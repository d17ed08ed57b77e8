//! Owns what a server program does around its server: settings in, an exit code out.

use std::io;
use std::process::ExitCode;

use tracing::error;

use crate::{Report, Settings, log};

/// Reads the settings, sets up the log and serves. The exit code is 0 after an orderly end, 1 if
/// the server failed, 2 if the settings are wrong.
pub fn program(name: &str, serve: impl FnOnce(Settings) -> io::Result<Report>) -> ExitCode {
    let settings = Settings::from_args(name);
    log::init(&settings);
    match serve(settings) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            error!(%error, "server error");
            ExitCode::FAILURE
        }
    }
}
