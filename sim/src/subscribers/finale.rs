//! The end of a run: when all have gone, nothing is left.

use core::time::Duration;

use super::SubscribersReport;
use super::connection::Stage;
use super::world::World;

impl World {
    /// Lets everyone go, and looks at what is left.
    pub(super) fn end(mut self) -> SubscribersReport {
        for conn in 0..self.conns.len() {
            if !self.conns[conn].is_open() {
                continue;
            }
            if conn % 2 == 0 {
                self.sim.close(conn, Some(1000));
                self.leave(conn, Stage::Gone);
            } else {
                self.cut(conn);
            }
        }
        // Those who have gone without a word are noticed in this time, and streams are forgotten.
        self.sim.pass(Duration::from_secs(2_000));
        self.hear();
        for conn in 0..self.conns.len() {
            let is_held = self.sim.is_held(conn);
            assert!(
                !is_held,
                "conn {conn} is held: {:?}",
                self.sim.explain(conn)
            );
        }
        self.sim.compare_all();
        self.sim.assert_bare();
        self.ledger.check_order();
        let stats = self.sim.stats();
        let channels = stats.channels;
        let left = [
            channels.count,
            channels.members,
            channels.streams,
            channels.kept,
            channels.kept_bytes,
            channels.shown,
            channels.unfinished,
            stats.delivery.waiting,
            stats.sent.pushes_waiting,
            stats.links.held,
            stats.links.active,
        ];
        assert!(left.iter().all(|&left| left == 0), "left: {channels:?}");
        let ended = stats.closed.iter().sum::<u64>();
        assert_eq!(stats.links.opened, ended, "ends of connections");
        if self.setup.config.memory_budget() > 0 {
            let (now, before) = (stats.links.charged_bytes, self.charged);
            // Records of connections that have closed, and small tables.
            let kept = 32_768 * u64::from(self.setup.config.shards()) + 300 * stats.links.accepted;
            assert!(
                now <= before + kept,
                "bytes charged: {now}, and {before} at first"
            );
        }
        if channels.kept_shed > 0 {
            self.coverage.note("history shed");
        }
        if channels.positions_lost > 0 {
            self.coverage.note("positions lost");
        }
        SubscribersReport {
            digest: self.sim.digest(),
            received: stats.received.text + stats.received.binary,
            written: stats.delivery.written + stats.sent.pushes,
            coverage: self.coverage,
        }
    }
}
