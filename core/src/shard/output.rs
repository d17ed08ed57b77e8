//! Order in which a shard returns outputs and resumes held-back input.

use crate::app::{Handler, Isolation};
use crate::delivery::NextFlush;
use crate::engine::output::Output;
use crate::shard::Shard;

impl<H: Handler, I: Isolation> Shard<H, I> {
    /// Returns the next thing to do. Goes on with something that had to wait after each flush, and
    /// with the rest once nothing else is left; so [`Output::Timeout`] means that there is nothing
    /// to do until something else is handled, be it only how much of a flush went out.
    pub fn poll_output(&mut self) -> Output<H> {
        loop {
            self.engine.handle_new_messages();
            self.settle();
            if let Some(output) = self.engine.outputs.pop_front() {
                if let Output::Disconnect(id) = output {
                    self.engine.release(id);
                }
                return output;
            }
            if self.engine.resume_is_due && self.may_resume() {
                self.engine.resume_is_due = false;
                if self.resume_next() {
                    continue;
                }
            }
            if !self.engine.fan_outs.is_empty() && self.engine.fan_outs.is_next(&self.engine.out) {
                self.engine.fan_out_slice();
                continue;
            }
            match self.engine.out.next_flush() {
                Some((at, NextFlush::Offer)) if self.engine.is_detached(at) => {
                    self.tell_output(at);
                    continue;
                }
                Some((at, NextFlush::Offer)) => {
                    // On a shard that always has something to write, what is held back
                    // would wait for ever otherwise.
                    self.engine.resume_is_due = true;
                    return Output::Flush(self.engine.slots.id(at));
                }
                Some((at, NextFlush::Expired)) => {
                    self.engine.transmitted(at, 0);
                    continue;
                }
                Some((at, NextFlush::Nothing)) => {
                    self.engine.after_idle_flush(at);
                    self.engine.free_if_done(at);
                    continue;
                }
                None => {}
            }
            if !self.resume_more() {
                return Output::Timeout(self.next_timeout());
            }
        }
    }

    /// Takes more in when all that presses has been tried, and others have had their turn;
    /// says whether it did.
    #[inline(never)]
    pub(crate) fn resume_more(&mut self) -> bool {
        if self.engine.is_caught_up() {
            self.engine.begin_turn();
            return false;
        }
        self.may_resume() && self.resume_next()
    }

    /// Whether all that presses has been tried, and others have had their turn.
    pub(crate) fn may_resume(&self) -> bool {
        !self.engine.out.is_backpressured() && !self.engine.out.is_turn_over()
    }

    /// Goes on with something that was held back, if there is anything.
    pub(crate) fn resume_next(&mut self) -> bool {
        if !self.engine.inbox.is_empty() {
            self.engine.handle_messages();
        } else if let Some((at, range)) = self.engine.rest.take() {
            // It may stand before the rest, or be on its way.
            self.engine.out.vacate_scratch();
            self.resume_in_scratch(at, range);
        } else if let Some(at) = self.engine.resume.pop_front() {
            self.engine.slots[at].flags.set_resuming(false);
            self.resume(at);
            self.engine.free_if_done(at);
        } else {
            return false;
        }
        true
    }
}
