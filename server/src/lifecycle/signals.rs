//! Signal handling of a server program.
//!
//! | signal | effect |
//! |---|---|
//! | `SIGTERM`, `SIGINT` | shuts the server down in order; the second one forces it |
//! | `SIGHUP` | has the settings be read again; if standard input is a terminal, like `SIGTERM` |
//! | `SIGHUP`, if the program was started with it ignored, as by `nohup` | nothing (Linux) |
//! | `SIGUSR1`, `SIGUSR2` | nothing |
//! | `SIGXFSZ` | nothing: the write fails, see [`log`](crate::log) |
//! | `SIGPIPE` | nothing: the runtime of Rust ignores it |
//! | `SIGQUIT` and all others | the default action of the operating system |

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals as Incoming;

/// The signals that reach the program from now on. None is lost before [`watch`](Self::watch).
pub struct Signals {
    incoming: Incoming,
    /// What `SIGHUP` does, if it does not end the server.
    hangup: Option<Box<dyn FnMut() + Send>>,
}

impl Signals {
    /// Installs the signal handlers of the process.
    ///
    /// # Errors
    /// Returns an error of the operating system.
    pub fn install() -> io::Result<Self> {
        let incoming = Incoming::new([SIGINT, SIGTERM, SIGUSR1, SIGUSR2])?;
        // Ignored, it means that the program shall outlive the terminal.
        if !is_hangup_ignored() {
            incoming.add_signal(SIGHUP)?;
        }
        Ok(Self {
            incoming,
            hangup: None,
        })
    }

    /// Has `SIGHUP` do this, unless it would mean that the terminal of the program has gone.
    pub(super) fn on_hangup(&mut self, reload: impl FnMut() + Send + 'static) {
        if !io::stdin().is_terminal() {
            self.hangup = Some(Box::new(reload));
        }
    }

    /// Calls `shutdown` at the first signal that ends the server, and `force` at the second, on a
    /// thread of its own. Further signals have no effect.
    ///
    /// # Errors
    /// Returns an error if the thread cannot be started.
    pub fn watch(
        mut self,
        shutdown: impl FnOnce() + Send + 'static,
        force: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let watch = move || {
            let (mut shutdown, mut force) = (Some(shutdown), Some(force));
            for signal in self.incoming.forever().filter(ends_server) {
                if let (SIGHUP, Some(reload)) = (signal, &mut self.hangup) {
                    reload();
                } else if let Some(shutdown) = shutdown.take() {
                    shutdown();
                } else if let Some(force) = force.take() {
                    force();
                }
            }
        };
        thread::Builder::new().name("signals".into()).spawn(watch)?;
        Ok(())
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals").finish_non_exhaustive()
    }
}

/// Returns whether a signal ends the server, unless a hangup does something else.
fn ends_server(signal: &i32) -> bool {
    matches!(*signal, SIGINT | SIGTERM | SIGHUP)
}

/// Returns whether the program was started with `SIGHUP` ignored. Without unsafe code only Linux
/// tells.
fn is_hangup_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores(&status, SIGHUP))
}

/// Returns whether the process with this status ignores a signal.
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ignored_signals_are_read_from_the_status() {
        let status = "Name:\tx\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\nSigCgt:\t0";
        for (signal, expected) in [
            (SIGHUP, true),
            (SIGINT, false),
            (13, true),
            (SIGTERM, false),
        ] {
            assert_eq!(ignores(status, signal), expected, "{signal}");
        }
        assert!(!ignores("", SIGHUP) && !ignores("SigIgn:\tnone", SIGHUP));
    }
}
