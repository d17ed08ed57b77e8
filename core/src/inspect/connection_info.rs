//! Owns the answer to what is the matter with one connection: how far it has
//! come, what waits for it and since when, what it waits for, what was dropped.
//! Only looks; how the answer is written is the reader's business.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;

use crate::app::Handler;
use crate::delivery::{Depth, Drops};
use crate::id::{ConnId, ShardId};
use crate::inspect::closed::{CloseInfo, ClosedConnection};
use crate::session::deferred::Wait;
use crate::session::slot::Phase;
use crate::shard::Shard;
use crate::shard::engine::Engine;
use crate::shard::memory_budget::SMALL;
use crate::time::Timestamp;

/// What is known of a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Lookup {
    /// It is here.
    Here(ConnectionInfo),
    /// It has gone, not too long ago.
    Gone(ClosedConnection),
}

/// What is true of one connection at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Who it is.
    pub id: ConnId,
    /// How far it has come.
    pub stage: Stage,
    /// How long it has been open; of one that is ending, how long it was.
    pub open_for: Option<Duration>,
    /// Why it is ending, if it is.
    pub ending: Option<CloseInfo>,
    /// The subprotocol agreed on, if there is one; without its name where the
    /// application chose one that the configuration does not list.
    pub subprotocol: Option<Option<String>>,
    /// Whether messages to it are compressed.
    pub is_compressed: bool,
    /// The rooms it is in, the first hundred.
    pub rooms: Vec<Bytes>,
    /// How many rooms it is in.
    pub memberships: usize,
    /// What waits for it.
    pub waiting: Depth,
    /// The same by priority, the most urgent first.
    pub priorities: Vec<(u8, Depth)>,
    /// Frames that wait besides: pings, pongs, a close frame, the answer to its request.
    pub control_frames: u32,
    /// What was dropped of what was for it.
    pub drops: Drops,
    /// What it waits for.
    pub awaits: Vec<WaitReason>,
    /// Why it is not read, if it is not.
    pub pause: Option<Pause>,
    /// Bytes of it that were read and not consumed.
    pub held_back_bytes: usize,
    /// Commands of it that are not carried out yet.
    pub held_back_commands: usize,
    /// How long ago its last byte came.
    pub silent_for: Duration,
    /// What may be due for it next, and in which time.
    pub timer: Option<(Timer, Duration)>,
}

/// How far a socket has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Stage {
    /// Its request is being read.
    Request,
    /// A page or a refusal is on its way to it.
    Answer,
    /// It is a WebSocket connection.
    Open,
    /// It is ending: what waits is written, nothing is taken.
    Closing,
    /// Our side is shut, and the peer's is awaited.
    Lingering,
    /// Its socket is given up.
    Gone,
}

/// Something that a connection waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum WaitReason {
    /// The rest of its request.
    Request,
    /// A page that the adapter makes.
    Page,
    /// Its socket, which has taken nothing for so long.
    Socket(Duration),
    /// The next write to its socket, which is not known to be full.
    Write,
    /// The answer of a room's home, on another shard, to a join.
    Joined,
    /// The answer of a room's home to its leaving this room.
    Left(Bytes),
    /// Credit for publications to this shard.
    Credit(ShardId),
    /// Room in its own queue.
    Queue,
    /// The end of one of the tasks that its shard has under way.
    Task,
    /// Its turn to go on.
    Turn,
    /// The rest of a message of which so many bytes have come.
    Message(usize),
    /// The peer's close frame.
    CloseFrame,
    /// The end of what the peer sends.
    End,
    /// So many answers of other shards to its leaving.
    Shards(u16),
}

/// Why a connection is not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Pause {
    /// What it has said waits for something.
    Awaits,
    /// What it has said is far from being done.
    Behind,
    /// The server drains.
    Drain,
}

/// What is due at some time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Timer {
    /// The end of its patience with a request.
    Handshake,
    /// The end of the time for the answer to its request.
    Answer,
    /// The end of the time for a closing handshake.
    Close,
    /// The end of the time in which the peer must take something.
    Write,
    /// A ping.
    Ping,
    /// The end of the time in which the peer must be heard.
    Silence,
    /// The end of the time in which the peer may take too little of what waits for it.
    ReadRate,
    /// The end of the time in which the peer may send too little of its message.
    SendRate,
}

impl WaitReason {
    /// Its name.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Page => "page",
            Self::Socket(_) => "socket",
            Self::Write => "write",
            Self::Joined => "joined",
            Self::Left(_) => "left",
            Self::Credit(_) => "credit",
            Self::Queue => "queue",
            Self::Task => "task",
            Self::Turn => "turn",
            Self::Message(_) => "message",
            Self::CloseFrame => "close_frame",
            Self::End => "end",
            Self::Shards(_) => "shards",
        }
    }
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request => f.write_str("the rest of its request"),
            Self::Page => f.write_str("a page that is being made"),
            Self::Socket(since) => {
                write!(f, "its socket, which has taken nothing for {since:.1?}")
            }
            Self::Write => f.write_str("the next write to its socket"),
            Self::Joined => f.write_str("the home of the room that it joins"),
            Self::Left(room) => {
                let room = String::from_utf8_lossy(room);
                write!(f, "the home of the room that it leaves, {room}")
            }
            Self::Credit(home) => write!(f, "credit to publish through shard {}", home.0),
            Self::Queue => f.write_str("room in its own queue"),
            Self::Task => f.write_str("the end of a task, for one more to be under way"),
            Self::Turn => f.write_str("its turn to go on"),
            Self::Message(bytes) => {
                write!(
                    f,
                    "the rest of its message, of which it has sent {bytes} bytes"
                )
            }
            Self::CloseFrame => f.write_str("the peer's close frame"),
            Self::End => f.write_str("the end of what the peer sends"),
            Self::Shards(1) => f.write_str("another shard's answer to its leaving"),
            Self::Shards(n) => write!(f, "{n} answers of other shards to its leaving"),
        }
    }
}

impl Stage {
    /// Its name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Answer => "answer",
            Self::Open => "open",
            Self::Closing => "closing",
            Self::Lingering => "lingering",
            Self::Gone => "gone",
        }
    }
}

impl Pause {
    /// Its name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Awaits => "awaits",
            Self::Behind => "behind",
            Self::Drain => "drain",
        }
    }
}

impl Timer {
    /// Its name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Answer => "answer",
            Self::Close => "close",
            Self::Write => "write",
            Self::Ping => "ping",
            Self::Silence => "silence",
            Self::ReadRate => "read_rate",
            Self::SendRate => "send_rate",
        }
    }
}

impl<H: Handler> Shard<H> {
    /// What is the matter with a connection, or was with one that has gone;
    /// `None` if it was never here, or has been forgotten since. Looks at what
    /// waits for it, or at those that have gone: for somebody who asks, not for
    /// a loop.
    pub fn explain(&self, now: Timestamp, id: ConnId) -> Option<Lookup> {
        let engine = &self.engine;
        let at = engine.slots.find(id);
        let here = || at.map(|at| Lookup::Here(engine.explain(now, at)));
        if at.is_some_and(|at| engine.slots[at].phase != Phase::Gone) {
            return here();
        }
        let departure = engine.ledger.gone().find(|gone| gone.id == id);
        departure.cloned().map(Lookup::Gone).or_else(here)
    }

    /// Connections that have gone, the latest first, as far as they are
    /// remembered: [`Config::gone_connections`](crate::Config::gone_connections).
    pub fn gone(&self) -> impl Iterator<Item = &ClosedConnection> {
        self.engine.ledger.gone()
    }
}

impl<H: Handler> Engine<H> {
    pub(crate) fn explain(&self, now: Timestamp, at: u32) -> ConnectionInfo {
        let (slot, departure) = (&self.slots[at], self.ledger.ending(at));
        let (priorities, control_frames) = self.out.depths(now, at);
        let pending = slot.pending.as_deref();
        let rooms = slot.memberships.iter().take(MOST_ROOMS);
        let subprotocol = slot.subprotocol.name(&self.config.subprotocols);
        let open_for = slot.opened().map(|opened| now.since(opened));
        let unheard = now.since(slot.keepalive.last_received());
        ConnectionInfo {
            id: self.slots.id(at),
            stage: match slot.phase {
                Phase::Head => Stage::Request,
                Phase::Answering => Stage::Answer,
                Phase::Open => Stage::Open,
                Phase::Closing => Stage::Closing,
                Phase::Lingering => Stage::Lingering,
                Phase::Gone | Phase::Free => Stage::Gone,
            },
            open_for: open_for.or_else(|| departure.map(|departure| departure.open_for)),
            ending: departure.map(|departure| departure.ending),
            subprotocol: subprotocol.map(|name| name.map(String::from)),
            is_compressed: self.out.is_compressed(at),
            rooms: rooms.map(|m| self.rooms.name(m.room).clone()).collect(),
            memberships: slot.memberships.len(),
            waiting: self.out.depth(now, at),
            priorities,
            control_frames,
            drops: self.out.drops(at),
            awaits: self.awaits(now, at),
            pause: self.pause(at),
            held_back_bytes: self.tail_len(at),
            held_back_commands: pending.map_or(0, |pending| pending.ops()),
            silent_for: unheard,
            timer: self
                .next_timer(at)
                .map(|(timer, at)| (timer, at.since(now))),
        }
    }

    fn awaits(&self, now: Timestamp, at: u32) -> Vec<WaitReason> {
        let slot = &self.slots[at];
        let mut awaits = Vec::new();
        let wait = slot.pending.as_ref().and_then(|pending| pending.wait);
        match wait {
            Some(Wait::Joined) => awaits.push(WaitReason::Joined),
            Some(Wait::Left(room)) => awaits.push(WaitReason::Left(self.rooms.name(room).clone())),
            Some(Wait::Credit(home)) => awaits.push(WaitReason::Credit(home)),
            Some(Wait::Queue) => awaits.push(WaitReason::Queue),
            Some(Wait::Task) => awaits.push(WaitReason::Task),
            Some(Wait::Callback) => awaits.push(WaitReason::Turn),
            None if slot.flags.resuming => awaits.push(WaitReason::Turn),
            None => {}
        }
        let has_nothing = self.out.is_empty(at);
        if self.out.is_blocked(at) {
            let since = self
                .out
                .stalled_since(at)
                .map_or(Duration::ZERO, |since| now.since(since));
            awaits.push(WaitReason::Socket(since));
        } else if !has_nothing {
            awaits.push(WaitReason::Write);
        }
        match slot.phase {
            Phase::Head => awaits.push(WaitReason::Request),
            Phase::Open if slot.conn.pace_beyond(SMALL).is_some() => {
                awaits.push(WaitReason::Message(slot.conn.message_bytes()));
            }
            Phase::Answering if has_nothing => awaits.push(WaitReason::Page),
            Phase::Closing if has_nothing => awaits.push(WaitReason::CloseFrame),
            Phase::Lingering => awaits.push(WaitReason::End),
            Phase::Gone if slot.answers > 0 => awaits.push(WaitReason::Shards(slot.answers)),
            _ => {}
        }
        awaits
    }

    fn pause(&self, at: u32) -> Option<Pause> {
        let slot = &self.slots[at];
        if !slot.flags.unread {
            None
        } else if slot.is_parked() {
            Some(Pause::Awaits)
        } else if self.draining {
            Some(Pause::Drain)
        } else {
            Some(Pause::Behind)
        }
    }
}

/// Rooms of one connection that are named.
const MOST_ROOMS: usize = 100;
