//! Operations on a queue, and the comparison of the real one with the naive one after each.

use stentor_core::SendOptions;
use stentor_core::testing::queue::{Control, LoneQueue, Ticket};
use stentor_core::testing::wire::unmasked_len;

use super::NaiveQueue;

/// One thing done to a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QueueOp {
    /// A message with so many bytes of payload.
    Push(SendOptions, usize),
    /// So many messages of this priority, with so many bytes each: as one frame where
    /// there is room for all.
    Batch(u8, usize, usize),
    /// A frame that is not data.
    Control(Control, usize),
    /// A message of a stream.
    PushIn(u32, SendOptions, usize),
    /// What waits of a stream is thrown away.
    DiscardStream(u32),
    /// A push with so many bytes of payload, if a lane of three frames and a hundred bytes has room.
    PushAhead(usize),
    /// A write is prepared, of about so many bytes.
    Offer(usize),
    /// So many 255ths of what was offered are out, or, with nothing offered, nothing is.
    Transmitted(u8),
    /// So many microseconds pass.
    Pass(u16),
    /// What has expired is looked for.
    Expire,
    /// All is thrown away, with or without what is pinned.
    Discard(bool),
}

/// Does all of `ops` to a real queue and to a naive one, of so many messages and
/// bytes, where the urgent let others pass after so many, and after so long.
///
/// # Panics
/// If they differ: in what is queued, evicted, offered, written or held, or in
/// a byte of a frame.
pub fn check(messages: u32, bytes: u32, (after, wait): (u16, u64), ops: &[QueueOp]) {
    let mut real = LoneQueue::new(messages, bytes);
    let mut naive = NaiveQueue::new(messages, bytes);
    real.end_starvation(after, wait);
    naive.end_starvation(after, wait);
    let mut offered = Vec::new();
    let mut done = Vec::new();
    let mut sent = SentStream::default();
    let mut next = 0;
    for &op in ops {
        match op {
            QueueOp::Push(options, len) => {
                let pushed = real.push(options, &payload(next, len));
                assert_eq!(pushed, naive.push(options, frame_len(len)), "{op:?}");
                for (ticket, _) in pushed.gone {
                    sent.gone(&[ticket]);
                }
                next += 1;
            }
            QueueOp::PushIn(stream, options, len) => {
                let pushed = real.push_in(Some(stream), options, &payload(next, len));
                let expected = naive.push_in(Some(stream), options, frame_len(len));
                assert_eq!(pushed, expected, "{op:?}");
                for (ticket, _) in pushed.gone {
                    sent.gone(&[ticket]);
                }
                next += 1;
            }
            QueueOp::DiscardStream(of) => {
                let gone = real.discard_stream(of);
                assert_eq!(gone, naive.discard_stream(of), "{op:?}");
                sent.gone(&gone);
            }
            QueueOp::Batch(priority, count, len) => {
                let all: Vec<_> = (next..).map(|n| payload(n, len)).take(count).collect();
                if real.push_volley(priority, &all) {
                    assert!(naive.has_room_for_all(count, frame_len(len)), "{op:?}");
                    naive.push_volley(priority, count, frame_len(len));
                    next += count as u64;
                    continue;
                }
                for _ in 0..count {
                    let pushed = real.push(priority, &payload(next, len));
                    assert_eq!(pushed, naive.push(priority.into(), frame_len(len)));
                    for (ticket, _) in pushed.gone {
                        sent.gone(&[ticket]);
                    }
                    next += 1;
                }
            }
            QueueOp::Control(control, len) => {
                let replaced = real.push_control(control, &payload(next, len));
                assert_eq!(replaced, naive.push_control(control, frame_len(len)));
                sent.gone(replaced.as_slice());
                next += 1;
            }
            QueueOp::PushAhead(len) => {
                let has_room = real.has_room_for_push(3, 100, len);
                let expected = naive.has_room_for_push(3, 100, frame_len(len));
                assert_eq!(has_room, expected, "{op:?}");
                if has_room {
                    real.push_control(Control::Push, &payload(next, len));
                    naive.push_control(Control::Push, frame_len(len));
                    next += 1;
                }
            }
            QueueOp::Offer(batch) => {
                let expired = real.offer(batch, &mut offered);
                let (expected, also_expired) = naive.offer(batch);
                assert_eq!(expired, also_expired);
                sent.gone(&expired);
                let seen = offered.iter().map(|o| (o.ticket, o.from as usize));
                assert!(
                    seen.eq(expected.iter().copied()),
                    "{offered:?} {expected:?}"
                );
            }
            QueueOp::Transmitted(part) => {
                let bytes: Vec<u8> = offered
                    .drain(..)
                    .flat_map(|offered| real.bytes(offered).concat())
                    .collect();
                let n = bytes.len() * usize::from(part) / 255;
                real.transmitted(n, &mut done);
                assert_eq!(done, naive.transmitted(n), "{op:?}");
                sent.written(&bytes[..n], &done);
            }
            QueueOp::Pass(micros) => {
                real.pass(micros.into());
                naive.pass(micros.into());
            }
            QueueOp::Expire => {
                let expired = real.expire();
                assert_eq!(expired, naive.expire());
                sent.gone(&expired);
            }
            QueueOp::Discard(keep_pinned) => {
                let gone = real.discard(keep_pinned);
                assert_eq!(gone, naive.discard(keep_pinned), "{op:?}");
                if !keep_pinned {
                    // The rest of a frame that was partly out never comes.
                    sent.rest.clear();
                }
                sent.gone(&gone);
                offered.clear();
            }
        }
        assert_eq!(real.held(), naive.held(), "after {op:?}");
    }
    real.discard(false);
    assert_eq!(real.held().frames, 0, "every frame is given back");
}

/// What has gone out, and how it ended for each frame.
#[derive(Default)]
struct SentStream {
    rest: Vec<u8>,
    ended: std::collections::BTreeSet<Ticket>,
}

impl SentStream {
    fn gone(&mut self, tickets: &[Ticket]) {
        for ticket in tickets {
            assert!(self.ended.insert(*ticket), "{ticket:?} ends once");
        }
    }

    /// These bytes went out, and completed these frames: no other's bytes may
    /// be between.
    fn written(&mut self, bytes: &[u8], done: &[Ticket]) {
        self.rest.extend_from_slice(bytes);
        for ticket in done {
            let (header, len) = stentor_core::testing::wire::Header::parse(&self.rest)
                .expect("a frame")
                .expect("all of it");
            let end = len + header.payload_len as usize;
            assert_eq!(self.rest[len..end], payload(ticket.0, end - len));
            self.rest.drain(..end);
        }
        self.gone(done);
    }
}

/// Returns a payload that tells which frame it is of.
fn payload(ticket: u64, len: usize) -> Vec<u8> {
    let name = ticket.to_le_bytes();
    name.iter().copied().cycle().take(len).collect()
}

const fn frame_len(payload: usize) -> usize {
    unmasked_len(payload) + payload
}
