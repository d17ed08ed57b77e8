//! Panics of a handler on purpose, and their containment.

use core::panic::AssertUnwindSafe;

use stentor_core::app::Isolation;

/// What a handler of a simulated server panics with.
struct Crash;

/// Panics in a callback, as quietly as a simulation should.
pub fn crash() -> ! {
    std::panic::resume_unwind(Box::new(Crash))
}

/// Catches a [`crash`]. Every other panic is a failed assertion and goes on.
#[derive(Clone, Copy, Debug)]
pub struct CatchCrashes;

impl Isolation for CatchCrashes {
    fn run<R>(call: impl FnOnce() -> R) -> Option<R> {
        match std::panic::catch_unwind(AssertUnwindSafe(call)) {
            Ok(result) => Some(result),
            Err(panic) if panic.is::<Crash>() => None,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}
