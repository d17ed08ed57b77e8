//! Consistency checks of delivery for tests.

use alloc::vec::Vec;

use crate::delivery::conn::{Seal, Takes};
use crate::delivery::{Drops, Outbound};
use crate::stats::PriorityStats;

impl Outbound {
    /// Asserts what must hold between any two calls.
    ///
    /// # Panics
    /// If it does not.
    pub(crate) fn audit(&self) {
        let (mut all_messages, mut all_bytes) = (0, 0);
        let (mut all_pushes, mut all_push_bytes) = (0, 0);
        let (mut link_bytes, mut context_bytes, mut sealed_links) = (0, 0, 0);
        for at in 0..self.conns.len() {
            let conn = &self.conns[at];
            let limits = self.settings.limits.all(conn.form);
            let (mut messages, mut bytes) = (conn.queue.messages(), conn.queue.bytes());
            all_messages += u64::from(messages);
            all_bytes += u64::from(bytes);
            let pushes = conn.queue.pushes(&self.nodes, &self.store);
            all_pushes += u64::from(pushes.messages);
            all_push_bytes += u64::from(pushes.bytes);
            let most = self.settings.pushes;
            // Answers to subscriptions are queued where half of the lane is used, however long.
            assert!(pushes.messages <= most.messages + 1, "{at}: {pushes:?}");
            link_bytes += conn.link.as_ref().map_or(0, |link| link.memory());
            context_bytes += conn.compressor.context_bytes();
            sealed_links += u32::from(conn.seal != Seal::None);
            if conn.takes == Takes::Nothing {
                assert!(messages == 0 && bytes == 0, "{at}: nobody takes that");
                continue;
            }
            if self.replies.owner() == Some(at) {
                messages += self.replies.messages();
                bytes += self.replies.len() as u32;
            }
            assert!(messages <= limits.messages, "{at}: {messages} messages");
            assert!(
                bytes <= limits.bytes || messages == 1,
                "{at}: {bytes} bytes"
            );
            let may_be_written = !conn.stop.is_any() && !conn.offered;
            let is_scheduled = conn.levels.any() || self.is_empty(at);
            assert!(!may_be_written || is_scheduled, "{at}: nobody writes to it");
        }
        let held = self.nodes.held();
        assert_eq!((held.messages, held.bytes), (all_messages, all_bytes));
        assert_eq!(self.pushes_waiting(), (all_pushes, all_push_bytes));
        assert!(self.deferred.is_empty() && self.batch.is_empty());
        assert_eq!(self.store.count_memory(), self.store.memory(), "frames");
        assert_eq!(self.link_bytes, link_bytes, "states of links");
        assert_eq!(self.context_bytes, context_bytes, "compressors");
        assert_eq!(self.sealed_links, sealed_links, "transports");
        self.audit_priorities();
    }

    /// Asserts that every message that was dropped is counted for its priority.
    fn audit_priorities(&self) {
        let all = &self.counts.delivery;
        let rows = |count: fn(&PriorityStats) -> u64| {
            let priorities = self.counts.priorities.iter();
            priorities.map(|(_, row)| count(row)).sum::<u64>()
        };
        assert_eq!(rows(|row| row.refused), all.refused_full, "refused");
        assert_eq!(rows(|row| row.evicted), all.evicted, "evicted");
        assert_eq!(rows(|row| row.expired), all.expired, "expired");
        assert_eq!(rows(|row| row.conflated), all.conflated, "conflated");
        assert_eq!(rows(|row| row.shed), all.shed, "shed");
        assert_eq!(rows(|row| row.discarded), all.discarded, "discarded");
    }

    /// Returns what was dropped, for each connection of which something was.
    pub(crate) fn all_drops(&self) -> impl Iterator<Item = Drops> {
        self.drops.iter()
    }

    /// Returns the slots for which messages wait, and how many.
    pub(crate) fn waiting(&self) -> Vec<(u32, u32)> {
        let all = (0..self.conns.len()).map(|at| (at, self.conns[at].queue.messages()));
        all.filter(|&(_, messages)| messages > 0).collect()
    }

    /// Returns how often a message was written out of turn because it had waited too long.
    pub(crate) const fn out_of_turn(&self) -> u64 {
        self.nodes.out_of_turn
    }

    /// Returns how often little was left of a run of frames and was moved to another.
    pub(crate) const fn runs_emptied(&self) -> u64 {
        self.store.evacuated()
    }

    /// Returns how often several messages became one frame, and how often such a frame became
    /// several again in a queue.
    pub(crate) const fn batches(&self) -> [u64; 2] {
        self.store.batches
    }

    /// Asserts that nothing waits for anybody.
    ///
    /// # Panics
    /// If something does.
    pub(crate) fn assert_bare(&self) {
        assert_eq!(self.store.live(), 0, "frames");
        assert_eq!(self.nodes.subjects(), 0, "keys");
        assert!(self.slow.is_empty(), "slow consumers");
    }
}
