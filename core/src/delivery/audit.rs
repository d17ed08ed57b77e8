//! Consistency checks of delivery for tests.

use alloc::vec::Vec;

use crate::delivery::conn::Takes;
use crate::delivery::{Drops, Outbound};

impl Outbound {
    /// Asserts what must hold between any two calls.
    ///
    /// # Panics
    /// If it does not.
    pub(crate) fn audit(&self) {
        let limits = self.settings.limits;
        let (mut all_messages, mut all_bytes) = (0, 0);
        for at in 0..self.conns.len() {
            let conn = &self.conns[at];
            let (mut messages, mut bytes) = (conn.queue.messages(), conn.queue.bytes());
            all_messages += u64::from(messages);
            all_bytes += u64::from(bytes);
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
            let may_be_written = !conn.blocked && !conn.offered;
            let is_scheduled = conn.levels.any() || self.is_empty(at);
            assert!(!may_be_written || is_scheduled, "{at}: nobody writes to it");
        }
        let held = self.nodes.held();
        assert_eq!((held.messages, held.bytes), (all_messages, all_bytes));
        assert!(self.deferred.is_empty() && self.batch.is_empty());
        assert_eq!(self.store.count_memory(), self.store.memory(), "frames");
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
