//! Owns the counters. They are plain integers that belong to one machine; an
//! adapter copies them out when somebody asks and adds the shards up. Names and
//! text formats are the reader's business.
//!
//! The conservation law, which tests assert: `offered = queued + refused`, and
//! at any instant `queued = written + evicted + expired + conflated + shed +
//! discarded + waiting`.

mod priorities;

use crate::proto::http::HandshakeError;
use crate::proto::ws::PeerError;
use crate::proto::ws::deflate::CodecCounts;

pub use priorities::{Latencies, Priorities, PriorityStats};

macro_rules! stats {
    ($(#[$top:meta])* $name:ident { $($(#[$doc:meta])* $field:ident,)* }) => {
        $(#[$top])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$doc])* pub $field: u64,)*
        }

        impl core::ops::AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                $(self.$field = self.$field.wrapping_add(other.$field);)*
            }
        }
    };
}

stats! {
    /// Data messages on their way to peers, counted once a receiving connection.
    Delivery {
        /// Messages somebody wanted queued for a connection.
        offered,
        /// Of those, taken into its queue.
        queued,
        /// Of those offered, refused because the queue was full of nothing that could go.
        refused_full,
        /// Of those offered, refused because the connection was closing.
        refused_closing,
        /// Of those queued, pushed out of a full queue by another.
        evicted,
        /// Of those queued, dropped because their time to live had passed.
        expired,
        /// Of those queued, replaced by a newer one with the same key.
        conflated,
        /// Of those queued, dropped because the shard had not enough memory.
        shed,
        /// Of those queued, thrown away because the connection ended first.
        discarded,
        /// Of those queued, written to the socket to the last byte.
        written,
        /// Of those queued, neither written nor lost yet (a gauge).
        waiting,
        /// The bytes of those waiting, frame headers included (a gauge).
        waiting_bytes,
    }
}

stats! {
    /// What came from peers.
    Received {
        /// Text messages, complete.
        text,
        /// Binary messages, complete.
        binary,
        /// Bytes of their payloads.
        payload_bytes,
        /// Bytes read from sockets, whatever they meant.
        bytes,
        /// Pings.
        pings,
        /// Pongs, asked for or not.
        pongs,
    }
}

stats! {
    /// Control frames and bytes on their way to peers.
    Sent {
        /// Bytes written to sockets, whatever they meant.
        bytes,
        /// Pings queued.
        pings,
        /// Pongs queued.
        pongs,
        /// Pongs replaced by newer ones before they went out (RFC 6455 §5.5.3).
        pongs_replaced,
        /// Close frames queued.
        closes,
        /// Pages and refusals written.
        pages,
        /// Times that the limit on unsent bytes of a connection was set above the smallest.
        unsent_limit_raised,
        /// Times that it was set to the smallest again.
        unsent_limit_reset,
    }
}

stats! {
    /// Rooms, and what passed through them.
    RoomStats {
        /// Rooms that have members on this shard, or are kept by it for others (a gauge).
        rooms,
        /// Memberships on this shard (a gauge).
        members,
        /// Publications of connections on this shard, and from outside to rooms that have
        /// their home here.
        published,
        /// Publications encoded, once each at the room's home.
        encoded,
        /// Publications copied into this shard's runs.
        copied,
        /// Members offered a publication.
        offered,
        /// Publications, and messages to one connection, that still waited for credits when
        /// their connection ended.
        abandoned,
        /// Messages sent to other shards.
        shard_messages,
        /// Times a connection had to wait for credits before it could publish.
        credit_waits,
        /// Times a connection had to wait for a room's home on another shard.
        home_waits,
        /// Publications that are not yet queued for all members on this shard (a gauge).
        unfinished,
        /// Slices of members that publications were queued for, in channels with more members
        /// than one slice.
        slices,
        /// Joins refused because the connection was in as many rooms as it may be.
        joins_refused,
        /// Joins refused because a room would have been new and memory was short.
        joins_refused_memory,
    }
}

stats! {
    /// Messages to one connection by its name. Once nothing is under way any more,
    /// `sent = offered + undeliverable` over all shards, unless one has failed.
    Direct {
        /// Such messages of connections on this shard, and those from outside to them.
        sent,
        /// Those that have come to a connection on this shard and were offered to its queue.
        offered,
        /// Those that have come for a connection that had ended.
        undeliverable,
    }
}

stats! {
    /// Connections, timers, and memory.
    Links {
        /// Sockets accepted.
        accepted,
        /// Sockets held, whatever they are doing (a gauge).
        held,
        /// Connections upgraded.
        opened,
        /// Connections upgraded and still there (a gauge).
        active,
        /// Times a connection was not read for a while because its own queue was full.
        read_pauses,
        /// Times a connection had to wait before one more of its tasks could be under way.
        task_waits,
        /// Outcomes of tasks whose connection had gone.
        outcomes_gone,
        /// Tasks handed out whose outcome has not come back (a gauge).
        tasks_pending,
        /// Messages of the application that were longer than [`MAX_PAYLOAD`](crate::MAX_PAYLOAD)
        /// and not sent.
        too_long,
        /// Bytes held in frame runs and large frames (a gauge).
        frame_bytes,
        /// Bytes that the memory budget is charged with (a gauge).
        charged_bytes,
        /// Timer wake-ups that found nothing due.
        idle_wakeups,
    }
}

stats! {
    /// Connections that are not gone on with, and not read, by what they wait for (gauges).
    Waiting {
        /// The answer of a room's home on another shard.
        owner,
        /// Credits for a publication to another shard.
        credit,
        /// Room in their own queue.
        queue,
        /// The end of a task, before one more may be under way.
        task,
    }
}

stats! {
    /// permessage-deflate (RFC 7692).
    Deflation {
        /// Connections that agreed on it.
        agreed,
        /// Of those, such as were given no contexts because there was no room for more.
        contexts_denied,
        /// Memory of contexts of single connections, in bytes (a gauge).
        context_bytes,
        /// Messages compressed; what is said to many counts once for those who share it.
        deflated,
        /// Their bytes before.
        deflated_from_bytes,
        /// Their bytes after.
        deflated_to_bytes,
        /// Messages that compression did not shorten, sent as they are.
        incompressible,
        /// Messages decompressed.
        inflated,
        /// Their bytes before.
        inflated_from_bytes,
        /// Their bytes after.
        inflated_to_bytes,
    }
}

impl core::ops::AddAssign<CodecCounts> for Deflation {
    fn add_assign(&mut self, codec: CodecCounts) {
        *self += Self {
            deflated: codec.deflated,
            deflated_from_bytes: codec.deflated_from_bytes,
            deflated_to_bytes: codec.deflated_to_bytes,
            incompressible: codec.incompressible,
            inflated: codec.inflated,
            inflated_from_bytes: codec.inflated_from_bytes,
            inflated_to_bytes: codec.inflated_to_bytes,
            ..Self::default()
        };
    }
}

/// Everything one shard counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Data messages on their way to peers.
    pub delivery: Delivery,
    /// What became of them, by priority.
    pub priorities: Priorities,
    /// What came from peers.
    pub received: Received,
    /// Control frames and bytes on their way to peers.
    pub sent: Sent,
    /// Rooms, and what passed through them.
    pub rooms: RoomStats,
    /// Messages to one connection by its name.
    pub direct: Direct,
    /// Connections, timers, and memory.
    pub links: Links,
    /// Connections that wait.
    pub waiting: Waiting,
    /// permessage-deflate (RFC 7692).
    pub deflate: Deflation,
    /// Connections that ended, by [`CloseCause`].
    pub closed: [u64; CloseCause::ALL.len()],
    /// Connections failed for what the peer did, in the order of [`PeerError::ALL`].
    pub peer_errors: [u64; PeerError::ALL.len()],
    /// Requests refused, in the order of [`HandshakeError::LABELS`].
    pub refused: [u64; HandshakeError::COUNT],
}

impl core::ops::AddAssign<&Self> for Stats {
    fn add_assign(&mut self, other: &Self) {
        self.delivery += other.delivery;
        self.priorities += &other.priorities;
        self.received += other.received;
        self.sent += other.sent;
        self.rooms += other.rooms;
        self.direct += other.direct;
        self.links += other.links;
        self.waiting += other.waiting;
        self.deflate += other.deflate;
        add(&mut self.closed, &other.closed);
        add(&mut self.peer_errors, &other.peer_errors);
        add(&mut self.refused, &other.refused);
    }
}

/// Why an upgraded connection ended. The first cause counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[repr(u8)]
pub enum CloseCause {
    /// The peer sent a close frame.
    Peer,
    /// The peer closed its side without a close frame.
    Eof,
    /// The socket failed.
    Reset,
    /// The peer broke the protocol; [`Stats::peer_errors`] says how.
    PeerError,
    /// Nothing came within the pong wait.
    PongTimeout,
    /// Nothing was taken within the write timeout.
    WriteTimeout,
    /// Its queue was full, and a message was to close it for that.
    SlowConsumer,
    /// The application closed it.
    Handler,
    /// The server shut down.
    Drain,
    /// The shard failed.
    Panic,
    /// There was not enough memory for what it was sending.
    Memory,
    /// It took what waited for it too slowly.
    ReadRate,
    /// It sent a message too slowly.
    SendRate,
}

impl Delivery {
    /// Of those queued, the ones that have left: written or lost.
    pub const fn left(&self) -> u64 {
        self.written + self.evicted + self.expired + self.conflated + self.shed + self.discarded
    }
}

impl CloseCause {
    /// Every cause, in the order of [`Stats::closed`].
    pub const ALL: [Self; 13] = [
        Self::Peer,
        Self::Eof,
        Self::Reset,
        Self::PeerError,
        Self::PongTimeout,
        Self::WriteTimeout,
        Self::SlowConsumer,
        Self::Handler,
        Self::Drain,
        Self::Panic,
        Self::Memory,
        Self::ReadRate,
        Self::SendRate,
    ];

    /// Its name in metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Eof => "eof",
            Self::Reset => "reset",
            Self::PeerError => "peer_error",
            Self::PongTimeout => "pong_timeout",
            Self::WriteTimeout => "write_timeout",
            Self::SlowConsumer => "slow_consumer",
            Self::Handler => "handler",
            Self::Drain => "drain",
            Self::Panic => "panic",
            Self::Memory => "memory",
            Self::ReadRate => "read_rate",
            Self::SendRate => "send_rate",
        }
    }
}

/// What the dispatcher counts; one per process. What adds up to what:
/// [`Dispatcher`](crate::Dispatcher).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DispatchStats {
    /// Tasks taken, those that were submitted again included.
    pub submitted: u64,
    /// Tasks refused because the queue was full.
    pub refused_full: u64,
    /// Tasks refused because the server was draining.
    pub refused_draining: u64,
    /// Tasks a worker finished.
    pub done: u64,
    /// Tasks that failed for good.
    pub failed: u64,
    /// Tasks that no worker had begun when the server ended.
    pub abandoned_waiting: u64,
    /// Tasks that were at a worker when the server ended.
    pub abandoned_running: u64,
    /// Tasks waiting for a worker, or for another of their line (a gauge).
    pub waiting: u64,
    /// Tasks waiting for their delay to end, or for their next attempt (a gauge).
    pub delayed: u64,
    /// Tasks at a worker (a gauge).
    pub running: u64,
    /// Attempts that failed and were not the last.
    pub retried: u64,
    /// Attempts of which the work said that they failed.
    pub attempts_failed: u64,
    /// Workers that ended without a report, and began anew.
    pub workers_restarted: u64,
    /// Tasks and outcomes whose drop panicked, as their adapter counts them.
    pub drops_panicked: u64,
    /// Attempts that panicked.
    pub panicked: u64,
    /// Attempts that took too long.
    pub timed_out: u64,
    /// Attempts that came to an end after they had timed out.
    pub late: u64,
    /// Workers at an attempt that has timed out (a gauge).
    pub overdue: u64,
    /// Tasks that failed for good and are kept (a gauge).
    pub dead_letters: u64,
    /// Such tasks that were not kept, or made room for others.
    pub dead_dropped: u64,
    /// Such tasks that somebody has taken out.
    pub dead_taken: u64,
    /// Those of them that were submitted again.
    pub resubmitted: u64,
}

fn add<const N: usize>(sums: &mut [u64; N], more: &[u64; N]) {
    for (sum, n) in sums.iter_mut().zip(more) {
        *sum = sum.wrapping_add(*n);
    }
}
