//! Consistency checks of a shard for tests, and a check that it contains nothing.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::app::{Handler, Isolation};
use crate::id::{ConnId, ShardId};
use crate::session::deferred::Wait;
use crate::session::phase::Phase;
use crate::shard::Shard;

impl<H: Handler, I: Isolation> Shard<H, I> {
    /// Asserts what must hold between any two calls.
    ///
    /// # Panics
    /// If it does not.
    pub fn audit(&self) {
        let engine = &self.engine;
        let id = engine.id;
        let mut parked = 0;
        for (at, slot) in engine.slots.iter() {
            let name = engine.slots.id(at);
            parked += usize::from(slot.is_parked());
            for membership in &slot.memberships {
                let listed = engine.registry.members(membership.channel());
                assert_eq!(listed.get(membership.place() as usize), Some(&at), "{name}");
            }
            let ended = !matches!(slot.phase(), Phase::Open);
            assert!(!ended || slot.memberships.is_empty(), "{name} has ended");
            let wait = slot.deferred.as_ref().and_then(|deferred| deferred.wait);
            let is_last =
                matches!(wait, None | Some(Wait::Credit(_) | Wait::Task)) || engine.is_held(at);
            assert!(!ended || is_last, "{name} has ended and waits: {wait:?}");
            let is_known = engine.is_acting(at) || slot.flags.ending();
            assert_eq!(slot.state.is_some(), is_known, "{name}: {:?}", slot.phase());
        }
        engine.out.audit();
        engine.audit_ledger();
        engine.audit_memory();
        engine.audit_gauges();
        let is_open = |at| engine.slots[at].phase() == Phase::Open;
        engine.fan_outs.audit(&engine.registry, is_open);
        assert_eq!(parked, engine.parked, "shard {}: parked", id.0);
        let stats = self.stats();
        let d = stats.delivery;
        assert_eq!(
            d.offered,
            d.queued + d.refused_full + d.refused_closing + d.refused_codec,
            "{d:?}"
        );
        assert_eq!(d.queued, d.left() + d.waiting, "{d:?}");
        let mut sums = [0; 7];
        for (_, fates) in stats.priorities.iter() {
            let parts = [
                fates.refused,
                fates.evicted,
                fates.expired,
                fates.conflated,
                fates.shed,
                fates.discarded,
                fates.written.count(),
            ];
            sums = core::array::from_fn(|at| sums[at] + parts[at]);
        }
        let all = [
            d.refused_full,
            d.evicted,
            d.expired,
            d.conflated,
            d.shed,
            d.discarded,
            d.written,
        ];
        assert_eq!(sums, all, "shard {}: by priority and in all", id.0);
        engine.credits.audit(|conn| {
            let at = engine.slots.find(conn).expect("it has not gone");
            engine.slots[at].is_parked()
        });
    }

    /// Of the channels that have their owner on another shard, how many members are here.
    pub fn remote_owned(&self) -> Vec<(Bytes, ShardId, usize)> {
        let registry = &self.engine.registry;
        let here = (0..registry.places())
            .map(|channel| (registry.name(channel), registry.members(channel).len()));
        here.filter(|&(name, members)| members > 0 && registry.owner(name) != self.id())
            .map(|(name, members)| (name.clone(), self.id(), members))
            .collect()
    }

    /// Of the channels that have their owner here, how many members are on other
    /// shards, as far as is known.
    pub fn known_remote_counts(&self) -> Vec<(Bytes, ShardId, usize)> {
        let registry = &self.engine.registry;
        let all = (0..registry.places()).flat_map(|channel| {
            let there = registry.remote_counts(channel).iter();
            there.map(move |&(shard, members)| {
                (registry.name(channel).clone(), shard, members as usize)
            })
        });
        all.collect()
    }

    /// Whether it wants nothing more of a connection.
    pub fn has_given_up(&self, id: ConnId) -> bool {
        let slots = &self.engine.slots;
        let at = slots.find(id);
        at.is_none_or(|at| slots[at].phase() == Phase::Gone)
    }

    /// For whom how many messages wait.
    pub fn waiting(&self) -> Vec<(ConnId, u32)> {
        let waiting = self.engine.out.waiting().into_iter();
        waiting
            .map(|(at, messages)| (self.engine.slots.id(at), messages))
            .collect()
    }

    /// How often a message went out of turn because it had waited too long.
    pub const fn out_of_turn(&self) -> u64 {
        self.engine.out.out_of_turn()
    }

    /// How often little was left of a run of frames and was moved to another.
    pub const fn runs_emptied(&self) -> u64 {
        self.engine.out.runs_emptied()
    }

    /// How often several messages became one frame, and how often such a frame became
    /// several again in the queue of somebody.
    pub const fn batches(&self) -> [u64; 2] {
        self.engine.out.batches()
    }

    /// Asserts that nothing is left of any connection, tasks apart.
    ///
    /// # Panics
    /// If something is.
    pub fn assert_bare(&self) {
        let engine = &self.engine;
        let id = engine.id.0;
        let held: Vec<_> = engine
            .slots
            .iter()
            .map(|(at, slot)| (engine.slots.id(at), slot.phase(), slot.awaited_answers))
            .collect();
        assert!(held.is_empty(), "shard {id} holds {held:?}");
        assert_eq!(engine.registry.len(), 0, "shard {id}: channels");
        engine.out.assert_bare();
        assert_eq!(engine.parked, 0, "shard {id}: parked");
        assert!(engine.fan_outs.is_empty(), "shard {id}: publications");
        assert!(engine.app_timers.is_empty(), "shard {id}: timers");
        assert!(engine.sweep.is_none());
        assert_eq!(engine.fan_outs.memory(), 0, "shard {id}: publications");
        assert!(engine.inbox.is_empty() && engine.rest.is_none() && engine.ended.is_empty());
        assert!(
            engine.task_waiters.first().is_none(),
            "shard {id}: the line for tasks"
        );
        assert_eq!(engine.credits.under_way(), (0, 0), "shard {id}: credits");
    }
}
