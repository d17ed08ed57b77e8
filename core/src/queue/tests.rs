//! The queue beside its oracle under random load, and each of its rules on its own.

use alloc::vec::Vec;

use proptest::prelude::*;

use crate::testing::queue::{Control, LoneQueue, Op, Pushed, Ticket, check};

fn control() -> impl Strategy<Value = Control> {
    prop::sample::select(&[Control::Head, Control::Ping, Control::Pong, Control::Close][..])
}

fn op() -> impl Strategy<Value = Op> {
    let priority = prop_oneof![4 => 0..4_u8, 1 => any::<u8>()];
    let len = prop_oneof![8 => 0..40_usize, 2 => 100..140_usize, 1 => 0..40_000_usize];
    prop_oneof![
        12 => (priority, len).prop_map(|(priority, len)| Op::Push(priority, len)),
        2 => (control(), 0..20_usize).prop_map(|(control, len)| Op::Control(control, len)),
        1 => (20..26_usize).prop_map(|len| Op::Control(Control::Pong, len)),
        4 => (1..400_usize).prop_map(Op::Offer),
        3 => any::<u8>().prop_map(Op::Transmitted),
        1 => prop_oneof![Just(0), Just(1), Just(254), Just(255)].prop_map(Op::Transmitted),
        1 => any::<bool>().prop_map(Op::Discard),
    ]
}

proptest! {
    #[test]
    fn the_queue_is_the_naive_queue(
        messages in 1..12_u32,
        bytes in prop_oneof![10..400_u32, Just(100_000)],
        ops in prop::collection::vec(op(), 1..300),
    ) {
        check(messages, bytes, &ops);
    }

    #[test]
    fn many_pongs_are_the_naive_many_pongs(ops in prop::collection::vec(
        prop_oneof![8 => Just(Op::Control(Control::Pong, 3)), 1 => Just(Op::Offer(30)), 1 => any::<u8>().prop_map(Op::Transmitted)],
        1..200,
    )) {
        check(4, 100, &ops);
    }
}

fn queued(evicted: &[u64]) -> Pushed {
    Pushed::Queued(evicted.iter().copied().map(Ticket).collect())
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
fn a_full_queue_evicts_the_newest_of_the_least_urgent() {
    let mut queue = LoneQueue::new(3, 10_000);
    for priority in [9, 5, 9] {
        assert_eq!(queue.push(priority, b"x"), queued(&[]));
    }
    assert_eq!(queue.push(9, b"x"), Pushed::Refused, "not among equals");
    assert_eq!(queue.push(4, b"x"), queued(&[2]));
    assert_eq!(queue.push(4, b"x"), queued(&[0]));
    assert_eq!(queue.push(4, b"x"), queued(&[1]));
    assert_eq!(queue.push(4, b"x"), Pushed::Refused);
    assert_eq!(order(&mut queue), [4, 5, 6]);
}

#[test]
fn nothing_is_evicted_in_vain() {
    let mut queue = LoneQueue::new(10, 100);
    queue.push(1, &[0; 60]);
    queue.push(9, &[0; 20]);
    assert_eq!(queue.push(5, &[0; 50]), Pushed::Refused);
    assert_eq!(queue.held().messages, 2);
    assert_eq!(queue.push(5, &[0; 36]), queued(&[1]), "62 and 38 bytes");
    assert_eq!(queue.held().bytes, 100);
}

#[test]
fn an_empty_queue_takes_one_message_of_any_size() {
    let mut queue = LoneQueue::new(1, 10);
    assert_eq!(queue.push(9, &[0; 70_000]), queued(&[]));
    assert_eq!(queue.push(9, b""), Pushed::Refused);
    assert_eq!(queue.push(8, &[0; 80_000]), queued(&[0]));
}

#[test]
fn only_what_is_begun_is_pinned() {
    let mut queue = LoneQueue::new(3, 10_000);
    let (mut offered, mut done) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        queue.push(9, b"three bytes");
    }
    queue.offer(usize::MAX, &mut offered);
    assert_eq!(queue.push(1, b"x"), Pushed::Refused, "all is in flight");
    queue.transmitted(14, &mut done);
    assert_eq!(done, [Ticket(0)]);
    // The second is begun; the third can be overtaken, and evicted.
    assert_eq!(queue.push(5, b"x"), queued(&[]));
    assert_eq!(queue.push(1, b"x"), queued(&[2]));
    assert_eq!(queue.push(0, b"x"), queued(&[4]));
    assert_eq!(queue.push(0, b"x"), queued(&[5]));
    assert_eq!(queue.push(0, b"x"), Pushed::Refused, "but not the second");
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
