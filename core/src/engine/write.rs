//! State of a connection after a write: its timers, its waiting operations, and its end.

use crate::delivery::Written;
use crate::engine::Engine;
use crate::engine::output::Output;
use crate::session::app_types::AppTypes;
use crate::session::deferred::Wait;
use crate::session::phase::Phase;

impl<A: AppTypes> Engine<A> {
    /// Takes note that `n` bytes of what was offered to a connection were written.
    pub(crate) fn transmitted(&mut self, at: u32, n: usize) {
        if self.out.is_sealed(at) {
            return self.transmitted_sealed(at, n);
        }
        let written = self.out.transmitted(at, n);
        self.after_transmit(at, written);
    }

    #[inline(never)]
    fn transmitted_sealed(&mut self, at: u32, n: usize) {
        let written = self.out.transmitted_sealed(at, n);
        self.after_transmit(at, written);
    }

    // Of both callers this is a part: the result would be copied otherwise.
    #[inline(always)]
    fn after_transmit(&mut self, at: u32, written: Written) {
        if let Some(bytes) = written.unsent_limit {
            let id = self.slots.id(at);
            self.outputs.push_back(Output::LimitUnsent { id, bytes });
        }
        if written.restarts_timer {
            self.slots[at].flags.set_excused(false);
            self.rearm(at);
        }
        let slot = &self.slots[at];
        let (phase, has_pending) = (slot.phase(), slot.deferred.is_some());
        if has_pending && self.has_room_for_ops(at, written.is_blocked) {
            self.unpark(at, Wait::Queue);
        }
        // Of one that is ending, the last that waited may have expired instead.
        let is_over = written.was_offered || phase == Phase::Closing;
        if phase != Phase::Open && !written.is_blocked && written.is_empty && is_over {
            self.after_write(at);
        }
    }
}
