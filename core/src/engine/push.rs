//! Pushes to a connection on its own behalf, which wait where the lane is full, and the bound on
//! what waits behind one.

use crate::delivery::QueueFull;
use crate::engine::Engine;
use crate::proto::ws::opcode::MessageType;
use crate::session::app_types::{AppTypes, Backpressure};
use crate::session::deferred::Wait;

impl<A: AppTypes> Engine<A> {
    /// Queues a message ahead of all data, unless it is bounded and the lane is full.
    pub(crate) fn push(
        &mut self,
        at: u32,
        kind: MessageType,
        payload: &[u8],
        is_bounded: bool,
    ) -> Result<(), Wait> {
        if self.out.replies_are_held() {
            // They would be written first, and cannot be moved yet.
            return Err(Wait::Callback);
        }
        let pushed = self.out.push_ahead(at, kind, payload, is_bounded);
        pushed.map_err(|QueueFull| Wait::Queue)
    }

    /// Closes a connection if much waits behind a push for which there is no room.
    pub(crate) fn check_backlog(&mut self, at: u32) {
        let deferred = self.slots[at].deferred.as_ref();
        let Some((ops, bytes)) = deferred.and_then(|deferred| deferred.behind_push()) else {
            return;
        };
        if ops > MAX_BACKLOG || bytes > BACKLOG * self.config.reply_bytes {
            self.out.close_for_pushes(at);
        }
    }

    /// Lets what waits for room go on if nothing is left to be written.
    pub(crate) fn after_idle_flush(&mut self, at: u32) {
        if self.slots[at].deferred.is_some() && self.out.is_queue_empty(at) {
            self.unpark(at, Wait::Queue);
        }
    }

    /// Returns whether there is room after a write for what waits for that.
    #[inline(never)]
    pub(crate) fn has_room_for_ops(&self, at: u32, is_blocked: bool) -> bool {
        let deferred = self.slots[at].deferred.as_ref();
        if deferred.is_some_and(|deferred| deferred.behind_push().is_some()) {
            return self.out.is_push_lane_low(at);
        }
        // What it has sent is gone on with where its queue has room again.
        let waits_for_socket = is_blocked && A::BACKPRESSURE == Backpressure::PauseReads;
        self.out.has_room(at) && !waits_for_socket
    }
}

/// How many times as many bytes as in the lane may wait for room in it.
const BACKLOG: usize = 4;
/// How many operations may wait for room in it: as many as one message of a client can ask for.
const MAX_BACKLOG: usize = 1 << 14;
