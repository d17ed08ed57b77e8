//! Panic hook that logs.
//!
//! The default hook writes to standard error itself: while that is blocked, so is every thread that
//! panics.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{PanicHookInfo, set_hook};
use std::sync::{LazyLock, Mutex, PoisonError};

use tracing::error;

use crate::{Clock, Throttle};

/// Logs every panic from now on, with a backtrace if `RUST_BACKTRACE` asks for one. With
/// `--log off`, only the counters show panics.
pub(super) fn log_panics() {
    set_hook(Box::new(log_panic));
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    static CLOCK: LazyLock<Clock> = LazyLock::new(Clock::start);
    static LINES: Mutex<Throttle> = Mutex::new(Throttle::new(BURST, PER_SECOND));
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    let admitted = lines.admit(CLOCK.now());
    drop(lines);
    let Some(held_back) = admitted else { return };
    let thread = std::thread::current();
    let payload = panic.payload();
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    let backtrace = Backtrace::capture();
    let is_captured = backtrace.status() == BacktraceStatus::Captured;
    error!(
        thread = thread.name().unwrap_or_default(),
        location = panic.location().map(display),
        panic = truncate(text.unwrap_or("a value that is not text")),
        backtrace = is_captured.then(|| display(&backtrace)),
        held_back,
        "a thread panicked"
    );
}

/// Truncates a text, which may contain input of a peer.
fn truncate(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Log lines about panics, at once and per second.
const BURST: u32 = 10;
const PER_SECOND: u32 = 5;
/// Maximum number of bytes of a panic message that are logged.
const MAX_TEXT: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_truncated_between_characters() {
        assert_eq!(truncate("short"), "short");
        assert_eq!(truncate(&"x".repeat(MAX_TEXT)).len(), MAX_TEXT);
        let long = format!("x{}", "é".repeat(MAX_TEXT));
        assert_eq!(truncate(&long).len(), MAX_TEXT - 1);
    }
}
