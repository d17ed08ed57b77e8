//! Owns what is said in a room and heard by all: one member publishes, every
//! member has to get every message, in order, and may have to say that it did.

use std::time::{Duration, Instant};

use stentor_core::MessageType;

use super::ask::{ask, ask_from_last};
use super::stream::Stream;
use super::sustain::{Counted, PATIENCE, Tally};
use crate::fault::Fault;
use crate::frames;
use crate::net::{Fleet, Link, Links, Traffic};

/// What is said, and how often.
#[derive(Clone, Debug)]
pub(super) struct Speech {
    pub(super) members: usize,
    /// Messages that some members may not have yet.
    pub(super) in_flight: usize,
    pub(super) bytes: usize,
    pub(super) kind: MessageType,
    /// One message in this time; otherwise as soon as there may be one more.
    pub(super) every: Option<Duration>,
    /// Whether each member acknowledges each message.
    pub(super) acknowledged: bool,
    pub(super) is_raw: bool,
}

/// A room with its members. The first of them publishes.
pub(super) struct Crowd {
    speech: Speech,
    streams: Vec<Stream>,
    /// The messages under way; that of number n in slot n % `in_flight`.
    under_way: Vec<UnderWay>,
    oldest: u64,
    next: u64,
    due: Option<Instant>,
    /// Nothing more is to be said.
    is_over: bool,
    /// Messages that a member got in the read under way.
    heard: usize,
    out: Vec<u8>,
    acknowledgement: Vec<u8>,
    pub(super) acknowledgements: u64,
    /// Messages that could not be said when they were due.
    pub(super) late: u64,
    tally: Tally,
}

#[derive(Clone)]
struct UnderWay {
    payload: Vec<u8>,
    since: Instant,
    /// Members that do not have it.
    missing: usize,
}

impl Crowd {
    pub(super) fn new(speech: Speech) -> Self {
        let slot = UnderWay {
            payload: frames::payload(speech.kind, speech.bytes),
            since: Instant::now(),
            missing: 0,
        };
        let mut acknowledgement = Vec::new();
        frames::unsolicited_pong(&mut acknowledgement);
        Self {
            streams: vec![Stream::default(); speech.members],
            under_way: vec![slot; speech.in_flight],
            speech,
            oldest: 0,
            next: 0,
            due: None,
            is_over: false,
            heard: 0,
            out: Vec::new(),
            acknowledgement,
            acknowledgements: 0,
            late: 0,
            tally: Tally::default(),
        }
    }

    /// Says nothing more, and waits until everyone has all that was said; how many
    /// messages that was.
    pub(super) fn finish(&mut self, fleet: &mut Fleet) -> Result<u64, Fault> {
        self.is_over = true;
        let (mut heard, mut deliveries) = (Instant::now(), self.tally.messages);
        while self.oldest < self.next {
            fleet.turn(self, POLL)?;
            if self.tally.messages != deliveries {
                (heard, deliveries) = (Instant::now(), self.tally.messages);
            } else if heard.elapsed() > PATIENCE {
                return Err(Fault::Stalled(PATIENCE.as_secs()));
            }
        }
        Ok(self.next)
    }

    /// Publishes whatever is due and may be under way, in one write.
    fn publish(&mut self, links: &mut Links<'_>, now: Instant) -> Result<(), Fault> {
        while self.oldest < self.next && self.slot(self.oldest).missing == 0 {
            self.oldest += 1;
        }
        self.out.clear();
        while self.may_publish(now) {
            let number = self.next;
            self.next += 1;
            let members = self.speech.members;
            let slot = self.slot(number);
            (slot.since, slot.missing) = (now, members);
            frames::number(&mut slot.payload, number);
            let payload = &self.under_way[self.index(number)].payload;
            if self.speech.is_raw {
                frames::server(&mut self.out, self.speech.kind, payload);
            } else {
                frames::client(&mut self.out, self.speech.kind, &[b"msg:", payload]);
            }
        }
        if self.out.is_empty() {
            return Ok(());
        }
        links.send(0, &self.out)
    }

    fn may_publish(&mut self, now: Instant) -> bool {
        if self.is_over {
            return false;
        }
        let has_room = self.next - self.oldest < self.speech.in_flight as u64;
        let Some(every) = self.speech.every else {
            return has_room;
        };
        let due = self.due.get_or_insert(now);
        if *due > now {
            return false;
        }
        *due += every;
        self.late += u64::from(!has_room);
        has_room
    }

    fn slot(&mut self, number: u64) -> &mut UnderWay {
        let index = self.index(number);
        &mut self.under_way[index]
    }

    fn index(&self, number: u64) -> usize {
        (number % self.speech.in_flight as u64) as usize
    }
}

impl Traffic for Crowd {
    fn begin(&mut self, links: &mut Links<'_>, now: Instant) -> Result<(), Fault> {
        self.publish(links, now)
    }

    #[inline]
    fn payload(&mut self, who: usize, mut part: &[u8], now: Instant) -> Result<(), Fault> {
        while !part.is_empty() {
            let number = self.streams[who].done;
            if number >= self.next {
                return Err(Fault::wrong(who, "a message that nobody has sent"));
            }
            let (at, taken, ends) = self.streams[who].take(&mut part, self.speech.bytes);
            // Each time another member's.
            let sampled = (number + who as u64).is_multiple_of(SAMPLE);
            let slot = self.slot(number);
            if sampled && slot.payload[at..at + taken.len()] != *taken {
                return Err(Fault::wrong(who, format!("message {number} is another")));
            }
            if ends {
                slot.missing -= 1;
                let latency = now - slot.since;
                self.tally.record(latency, sampled);
                self.heard += 1;
            }
        }
        Ok(())
    }

    fn after_read(&mut self, _: usize, link: &mut Link, _: Instant) -> Result<(), Fault> {
        for _ in 0..std::mem::take(&mut self.heard) {
            if self.speech.acknowledged {
                link.send(&self.acknowledgement)?;
                self.acknowledgements += 1;
            }
        }
        Ok(())
    }

    fn after_turn(&mut self, links: &mut Links<'_>, now: Instant) -> Result<(), Fault> {
        self.publish(links, now)
    }
}

impl Counted for Crowd {
    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn reset(&mut self) {
        (self.acknowledgements, self.late) = (0, 0);
        self.tally = Tally::default();
    }

    fn pause(&self) -> Duration {
        let left = self
            .due
            .map(|due| due.saturating_duration_since(Instant::now()));
        left.map_or(POLL, |left| left.clamp(TICK, POLL))
    }
}

/// Lets every connection join the room in which the crowd meets.
pub(super) fn join(fleet: &mut Fleet) -> Result<(), Fault> {
    let mut frame = Vec::new();
    frames::client(&mut frame, MessageType::Text, &[b"join:", ROOM]);
    ask(fleet, &frame, &[b"joined:", ROOM].concat())
}

/// The same where there are no rooms: whoever is known hears what is sent, and to be
/// connected is not yet to be known.
pub(super) fn join_raw(fleet: &mut Fleet) -> Result<(), Fault> {
    let mut frame = Vec::new();
    frames::server(&mut frame, MessageType::Text, ROOM);
    ask_from_last(fleet, &frame, ROOM)
}

pub(super) const ROOM: &[u8] = b"bench";
/// Of so many deliveries one is looked at.
const SAMPLE: u64 = 61;
const POLL: Duration = Duration::from_millis(50);
const TICK: Duration = Duration::from_millis(1);
