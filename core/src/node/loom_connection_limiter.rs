//! Model of [`ConnectionLimiter`]: sockets are released by other threads while one thread admits.

use alloc::vec::Vec;

use crate::engine::input::Admission;
use crate::id::ShardId;
use crate::node::ConnectionLimiter;
use crate::sync::model;
use crate::sync::primitive::{Arc, thread};

/// Fails if releasing a socket reads the number and writes it in two steps, or if a socket beyond
/// the limit is counted with those within it.
#[test]
fn loom_a_released_socket_makes_room_for_one_and_the_limit_is_exact() {
    model(|| {
        let limiter = Arc::new(ConnectionLimiter::new(2, Some(2)));
        for shard in [0, 1] {
            assert_eq!(
                limiter.admit(),
                Some((ShardId(shard), Admission::Normal)),
                "there is room"
            );
        }
        let others: Vec<_> = [0, 1]
            .map(|shard| {
                let limiter = limiter.clone();
                thread::spawn(move || limiter.release(ShardId(shard), Admission::Normal))
            })
            .into();
        let admitted = [limiter.admit(), limiter.admit()];
        for other in others {
            other.join().expect("a model does not panic");
        }
        let normal = |admitted: &&Option<(ShardId, Admission)>| {
            admitted.is_some_and(|(_, admission)| admission == Admission::Normal)
        };
        let normal = admitted.iter().filter(normal).count();
        // Both were admitted, and what the others released is left.
        assert_eq!(limiter.sockets(), 2);
        for left in (normal..2).rev() {
            let (_, admission) = limiter.admit().expect("a response at least");
            assert_eq!(
                admission,
                Admission::Normal,
                "{left} more are within the limit"
            );
        }
        let (_, admission) = limiter.admit().expect("a response at least");
        assert_eq!(admission, Admission::Surplus);
    });
}
