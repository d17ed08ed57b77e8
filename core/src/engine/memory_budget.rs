//! Memory budget of a shard: what is charged, when connections and joins are refused, and what is
//! freed above the share. Socket buffers of the kernel are not charged.

use core::time::Duration;

use crate::CloseCode;
use crate::channels::message::{ShardMessage, ShardPublication};
use crate::delivery::shrink;
use crate::engine::output::Output;
use crate::engine::subscribe::Notice;
use crate::engine::{Engine, MAX_OUTPUTS};
use crate::inspect::Readiness;
use crate::inspect::closed::CloseInfo;
use crate::session::app_types::AppTypes;
use crate::session::ended::{Ended, Leftover};
use crate::session::phase::Phase;
use crate::stats::CloseCause;

impl<A: AppTypes> Engine<A> {
    /// Gets back to the budget, after something was taken in.
    #[inline]
    pub(crate) fn keep_within_budget(&mut self) {
        if self.has_budget() {
            self.compare_with_budget();
        }
    }

    #[inline(never)]
    pub(crate) fn compare_with_budget(&mut self) {
        if self.charged() > self.budget.share {
            self.reclaim_if_over();
        } else {
            // What was in vain then may help the next time.
            self.budget.tolerated = self.budget.share;
        }
    }

    /// Returns whether the memory of the shard is bounded.
    #[inline]
    pub(crate) const fn has_budget(&self) -> bool {
        self.budget.share != usize::MAX
    }

    /// Bytes of memory charged, as allocated: tables, with what stands in them and what is kept
    /// for the next to need it; messages that wait, that have not come to their end, or are under
    /// way to another shard; commands held back; publications that are not queued for all members yet; contexts of compression. All but what an
    /// application keeps itself. Sums that are kept: nothing is counted here.
    pub(crate) fn charged(&self) -> usize {
        self.out.memory()
            + self.slots.memory()
            + self.membership_bytes
            + self.deferred_bytes
            + self.registry.memory()
            + self.streams.memory()
            + self.presence.memory()
            + self.decode_buffers.memory()
            + self.context_bytes
            + self.fan_outs.memory()
            + self.closed.memory()
            + self.wheel.memory()
            + self.line_bytes()
            + self.limit_bytes()
            + self.letter_bytes()
    }

    /// Of those who wait for their turn at something, and of what is to be handed out.
    pub(crate) fn line_bytes(&self) -> usize {
        self.resume.capacity() * size_of::<u32>()
            + self.task_waiters.memory()
            + self.app_timers.memory()
            + self.credits.memory()
            + self.ended.capacity() * size_of::<Ended>()
            + self.notices.capacity() * size_of::<Notice>()
            + self.leftovers.capacity() * size_of::<Leftover<A>>()
            + self.outputs.capacity() * size_of::<Output<A>>()
    }

    /// Of what is under way from here to other shards until it is over there, of what has
    /// come here from them as far as it is not theirs, and of what has come from outside.
    pub(crate) fn letter_bytes(&self) -> usize {
        let (messages, bytes) = self.credits.under_way();
        messages * size_of::<ShardPublication>()
            + bytes
            + self.inbox.capacity() * size_of::<ShardMessage>()
            + self.command_bytes
    }

    /// The sums that are kept for [`charged`](Self::charged), counted anew.
    ///
    /// # Panics
    /// If they differ.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn audit_memory(&self) {
        use crate::channels::registry::list_bytes;
        let (mut deferred, mut memberships) = (0, 0);
        for (_, slot) in self.slots.iter() {
            deferred += slot
                .deferred
                .as_ref()
                .map_or(0, |deferred| deferred.memory());
            memberships += list_bytes(&slot.memberships);
        }
        assert_eq!(deferred, self.deferred_bytes, "held back");
        assert_eq!(memberships, self.membership_bytes, "memberships");
        assert_eq!(
            self.registry.count_memory(),
            self.registry.memory(),
            "channels"
        );
        self.streams.audit();
        self.presence.audit();
        let commands = self.inbox.iter().map(ShardMessage::command_bytes);
        assert_eq!(commands.sum::<usize>(), self.command_bytes, "commands");
    }

    /// From time to time: gives back what nobody has needed since the last time.
    pub(crate) fn decay(&mut self) {
        if self.now < self.decays_at {
            return;
        }
        self.decays_at = self.now.after(DECAY);
        self.out.decay();
        self.decode_buffers.buffers.decay();
        self.decay_tables();
        self.out.forget_some_unblocked();
        self.shrink_lines();
    }

    /// When the last connection has gone, and no timer may ever be due again: gives back what was
    /// kept for the next.
    pub(crate) fn rest(&mut self) {
        self.trim();
        // Twice: at first, what was needed until now.
        self.decay_tables();
        self.decay_tables();
        self.out.forget_unblocked();
        self.shrink_lines();
    }

    pub(crate) fn decay_tables(&mut self) {
        self.slots.decay();
        self.registry.decay();
        self.streams.decay();
        self.presence.decay();
        self.out.decay_tables();
        self.closed.decay();
    }

    pub(crate) fn shrink_lines(&mut self) {
        let connections = self.slots.len() as usize;
        self.task_waiters.shrink(connections);
        self.out.shrink_lists();
        self.credits.shrink(connections);
        self.app_timers.shrink();
        if let Some(addresses) = &mut self.addresses {
            addresses.shrink(connections);
        }
        if let Some(rates) = &mut self.rates {
            rates.shrink(connections);
        }
        shrink(&mut self.resume, connections);
        shrink(&mut self.ended, connections);
        shrink(&mut self.notices, connections);
        self.leftovers.shrink_to(connections);
        shrink(&mut self.outputs, MAX_OUTPUTS);
        shrink(&mut self.inbox, MAX_OUTPUTS);
    }

    /// Whether there is no memory for one connection or channel more, which takes so much at
    /// least, even without what is only kept for others to come.
    pub(crate) fn is_short_of_memory(&mut self, growth: usize) -> bool {
        let full = self.budget.full();
        if !self.has_budget() || self.charged() + growth <= full {
            return false;
        }
        self.trim();
        self.charged() + growth > full
    }

    /// Whether the shard takes traffic.
    pub(crate) fn readiness(&mut self) -> Readiness {
        if self.is_leaving || self.draining {
            Readiness::Leaving
        } else if self.is_short_of_memory(0) {
            Readiness::ShortOfMemory
        } else {
            Readiness::Ready
        }
    }

    /// Reclaims memory unless that was tried in vain at this level.
    #[cold]
    pub(crate) fn reclaim_if_over(&mut self) {
        if self.charged() > self.budget.tolerated {
            self.reclaim();
        }
    }

    /// Frees what is kept for reuse; if that does not suffice, drops queued messages of blocked
    /// connections. Continues in the next turn if there are more of them than are visited in one.
    pub(crate) fn reclaim(&mut self) {
        let budget = self.budget;
        self.trim();
        let excess = self.charged().saturating_sub(budget.relieved());
        if excess > 0 {
            // What was published can be asked for again, where the application has kept it.
            let shed = self.streams.shed(excess, self.config.fan_out_slice);
            self.counts.channels.kept_shed += shed as u64;
            let excess = self.charged().saturating_sub(budget.relieved());
            let shed = self.streams.shed_keys(excess, self.config.fan_out_slice);
            self.counts.channels.keys_forgotten += shed;
        }
        let charged = self.charged();
        if self.out.is_shedding() || charged > budget.relieved() {
            let others = charged - self.out.memory();
            self.out
                .shed_slice(budget.relieved().saturating_sub(others));
            self.trim();
        }
        let charged = self.charged();
        // If everything droppable is gone, trying again waits until there is more.
        self.budget.tolerated = if charged > budget.share && !self.out.is_shedding() {
            charged + budget.share / 32
        } else {
            budget.share
        };
    }

    pub(crate) fn trim(&mut self) {
        self.out.trim();
        self.decode_buffers.trim();
    }

    /// Closes a connection that sends more than there is memory for: by then half the budget is
    /// taken by messages that have not come to their end and commands that are held back, of
    /// which this one has a part and wants more.
    pub(crate) fn check_input(&mut self, at: u32) {
        let taken = self.decode_buffers.buffers.lent_bytes() + self.deferred_bytes;
        if taken <= self.budget.for_input() {
            return;
        }
        let slot = &mut self.slots[at];
        let deferred = slot.deferred.as_ref();
        let deferred = deferred.map_or(0, |deferred| {
            deferred.buffered.capacity() + deferred.memory()
        });
        let held = slot.decoder.held_bytes() + deferred;
        if slot.phase() != Phase::Open || held <= SMALL {
            return;
        }
        slot.decoder.handle_failure(&mut self.decode_buffers);
        self.out.discard_if_blocked(at);
        let code = Some(CloseCode::TRY_LATER);
        self.push_close(at, code, "out of memory");
        self.end(at, CloseInfo::with_code(CloseCause::Memory, code));
    }
}

/// How often it is looked what nobody needs.
const DECAY: Duration = Duration::from_secs(1);
/// Whoever holds no more than this is not what memory runs short of, in bytes.
pub(crate) const SMALL: usize = 4 << 10;
