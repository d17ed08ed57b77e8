//! Messaging machine of one CPU core: connections, channels, queues and timers behind `&mut self`.
//! Shards share no state; the adapter carries a [`ShardMessage`](crate::channels::ShardMessage) from one to
//! another.

#[cfg(feature = "testing")]
mod audit;
mod callbacks;
mod http;
mod inbox;
pub(crate) mod input;
mod inspect;
mod output;
mod proxy;
mod saved;
#[cfg(test)]
mod tests;
mod timers;
mod write;

use alloc::vec::Vec;
use core::marker::PhantomData;
use core::time::Duration;

pub use crate::engine::input::Admission;
pub use crate::engine::output::{Event, Output, Reason};
pub use crate::engine::timers::Direction;
pub use crate::session::address_limiter::AddressLimiter;

use crate::CloseCode;
use crate::app::{Handler, Isolation, NoIsolation};
use crate::config::Config;
use crate::delivery::codec::{AppCodecs, Codec, CodecResult, Outgoing};
use crate::engine::{Engine, StaticCallbacks};
use crate::id::ShardId;
use crate::session::sweep::SweepOrder;
use crate::stats::Stats;
use crate::time::Timestamp;

/// The messaging machine of one CPU core.
///
/// An adapter drives it in turns. A **turn** is any number of `handle_*` calls,
/// then [`poll_output`](Self::poll_output) until it says [`Output::Timeout`]. Not draining delays
/// things; it never corrupts them. No `handle_*` call fails because of what a peer does.
///
/// Time must not go backwards from call to call.
///
/// A panic in a callback or in a destructor of the application is [caught](Isolation) where `I`
/// catches it: it closes the connection that the callback was for with 1011, behind what the
/// callback had asked for before, and concerns nobody else.
pub struct Shard<H: Handler, I: Isolation = NoIsolation> {
    pub(crate) handler: H,
    pub(crate) engine: Engine<H>,
    isolation: PhantomData<fn() -> I>,
}

impl<H: Handler, I: Isolation> core::fmt::Debug for Shard<H, I> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Shard")
            .field("id", &self.engine.id)
            .finish_non_exhaustive()
    }
}

impl<H: Handler> Shard<H> {
    /// Returns a shard without connections that catches no panic. `id` is below
    /// [`Config::shards`], and every shard of a server has the same configuration.
    pub fn new(id: ShardId, config: &Config, handler: H) -> Self {
        Self::isolated(id, config, handler)
    }
}

impl<H: Handler, I: Isolation> Shard<H, I> {
    /// Returns a shard like [`new`](Shard::new), with an isolation.
    pub fn isolated(id: ShardId, config: &Config, handler: H) -> Self {
        Self {
            handler,
            engine: Engine::new(id, config.clone(), callbacks::<H, I>()),
            isolation: PhantomData,
        }
    }

    /// Has it count the connections and sessions of each address together with the other shards of its
    /// server. Before it accepts.
    pub fn share_addresses(&mut self, addresses: &AddressLimiter) {
        self.engine.share_addresses(addresses);
    }

    /// Its place among the shards.
    pub const fn id(&self) -> ShardId {
        self.engine.id
    }

    /// The limits it keeps.
    pub const fn config(&self) -> &Config {
        &self.engine.config
    }

    /// The application.
    pub const fn handler(&self) -> &H {
        &self.handler
    }

    /// What it has counted, and what it holds now. Costs the same however many
    /// connections there are.
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// From now on a [page](crate::config::Page::readiness) says that the server is about to end. All
    /// else goes on.
    pub const fn handle_leaving(&mut self) {
        self.engine.is_leaving = true;
    }

    /// Begins to drain, which takes several turns where there are many connections: nothing
    /// new is read, new sockets are refused, and what
    /// has been accepted goes on until [`is_quiet`](Self::is_quiet).
    pub fn handle_drain(&mut self, now: Timestamp) {
        self.engine.set_time(now);
        self.engine.begin_sweep(SweepOrder::Drain);
    }

    /// Whether nothing that was accepted is still on its way between shards or
    /// at a worker; what is left to do is to write. While draining, this stays
    /// true once it is.
    pub fn is_quiet(&self) -> bool {
        self.engine.is_quiet()
    }

    /// Closes every connection, some of them a turn: a close frame with `code` stands behind
    /// all that waits, and nothing more is taken. In place of [`CloseCode::GOING_AWAY`] stands what
    /// the application [says](Handler::shutdown).
    pub fn handle_close_all(&mut self, now: Timestamp, code: CloseCode) {
        self.engine.set_time(now);
        self.engine.handle_new_messages();
        self.engine.close_pace = None;
        self.engine.begin_sweep(SweepOrder::Close(code));
        self.settle();
    }

    /// Closes every connection like [`handle_close_all`](Self::handle_close_all), one after the other:
    /// those of all shards at the [rate](Config::shutdown_rate) of the configuration, but all of them
    /// within this time. The times between two vary by chance.
    pub fn handle_close_paced(&mut self, now: Timestamp, code: CloseCode, within: Duration) {
        self.engine.set_time(now);
        self.engine.handle_new_messages();
        self.engine.begin_pace(within);
        self.engine.begin_sweep(SweepOrder::Close(code));
        self.settle();
    }

    /// Cuts every connection off, some of them a turn. What waits is discarded, and counted.
    pub fn handle_abort(&mut self, now: Timestamp) {
        self.engine.set_time(now);
        self.engine.handle_new_messages();
        self.engine.begin_sweep(SweepOrder::Abort);
        self.settle();
    }

    /// Whether it holds no socket.
    pub fn is_empty(&self) -> bool {
        self.engine.slots.held() == 0
    }

    /// Does what could not be done inside a callback, and tells the handler what
    /// it could not be told there.
    #[inline]
    pub(crate) fn settle(&mut self) {
        self.engine.out.end_batch();
        let engine = &self.engine;
        if !engine.out.has_slow()
            && engine.ended.is_empty()
            && engine.leftovers.is_empty()
            && !engine.has_notices()
        {
            return;
        }
        self.settle_ends();
    }
}

/// What the engine calls without knowing the application.
const fn callbacks<H: Handler, I: Isolation>() -> StaticCallbacks {
    StaticCallbacks {
        codecs: AppCodecs {
            encode: encode::<H, I>,
            passes: |filter, message| I::run(|| H::passes(filter, message)),
        },
        shutdown: shutdown::<H, I>,
        too_many_messages: too_many_messages::<H, I>,
        encode_close: encode_close::<H, I>,
    }
}

/// Calls [`Handler::too_many_messages`].
fn too_many_messages<H: Handler, I: Isolation>(codec: Codec) -> (CloseCode, &'static str) {
    I::run(|| H::too_many_messages(codec)).unwrap_or((CloseCode::POLICY, ""))
}

/// Calls [`Handler::shutdown`].
fn shutdown<H: Handler, I: Isolation>(codec: Codec) -> (CloseCode, &'static str) {
    I::run(|| H::shutdown(codec)).unwrap_or((CloseCode::GOING_AWAY, ""))
}

/// Calls [`Handler::encode_close`].
fn encode_close<H: Handler, I: Isolation>(
    codec: Codec,
    code: CloseCode,
    reason: &str,
    out: &mut Vec<u8>,
) -> bool {
    I::run(|| H::encode_close(codec, code, reason, out)).is_some()
}

/// Calls [`Handler::encode`].
fn encode<H: Handler, I: Isolation>(
    codec: Codec,
    message: &Outgoing<'_>,
    out: &mut Vec<u8>,
) -> CodecResult {
    match I::run(|| H::encode(codec, message, out)) {
        Some(Some(kind)) => CodecResult::Encoded(kind),
        Some(None) => CodecResult::Refused,
        None => CodecResult::Panicked,
    }
}

/// Bytes of memory of a connection in the tables of its shard: its slot, with an application
/// without state, and what waits to be written to it.
pub const SLOT_BYTES: usize =
    size_of::<crate::session::slot::Slot<crate::Echo>>() + crate::delivery::ROW_BYTES;
const _: () = assert!(SLOT_BYTES <= 184);
