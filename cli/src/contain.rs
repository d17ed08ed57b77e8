//! Containment of panics in code of the application that runs outside its callbacks: what a task
//! does, its copies, and the end of what is dropped.

use core::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The result of the work; `None` if it panics. What the panic carries is dropped, which may panic
/// as well: then that is leaked.
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

/// Drops a value of the application's. A panic in that is caught; whether there was none.
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
    fn a_panic_is_caught_and_so_is_one_of_what_it_carries() {
        assert_eq!(contain(|| 7), Some(7));
        assert_eq!(contain(|| -> u8 { panic!("as asked") }), None);
        for deep in 0..4 {
            assert_eq!(contain(|| -> u8 { panic_any(Bomb(deep)) }), None);
            assert_eq!(dispose(Bomb(deep)), deep == 0);
        }
    }
}
