//! Invariants of a session: those that hold at any instant, and those that hold once everything has
//! come to rest.

use core::time::Duration;

use super::SessionApp;
use super::words::Words;
use super::world::{PEERS, SessionWorld};

impl<A: SessionApp> SessionWorld<A> {
    /// What holds at any instant: the conservation law, and what peers may be told.
    pub(super) fn check(&self) {
        for shard in &self.shards {
            let all = shard.stats().delivery;
            assert_eq!(
                all.offered,
                all.queued + all.refused_full + all.refused_closing + all.refused_codec
            );
            assert_eq!(all.queued, all.left() + all.waiting);
        }
    }

    pub(super) fn check_link(&self, at: usize, all: bool) {
        self.links[at].check_told(&self.config);
        if A::ECHOES {
            self.links[at].check_echoes(&self.config, all);
        }
    }

    /// Lets everything come to rest, then everyone go, and looks at what is left.
    pub(super) fn finish(mut self) {
        self.rest();
        for at in 0..PEERS {
            self.check_link(
                at,
                !self.ending && self.links[at].reading && !self.links[at].gone,
            );
            let link = &mut self.links[at];
            if !link.eof {
                link.eof = true;
                self.shards[link.id.shard().index()].handle_eof(self.now, link.id);
            }
        }
        self.rest();
        // Whoever has not gone by now is given up.
        for _ in 0..4 {
            self.now = self.now.after(Duration::from_secs(61));
            self.timeout();
            self.rest();
        }
        for link in &self.links {
            assert!(link.gone, "{link:?}");
            link.check_told(&self.config);
        }
        if !A::ECHOES {
            self.check_words();
        }
        for shard in &self.shards {
            let stats = shard.stats();
            assert!(shard.is_empty() && shard.is_quiet(), "{stats:#?}");
            let gauges = [
                stats.delivery.waiting,
                stats.delivery.waiting_bytes,
                stats.channels.count,
                stats.channels.members,
                stats.links.held,
                stats.links.active,
                stats.links.tasks_pending,
                stats.deflate.context_bytes,
            ];
            assert_eq!(gauges, [0; 8], "{stats:#?}");
            let ends: u64 = stats.closed.iter().sum();
            assert_eq!(stats.links.opened, ends, "each ends once");
            assert_eq!(shard.poll_timeout(), None);
        }
    }

    /// Checks that all that was told was said, if it is known what was said.
    fn check_words(&self) {
        let all = || self.links.iter().chain(&self.past);
        let mut words = Words::default();
        for link in all() {
            let Some((sent, _)) = link.sent(&self.config) else {
                return;
            };
            words.add(&sent);
        }
        for told in all().filter_map(|link| link.said(&self.config)) {
            words.check(&told);
        }
    }

    /// Goes on until nothing moves any more.
    fn rest(&mut self) {
        for at in 0..PEERS {
            self.links[at].room = usize::MAX;
            self.writable(at);
        }
        for round in 0.. {
            assert!(round < 100_000, "it goes on for ever");
            self.drain(usize::MAX);
            self.check();
            let mut moved = false;
            for way in 0..self.mail.len() {
                moved |= self.deliver(way, usize::MAX);
            }
            moved |= self.end_task(2);
            for at in 0..PEERS {
                moved |= self.end_write(at);
                let link = &self.links[at];
                if !link.gone && !link.eof && link.reading && !link.kernel.is_empty() {
                    self.read_piece(at, usize::MAX, false);
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
    }
}
