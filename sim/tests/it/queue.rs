//! The queue beside its oracle under random load, and each of its rules on its own.

use core::time::Duration;

use proptest::prelude::*;
use stentor_core::testing::queue::{Control, DropReason, LoneQueue, PushError, Pushed, Ticket};
use stentor_core::{OverflowPolicy, SendOptions};
use stentor_sim::queue::{QueueOp, check};

fn control() -> impl Strategy<Value = Control> {
    prop::sample::select(&[Control::Head, Control::Ping, Control::Pong, Control::Close][..])
}

fn overflow() -> impl Strategy<Value = OverflowPolicy> {
    use OverflowPolicy::{Conflate, Disconnect, DropNew, DropOldest, EvictLower};
    prop::sample::select(&[EvictLower, DropNew, DropOldest, Conflate, Disconnect][..])
}

fn options() -> impl Strategy<Value = SendOptions> {
    let priority = prop_oneof![4 => 0..4_u8, 1 => any::<u8>()];
    let ttl = prop::option::weighted(0.3, 0..200_u64);
    let key = prop::option::weighted(0.5, 0..3_u64);
    (priority, ttl, key, overflow()).prop_map(|(priority, ttl, key, overflow)| {
        let options = SendOptions::new(priority).overflow(overflow);
        let options = match ttl {
            Some(ttl) => options.ttl(Duration::from_micros(ttl)),
            None => options,
        };
        match key {
            Some(key) => options.key(key),
            None => options,
        }
    })
}

fn op() -> impl Strategy<Value = QueueOp> {
    let len = prop_oneof![8 => 0..40_usize, 2 => 100..140_usize, 1 => 0..40_000_usize];
    prop_oneof![
        12 => (options(), len).prop_map(|(options, len)| QueueOp::Push(options, len)),
        4 => (0..2_u32, options(), 0..40_usize)
            .prop_map(|(stream, options, len)| QueueOp::PushIn(stream, options, len)),
        1 => (0..2_u32).prop_map(QueueOp::DiscardStream),
        4 => (0..4_u8, 2..6_usize, 0..40_usize)
            .prop_map(|(priority, count, len)| QueueOp::Batch(priority, count, len)),
        3 => (0..60_u16).prop_map(QueueOp::Pass),
        1 => Just(QueueOp::Expire),
        2 => (control(), 0..20_usize).prop_map(|(control, len)| QueueOp::Control(control, len)),
        1 => (20..26_usize).prop_map(|len| QueueOp::Control(Control::Pong, len)),
        3 => prop_oneof![0..40_usize, 100..140_usize].prop_map(QueueOp::PushAhead),
        4 => (1..400_usize).prop_map(QueueOp::Offer),
        3 => any::<u8>().prop_map(QueueOp::Transmitted),
        1 => prop_oneof![Just(0), Just(1), Just(254), Just(255)].prop_map(QueueOp::Transmitted),
        1 => any::<bool>().prop_map(QueueOp::Discard),
    ]
}

proptest! {
    #[test]
    fn the_queue_is_the_naive_queue(
        messages in 1..12_u32,
        bytes in prop_oneof![10..400_u32, Just(100_000)],
        starvation in prop_oneof![Just((0, 0)), (1..5_u16, 0..100_u64)],
        ops in prop::collection::vec(op(), 1..300),
    ) {
        check(messages, bytes, starvation, &ops);
    }

    #[test]
    fn many_pongs_are_the_naive_many_pongs(ops in prop::collection::vec(
        prop_oneof![8 => Just(QueueOp::Control(Control::Pong, 3)), 1 => Just(QueueOp::Offer(30)), 1 => any::<u8>().prop_map(QueueOp::Transmitted)],
        1..200,
    )) {
        check(4, 100, (0, 0), &ops);
    }
}

fn queued(evicted: &[u64]) -> Pushed {
    went(evicted, DropReason::Evicted, None)
}

fn went(gone: &[u64], fate: DropReason, refusal: Option<PushError>) -> Pushed {
    let gone = gone.iter().map(|&ticket| (Ticket(ticket), fate)).collect();
    Pushed { gone, refusal }
}

fn refused() -> Pushed {
    went(&[], DropReason::Evicted, Some(PushError::Full))
}

/// All that is left, in the order in which it leaves.
fn order(queue: &mut LoneQueue) -> Vec<u64> {
    let (mut offered, mut done) = (Vec::new(), Vec::new());
    queue.offer(usize::MAX, &mut offered);
    let n = offered.iter().map(|&o| queue.bytes(o).concat().len()).sum();
    queue.transmitted(n, &mut done);
    done.into_iter().map(|ticket| ticket.0).collect()
}

#[test]
fn urgent_before_less_urgent_and_first_come_first_served() {
    let mut queue = LoneQueue::new(100, 10_000);
    for priority in [100, 1, 50, 1, 100, 255, 0] {
        queue.push(priority, b"x");
    }
    queue.push_control(Control::Close, b"");
    queue.push_control(Control::Pong, b"");
    assert_eq!(order(&mut queue), [8, 6, 1, 3, 2, 0, 4, 5, 7]);
}

#[test]
fn pushes_go_before_all_data_and_none_is_evicted() {
    let mut queue = LoneQueue::new(1, 10);
    queue.push(0, b"x");
    queue.push_control(Control::Push, &[0; 20]);
    queue.push_control(Control::Ping, b"");
    queue.push_control(Control::Push, b"x");
    let oldest = SendOptions::new(0).overflow(OverflowPolicy::DropOldest);
    assert_eq!(queue.push(oldest, b"x"), queued(&[0]));
    let held = queue.held();
    assert_eq!((held.messages, held.pushes, held.push_bytes), (1, 2, 25));
    assert_eq!(order(&mut queue), [2, 1, 3, 4]);
}

#[test]
fn a_full_queue_evicts_the_newest_of_the_least_urgent() {
    let mut queue = LoneQueue::new(3, 10_000);
    for priority in [9, 5, 9] {
        assert_eq!(queue.push(priority, b"x"), queued(&[]));
    }
    assert_eq!(queue.push(9, b"x"), refused(), "not among equals");
    assert_eq!(queue.push(4, b"x"), queued(&[2]));
    assert_eq!(queue.push(4, b"x"), queued(&[0]));
    assert_eq!(queue.push(4, b"x"), queued(&[1]));
    assert_eq!(queue.push(4, b"x"), refused());
    assert_eq!(order(&mut queue), [4, 5, 6]);
}

#[test]
fn nothing_is_evicted_in_vain() {
    let mut queue = LoneQueue::new(10, 100);
    queue.push(1, &[0; 60]);
    queue.push(9, &[0; 20]);
    assert_eq!(queue.push(5, &[0; 50]), refused());
    assert_eq!(queue.held().messages, 2);
    assert_eq!(queue.push(5, &[0; 36]), queued(&[1]), "62 and 38 bytes");
    assert_eq!(queue.held().bytes, 100);
}

#[test]
fn an_empty_queue_takes_one_message_of_any_size() {
    let mut queue = LoneQueue::new(1, 10);
    assert_eq!(queue.push(9, &[0; 70_000]), queued(&[]));
    assert_eq!(queue.push(9, b""), refused());
    assert_eq!(queue.push(8, &[0; 80_000]), queued(&[0]));
}

#[test]
fn of_a_volley_each_message_can_go_alone() {
    let (mut offered, mut done) = (Vec::new(), Vec::new());
    let volley = |queue: &mut LoneQueue| {
        assert!(queue.push_volley(9, &[b"x".to_vec(), b"y".to_vec(), b"z".to_vec()]));
    };
    let mut queue = LoneQueue::new(5, 10_000);
    volley(&mut queue);
    assert!(!queue.push_volley(9, &[b"x".to_vec(), b"y".to_vec(), b"z".to_vec()]));
    assert_eq!(queue.held().messages, 3, "all or none");
    queue.push(9, b"x");
    queue.push(9, b"x");
    assert_eq!(queue.push(OLDEST, b"x"), queued(&[0]));
    assert_eq!(queue.push(1, b"x"), queued(&[4]));
    assert_eq!(order(&mut queue), [6, 5, 1, 2, 3]);

    let mut queue = LoneQueue::new(3, 10_000);
    volley(&mut queue);
    // Three bytes each: the first is out, and the second begun.
    queue.offer(1, &mut offered);
    assert_eq!(offered.len(), 3);
    queue.transmitted(4, &mut done);
    assert_eq!(done, [Ticket(0)]);
    queue.push(1, b"x");
    assert_eq!(queue.push(1, b"x"), queued(&[2]));
    assert_eq!(order(&mut queue), [1, 3, 4]);
    assert_eq!(queue.held().frames, 0);
}

#[test]
fn only_what_is_begun_is_pinned() {
    let mut queue = LoneQueue::new(3, 10_000);
    let (mut offered, mut done) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        queue.push(9, b"three bytes");
    }
    queue.offer(usize::MAX, &mut offered);
    assert_eq!(queue.push(1, b"x"), refused(), "all is in flight");
    queue.transmitted(14, &mut done);
    assert_eq!(done, [Ticket(0)]);
    // The second is begun; the third can be overtaken, and evicted.
    assert_eq!(queue.push(5, b"x"), queued(&[]));
    assert_eq!(queue.push(1, b"x"), queued(&[2]));
    assert_eq!(queue.push(0, b"x"), queued(&[4]));
    assert_eq!(queue.push(0, b"x"), queued(&[5]));
    assert_eq!(queue.push(0, b"x"), refused(), "but not the second");
    assert_eq!(order(&mut queue), [1, 6, 7]);
}

#[test]
fn what_the_peer_needs_to_read_on_outlives_a_failure() {
    let mut queue = LoneQueue::new(9, 10_000);
    let (mut offered, mut done) = (Vec::new(), Vec::new());
    queue.push(9, b"begun");
    queue.offer(1, &mut offered);
    queue.transmitted(1, &mut done);
    queue.push_control(Control::Head, b"");
    queue.push_control(Control::Pong, b"");
    queue.push(1, b"not begun");
    assert_eq!(queue.discard(true), [Ticket(2), Ticket(3)]);
    queue.push_control(Control::Close, b"");
    assert_eq!(order(&mut queue), [0, 1, 4]);
    assert_eq!(queue.held().frames, 0);
}

const REFUSE: SendOptions = SendOptions::new(5).overflow(OverflowPolicy::DropNew);
const OLDEST: SendOptions = SendOptions::new(5).overflow(OverflowPolicy::DropOldest);
const CONFLATE: SendOptions = SendOptions::new(5).overflow(OverflowPolicy::Conflate);

#[test]
fn each_policy_at_a_full_queue() {
    let full = || {
        let mut queue = LoneQueue::new(3, 10_000);
        for options in [SendOptions::new(9), SendOptions::new(5), CONFLATE.key(1)] {
            assert_eq!(queue.push(options, b"x"), queued(&[]));
        }
        queue
    };
    assert_eq!(full().push(5, b"x"), queued(&[0]));
    assert_eq!(full().push(REFUSE, b"x"), refused());
    assert_eq!(full().push(CONFLATE, b"x"), refused());
    let conflated = went(&[2], DropReason::Conflated, None);
    assert_eq!(full().push(CONFLATE.key(1), b"x"), conflated);
    assert_eq!(full().push(CONFLATE.key(2), b"x"), refused());
    let slow = went(&[], DropReason::Evicted, Some(PushError::Slow));
    assert_eq!(
        full().push(
            SendOptions::new(0).overflow(OverflowPolicy::Disconnect),
            b"x"
        ),
        slow
    );
    let mut queue = full();
    for (evicted, options) in [(0, OLDEST), (1, OLDEST), (2, OLDEST)] {
        assert_eq!(queue.push(options, b"x"), queued(&[evicted]));
    }
    let less = SendOptions::new(6).overflow(OverflowPolicy::DropOldest);
    assert_eq!(queue.push(less, b"x"), refused(), "never the more urgent");
}

#[test]
fn a_newer_message_takes_the_place_of_the_waiting_one() {
    let mut queue = LoneQueue::new(9, 10_000);
    queue.push(SendOptions::new(5).key(1), b"old");
    queue.push(5, b"between");
    queue.push(SendOptions::new(5).key(2), b"of something else");
    queue.push(SendOptions::new(4).key(1), b"of another priority");
    let conflated = went(&[0], DropReason::Conflated, None);
    assert_eq!(queue.push(SendOptions::new(5).key(1), b"longer"), conflated);
    assert_eq!(queue.held().subjects, 3);
    assert_eq!(order(&mut queue), [3, 4, 1, 2]);
    assert_eq!(queue.held().subjects, 0);
}

#[test]
fn with_room_the_policy_conflate_keeps_every_message() {
    let mut queue = LoneQueue::new(3, 10_000);
    for _ in 0..3 {
        assert_eq!(queue.push(CONFLATE.key(1), b"x"), queued(&[]));
    }
    let conflated = |ticket| went(&[ticket], DropReason::Conflated, None);
    assert_eq!(queue.push(CONFLATE.key(1), b"x"), conflated(2));
    assert_eq!(queue.push(CONFLATE.key(1), b"x"), conflated(3));
    assert_eq!(order(&mut queue), [0, 1, 4]);
}

#[test]
fn what_is_in_flight_is_not_replaced_and_neither_is_it_when_it_comes_back_late() {
    let mut queue = LoneQueue::new(9, 10_000);
    let (mut offered, mut done) = (Vec::new(), Vec::new());
    queue.push(SendOptions::new(5).key(1), b"x");
    queue.offer(usize::MAX, &mut offered);
    assert_eq!(queue.push(SendOptions::new(5).key(1), b"x"), queued(&[]));
    queue.transmitted(0, &mut done);
    let conflated = went(&[1], DropReason::Conflated, None);
    assert_eq!(queue.push(SendOptions::new(5).key(1), b"x"), conflated);
    assert_eq!(order(&mut queue), [0, 2]);
}

#[test]
fn once_the_newest_is_evicted_the_one_before_it_is_the_newest() {
    let mut queue = LoneQueue::new(3, 10_000);
    let (mut offered, mut done) = (Vec::new(), Vec::new());
    queue.push(CONFLATE.key(1), b"x");
    queue.offer(1, &mut offered);
    queue.push(CONFLATE.key(1), b"x");
    queue.push(CONFLATE.key(1), b"x");
    assert_eq!(queue.push(1, b"urgent"), queued(&[2]));
    // The first comes back, and is older than the second all the same.
    queue.transmitted(0, &mut done);
    let conflated = went(&[1], DropReason::Conflated, None);
    assert_eq!(queue.push(CONFLATE.key(1), b"x"), conflated);
    assert_eq!(order(&mut queue), [3, 0, 4]);
}

#[test]
fn one_that_is_too_long_for_the_place_has_no_key() {
    let mut queue = LoneQueue::new(9, 100);
    queue.push(SendOptions::new(5).key(1), &[0; 38]);
    queue.push(SendOptions::new(9), &[0; 48]);
    let longer = queue.push(SendOptions::new(5).key(1), &[0; 49]);
    assert_eq!(longer, queued(&[1]), "as if it were another");
    assert_eq!(order(&mut queue), [0, 2]);
}

#[test]
fn what_has_expired_is_dropped_at_its_turn() {
    let mut queue = LoneQueue::new(9, 10_000);
    let mut offered = Vec::new();
    for (priority, ttl) in [(1, 10), (5, 30), (5, 10), (9, 11)] {
        queue.push(
            SendOptions::new(priority).ttl(Duration::from_micros(ttl)),
            b"x",
        );
    }
    queue.pass(10);
    assert_eq!(
        queue.offer(usize::MAX, &mut offered),
        [Ticket(0), Ticket(2)]
    );
    let left: Vec<u64> = offered.iter().map(|offered| offered.ticket.0).collect();
    assert_eq!(left, [1, 3]);
}

#[test]
fn a_full_queue_first_loses_what_has_expired_at_the_head_of_each_priority() {
    let mut queue = LoneQueue::new(6, 10_000);
    for (priority, ttl) in [(5, 10), (5, 10), (5, 99), (5, 10), (7, 99), (9, 10)] {
        queue.push(
            SendOptions::new(priority).ttl(Duration::from_micros(ttl)),
            b"x",
        );
    }
    assert_eq!(queue.push(REFUSE, b"x"), refused(), "none has");
    queue.pass(10);
    // The fourth stands behind the third, which is still good.
    let expired = went(&[0, 1, 5], DropReason::Expired, None);
    assert_eq!(queue.push(REFUSE, b"x"), expired);
    assert_eq!(order(&mut queue), [2, 7, 4]);
}

#[test]
fn whoever_waits_too_long_goes_after_so_many_more_urgent_ones() {
    let mut queue = LoneQueue::new(99, 10_000);
    queue.end_starvation(3, 100);
    queue.push(50, b"x");
    queue.push(100, b"x");
    queue.pass(160);
    for _ in 0..9 {
        queue.push(1, b"x");
    }
    let mut seen = Vec::new();
    while queue.held().frames > 0 {
        seen.extend(order(&mut queue));
    }
    assert_eq!(seen, [2, 3, 4, 0, 5, 6, 7, 1, 8, 9, 10]);
}

#[test]
fn a_socket_that_takes_little_starves_nobody() {
    let mut queue = LoneQueue::new(99, 10_000);
    queue.end_starvation(3, 100);
    queue.push(100, b"x");
    queue.pass(160);
    for _ in 0..9 {
        queue.push(1, b"x");
    }
    let (mut offered, mut done, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    // One byte at a time of frames of three.
    for _ in 0..30 {
        queue.offer(usize::MAX, &mut offered);
        queue.transmitted(1, &mut done);
        seen.extend(done.iter().map(|ticket| ticket.0));
    }
    assert_eq!(seen, [1, 2, 3, 0, 4, 5, 6, 7, 8, 9]);
}
