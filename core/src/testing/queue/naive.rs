//! Owns the oracle of the priority queue: one list of everything that waits,
//! searched from end to end for each question.

use alloc::vec::Vec;

use super::{Control, Held, MAX_PONGS, Pushed, Ticket};

/// A queue that is too slow and plainly right.
#[derive(Debug)]
pub struct NaiveQueue {
    messages: usize,
    bytes: usize,
    waiting: Vec<Frame>,
    next: u64,
}

/// A frame that waits.
#[derive(Debug)]
struct Frame {
    ticket: Ticket,
    class: Class,
    len: usize,
    /// How many of its bytes are out.
    written: usize,
    /// Whether it has been offered to the write that is under way, and as
    /// which; what is partly out stays first.
    offered: Option<usize>,
}

/// In the order in which they leave.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Class {
    Head,
    Ping,
    Pong,
    Data(u8),
    Close,
}

impl NaiveQueue {
    /// An empty queue for so many messages, and so many bytes of them.
    pub fn new(messages: u32, bytes: u32) -> Self {
        Self {
            messages: messages as usize,
            bytes: bytes as usize,
            waiting: Vec::new(),
            next: 0,
        }
    }

    /// Queues a message with a frame of this length.
    pub fn push(&mut self, priority: u8, len: usize) -> Pushed {
        let ticket = self.ticket();
        let class = Class::Data(priority);
        let mut evicted = Vec::new();
        let mut left: Vec<usize> = (0..self.waiting.len())
            .filter(|&at| matches!(self.waiting[at].class, Class::Data(_)))
            .collect();
        while !self.has_room(&left, len) {
            // The newest of the least urgent; what is on its way out stays.
            let victim = left
                .iter()
                .copied()
                .filter(|&at| self.waiting[at].class > class && self.waiting[at].offered.is_none())
                .max_by_key(|&at| (self.waiting[at].class, self.waiting[at].ticket));
            let Some(victim) = victim else {
                return Pushed::Refused;
            };
            left.retain(|&at| at != victim);
            evicted.push(self.waiting[victim].ticket);
        }
        self.waiting
            .retain(|frame| !evicted.contains(&frame.ticket));
        self.add(ticket, class, len);
        Pushed::Queued(evicted)
    }

    /// Queues a frame that no limit holds for; says which pong it replaces.
    pub fn push_control(&mut self, control: Control, len: usize) -> Option<Ticket> {
        let class = match control {
            Control::Head => Class::Head,
            Control::Ping => Class::Ping,
            Control::Pong => Class::Pong,
            Control::Close => Class::Close,
        };
        let alike = |frame: &&Frame| frame.class == class && frame.offered.is_none();
        let full = self.waiting.iter().filter(alike).count() >= MAX_PONGS as usize;
        let oldest = self.waiting.iter().filter(alike).map(|f| f.ticket).min();
        let replaced = oldest.filter(|_| control == Control::Pong && full);
        self.waiting.retain(|frame| Some(frame.ticket) != replaced);
        let ticket = self.ticket();
        self.add(ticket, class, len);
        replaced
    }

    /// What goes into the next write: each frame, and how much of it is out.
    pub fn offer(&mut self, batch: usize) -> Vec<(Ticket, usize)> {
        let mut out = self.offered();
        let mut bytes: usize = out.iter().map(|&at| self.left(at)).sum();
        while bytes < batch {
            let next = (0..self.waiting.len())
                .filter(|&at| self.waiting[at].offered.is_none())
                .min_by_key(|&at| (self.waiting[at].class, self.waiting[at].ticket));
            let Some(next) = next else { break };
            self.waiting[next].offered = Some(out.len());
            bytes += self.left(next);
            out.push(next);
        }
        out.iter()
            .map(|&at| (self.waiting[at].ticket, self.waiting[at].written))
            .collect()
    }

    /// Takes note that `n` bytes of what was offered are out; says which frames
    /// are, to the last byte.
    pub fn transmitted(&mut self, mut n: usize) -> Vec<Ticket> {
        let mut done = Vec::new();
        for at in self.offered() {
            let out = n.min(self.left(at));
            n -= out;
            let frame = &mut self.waiting[at];
            frame.written += out;
            // What is not begun is as if it had never been offered.
            frame.offered = (frame.written > 0).then_some(0);
            if frame.written == frame.len {
                done.push(frame.ticket);
            }
        }
        self.waiting.retain(|frame| frame.written < frame.len);
        done
    }

    /// Empties the queue and says of what, the oldest first.
    pub fn discard(&mut self, keep_pinned: bool) -> Vec<Ticket> {
        let stays =
            |frame: &Frame| keep_pinned && (frame.written > 0 || frame.class == Class::Head);
        let gone = self.waiting.iter().filter(|frame| !stays(frame));
        let mut gone: Vec<Ticket> = gone.map(|frame| frame.ticket).collect();
        gone.sort_unstable();
        self.waiting.retain(stays);
        for frame in &mut self.waiting {
            frame.offered = (frame.written > 0).then_some(0);
        }
        gone
    }

    /// What it holds.
    pub fn held(&self) -> Held {
        let data = || {
            self.waiting
                .iter()
                .filter(|frame| matches!(frame.class, Class::Data(_)))
        };
        Held {
            messages: data().count() as u32,
            bytes: data().map(|frame| frame.len).sum::<usize>() as u32,
            frames: self.waiting.len(),
            in_flight: self.waiting.iter().any(|frame| frame.offered.is_some()),
        }
    }

    fn has_room(&self, data: &[usize], len: usize) -> bool {
        let bytes: usize = data.iter().map(|&at| self.waiting[at].len).sum();
        data.is_empty() || (data.len() < self.messages && bytes + len <= self.bytes)
    }

    /// What is offered, in order.
    fn offered(&self) -> Vec<usize> {
        let mut out: Vec<usize> = (0..self.waiting.len())
            .filter(|&at| self.waiting[at].offered.is_some())
            .collect();
        out.sort_by_key(|&at| self.waiting[at].offered);
        out
    }

    fn left(&self, at: usize) -> usize {
        self.waiting[at].len - self.waiting[at].written
    }

    fn ticket(&mut self) -> Ticket {
        self.next += 1;
        Ticket(self.next - 1)
    }

    fn add(&mut self, ticket: Ticket, class: Class, len: usize) {
        self.waiting.push(Frame {
            ticket,
            class,
            len,
            written: 0,
            offered: None,
        });
    }
}
