//! Replacement of a failed engine by an empty one that keeps the messages of other shards, and what
//! the other shards do about it.

use crate::channels::message::{MessageBody, ShardMessage};
use crate::engine::output::{Leftover, Output};
use crate::engine::{Engine, EngineCounts};
use crate::id::ShardId;
use crate::session::app_types::AppTypes;
use crate::session::deferred::Wait;
use crate::stats::{CloseCause, Waiting};

impl<A: AppTypes> Engine<A> {
    /// Leaves it to the adapter to drop something of the application's.
    pub(crate) fn dispose(&mut self, leftover: Leftover<A>) {
        self.outputs.push_back(Output::Dispose(leftover));
    }

    pub(crate) fn restart(mut self) -> Self {
        let closed = self.closed_for_successor();
        let mut new = Self::new(self.id, self.config.clone());
        new.closed = closed;
        new.slots.begin_generations(self.slots.next_generation());
        new.now = self.now;
        new.draining = self.draining;
        new.counts = self.counts;
        // Of what the other held, this one holds nothing.
        let EngineCounts {
            links,
            channels,
            waiting,
            ..
        } = &mut new.counts;
        (links.held, links.active, channels.members) = (0, 0, 0);
        *waiting = Waiting::default();
        let ended = new.counts.closed.iter().sum();
        let open = new.counts.links.opened.saturating_sub(ended);
        new.counts.closed[CloseCause::Panic as usize] += open;
        new.out.succeed(&self.out);
        // The ends of those that have been handed out still come here.
        let kept = self
            .outputs
            .iter()
            .filter(|output| matches!(output, Output::Submit(..)))
            .count();
        let under_way = &mut new.counts.links.tasks_pending;
        *under_way = under_way.saturating_sub(kept as u64);
        let unfinished = self.fan_outs.take_all();
        new.inbox = unfinished
            .map(|publication| ShardMessage(MessageBody::Deliver(publication)))
            .collect();
        new.inbox.append(&mut self.inbox);
        new.failed_slots = self.failed_slots;
        new.failed_slots.push(self.slots);
        new.command_bytes = self.command_bytes;
        new.held_requests = self.held_requests;
        for output in self.outputs {
            match output {
                Output::Submit(_, task, _) => new.dispose(Leftover::task(task)),
                Output::Send(..) | Output::Dispose(_) => new.outputs.push_back(output),
                _ => {}
            }
        }
        for (_, state, _) in self.ended {
            new.dispose(Leftover::state(state));
        }
        new.clear_remains();
        let id = new.id;
        let epoch = new.credits.succeed(self.credits);
        for shard in (0..new.config.shards)
            .map(ShardId)
            .filter(|&shard| shard != id)
        {
            new.post(shard, MessageBody::Restarted { shard: id, epoch });
            new.resyncing += 1;
        }
        new
    }

    /// Drops the next slots of the shard that has failed, and counts what their connections
    /// had said that is not done any more.
    pub(crate) fn clear_remains(&mut self) {
        for _ in 0..self.config.fan_out_slice {
            let Some(slots) = self.failed_slots.last_mut() else {
                return;
            };
            match slots.pop() {
                Some(mut slot) => {
                    if let Some(state) = slot.state.take() {
                        self.dispose(Leftover::state(state));
                    }
                    if let Some(deferred) = &mut slot.deferred {
                        let ops = deferred.take_ops();
                        self.forget_ops(ops);
                    }
                }
                None => drop(self.failed_slots.pop()),
            }
        }
    }

    /// Another shard has lost what it knew: it has no members any more, nothing
    /// of ours is under way to it, and it must be told who is in its channels here.
    pub(crate) fn handle_restarted(&mut self, shard: ShardId, epoch: u32) {
        self.registry.forget_shard(shard);
        self.credits.reset(shard, epoch);
        self.wake_first(Wait::Credit(shard));
        for channel in 0..self.registry.places() {
            if self.registry.owner_of_channel(channel) != shard {
                continue;
            }
            // Who is leaving has told so already, and is told that it has left.
            let stays = |&&at: &&u32| {
                let deferred = self.slots[at].deferred.as_ref();
                deferred.is_none_or(|deferred| deferred.wait != Some(Wait::Left(channel)))
            };
            let members = self.registry.members(channel).iter().filter(stays).count() as u32;
            if members > 0 {
                let channel = self.registry.name(channel).clone();
                self.post(
                    shard,
                    MessageBody::Members {
                        epoch,
                        shard: self.id,
                        channel,
                        members,
                    },
                );
            }
        }
        self.post(shard, MessageBody::ResyncDone { epoch });
    }

    /// Another shard has told who is in our channels there. What was to be
    /// published waits until all have, or it would miss them.
    pub(crate) fn handle_resync_done(&mut self) {
        self.resyncing = self.resyncing.saturating_sub(1);
        if self.resyncing == 0 {
            // Before the messages that came behind them.
            while let Some(request) = self.held_requests.pop_back() {
                self.inbox
                    .push_front(ShardMessage(MessageBody::Ask(request)));
            }
        }
    }
}
