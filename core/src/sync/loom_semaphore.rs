//! Models of [`Semaphore`]: every interleaving of acquiring permits, releasing them, and the end.

use alloc::vec::Vec;

use crate::sync::primitive::{Arc, AtomicUsize, Ordering, thread};
use crate::sync::{AcquireError, Semaphore, model};

/// Fails if a permit is issued without checking how many were acquired meanwhile.
#[test]
fn loom_no_more_places_are_taken_than_there_are() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let inside = Arc::new(AtomicUsize::new(0));
        semaphore.begin();
        let others: Vec<_> = (0..2)
            .map(|_| {
                let (semaphore, inside) = (semaphore.clone(), inside.clone());
                thread::spawn(move || match semaphore.try_acquire() {
                    Ok(()) => {
                        assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                        inside.fetch_sub(1, Ordering::Relaxed);
                        semaphore.release();
                    }
                    Err(why) => assert_eq!(why, AcquireError::Full),
                })
            })
            .collect();
        for other in others {
            other.join().expect("a model does not panic");
        }
        assert_eq!(semaphore.held(), 0);
        assert_eq!(semaphore.try_acquire(), Ok(()));
        let (given, refused) = semaphore.counts();
        assert_eq!(given + refused, 3);
    });
}

/// Fails if the end and the number of permits are two words that are read separately, or if an
/// operation is not visible once its permit is released.
#[test]
fn loom_whoever_is_let_in_before_the_end_is_waited_for() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(2));
        let done = Arc::new(AtomicUsize::new(0));
        semaphore.begin();
        let (inside, does) = (semaphore.clone(), done.clone());
        let other = thread::spawn(move || {
            let is_in = inside.try_acquire().is_ok();
            if is_in {
                does.store(1, Ordering::Relaxed);
                inside.release();
            }
            is_in
        });
        semaphore.end();
        // Once no permit is held, none will be, and every operation is complete.
        let seen = (semaphore.held() == 0).then(|| done.load(Ordering::Relaxed));
        let is_in = other.join().expect("a model does not panic");
        if let Some(seen) = seen {
            assert_eq!(seen, usize::from(is_in));
        }
        assert_eq!(semaphore.try_acquire(), Err(AcquireError::Ended));
    });
}

#[test]
fn loom_there_are_no_places_before_the_beginning() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let begins = semaphore.clone();
        let other = thread::spawn(move || begins.begin());
        if let Err(why) = semaphore.try_acquire() {
            assert_eq!(why, AcquireError::NotYet);
        }
        other.join().expect("a model does not panic");
        assert!(matches!(
            semaphore.try_acquire(),
            Ok(()) | Err(AcquireError::Full)
        ));
    });
}
