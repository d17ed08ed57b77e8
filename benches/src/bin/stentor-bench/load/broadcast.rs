//! Room broadcast: one member publishes, and every member has to receive every message, in order,
//! and may have to acknowledge it.

use std::time::{Duration, Instant};

use stentor_core::MessageType;

use super::message_counter::MessageCounter;
use super::request::{request_all, request_from_last};
use super::timed_run::{MeasuredTraffic, MessageCounts};
use crate::error::Error;
use crate::net::{ClientConnection, Clients, Connections, Traffic};
use crate::watchdog::Watchdog;
use stentor_benches::messages;

/// The messages of a broadcast.
#[derive(Clone, Debug)]
pub(super) struct BroadcastSettings {
    pub(super) members: usize,
    /// Messages that not all members have received yet.
    pub(super) in_flight: usize,
    pub(super) bytes: usize,
    pub(super) kind: MessageType,
    /// The time between messages; `None` sends the next as soon as `in_flight` allows.
    pub(super) interval: Option<Duration>,
    /// Whether each member acknowledges each message with a pong.
    pub(super) acknowledged: bool,
    pub(super) is_raw: bool,
}

/// A room with its members. The first one publishes.
pub(super) struct Broadcast {
    settings: BroadcastSettings,
    counters: Vec<MessageCounter>,
    /// The messages in flight; message n is in slot n % `in_flight`.
    pending: Vec<Pending>,
    oldest: u64,
    next: u64,
    due: Option<Instant>,
    /// Whether no more messages are sent.
    is_finished: bool,
    /// Messages received in the current read.
    received: usize,
    out: Vec<u8>,
    acknowledgement: Vec<u8>,
    pub(super) acknowledgements: u64,
    /// Messages that were skipped because too many were in flight.
    pub(super) late: u64,
    counts: MessageCounts,
}

#[derive(Clone)]
struct Pending {
    payload: Vec<u8>,
    sent: Instant,
    /// Members that have not received it.
    missing: usize,
}

impl Broadcast {
    pub(super) fn new(settings: BroadcastSettings) -> Self {
        let slot = Pending {
            payload: messages::payload(settings.kind, settings.bytes),
            sent: Instant::now(),
            missing: 0,
        };
        let mut acknowledgement = Vec::new();
        messages::client_pong(&mut acknowledgement, b"");
        Self {
            counters: vec![MessageCounter::default(); settings.members],
            pending: vec![slot; settings.in_flight],
            settings,
            oldest: 0,
            next: 0,
            due: None,
            is_finished: false,
            received: 0,
            out: Vec::new(),
            acknowledgement,
            acknowledgements: 0,
            late: 0,
            counts: MessageCounts::default(),
        }
    }

    /// Waits until every member has received all messages that were sent. Returns their number.
    pub(super) fn finish(&mut self, clients: &mut Clients) -> Result<u64, Error> {
        self.is_finished = true;
        let mut watchdog = Watchdog::new(self.counts.messages);
        while self.oldest < self.next {
            clients.poll_once(self, POLL_INTERVAL)?;
            watchdog.check(self.counts.messages)?;
        }
        Ok(self.next)
    }

    /// Publishes all messages that are due, in one write.
    fn publish(&mut self, connections: &mut Connections<'_>, now: Instant) -> Result<(), Error> {
        while self.oldest < self.next && self.slot(self.oldest).missing == 0 {
            self.oldest += 1;
        }
        self.out.clear();
        while self.may_publish(now) {
            let number = self.next;
            self.next += 1;
            let members = self.settings.members;
            let slot = self.slot(number);
            (slot.sent, slot.missing) = (now, members);
            messages::write_number(&mut slot.payload, number);
            let payload = &self.pending[self.slot_index(number)].payload;
            if self.settings.is_raw {
                messages::server_frame(&mut self.out, self.settings.kind, payload);
            } else {
                messages::client_frame(&mut self.out, self.settings.kind, &[b"msg:", payload]);
            }
        }
        if self.out.is_empty() {
            return Ok(());
        }
        connections.send(0, &self.out)
    }

    fn may_publish(&mut self, now: Instant) -> bool {
        if self.is_finished {
            return false;
        }
        let has_room = self.next - self.oldest < self.settings.in_flight as u64;
        let Some(interval) = self.settings.interval else {
            return has_room;
        };
        let due = self.due.get_or_insert(now);
        if *due > now {
            return false;
        }
        *due += interval;
        self.late += u64::from(!has_room);
        has_room
    }

    fn slot(&mut self, number: u64) -> &mut Pending {
        let index = self.slot_index(number);
        &mut self.pending[index]
    }

    fn slot_index(&self, number: u64) -> usize {
        (number % self.settings.in_flight as u64) as usize
    }
}

impl Traffic for Broadcast {
    fn on_start(&mut self, connections: &mut Connections<'_>, now: Instant) -> Result<(), Error> {
        self.publish(connections, now)
    }

    #[inline]
    fn on_payload(&mut self, index: usize, mut part: &[u8], now: Instant) -> Result<(), Error> {
        while !part.is_empty() {
            let number = self.counters[index].done;
            if number >= self.next {
                return Err(Error::unexpected(index, "a message that nobody sent"));
            }
            let (at, taken, ends) = self.counters[index].take(&mut part, self.settings.bytes);
            // Samples a different member for each message.
            let sampled = (number + index as u64).is_multiple_of(SAMPLE);
            let slot = self.slot(number);
            if sampled && slot.payload[at..at + taken.len()] != *taken {
                return Err(Error::unexpected(
                    index,
                    format!("message {number} differs from the one that was sent"),
                ));
            }
            if ends {
                slot.missing -= 1;
                let latency = now - slot.sent;
                self.counts.record(latency, sampled);
                self.received += 1;
            }
        }
        Ok(())
    }

    fn after_read(
        &mut self,
        _: usize,
        connection: &mut ClientConnection,
        _: Instant,
    ) -> Result<(), Error> {
        for _ in 0..std::mem::take(&mut self.received) {
            if self.settings.acknowledged {
                connection.send(&self.acknowledgement)?;
                self.acknowledgements += 1;
            }
        }
        Ok(())
    }

    fn after_poll(&mut self, connections: &mut Connections<'_>, now: Instant) -> Result<(), Error> {
        self.publish(connections, now)
    }
}

impl MeasuredTraffic for Broadcast {
    fn counts(&mut self) -> &mut MessageCounts {
        &mut self.counts
    }

    fn reset(&mut self) {
        (self.acknowledgements, self.late) = (0, 0);
        self.counts = MessageCounts::default();
    }

    fn pause(&self) -> Duration {
        let left = self
            .due
            .map(|due| due.saturating_duration_since(Instant::now()));
        left.map_or(POLL_INTERVAL, |left| left.clamp(TICK, POLL_INTERVAL))
    }
}

/// Makes every connection join the room.
pub(super) fn join(clients: &mut Clients) -> Result<(), Error> {
    let mut frame = Vec::new();
    messages::client_frame(&mut frame, MessageType::Text, &[b"join:", ROOM]);
    request_all(clients, &frame, &[b"joined:", ROOM].concat())
}

/// Makes the bare loop know every connection: it may not have accepted all that are open.
pub(super) fn join_raw(clients: &mut Clients) -> Result<(), Error> {
    let mut frame = Vec::new();
    messages::server_frame(&mut frame, MessageType::Text, ROOM);
    request_from_last(clients, &frame, ROOM)
}

pub(super) const ROOM: &[u8] = b"bench";
/// One in this many deliveries is compared with what was sent.
const SAMPLE: u64 = 61;
const POLL_INTERVAL: Duration = Duration::from_millis(50);
const TICK: Duration = Duration::from_millis(1);
