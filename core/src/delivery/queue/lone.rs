//! Queue of one connection with a node table and a frame store of its own, for the oracle in
//! `stentor-sim`, the fuzz targets and the benches.

use alloc::vec::Vec;

use crate::SendOptions;
use crate::delivery::frame::{FrameId, FrameMeta, Key, Rank, Store};
use crate::delivery::queue::{Arrival, DropReason, Limits, Nodes, PushError, Queue, Starvation};
use crate::proto::wire::{FrameTag, Wire};
use crate::proto::ws::opcode::Opcode;
use crate::time::Timestamp;

/// A frame that was pushed: how many were before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Ticket(pub u64);

/// What a push of data led to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pushed {
    /// What does not wait any more, in the order in which it went.
    pub gone: Vec<(Ticket, DropReason)>,
    /// Why the frame does not wait, if it does not.
    pub refusal: Option<PushError>,
}

/// Frames that are not data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// The answer to a request, before everything else.
    Head,
    /// A ping.
    Ping,
    /// A pong; of those that wait, one more than [`MAX_PONGS`] replaces the oldest.
    Pong,
    /// A push of the application, before all data.
    Push,
    /// A close frame, behind all data.
    Close,
}

/// Pongs that may wait.
pub const MAX_PONGS: u32 = 16;

/// A frame, or the rest of one, that is offered to a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offered {
    /// Which.
    pub ticket: Ticket,
    /// How many of its bytes are out already.
    pub from: u32,
    frame: FrameId,
}

/// What a queue holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueSize {
    /// Data messages, in flight or not.
    pub messages: u32,
    /// Their bytes, headers included.
    pub bytes: u32,
    /// Pushes, in flight or not.
    pub pushes: u32,
    /// Their bytes, headers included.
    pub push_bytes: u32,
    /// Frames of any kind.
    pub frames: usize,
    /// Whether something is offered and not settled, or partly out.
    pub in_flight: bool,
    /// Messages whose place newer ones may take.
    pub subjects: usize,
}

/// One queue, with a node table and a frame store of its own.
#[derive(Debug)]
pub struct LoneQueue {
    queue: Queue,
    nodes: Nodes,
    store: Store,
    limits: Limits,
    starvation: Starvation,
    now: Timestamp,
    /// The ticket of each frame in the store.
    tickets: Vec<Ticket>,
    next: u64,
}

impl LoneQueue {
    /// Returns an empty queue for so many messages, and so many bytes of them.
    pub fn new(messages: u32, bytes: u32) -> Self {
        Self {
            queue: Queue::new(3),
            nodes: Nodes::new(7),
            store: Store::new(),
            limits: Limits { messages, bytes },
            starvation: Starvation { after: 0, wait: 0 },
            now: Timestamp::ORIGIN,
            tickets: Vec::new(),
            next: 0,
        }
    }

    /// Lets a message that has waited for longer than `wait` microseconds go after
    /// so many that were more urgent.
    pub const fn end_starvation(&mut self, after: u16, wait: u64) {
        self.starvation = Starvation { after, wait };
    }

    /// Lets so many microseconds pass.
    pub const fn pass(&mut self, micros: u64) {
        self.now = Timestamp::from_micros(self.now.as_micros() + micros);
    }

    /// Queues a message. It gets a ticket in any case.
    pub fn push(&mut self, options: impl Into<SendOptions>, payload: &[u8]) -> Pushed {
        self.push_in(None, options.into(), payload)
    }

    /// Queues a message of a stream.
    pub fn push_in(&mut self, stream: Option<u32>, options: SendOptions, payload: &[u8]) -> Pushed {
        let label = FrameMeta {
            rank: Rank::data(options.priority),
            born: self.now,
            deadline: options.ttl.map(|ttl| self.now.after(ttl)),
            key: options.key.map(|name| Key { scope: 1, name }),
            stream,
        };
        let frame = self.encode(label, Opcode::Binary, payload);
        let arrival = Arrival {
            frame,
            overflow: options.overflow,
            now: self.now,
        };
        let mut gone = Vec::new();
        let pushed = self.queue.push(
            &mut self.nodes,
            &mut self.store,
            self.limits,
            arrival,
            |frame, fate| {
                gone.push((frame, fate));
            },
        );
        if pushed.is_err() {
            self.store.release(frame);
        }
        Pushed {
            gone: gone
                .into_iter()
                .map(|(frame, fate)| (self.release(frame), fate))
                .collect(),
            refusal: pushed.err(),
        }
    }

    /// Drops what has expired at the head of each priority, and says what.
    pub fn expire(&mut self) -> Vec<Ticket> {
        let mut gone = Vec::new();
        self.queue
            .expire(&mut self.nodes, &self.store, self.now, |frame| {
                gone.push(frame);
            });
        self.release_all(gone)
    }

    /// Returns whether the lane of pushes, of so many and so many bytes, has room for one with so many
    /// bytes of payload.
    pub fn has_room_for_push(&self, messages: u32, bytes: u32, len: usize) -> bool {
        let limits = Limits { messages, bytes };
        let len = FrameTag::new(Wire::WebSocket, Opcode::Binary).framed_len(len) as u32;
        self.queue
            .has_room_for_push(&self.nodes, &self.store, limits, len)
    }

    /// Queues a frame that no limit holds for; says which pong it replaces.
    pub fn push_control(&mut self, control: Control, payload: &[u8]) -> Option<Ticket> {
        let (rank, opcode) = match control {
            Control::Head => (Rank::HEAD, Opcode::Binary),
            Control::Ping => (Rank::PING, Opcode::Ping),
            Control::Pong => (Rank::PONG, Opcode::Pong),
            Control::Push => (Rank::PUSH, Opcode::Binary),
            Control::Close => (Rank::LAST, Opcode::Close),
        };
        let Self {
            queue,
            nodes,
            store,
            ..
        } = self;
        let oldest = if control == Control::Pong && queue.waiting(nodes, rank) >= MAX_PONGS {
            queue.withdraw(nodes, store, rank)
        } else {
            None
        };
        let oldest = oldest.map(|frame| self.release(frame));
        let frame = self.encode(rank, opcode, payload);
        let (queue, nodes, store) = (&mut self.queue, &mut self.nodes, &self.store);
        match control {
            Control::Push => queue.push_ahead(nodes, store, frame),
            _ => queue.push_control(nodes, store, frame),
        }
        oldest
    }

    /// Offers what goes into the next write to `out`, up to the frame that
    /// makes it `batch` bytes or more. What was offered and is not settled is
    /// offered again. Says what had expired instead.
    pub fn offer(&mut self, batch: usize, out: &mut Vec<Offered>) -> Vec<Ticket> {
        out.clear();
        let moment = (self.now, self.starvation);
        let mut expired = Vec::new();
        let Self {
            queue,
            nodes,
            store,
            tickets,
            ..
        } = self;
        let mut bytes = 0;
        let mut add = |frame: FrameId, from| {
            bytes += (store.len(frame) - from) as usize;
            let mut add = |frame: FrameId| {
                out.push(Offered {
                    ticket: tickets[frame.0 as usize],
                    from,
                    frame,
                });
            };
            if store.messages(frame) == 1 {
                add(frame);
            } else {
                store.parts(frame).for_each(add);
            }
            bytes
        };
        let mut offered = 0;
        queue.for_each_in_flight(nodes, |frame, from| offered = add(frame, from));
        while offered < batch
            && let Some(frame) =
                queue.launch(nodes, store, moment, None, |frame| expired.push(frame))
        {
            offered = add(frame, 0);
        }
        self.release_all(expired)
    }

    /// Returns the bytes of what is offered, in at most two slices.
    pub fn bytes(&self, offered: Offered) -> [&[u8]; 2] {
        let (inline, body) = self.store.bytes(offered.frame);
        let from = offered.from as usize;
        let skip = from.min(inline.len());
        [&inline[skip..], &body[from - skip..]]
    }

    /// Takes note that `n` bytes more are out, which must have been offered,
    /// and settles the rest. `done` gets what is out to its last byte.
    pub fn transmitted(&mut self, n: usize, done: &mut Vec<Ticket>) {
        let Self {
            queue,
            nodes,
            store,
            ..
        } = self;
        let mut frames = smallvec::SmallVec::<[FrameId; 64]>::new();
        let rest = queue.advance(nodes, store, n, |_, frame| frames.push(frame));
        assert_eq!(rest, 0, "no more can be written than was offered");
        queue.settle(nodes, store);
        done.clear();
        for frame in frames {
            self.release_into(frame, done);
        }
    }

    /// Takes back what is offered, empties the queue and says of what, the
    /// oldest first. With `keep_pinned`, a frame that is partly out stays, and
    /// the answer to the request.
    pub fn discard(&mut self, keep_pinned: bool) -> Vec<Ticket> {
        self.queue.settle(&mut self.nodes, &self.store);
        let mut gone = Vec::new();
        self.queue
            .discard(&mut self.nodes, &mut self.store, keep_pinned, |_, frame| {
                gone.push(frame);
            });
        let mut gone = self.release_all(gone);
        gone.sort_unstable();
        gone
    }

    /// Takes out what waits of a stream and is not offered, and says what, the oldest first.
    pub fn discard_stream(&mut self, stream: u32) -> Vec<Ticket> {
        let mut gone = Vec::new();
        self.queue
            .discard_stream(&mut self.nodes, &mut self.store, stream, |_, frame| {
                gone.push(frame);
            });
        let mut gone = self.release_all(gone);
        gone.sort_unstable();
        gone
    }

    /// Returns what it holds.
    pub fn held(&self) -> QueueSize {
        let pushes = self.queue.pushes(&self.nodes, &self.store);
        let held = QueueSize {
            pushes: pushes.messages,
            push_bytes: pushes.bytes,
            messages: self.queue.messages(),
            bytes: self.queue.bytes(),
            frames: self.store.live(),
            in_flight: self.queue.in_flight(),
            subjects: self.nodes.subjects(),
        };
        assert_eq!(self.queue.is_empty(), held.frames == 0, "{held:?}");
        let sums = self.nodes.held();
        assert_eq!(
            (sums.messages, sums.bytes),
            (held.messages.into(), held.bytes.into()),
            "of all queues, {held:?}"
        );
        let sums = self.nodes.pushes();
        assert_eq!(
            (sums.messages, sums.bytes),
            (held.pushes.into(), held.push_bytes.into()),
            "of all queues, {held:?}"
        );
        held
    }

    /// Queues these messages as one, and says whether it has. Otherwise nothing is
    /// done: there is no room, or they do not stand side by side.
    pub fn push_volley(&mut self, priority: u8, payloads: &[Vec<u8>]) -> bool {
        if self.starvation.after > 0 {
            return false;
        }
        let first = self.next;
        let parts: Vec<FrameId> = payloads
            .iter()
            .map(|payload| self.encode(Rank::data(priority), Opcode::Binary, payload))
            .collect();
        let volley = self.store.merge(&parts);
        let (queue, nodes, store) = (&mut self.queue, &mut self.nodes, &self.store);
        let limits = self.limits;
        let is_queued = volley.is_some_and(|volley| queue.push_batch(nodes, store, limits, volley));
        if !is_queued {
            self.next = first;
            self.release_all(volley.map_or(parts, |volley| alloc::vec![volley]));
        }
        is_queued
    }

    fn encode(&mut self, label: impl Into<FrameMeta>, opcode: Opcode, payload: &[u8]) -> FrameId {
        let tag = FrameTag::new(Wire::WebSocket, opcode);
        let frame = self.store.encode(label, tag, payload);
        let at = frame.0 as usize;
        if at >= self.tickets.len() {
            self.tickets.resize(at + 1, Ticket(0));
        }
        self.tickets[at] = Ticket(self.next);
        self.next += 1;
        frame
    }

    fn release(&mut self, frame: FrameId) -> Ticket {
        self.store.release(frame);
        self.tickets[frame.0 as usize]
    }

    /// Gives a frame back, and says which messages it was.
    fn release_into(&mut self, frame: FrameId, gone: &mut Vec<Ticket>) {
        if self.store.messages(frame) == 1 {
            gone.push(self.release(frame));
        } else {
            let parts = self.store.parts(frame);
            gone.extend(parts.map(|frame| self.tickets[frame.0 as usize]));
            self.store.release(frame);
        }
    }

    fn release_all(&mut self, frames: Vec<FrameId>) -> Vec<Ticket> {
        let mut gone = Vec::new();
        for frame in frames {
            self.release_into(frame, &mut gone);
        }
        gone
    }
}
