//! Owns the set-up of the log: where lines go, how they look and which are left out. What is worth
//! a line is decided where it happens.

use std::io::IsTerminal as _;

use tracing::subscriber::set_global_default;

use crate::{LogFormat, Settings};

/// Sends `tracing` events to standard error, as `--log` and `--log-format` say. Colours appear on
/// a terminal only, and not where `NO_COLOR` is set. A second call changes nothing.
///
/// A closed standard error loses the lines, and nothing else.
pub fn init(settings: &Settings) {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let builder = tracing_subscriber::fmt()
        .with_max_level(settings.log)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && !no_color)
        // A failed write would otherwise be reported with `eprintln!`, which panics.
        .log_internal_errors(false);
    let _ = match settings.log_format {
        LogFormat::Text => set_global_default(builder.finish()),
        LogFormat::Json => set_global_default(builder.json().flatten_event(true).finish()),
    };
}
