//! Explanation of one connection as data: stage, queue, timers, drops and what it waits for. Does
//! not contain the collection, which is in `engine::inspect`.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;

use crate::delivery::{Depth, Drops};
use crate::id::{ConnId, ShardId};
use crate::inspect::closed::{CloseInfo, ClosedConnection};

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
    /// The address of the peer, if the adapter has told it.
    pub peer: Option<SocketAddr>,
    /// How far it has come.
    pub stage: ConnectionStage,
    /// How long it has been open; of one that is ending, how long it was.
    pub open_for: Option<Duration>,
    /// Why it is ending, if it is.
    pub ending: Option<CloseInfo>,
    /// The subprotocol agreed on, if there is one; without its name where the
    /// application chose one that the configuration does not list.
    pub subprotocol: Option<Option<String>>,
    /// Whether messages to it are compressed.
    pub is_compressed: bool,
    /// The channels it is in, the first hundred.
    pub channels: Vec<Bytes>,
    /// How many channels it is in.
    pub memberships: usize,
    /// What waits for it.
    pub waiting: Depth,
    /// The same by priority, the most urgent first.
    pub priorities: Vec<(u8, Depth)>,
    /// Frames that wait besides: pings, pongs, pushes, a close frame, the answer to its request.
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
    /// What the [application](crate::Handler::describe) knows of it.
    pub application: Vec<(&'static str, String)>,
    /// What may be due for it next, and in which time.
    pub timer: Option<(TimerKind, Duration)>,
}

/// How far a socket has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ConnectionStage {
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
    /// The answer of a channel's owner, on another shard, to a join.
    Joined,
    /// The answer of a channel's owner to its leaving this channel.
    Left(Bytes),
    /// Credit for publications to this shard.
    Credit(ShardId),
    /// Room in its own queue.
    Queue,
    /// The end of one of the tasks that its shard has under way.
    Task,
    /// The answers of other shards to a question.
    Answers,
    /// The answer of the application to its request.
    Application,
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

/// Why a connection is not read: the only reasons that there are.
///
/// | reason | since | until |
/// |---|---|---|
/// | `Awaits` | an operation of it waits: [`ConnectionInfo::awaits`] says for what | it has come |
/// | `Behind` | more than 64 KiB that were read are not handled | they are handled |
/// | `Drain` | the server drains | the connection ends |
///
/// A connection that is read may still have to wait for the shard: while a queue is more than
/// half full and its socket was not tried, while 1,024 outputs wait, or while the turn's budget
/// is used up, no input is handled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Pause {
    /// An operation that it asked for waits for something.
    Awaits,
    /// Much of what was read from it is not handled yet.
    Behind,
    /// The server drains.
    Drain,
    /// It has sent more than it may.
    Throttled,
}

/// What is due at some time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TimerKind {
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
    /// The end of the time for which it is not read.
    Throttle,
}

impl WaitReason {
    /// Returns its name.
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
            Self::Answers => "answers",
            Self::Application => "application",
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
            Self::Joined => f.write_str("the owner of the channel that it joins"),
            Self::Left(channel) => {
                let channel = String::from_utf8_lossy(channel);
                write!(f, "the owner of the channel that it leaves, {channel}")
            }
            Self::Credit(owner) => write!(f, "credit to publish through shard {}", owner.0),
            Self::Queue => f.write_str("room in its own queue"),
            Self::Task => f.write_str("the end of a task, for one more to be under way"),
            Self::Answers => f.write_str("the answers of other shards to its question"),
            Self::Application => f.write_str("the answer of the application to its request"),
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

impl ConnectionStage {
    /// Returns its name.
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
    /// Returns its name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Awaits => "awaits",
            Self::Behind => "behind",
            Self::Drain => "drain",
            Self::Throttled => "throttled",
        }
    }
}

impl TimerKind {
    /// Returns its name.
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
            Self::Throttle => "throttle",
        }
    }
}

/// Channels of one connection that are named.
pub(crate) const MAX_CHANNELS: usize = 100;
