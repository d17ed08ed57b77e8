//! Frame of a server program: settings, signals and log in, an exit code out.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use stentor_gateway::Access;
use tracing::{error, warn};

use super::reload::Reload;
use super::{ShutdownReport, Signals};
use crate::calls::{CallError, run_call};
use crate::{HandlerKind, Settings, log, run_command};

fn exit_code(called: Result<(), CallError>) -> ExitCode {
    match called {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.print();
            ExitCode::from(error.exit_code())
        }
    }
}

/// Runs the command that is the first argument, if there is one, and exits. Otherwise reads the
/// settings, installs the signal handlers, sets up the log and calls `serve`. Returns
/// exit code 0 after an orderly shutdown, and 1 if the server failed. Exits with 2 if the settings
/// are wrong.
pub fn program(
    name: &str,
    serve: impl FnOnce(Settings, Signals) -> io::Result<ShutdownReport>,
) -> ExitCode {
    if let Some(code) = command(name) {
        return code;
    }
    let settings = Settings::from_args(name);
    let ready = Signals::install().and_then(|signals| Ok((signals, log::init(&settings)?)));
    let (mut signals, _log) = match ready {
        Ok(ready) => ready,
        Err(error) => {
            // The log is not available yet.
            let _ = writeln!(io::stderr(), "error: {error}");
            return ExitCode::FAILURE;
        }
    };
    warn_about_access(&settings);
    let reload = Mutex::new(Reload::new(name, &settings));
    let reload = move || reload.lock().unwrap_or_else(PoisonError::into_inner).run();
    settings.live.reload_with(reload);
    let live = settings.live.clone();
    signals.on_hangup(move || drop(live.reload()));
    match serve(settings, signals) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            error!(%error, "server error");
            ExitCode::FAILURE
        }
    }
}

/// Warns of a gateway that has no key: it serves everyone or nobody.
fn warn_about_access(settings: &Settings) {
    if settings.handler != HandlerKind::Gateway {
        return;
    }
    let set = "client.token.hmac_secret_key";
    match settings.gateway.access {
        Access::Configured => {}
        Access::Development => {
            warn!(
                set,
                "no key for tokens: open to everyone on this machine, for development only"
            );
        }
        Access::Unconfigured => {
            warn!(
                set,
                "no key for tokens: clients are refused until one is set"
            );
        }
    }
}

/// Runs the command that is the first argument, if there is one.
fn command(name: &str) -> Option<ExitCode> {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    if let Some(first) = args.first_mut() {
        *first = name.into();
    }
    if let Some(called) = run_call(&args, &mut io::stdout().lock()) {
        return Some(exit_code(called));
    }
    let now = SystemTime::now();
    #[cfg(feature = "tls")]
    if let Some(done) = crate::dev_cert::run(&args, now, &mut io::stdout().lock()) {
        return Some(exit_code(done));
    }
    let now = now.duration_since(SystemTime::UNIX_EPOCH);
    let printed = run_command(
        &args,
        |name| std::env::var_os(name),
        |path| std::fs::read_to_string(path),
        now.unwrap_or_default().as_secs(),
        |line| {
            let _ = writeln!(io::stderr(), "warning: {line}");
        },
    )?;
    Some(match printed {
        // A closed output is ignored.
        Ok(page) => {
            let _ = io::stdout().write_all(page.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => error.exit(),
    })
}
