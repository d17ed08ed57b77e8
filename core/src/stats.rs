//! Counters of one shard, and of the dispatcher.
//!
//! They are plain integers. An adapter copies them on request and adds the shards up; names and
//! text formats are the adapter's.
//!
//! Conservation law, which tests assert: `offered = queued + refused`, and at any instant `queued =
//! written + evicted + expired + conflated + shed + discarded + waiting`.

mod priorities;

use crate::proto::http::HandshakeError;
use crate::proto::proxy::ProxyError;
use crate::proto::ws::PeerError;
use crate::proto::ws::deflate::DeflateCounts;

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
    /// Data messages to peers, counted once per receiving connection.
    Delivery {
        /// Messages offered to the queue of a connection.
        offered,
        /// Of those offered, messages that the queue accepted.
        queued,
        /// Of those offered, messages refused because the queue was full and nothing could be
        /// evicted.
        refused_full,
        /// Of those offered, messages refused because the connection was closing.
        refused_closing,
        /// Of those offered, messages that the codec of the connection could not express.
        refused_codec,
        /// Of those queued, messages evicted from a full queue for another one.
        evicted,
        /// Of those queued, messages dropped because their time to live had passed.
        expired,
        /// Of those queued, messages replaced by a newer one with the same key.
        conflated,
        /// Of those queued, messages dropped because the shard had not enough memory.
        shed,
        /// Of those queued, messages discarded because the connection ended first.
        discarded,
        /// Of those queued, messages written to the socket completely.
        written,
        /// Of those queued, messages that are neither written nor dropped yet (a gauge).
        waiting,
        /// Bytes of the waiting messages, frame headers included (a gauge).
        waiting_bytes,
    }
}

stats! {
    /// Input from peers.
    Received {
        /// Complete text messages.
        text,
        /// Complete binary messages.
        binary,
        /// Bytes of the payloads of these messages.
        payload_bytes,
        /// Bytes read from sockets, of any kind.
        bytes,
        /// Pings.
        pings,
        /// Pongs, solicited or not.
        pongs,
    }
}

stats! {
    /// Control frames and bytes to peers.
    Sent {
        /// Bytes written to sockets, of any kind.
        bytes,
        /// Pings queued.
        pings,
        /// Pongs queued.
        pongs,
        /// Pongs replaced by newer ones before they were sent (RFC 6455 §5.5.3).
        pongs_replaced,
        /// Close frames queued.
        closes,
        /// Messages that the application [pushed](crate::Context::push). They are no data messages.
        pushes,
        /// Of those pushed, messages discarded because the connection ended first.
        pushes_discarded,
        /// Of those pushed, messages that wait (a gauge).
        pushes_waiting,
        /// Bytes of the pushes that wait, frame headers included (a gauge).
        pushes_waiting_bytes,
        /// Pages and error responses written.
        pages,
        /// Times that the limit on unsent bytes of a connection was raised above the minimum.
        unsent_limit_raised,
        /// Times that the limit on unsent bytes of a connection was reset to the minimum.
        unsent_limit_reset,
    }
}

stats! {
    /// Channels and their publications.
    ChannelStats {
        /// Channels that have members on this shard, or that this shard owns (a gauge).
        count,
        /// Memberships on this shard (a gauge).
        members,
        /// Publications of connections on this shard, and from outside to channels that this shard
        /// owns.
        published,
        /// Publications encoded, once each by the channel's owner shard.
        encoded,
        /// Messages encoded for a [codec](crate::delivery::Codec), once each for all receivers.
        codec_encoded,
        /// Publications copied into this shard's runs.
        copied,
        /// Members to which a publication was offered.
        offered,
        /// Publications, and messages to one connection, that still waited for credits when their
        /// connection ended.
        abandoned,
        /// Messages sent to other shards.
        shard_messages,
        /// Times a connection had to wait for credits before it could publish.
        credit_waits,
        /// Times that a connection waited for a channel's owner on another shard.
        home_waits,
        /// Publications that are not yet queued for all members on this shard (a gauge).
        unfinished,
        /// Slices of members for which publications were queued, in channels with more members than
        /// one slice.
        slices,
        /// Joins refused because the connection was at its limit of channels.
        joins_refused,
        /// Joins refused because a new channel needed memory that was not available.
        joins_refused_memory,
        /// Streams of channels that this shard owns (a gauge).
        streams,
        /// Publications that these keep (a gauge).
        kept,
        /// Bytes of these publications (a gauge).
        kept_bytes,
        /// Publications that were not kept any longer because memory was short.
        kept_shed,
        /// Publications not delivered because the channel had had one with their idempotency key.
        repeated,
        /// Publications not delivered because the channel had their version, or a newer one.
        outdated,
        /// Idempotency keys forgotten before their time because there were too many.
        keys_forgotten,
        /// Streams that were restored when the server started.
        restored,
        /// Members that are shown to others, in channels that this shard owns (a gauge).
        shown,
        /// Subscriptions that recovered all that they had missed.
        recovered,
        /// Subscriptions that could not recover all that they had missed.
        not_recovered,
        /// Memberships that ended because a publication did not reach the connection.
        positions_lost,
        /// Questions of connections on this shard to the application on one or all shards.
        questions,
    }
}

stats! {
    /// Messages to one connection by its name. When none is in flight, `sent = offered +
    /// undeliverable` over all shards, unless one has failed.
    Direct {
        /// Messages sent by connections on this shard, and from outside to connections on this
        /// shard.
        sent,
        /// Messages that reached a connection on this shard and were offered to its queue.
        offered,
        /// Messages to a connection that had ended.
        undeliverable,
    }
}

stats! {
    /// Connections, timers and memory.
    Links {
        /// Sockets accepted.
        accepted,
        /// Open sockets in any state (a gauge).
        held,
        /// Headers of the PROXY protocol that were read in front of connections.
        proxy_headers,
        /// Connections upgraded.
        opened,
        /// Upgraded connections that are open (a gauge).
        active,
        /// Handshakes of [transports](crate::proto::transport) that were completed.
        transports_agreed,
        /// Connections whose peer broke the protocol of its transport, in the handshake or behind it.
        transports_failed,
        /// Requests that the application held until it answered them.
        requests_held,
        /// Times that reading from a connection was paused because its own queue was full.
        read_pauses,
        /// Times that a connection was not read for a while because it had sent more than it may.
        throttled,
        /// Connections whose address had no place in the table of addresses.
        addresses_untracked,
        /// Times that a connection waited for one of its tasks to end before the next could be
        /// submitted.
        task_waits,
        /// Outcomes of tasks whose connection had closed.
        outcomes_gone,
        /// Submitted tasks whose outcome has not arrived (a gauge).
        tasks_pending,
        /// Callbacks that panicked.
        panics,
        /// Values of the application whose destructor panicked.
        drops_panicked,
        /// Messages of the application that were longer than [`MAX_PAYLOAD`](crate::delivery::MAX_PAYLOAD)
        /// and were not sent.
        too_long,
        /// Bytes held in frame runs and large frames (a gauge).
        frame_bytes,
        /// Bytes charged to the memory budget (a gauge).
        charged_bytes,
        /// Timer wake-ups at which nothing was due.
        idle_wakeups,
    }
}

stats! {
    /// Connections that are paused and not read, by the reason (gauges).
    Waiting {
        /// The answer of a channel's owner on another shard.
        owner,
        /// Credits for a publication to another shard.
        credit,
        /// Waiting for space in their own queue.
        queue,
        /// Waiting for the end of a task before the next can be submitted.
        task,
        /// Waiting for answers of other shards to a question.
        answers,
    }
}

stats! {
    /// permessage-deflate (RFC 7692).
    Deflation {
        /// Connections that agreed on compression.
        agreed,
        /// Of those, connections without contexts because the memory for contexts was used up.
        contexts_denied,
        /// Bytes of memory of connections' own contexts (a gauge).
        context_bytes,
        /// Messages compressed; a message for many connections that share it counts once.
        deflated,
        /// Bytes of these messages before compression.
        deflated_from_bytes,
        /// Bytes of these messages after compression.
        deflated_to_bytes,
        /// Messages that compression did not shorten, sent uncompressed.
        incompressible,
        /// Messages decompressed.
        inflated,
        /// Bytes of these messages before decompression.
        inflated_from_bytes,
        /// Bytes of these messages after decompression.
        inflated_to_bytes,
    }
}

impl core::ops::AddAssign<DeflateCounts> for Deflation {
    #[inline]
    fn add_assign(&mut self, codec: DeflateCounts) {
        for (sum, more) in [
            (&mut self.deflated, codec.deflated),
            (&mut self.deflated_from_bytes, codec.deflated_from_bytes),
            (&mut self.deflated_to_bytes, codec.deflated_to_bytes),
            (&mut self.incompressible, codec.incompressible),
            (&mut self.inflated, codec.inflated),
            (&mut self.inflated_from_bytes, codec.inflated_from_bytes),
            (&mut self.inflated_to_bytes, codec.inflated_to_bytes),
        ] {
            *sum = sum.wrapping_add(more);
        }
    }
}

/// The counters of one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Data messages to peers.
    pub delivery: Delivery,
    /// Data messages by priority.
    pub priorities: Priorities,
    /// Input from peers.
    pub received: Received,
    /// Control frames and bytes to peers.
    pub sent: Sent,
    /// Channels and their publications.
    pub channels: ChannelStats,
    /// Messages to one connection by its name.
    pub direct: Direct,
    /// Connections, timers and memory.
    pub links: Links,
    /// Paused connections.
    pub waiting: Waiting,
    /// permessage-deflate (RFC 7692).
    pub deflate: Deflation,
    /// Connections that ended, by [`CloseCause`].
    pub closed: [u64; CloseCause::ALL.len()],
    /// Connections failed for a violation of the peer, in the order of [`PeerError::ALL`].
    pub peer_errors: [u64; PeerError::ALL.len()],
    /// Requests refused, in the order of [`HandshakeError::LABELS`].
    pub refused: [u64; HandshakeError::COUNT],
    /// Connections closed that had to begin with a PROXY header, in the order of [`ProxyError::ALL`].
    pub proxy_refused: [u64; ProxyError::ALL.len()],
}

impl core::ops::AddAssign<&Self> for Stats {
    fn add_assign(&mut self, other: &Self) {
        self.delivery += other.delivery;
        self.priorities += &other.priorities;
        self.received += other.received;
        self.sent += other.sent;
        self.channels += other.channels;
        self.direct += other.direct;
        self.links += other.links;
        self.waiting += other.waiting;
        self.deflate += other.deflate;
        add(&mut self.closed, &other.closed);
        add(&mut self.peer_errors, &other.peer_errors);
        add(&mut self.refused, &other.refused);
        add(&mut self.proxy_refused, &other.proxy_refused);
    }
}

/// The cause of the end of an upgraded connection. The first cause counts.
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
    /// The peer violated the protocol; [`Stats::peer_errors`] counts the violations.
    PeerError,
    /// Nothing was received within the pong wait.
    PongTimeout,
    /// Nothing was written within the write timeout.
    WriteTimeout,
    /// The queue was full, and a message had the overflow policy to disconnect.
    SlowConsumer,
    /// The application closed it.
    Handler,
    /// The server shut down.
    Drain,
    /// A callback for it panicked.
    Panic,
    /// There was not enough memory for an incomplete message of the peer.
    Memory,
    /// The peer read more slowly than the minimum rate.
    ReadRate,
    /// The peer sent a message more slowly than the minimum rate.
    SendRate,
    /// The peer broke the protocol of its [transport](crate::proto::transport).
    Transport,
    /// The peer sent messages faster than it may.
    MessageRate,
}

impl Delivery {
    /// Returns the number of queued messages that are written or dropped.
    pub const fn left(&self) -> u64 {
        self.written + self.evicted + self.expired + self.conflated + self.shed + self.discarded
    }
}

impl CloseCause {
    /// Every variant, in the order of [`Stats::closed`].
    pub const ALL: [Self; 15] = [
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
        Self::Transport,
        Self::MessageRate,
    ];

    /// Returns the name in metrics and logs.
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
            Self::Transport => "transport",
            Self::MessageRate => "message_rate",
        }
    }
}

/// The counters of the dispatcher; one per process. [`Dispatcher`](crate::tasks::Dispatcher) states their
/// sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DispatchStats {
    /// Tasks accepted, including resubmitted ones.
    pub submitted: u64,
    /// Tasks refused because the queue was full.
    pub refused_full: u64,
    /// Tasks refused because the server was draining.
    pub refused_draining: u64,
    /// Tasks that are done.
    pub done: u64,
    /// Tasks that failed for good.
    pub failed: u64,
    /// Tasks that no worker had begun at the end of the shutdown.
    pub abandoned_waiting: u64,
    /// Tasks that were at a worker at the end of the shutdown.
    pub abandoned_running: u64,
    /// Tasks that wait for a worker, or for another task with their ordering key (a gauge).
    pub waiting: u64,
    /// Tasks that wait for the end of their delay, or for their next attempt (a gauge).
    pub delayed: u64,
    /// Tasks at a worker (a gauge).
    pub running: u64,
    /// Attempts that failed and were not the last.
    pub retried: u64,
    /// Attempts that returned a failure.
    pub attempts_failed: u64,
    /// Workers that ended without a report and were restarted.
    pub workers_restarted: u64,
    /// Tasks and outcomes whose drop panicked, as the adapter counts them.
    pub drops_panicked: u64,
    /// Attempts that panicked.
    pub panicked: u64,
    /// Attempts that exceeded their time.
    pub timed_out: u64,
    /// Attempts that ended after they had timed out.
    pub late: u64,
    /// Workers at an attempt that has timed out (a gauge).
    pub overdue: u64,
    /// Tasks that failed for good and are kept (a gauge).
    pub dead_letters: u64,
    /// Dead letters that were not kept, or were dropped for newer ones.
    pub dead_dropped: u64,
    /// Dead letters that were removed by request.
    pub dead_taken: u64,
    /// Of those removed, tasks that were resubmitted.
    pub resubmitted: u64,
}

fn add<const N: usize>(sums: &mut [u64; N], more: &[u64; N]) {
    for (sum, n) in sums.iter_mut().zip(more) {
        *sum = sum.wrapping_add(*n);
    }
}
