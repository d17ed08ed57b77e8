//! Signals of a server program: which end it, and which it ignores.
//!
//! | signal | what it does |
//! |---|---|
//! | `SIGTERM`, `SIGINT`, `SIGHUP` | ends the server in order; the second one ends it at once |
//! | `SIGHUP`, if the program was started with it ignored, as by `nohup` | nothing (Linux) |
//! | `SIGUSR1`, `SIGUSR2` | nothing |
//! | `SIGXFSZ` | nothing: the write fails, see [`log`](crate::log) |
//! | `SIGPIPE` | nothing: the runtime of Rust ignores it |
//! | `SIGQUIT` and all others | what the operating system does, as end with a core dump |

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals as Incoming;

/// The signals that come to the program from now on. None is lost before they are
/// [watched](Self::watch).
#[derive(Debug)]
pub struct Signals(Incoming);

impl Signals {
    /// Takes the signals of the process.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn take() -> io::Result<Self> {
        let signals = Incoming::new([SIGINT, SIGTERM, SIGUSR1, SIGUSR2])?;
        // Whoever ignored it means the program to outlive the terminal.
        if !is_hangup_ignored() {
            signals.add_signal(SIGHUP)?;
        }
        Ok(Self(signals))
    }

    /// Wakeups `shutdown` at the first signal that ends the server, and `force` at the second. Those
    /// that come then change nothing.
    ///
    /// # Errors
    /// That there is no thread to be had.
    pub fn watch(
        mut self,
        shutdown: impl FnOnce() + Send + 'static,
        force: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let watch = move || {
            let mut signals = self.0.forever();
            let mut ending = signals.by_ref().filter(ends_server);
            ending.next();
            shutdown();
            ending.next();
            force();
            ending.for_each(drop);
        };
        thread::Builder::new().name("signals".into()).spawn(watch)?;
        Ok(())
    }
}

fn ends_server(signal: &i32) -> bool {
    matches!(*signal, SIGINT | SIGTERM | SIGHUP)
}

/// Whether the program was started with `SIGHUP` ignored. Only Linux says so without unsafe code.
fn is_hangup_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores(&status, SIGHUP))
}

/// Whether a signal is among those that a process ignores, of which this is the status.
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
