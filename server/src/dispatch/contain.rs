//! Containment of panics in application code that runs outside callbacks: tasks, their clones and
//! their destructors.

use core::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `work`. Returns `None` if it panics. The payload of the panic is dropped; if that panics as
/// well, the second payload is leaked.
pub fn contain<R>(work: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => Some(result),
        Err(payload) => {
            if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                mem::forget(another);
            }
            None
        }
    }
}

/// Drops a value of the application. Returns whether that did not panic.
pub fn dispose<T>(value: T) -> bool {
    contain(|| drop(value)).is_some()
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::*;

    struct Bomb(u8);

    impl Drop for Bomb {
        fn drop(&mut self) {
            match self.0 {
                0 => {}
                left => panic_any(Self(left - 1)),
            }
        }
    }

    #[test]
    fn a_panic_is_caught_and_one_of_its_payload_too() {
        assert_eq!(contain(|| 7), Some(7));
        assert_eq!(contain(|| -> u8 { panic!("as asked") }), None);
        for deep in 0..4 {
            assert_eq!(contain(|| -> u8 { panic_any(Bomb(deep)) }), None);
            assert_eq!(dispose(Bomb(deep)), deep == 0);
        }
    }
}
