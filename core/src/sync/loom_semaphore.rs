//! Models of [`Semaphore`]: every interleaving of acquiring permits, releasing them, and the end.

use alloc::vec::Vec;

use crate::sync::primitive::{Arc, AtomicUsize, Ordering, thread};
use crate::sync::{NoPlace, Semaphore, model};

/// Fails if a permit is issued without checking how many were acquired meanwhile.
#[test]
fn loom_no_more_places_are_taken_than_there_are() {
    model(|| {
        let places = Arc::new(Semaphore::new(1));
        let inside = Arc::new(AtomicUsize::new(0));
        places.begin();
        let others: Vec<_> = (0..2)
            .map(|_| {
                let (places, inside) = (places.clone(), inside.clone());
                thread::spawn(move || match places.try_take() {
                    Ok(()) => {
                        assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                        inside.fetch_sub(1, Ordering::Relaxed);
                        places.give_back();
                    }
                    Err(why) => assert_eq!(why, NoPlace::Full),
                })
            })
            .collect();
        for other in others {
            other.join().expect("a model does not panic");
        }
        assert_eq!(places.taken(), 0);
        assert_eq!(places.try_take(), Ok(()));
        let (given, refused) = places.counts();
        assert_eq!(given + refused, 3);
    });
}

/// Fails if the end and the number of permits are two words that are read separately, or if an
/// operation is not visible once its permit is released.
#[test]
fn loom_whoever_is_let_in_before_the_end_is_waited_for() {
    model(|| {
        let places = Arc::new(Semaphore::new(2));
        let done = Arc::new(AtomicUsize::new(0));
        places.begin();
        let (inside, does) = (places.clone(), done.clone());
        let other = thread::spawn(move || {
            let is_in = inside.try_take().is_ok();
            if is_in {
                does.store(1, Ordering::Relaxed);
                inside.give_back();
            }
            is_in
        });
        places.end();
        // Once no permit is held, none will be, and every operation is complete.
        let seen = (places.taken() == 0).then(|| done.load(Ordering::Relaxed));
        let is_in = other.join().expect("a model does not panic");
        if let Some(seen) = seen {
            assert_eq!(seen, usize::from(is_in));
        }
        assert_eq!(places.try_take(), Err(NoPlace::Ended));
    });
}

#[test]
fn loom_there_are_no_places_before_the_beginning() {
    model(|| {
        let places = Arc::new(Semaphore::new(1));
        let begins = places.clone();
        let other = thread::spawn(move || begins.begin());
        if let Err(why) = places.try_take() {
            assert_eq!(why, NoPlace::NotYet);
        }
        other.join().expect("a model does not panic");
        assert!(matches!(places.try_take(), Ok(()) | Err(NoPlace::Full)));
    });
}
