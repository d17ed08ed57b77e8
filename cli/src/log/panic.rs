//! Panic hook that logs.
//!
//! The default one writes to standard error itself: for as long as that is blocked, so is the
//! thread, and every other that panics.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{PanicHookInfo, set_hook};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tracing::error;

use crate::Throttle;

/// Logs every panic from now on, with a backtrace if `RUST_BACKTRACE` asks for one. With
/// `--log off`, nothing says so but the counters.
pub(super) fn log_panics() {
    set_hook(Box::new(log_panic));
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    static LINES: Mutex<Throttle> = Mutex::new(Throttle::new(BURST, PER_SECOND));
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    let admitted = lines.admit(Instant::now());
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
        panic = cut(text.unwrap_or("a value that is no text")),
        backtrace = is_captured.then(|| display(&backtrace)),
        held_back,
        "a thread panicked"
    );
}

/// The beginning of a text. What a peer has sent may be part of it.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Lines about panics, at once and in a second.
const BURST: u32 = 10;
const PER_SECOND: u32 = 5;
/// Bytes that are logged of a panic's message.
const MAX_TEXT: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"x".repeat(MAX_TEXT)).len(), MAX_TEXT);
        let long = format!("x{}", "é".repeat(MAX_TEXT));
        assert_eq!(cut(&long).len(), MAX_TEXT - 1);
    }
}
