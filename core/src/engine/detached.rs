//! Sessions without a link: what waits for one is taken by the application, which gives it to its
//! client in answers to requests.

use alloc::vec::Vec;

use crate::channels::fan_outs::EVERYONE;
use crate::delivery::codec::{Codec, Form};
use crate::delivery::frame::Chunks;
use crate::engine::Engine;
use crate::engine::output::Event;
use crate::engine::subscribe::Notice;
use crate::id::ConnId;
use crate::proto::wire::{Decoder, Wire};
use crate::proto::ws::Keepalive;
use crate::proto::ws::deflate::Compressor;
use crate::session::app_types::AppTypes;
use crate::session::ended::Leftover;
use crate::session::phase::PhaseStep;

impl<A: AppTypes> Engine<A> {
    /// Opens a session without a link for the peer of a connection. `None`, with the state dropped,
    /// if the server drains or memory is short.
    pub(crate) fn open_detached(
        &mut self,
        opener: u32,
        state: A::State,
        codec: Codec,
    ) -> Option<ConnId> {
        if self.draining || self.is_short_of_memory(0) {
            self.leftovers.push(Leftover::State(state));
            return None;
        }
        let keepalive = Keepalive::new(self.now, self.config.ping_interval, 0);
        let at = self.slots.insert(keepalive);
        self.out.insert(at);
        let peer = self.slots[opener].peer;
        let slot = &mut self.slots[at];
        slot.peer = peer;
        slot.decoder = Decoder::Detached;
        slot.advance(PhaseStep::Open);
        slot.state = Some(state);
        slot.flags.set_upgraded(true);
        // The adapter knows nothing of it.
        slot.flags.set_released(true);
        slot.moment = Some(self.now);
        self.out
            .open(at, Form::new(codec, Wire::Lines), Compressor::NONE);
        self.out.hold(at);
        self.counts.links.opened += 1;
        self.counts.links.active += 1;
        self.fan_outs.joined(EVERYONE, at);
        let id = self.slots.id(at);
        self.emit(Event::Opened(id));
        self.notices.push_back(Notice::Opened(id));
        Some(id)
    }

    /// Returns whether a session has no link.
    #[inline]
    pub(crate) fn is_detached(&self, at: u32) -> bool {
        matches!(self.slots[at].decoder, Decoder::Detached)
    }

    /// Has the application told once something waits for a session without a link.
    pub(crate) fn await_output(&mut self, at: u32) {
        if self.is_detached(at) {
            self.out.release_hold(at);
        }
    }

    /// Appends what waits for a session without a link, up to about a batch, and leaves it there.
    pub(crate) fn peek_output(&mut self, at: u32, out: &mut Vec<u8>) {
        if self.is_detached(at) {
            let mut chunks = Chunks::new();
            self.out.offer(at, &mut chunks);
            for chunk in chunks.as_slices() {
                out.extend_from_slice(chunk);
            }
        }
    }

    /// Takes out the first bytes of what was [looked at](Self::peek_output).
    pub(crate) fn consume_output(&mut self, at: u32, n: usize) {
        if self.is_detached(at) {
            self.transmitted(at, n);
            if self.out.is_blocked(at) {
                // What was looked at since is not on its way to a socket.
                self.transmitted(at, 0);
            }
        }
    }
}
