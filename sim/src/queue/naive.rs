//! Reference implementation of the priority queue: one list of everything that waits, searched from
//! end to end for each operation.

use stentor_core::testing::queue::{
    Control, DropReason, MAX_PONGS, PushError, Pushed, QueueSize, Ticket, parts,
};
use stentor_core::{OverflowPolicy, SendOptions};

use super::batch::BatchPart;

/// A queue that is too slow and plainly right.
#[derive(Debug)]
pub struct NaiveQueue {
    pub(super) messages: usize,
    pub(super) bytes: usize,
    /// After how many messages one goes out of turn that has waited for how long.
    starvation: (usize, u64),
    now: u64,
    pub(super) waiting: Vec<NaiveFrame>,
    pub(super) next: u64,
    /// Messages that are out since one last went out of turn.
    in_turn: usize,
}

/// A frame that waits.
#[derive(Debug)]
pub(super) struct NaiveFrame {
    ticket: Ticket,
    class: Class,
    /// Its place among its class: its own ticket, or that of the one whose place
    /// it took.
    place: Ticket,
    len: usize,
    born: u64,
    deadline: Option<u64>,
    key: Option<u64>,
    stream: Option<u32>,
    /// How many of its bytes are out.
    pub(super) written: usize,
    /// Whether it has been offered to the write that is under way, and as
    /// which; what is partly out stays first.
    offered: Option<usize>,
    out_of_turn: bool,
    pub(super) part: Option<BatchPart>,
}

/// In the order in which they leave.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Class {
    Head,
    Ping,
    Pong,
    Push,
    Data(u8),
    Close,
}

impl Class {
    const fn is_data(self) -> bool {
        matches!(self, Self::Data(_))
    }
}

impl NaiveQueue {
    /// Returns an empty queue for so many messages, and so many bytes of them.
    pub fn new(messages: u32, bytes: u32) -> Self {
        Self {
            messages: messages as usize,
            bytes: bytes as usize,
            starvation: (0, 0),
            now: 0,
            waiting: Vec::new(),
            next: 0,
            in_turn: 0,
        }
    }

    /// Lets a message that has waited for longer than `wait` microseconds go after
    /// so many that were more urgent.
    pub fn end_starvation(&mut self, after: u16, wait: u64) {
        self.starvation = (after.into(), wait);
    }

    /// Lets so many microseconds pass.
    pub const fn pass(&mut self, micros: u64) {
        self.now += micros;
    }

    /// Queues a message with a frame of this length.
    pub fn push(&mut self, options: SendOptions, len: usize) -> Pushed {
        self.push_in(None, options, len)
    }

    /// Queues a message of a stream.
    pub fn push_in(&mut self, stream: Option<u32>, options: SendOptions, len: usize) -> Pushed {
        let (priority, ttl, key, overflow) = parts(options);
        let class = Class::Data(priority);
        let frame = NaiveFrame {
            born: self.now,
            deadline: ttl.map(|ttl| self.now + ttl.as_micros() as u64),
            key,
            stream,
            ..self.frame(class, len)
        };
        let mut gone = Vec::new();
        if !self.has_room(0, 0, len) {
            let expired = self.expire();
            gone.extend(
                expired
                    .into_iter()
                    .map(|ticket| (ticket, DropReason::Expired)),
            );
        }
        let is_full = !self.has_room(0, 0, len);
        if is_full || overflow != OverflowPolicy::Conflate {
            let (count, bytes) = self.data();
            let newest = self.newest(class, frame.key);
            if let Some(old) = newest.map(|at| &mut self.waiting[at])
                && (count == 1 || bytes - old.len + len <= self.bytes)
            {
                gone.push((old.ticket, DropReason::Conflated));
                let place = old.place;
                *old = NaiveFrame { place, ..frame };
                return Pushed {
                    gone,
                    refusal: None,
                };
            }
        }
        if is_full {
            let refusal = if overflow == OverflowPolicy::Disconnect {
                PushError::Slow
            } else {
                PushError::Full
            };
            let Some(victims) = self.victims(overflow, class, len) else {
                return Pushed {
                    gone,
                    refusal: Some(refusal),
                };
            };
            self.waiting
                .retain(|frame| !victims.contains(&frame.ticket));
            self.scatter_broken();
            gone.extend(
                victims
                    .into_iter()
                    .map(|ticket| (ticket, DropReason::Evicted)),
            );
        }
        self.waiting.push(frame);
        Pushed {
            gone,
            refusal: None,
        }
    }

    /// Drops what has expired at the head of each priority, and says what.
    pub fn expire(&mut self) -> Vec<Ticket> {
        let mut gone = Vec::new();
        for priority in 0..=255 {
            while let Some(at) = self.first_of(Class::Data(priority))
                && self.is_expired(at)
            {
                gone.push(self.waiting.remove(at).ticket);
            }
        }
        gone
    }

    /// Returns whether a lane of so many pushes, and bytes of them, takes a frame of this length.
    pub fn has_room_for_push(&self, messages: u32, bytes: u32, len: usize) -> bool {
        let (count, sum) = self.pushes();
        count == 0 || (count < messages as usize && sum + len <= bytes as usize)
    }

    /// Queues a frame that no limit holds for; says which pong it replaces.
    pub fn push_control(&mut self, control: Control, len: usize) -> Option<Ticket> {
        let class = match control {
            Control::Head => Class::Head,
            Control::Ping => Class::Ping,
            Control::Pong => Class::Pong,
            Control::Push => Class::Push,
            Control::Close => Class::Close,
        };
        let alike = |frame: &&NaiveFrame| frame.class == class && frame.offered.is_none();
        let full = self.waiting.iter().filter(alike).count() >= MAX_PONGS as usize;
        let oldest = self.waiting.iter().filter(alike).map(|f| f.ticket).min();
        let replaced = oldest.filter(|_| control == Control::Pong && full);
        self.waiting.retain(|frame| Some(frame.ticket) != replaced);
        let frame = self.frame(class, len);
        self.waiting.push(frame);
        replaced
    }

    /// Returns what goes into the next write: each frame, and how much of it is out. And
    /// what had expired instead.
    pub fn offer(&mut self, batch: usize) -> (Vec<(Ticket, usize)>, Vec<Ticket>) {
        let mut out: Vec<Ticket> = self.offered().map(|at| self.waiting[at].ticket).collect();
        let mut bytes: usize = self.offered().map(|at| self.left(at)).sum();
        let mut expired = Vec::new();
        let mut together = None;
        while !self.waiting.iter().any(|frame| frame.out_of_turn) {
            let Some(first) = self.first() else { break };
            let part = self.waiting[first].part;
            if bytes >= batch && (part.is_none() || part != together) {
                break;
            }
            together = part;
            let starved = self.starved(self.waiting[first].class);
            let next = starved.unwrap_or(first);
            if self.is_expired(next) {
                expired.push(self.waiting.remove(next).ticket);
                continue;
            }
            bytes += self.left(next);
            let frame = &mut self.waiting[next];
            frame.offered = Some(out.len());
            frame.out_of_turn = starved.is_some();
            out.push(frame.ticket);
        }
        let out = self.offered().map(|at| {
            let frame = &self.waiting[at];
            (frame.ticket, frame.written)
        });
        (out.collect(), expired)
    }

    /// Takes note that `n` bytes of what was offered are out; says which frames
    /// are, to the last byte.
    pub fn transmitted(&mut self, mut n: usize) -> Vec<Ticket> {
        let mut done = Vec::new();
        for at in self.offered().collect::<Vec<_>>() {
            let out = n.min(self.left(at));
            n -= out;
            let frame = &mut self.waiting[at];
            frame.written += out;
            if frame.written == frame.len {
                done.push(frame.ticket);
                self.count_out(at);
            }
        }
        self.settle();
        self.waiting.retain(|frame| frame.written < frame.len);
        self.scatter_broken();
        done
    }

    /// Empties the queue and says of what, the oldest first.
    pub fn discard(&mut self, keep_pinned: bool) -> Vec<Ticket> {
        self.settle();
        let stays =
            |frame: &NaiveFrame| keep_pinned && (frame.written > 0 || frame.class == Class::Head);
        for at in 0..self.waiting.len() {
            if self.waiting[at].written > 0 && !keep_pinned {
                self.count_out(at);
            }
        }
        let gone = self.waiting.iter().filter(|frame| !stays(frame));
        let mut gone: Vec<Ticket> = gone.map(|frame| frame.ticket).collect();
        gone.sort_unstable();
        self.waiting.retain(stays);
        gone
    }

    /// Takes out what waits of a stream and is not offered, and says what, the oldest first.
    pub fn discard_stream(&mut self, stream: u32) -> Vec<Ticket> {
        let goes = |frame: &NaiveFrame| frame.stream == Some(stream) && frame.offered.is_none();
        let gone = self.waiting.iter().filter(|frame| goes(frame));
        let mut gone: Vec<Ticket> = gone.map(|frame| frame.ticket).collect();
        gone.sort_unstable();
        self.waiting.retain(|frame| !goes(frame));
        gone
    }

    /// Returns what it holds.
    pub fn held(&self) -> QueueSize {
        let (messages, bytes) = self.data();
        let (pushes, push_bytes) = self.pushes();
        QueueSize {
            pushes: pushes as u32,
            push_bytes: push_bytes as u32,
            messages: messages as u32,
            bytes: bytes as u32,
            frames: self.waiting.len(),
            in_flight: self.waiting.iter().any(|frame| frame.offered.is_some()),
            subjects: self
                .waiting
                .iter()
                .enumerate()
                .filter(|(at, frame)| self.newest(frame.class, frame.key) == Some(*at))
                .count(),
        }
    }

    /// Returns the newest message with this key that waits and is not offered.
    fn newest(&self, class: Class, key: Option<u64>) -> Option<usize> {
        key?;
        (0..self.waiting.len())
            .filter(|&at| {
                let frame = &self.waiting[at];
                frame.offered.is_none() && frame.class == class && frame.key == key
            })
            .max_by_key(|&at| self.waiting[at].place)
    }

    /// What is not begun is as if it had never been offered.
    fn settle(&mut self) {
        for at in self.offered().collect::<Vec<_>>().into_iter().rev() {
            if self.waiting[at].written > 0 {
                self.waiting[at].offered = Some(0);
                continue;
            }
            let frame = &mut self.waiting[at];
            frame.offered = None;
            frame.out_of_turn = false;
        }
    }

    /// A frame has left, be it that the rest of it never comes.
    fn count_out(&mut self, at: usize) {
        let frame = &self.waiting[at];
        if frame.out_of_turn {
            self.in_turn = 0;
        } else if frame.class.is_data() {
            self.in_turn += 1;
        }
    }

    /// Returns which messages go for one of this class and length, if that makes room.
    fn victims(&self, overflow: OverflowPolicy, class: Class, len: usize) -> Option<Vec<Ticket>> {
        let mut victims: Vec<Ticket> = Vec::new();
        let (mut count, mut bytes) = (0, 0);
        while !self.has_room(count, bytes, len) {
            let left = self.waiting.iter().filter(|frame| {
                frame.class.is_data() && frame.offered.is_none() && !victims.contains(&frame.ticket)
            });
            let victim = match overflow {
                OverflowPolicy::EvictLower => left
                    .filter(|frame| frame.class > class)
                    .max_by_key(|frame| (frame.class, frame.place)),
                OverflowPolicy::DropOldest => left
                    .filter(|frame| frame.class >= class)
                    .max_by_key(|frame| (frame.class, core::cmp::Reverse(frame.place))),
                OverflowPolicy::DropNew | OverflowPolicy::Conflate | OverflowPolicy::Disconnect => {
                    None
                }
                other => unreachable!("a new policy: {other:?}"),
            }?;
            count += 1;
            bytes += victim.len;
            victims.push(victim.ticket);
        }
        Some(victims)
    }

    /// Returns how many messages there are, and their bytes.
    pub(super) fn data(&self) -> (usize, usize) {
        self.count(Class::is_data)
    }

    /// Returns how many pushes there are, and their bytes.
    fn pushes(&self) -> (usize, usize) {
        self.count(|class| class == Class::Push)
    }

    fn count(&self, is_counted: impl Fn(Class) -> bool) -> (usize, usize) {
        let frames = || self.waiting.iter().filter(|frame| is_counted(frame.class));
        (frames().count(), frames().map(|frame| frame.len).sum())
    }

    /// Returns whether there is room without so many messages and bytes of those that wait.
    fn has_room(&self, but: usize, but_bytes: usize, len: usize) -> bool {
        let (count, bytes) = self.data();
        let (count, bytes) = (count - but, bytes - but_bytes);
        count == 0 || (count < self.messages && bytes + len <= self.bytes)
    }

    /// Returns what is offered, in order.
    fn offered(&self) -> impl Iterator<Item = usize> {
        let mut out: Vec<usize> = (0..self.waiting.len())
            .filter(|&at| self.waiting[at].offered.is_some())
            .collect();
        out.sort_by_key(|&at| self.waiting[at].offered);
        out.into_iter()
    }

    fn first(&self) -> Option<usize> {
        (0..self.waiting.len())
            .filter(|&at| self.waiting[at].offered.is_none())
            .min_by_key(|&at| (self.waiting[at].class, self.waiting[at].place))
    }

    fn first_of(&self, class: Class) -> Option<usize> {
        (0..self.waiting.len())
            .filter(|&at| self.waiting[at].offered.is_none() && self.waiting[at].class == class)
            .min_by_key(|&at| self.waiting[at].place)
    }

    /// Returns which goes in place of those of the class whose turn it is.
    fn starved(&self, turn: Class) -> Option<usize> {
        let (after, wait) = self.starvation;
        let on_their_way = self
            .waiting
            .iter()
            .filter(|frame| frame.offered.is_some() && frame.class.is_data())
            .count();
        if after == 0 || self.in_turn + on_their_way < after || !turn.is_data() {
            return None;
        }
        let mut starved: Option<(u64, usize)> = None;
        for priority in 0..=255 {
            let class = Class::Data(priority);
            let Some(at) = self.first_of(class).filter(|_| class > turn) else {
                continue;
            };
            // Ages are kept in steps of sixteen microseconds.
            let age = (self.now / 16 - self.waiting[at].born / 16) * 16;
            if age > starved.map_or(wait, |(longest, _)| longest) {
                starved = Some((age, at));
            }
        }
        starved.map(|(_, at)| at)
    }

    fn is_expired(&self, at: usize) -> bool {
        let deadline = self.waiting[at].deadline;
        deadline.is_some_and(|deadline| deadline <= self.now)
    }

    fn left(&self, at: usize) -> usize {
        self.waiting[at].len - self.waiting[at].written
    }

    pub(super) fn frame(&mut self, class: Class, len: usize) -> NaiveFrame {
        let ticket = Ticket(self.next);
        self.next += 1;
        NaiveFrame {
            ticket,
            class,
            place: ticket,
            len,
            born: self.now,
            deadline: None,
            key: None,
            stream: None,
            written: 0,
            offered: None,
            out_of_turn: false,
            part: None,
        }
    }
}
