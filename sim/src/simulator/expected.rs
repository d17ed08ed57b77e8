//! Expected values of a shard's counters, from outside: how many messages went out, which
//! sockets are held, where tasks are.

use std::collections::VecDeque;

use stentor_core::{Handler, Shard};

use super::Sim;

impl<H: Handler> Sim<H> {
    /// Compares what a shard has counted with what is seen from outside.
    pub(super) fn compare(&self, shard: usize) {
        let stats = self.shards[shard].stats();
        let sent = stats.sent;
        let pushed = sent.pushes - sent.pushes_discarded - sent.pushes_waiting;
        assert_eq!(
            stats.delivery.written + pushed,
            self.tapped[shard],
            "shard {shard}: messages written, as it says and as was seen"
        );
        let held = self.slots[shard].iter().flatten().count();
        assert_eq!(stats.links.held, held as u64, "shard {shard}: sockets held");
    }

    /// Compares what all have counted with what is seen from outside.
    ///
    /// # Panics
    /// If they differ.
    pub fn compare_all(&self) {
        let mut pending = 0;
        for shard in 0..self.shards.len() {
            self.shards[shard].audit();
            self.compare(shard);
            pending += self.shards[shard].stats().links.tasks_pending;
        }
        assert_eq!(
            pending,
            self.handed - self.ended,
            "tasks whose end has not come back"
        );
    }

    /// Asserts that no message waits for a socket that takes bytes.
    ///
    /// # Panics
    /// If one does.
    pub fn assert_written(&self) {
        for shard in &self.shards {
            for (id, messages) in shard.waiting() {
                let link = &self.links[self.link_of(id)];
                let takes = link.down.room() > 0 && !link.reset && link.taken.is_none();
                assert!(!takes, "{id}: {messages} messages wait");
            }
        }
    }

    /// Asserts that nothing waits that could go on: that with sockets which all
    /// take bytes and clients which all read, every message went out, every
    /// connection is read, every client's word has been taken and every room's
    /// home knows where its members are.
    ///
    /// # Panics
    /// If something waits.
    pub fn assert_still(&self) {
        for (at, link) in self.links.iter().enumerate() {
            if !link.open || link.reset || link.vanished {
                continue;
            }
            assert!(!link.blocked && link.taken.is_none(), "{}: writes", link.id);
            assert!(
                link.reading,
                "{} is not read: {:?}",
                link.id,
                self.shards[link.id.shard().index()].explain(self.time(), link.id)
            );
            let left = self.clients[at].outbox.len();
            assert!(left == 0 && link.up.is_empty(), "{}: bytes left", link.id);
            assert!(link.down.is_empty(), "{}: bytes unread", link.id);
        }
        for shard in &self.shards {
            let waiting = shard.waiting().into_iter();
            let waiting: Vec<_> = waiting
                .map(|(id, n)| (n, &self.links[self.link_of(id)]))
                .collect();
            assert!(waiting.is_empty(), "messages wait: {waiting:?}");
            assert!(
                shard.is_quiet(),
                "shard {}: {:?}",
                shard.id().0,
                shard.stats()
            );
        }
        assert!(
            self.mail.iter().all(VecDeque::is_empty),
            "messages are left"
        );
        let mut there: Vec<_> = self.shards.iter().flat_map(Shard::remote_owned).collect();
        let mut known: Vec<_> = self
            .shards
            .iter()
            .flat_map(Shard::known_remote_counts)
            .collect();
        there.sort_unstable();
        known.sort_unstable();
        assert_eq!(there, known, "members away from their room's home");
    }

    /// Asserts that no shard has anything left.
    ///
    /// # Panics
    /// If one has, naming it.
    pub fn assert_bare(&self) {
        self.assert_bare_but(0);
    }

    /// Asserts that no shard has anything left but so many tasks whose end it
    /// is not told: those that were handed back.
    ///
    /// # Panics
    /// If one has, naming it.
    pub fn assert_bare_but(&self, tasks: u64) {
        let mut pending = 0;
        for shard in &self.shards {
            shard.assert_bare();
            pending += shard.stats().links.tasks_pending;
        }
        assert_eq!(pending, tasks, "tasks");
        assert!(
            self.mail.iter().all(VecDeque::is_empty),
            "messages are left"
        );
    }

    /// Returns how often a message went out of turn because it had waited too long, on
    /// those shards that have not failed since.
    pub fn out_of_turn(&self) -> u64 {
        self.shards.iter().map(Shard::out_of_turn).sum()
    }

    /// Returns how often little was left of a run of frames and was moved to another, by
    /// those shards that have not failed since.
    pub fn runs_emptied(&self) -> u64 {
        self.shards.iter().map(Shard::runs_emptied).sum()
    }

    /// Returns how often several messages became one frame, and such a frame several again.
    pub fn batches(&self) -> [u64; 2] {
        let of_each = self.shards.iter().map(Shard::batches);
        of_each.fold([0; 2], |[a, b], [c, d]| [a + c, b + d])
    }

    /// Returns how many data messages the server has written to a client.
    pub fn written_to(&self, client: usize) -> u64 {
        self.links[client].tap.frames
    }

    /// Returns whether everything that was written to a client has reached it.
    pub fn has_reached(&self, client: usize) -> bool {
        let link = &self.links[client];
        link.down.is_empty() && !link.reset && !link.vanished
    }

    /// Tasks that were handed to the dispatcher, and ends that were told to shards.
    pub const fn tasks(&self) -> (u64, u64) {
        (self.handed, self.ended)
    }
}
