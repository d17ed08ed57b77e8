//! Models of [`SharedRef`]: in every interleaving of its references, exactly one is the last.

use alloc::vec::Vec;

use crate::sync::primitive::{Arc, AtomicUsize, Ordering, thread};
use crate::sync::{AtomicCounters, SharedRef, model};

#[test]
fn loom_exactly_one_share_is_the_last() {
    model(|| {
        let mine = SharedRef::new([(); 3].map(|()| AtomicUsize::new(0)));
        let others: Vec<_> = (1..3)
            .map(|shard| {
                let share = mine.share();
                thread::spawn(move || deliver(share, shard))
            })
            .collect();
        let mut told = u32::from(deliver(mine, 0));
        for other in others {
            told += u32::from(other.join().expect("a model does not panic"));
        }
        assert_eq!(told, 1);
    });
}

#[test]
fn loom_a_share_handed_on_by_a_share_counts() {
    model(|| {
        let mine = SharedRef::new(());
        let theirs = mine.share();
        let other = thread::spawn(move || {
            let onwards = theirs.share();
            let early = theirs.finish().is_some();
            assert!(!early, "told while another share was there");
            onwards.finish().is_some()
        });
        let told = mine.finish().is_some();
        assert!(told ^ other.join().expect("a model does not panic"));
    });
}

#[test]
fn loom_a_dropped_share_ends_too_and_the_value_once() {
    model(|| {
        let ends = Arc::new(AtomicUsize::new(0));
        let mine = SharedRef::new(CountsItsEnd(ends.clone()));
        let (failed, theirs) = (mine.share(), mine.share());
        let failing = thread::spawn(move || drop(failed));
        let other = thread::spawn(move || u32::from(theirs.finish().is_some()));
        let told =
            u32::from(mine.finish().is_some()) + other.join().expect("a model does not panic");
        failing.join().expect("a model does not panic");
        assert!(told <= 1);
        assert_eq!(ends.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn loom_a_share_that_outlives_a_dropped_one_is_told() {
    model(|| {
        let mine = SharedRef::new(());
        let failed = mine.share();
        thread::spawn(move || drop(failed))
            .join()
            .expect("a model does not panic");
        assert!(mine.finish().is_some());
    });
}

/// Returns what a shard does with its share: leave a mark, and look at all marks if it was the
/// last.
fn deliver(share: SharedRef<[AtomicUsize; 3]>, shard: usize) -> bool {
    share[shard].store(1, Ordering::Relaxed);
    let Some(marks) = share.finish() else {
        return false;
    };
    assert!(
        marks.iter().all(|mark| mark.load(Ordering::Relaxed) == 1),
        "the last one sees the others' work"
    );
    true
}

struct CountsItsEnd(Arc<AtomicUsize>);

impl Drop for CountsItsEnd {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn loom_the_last_share_sees_what_all_have_added() {
    model(|| {
        let mine = SharedRef::new(AtomicCounters::<2>::new());
        let theirs = mine.share();
        let end = |share: SharedRef<AtomicCounters<2>>, n| {
            share.add([n, 1]);
            share.finish().map(|tally| tally.sums())
        };
        let other = thread::spawn(move || end(theirs, 5));
        let sums = end(mine, 7).or(other.join().expect("a model does not panic"));
        assert_eq!(sums, Some([12, 2]));
    });
}
