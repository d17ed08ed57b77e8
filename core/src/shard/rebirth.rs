//! Owns what follows from the failure of a shard: an empty one takes its
//! place, goes on with what others said to it, and they are told.

use super::letter::Said;
use super::output::Output;
use super::pending::Wait;
use super::{Engine, Shard};
use crate::handler::Handler;
use crate::id::ShardId;
use crate::stats::{CloseCause, Stats, Waiting};

impl<H: Handler> Shard<H> {
    /// A shard in the place of this one, which has panicked: without
    /// connections, so the adapter closes their sockets. Letters that this one
    /// has not handled or not posted pass on to it; its counters go on, and what
    /// waited in its queues counts as discarded. Names of its connections are
    /// not given out again.
    #[must_use]
    pub fn rebirth(self, handler: H) -> Self {
        Self {
            handler,
            engine: self.engine.rebirth(),
        }
    }
}

impl<H: Handler> Engine<H> {
    fn rebirth(mut self) -> Self {
        let generation = self
            .slots
            .iter_all()
            .map(|slot| slot.generation.wrapping_add(1))
            .max();
        let ledger = self.bequeath();
        let mut new = Self::new(self.id, self.config);
        new.ledger = ledger;
        new.slots.begin_generations(generation.unwrap_or_default());
        new.now = self.now;
        new.draining = self.draining;
        new.counts = self.counts;
        // Of what the other held, this one holds nothing.
        let Stats {
            links,
            rooms,
            waiting,
            ..
        } = &mut new.counts;
        (links.held, links.active, rooms.members) = (0, 0, 0);
        *waiting = Waiting::default();
        for (_, slot) in self.slots.iter() {
            if let Some(pending) = &slot.pending {
                new.count_forgotten(&pending.ops);
            }
        }
        let open = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.state.is_some())
            .count();
        new.counts.closed[CloseCause::Panic as usize] += open as u64;
        let delivery = &mut new.counts.delivery;
        let lost = delivery.queued.saturating_sub(delivery.left());
        delivery.discarded += lost;
        // Of which priorities is not asked of a shard that has failed.
        new.counts.priorities.of(None).discarded += lost;
        // The ends of those that have been handed out still come here.
        let kept = self
            .outputs
            .iter()
            .filter(|output| matches!(output, Output::Submit(..)))
            .count();
        let pending = &mut new.counts.links.tasks_pending;
        *pending = pending.saturating_sub(kept as u64);
        new.backlog = self.backlog;
        new.unanswered = self.unanswered;
        new.outputs = self.outputs;
        new.outputs
            .retain(|output| matches!(output, Output::Mail(..)));
        new.lives = self.lives;
        let id = new.id;
        let life = new.lives[id.index()].wrapping_add(1);
        new.lives[id.index()] = life;
        for shard in (0..new.config.shards)
            .map(ShardId)
            .filter(|&shard| shard != id)
        {
            new.post(shard, Said::Reborn { shard: id, life });
            new.restating += 1;
        }
        new
    }

    /// Another shard has lost what it knew: it has no members any more, nothing
    /// of ours is under way to it, and it must be told who is in its rooms here.
    pub(super) fn take_reborn(&mut self, shard: ShardId, life: u32) {
        self.lives[shard.index()] = life;
        self.rooms.forget_shard(shard);
        self.forgive_credit(shard);
        for room in 0..self.rooms.places() {
            // Who is leaving has told so already, and is told that it has left.
            let stays = |&&at: &&u32| {
                let pending = self.slots[at].pending.as_ref();
                pending.is_none_or(|pending| pending.wait != Some(Wait::Left(room)))
            };
            let members = self.rooms.members(room).iter().filter(stays).count() as u32;
            if members > 0 && self.rooms.home(self.rooms.name(room)) == shard {
                let room = self.rooms.name(room).clone();
                self.post(
                    shard,
                    Said::Members {
                        life,
                        shard: self.id,
                        room,
                        members,
                    },
                );
            }
        }
        self.post(shard, Said::Restated { life });
    }

    /// Another shard has told who is in our rooms there. What was to be
    /// published waits until all have, or it would miss them.
    pub(super) fn take_restated(&mut self) {
        self.restating = self.restating.saturating_sub(1);
        while self.restating == 0
            && let Some(asked) = self.unanswered.pop_front()
        {
            self.do_at_home(asked);
        }
    }
}
