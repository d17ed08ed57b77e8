//! What an application can do on a shard that is asked something.

use core::time::Duration;

use bytes::Bytes;

use crate::app::{Context, Handler};
use crate::channels::question::ShardRequest;
use crate::engine::Engine;
use crate::id::{ConnId, ShardId};
use crate::time::Timestamp;

/// The shard of a [question](Handler::on_shard_request).
pub struct ShardContext<'a, H: Handler> {
    engine: &'a mut Engine<H>,
    /// The connection of a call that has not returned, and its state.
    called: Option<(u32, H::State)>,
}

impl<H: Handler> core::fmt::Debug for ShardContext<'_, H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ShardContext")
            .field("shard", &self.shard())
            .finish_non_exhaustive()
    }
}

impl<'a, H: Handler> ShardContext<'a, H> {
    pub(crate) const fn new(engine: &'a mut Engine<H>) -> Self {
        Self {
            engine,
            called: None,
        }
    }

    /// Gives back the state of the connection for which a call has panicked.
    pub(crate) fn end(mut self) -> Option<u32> {
        let (at, state) = self.called.take()?;
        self.engine.slots[at].state = Some(state);
        Some(at)
    }

    /// Returns the number of the shard.
    pub const fn shard(&self) -> ShardId {
        self.engine.id
    }

    /// Returns the time of the call that led to this callback.
    pub const fn now(&self) -> Timestamp {
        self.engine.now
    }

    /// Returns the wall clock, as the time since the Unix epoch: zero if the adapter has
    /// [told](crate::Shard::handle_wall_clock) none.
    pub fn unix_time(&self) -> Duration {
        self.engine.unix_time()
    }

    /// Answers a question.
    pub fn answer(&mut self, request: ShardRequest, payload: Bytes) {
        self.engine.answer_question(request.from, payload);
    }

    /// Acts for an open connection of this shard, as in a callback for it. Returns `None` without a
    /// call if there is no such connection.
    pub fn with_connection<R>(
        &mut self,
        id: ConnId,
        call: impl FnOnce(&mut Context<'_, H>) -> R,
    ) -> Option<R> {
        let at = self.engine.find_open(id)?;
        let state = self.engine.slots[at].state.take()?;
        let (at, state) = self.called.insert((at, state));
        let at = *at;
        let result = call(&mut Context::new(self.engine, state, at, None));
        if let Some((_, state)) = self.called.take() {
            self.engine.slots[at].state = Some(state);
        }
        self.engine.update_reading(at);
        Some(result)
    }

    /// Returns the channels that this shard owns and that have members, and how many these are on
    /// all shards; in no order.
    pub fn channels(&self) -> impl Iterator<Item = (&Bytes, u64)> {
        self.engine.owned_channels()
    }
}
