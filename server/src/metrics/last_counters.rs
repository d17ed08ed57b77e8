//! Last known counters of every shard, some of which may not answer.

use stentor_core::ShardId;
use stentor_core::channels::RemoteStats;
use stentor_core::node::ConnectionLimiter;
use stentor_core::stats::DispatchStats;

use super::{Snapshot, render};
use crate::counters::ServerCounters;
use crate::inspect::ShardCounters;
use crate::{Settings, log};

/// The last answers of the shards of a server.
///
/// A shard that does not answer in time keeps its last counters: a counter that decreases would
/// pass for a restart.
#[derive(Debug)]
pub(super) struct LastCounters {
    shards: Vec<ShardCounters>,
    silent: Vec<bool>,
}

impl LastCounters {
    /// Returns counters at zero.
    pub(super) fn new(settings: &Settings) -> Self {
        let shards = usize::from(settings.config.shards());
        Self {
            shards: vec![ShardCounters::default(); shards],
            silent: vec![false; shards],
        }
    }

    /// Marks every shard as silent before all are queried.
    pub(super) fn begin(&mut self) {
        self.silent.fill(true);
    }

    /// Returns the shards that have not answered since [`begin`](Self::begin).
    fn silent(&self) -> impl Iterator<Item = ShardId> {
        let all = (0..).map(ShardId).zip(&self.silent);
        all.filter_map(|(shard, &silent)| silent.then_some(shard))
    }

    /// Stores the answer of a shard.
    pub(super) fn answer(&mut self, shard: ShardId, counters: ShardCounters) {
        self.shards[shard.index()] = counters;
        self.silent[shard.index()] = false;
    }

    /// Renders the page, with the counters of the other parts of the server.
    pub(super) fn page(
        &self,
        settings: &Settings,
        dispatch: DispatchStats,
        remote: RemoteStats,
        limiter: &ConnectionLimiter,
        counters: &ServerCounters,
    ) -> String {
        let mut snapshot = Snapshot::new(settings);
        for counters in &self.shards {
            snapshot.shards.push(counters.stats);
            snapshot.turns += &counters.turns;
            snapshot.app.extend_from_slice(&counters.app);
        }
        snapshot.silent = self.silent().collect();
        snapshot.dispatch = dispatch;
        snapshot.remote = remote;
        snapshot.refused = limiter.refused();
        snapshot.counts = counters.counts();
        snapshot.log_lines_dropped = log::dropped_lines();
        render(&snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_shard_keeps_its_last_answer() {
        let args = ["stentor", "--shards=2"];
        let settings = Settings::parse(args, |_| None, |_| unreachable!()).expect("valid");
        let with = |written| {
            let mut counters = ShardCounters::default();
            counters.stats.delivery.written = written;
            counters
        };
        let mut last = LastCounters::new(&settings);
        let page = |last: &LastCounters| {
            let limiter = ConnectionLimiter::new(2, None);
            let (dispatch, remote, counters) = Default::default();
            last.page(&settings, dispatch, remote, &limiter, &counters)
        };
        let contains = |page: &str, line: &str| assert!(page.contains(line), "{line}: {page}");
        last.begin();
        last.answer(ShardId(0), with(3));
        last.answer(ShardId(1), with(4));
        assert_eq!(last.silent().next(), None);
        contains(&page(&last), "\nws_messages_sent_total 7\n");

        last.begin();
        last.answer(ShardId(1), with(5));
        assert!(last.silent().eq([ShardId(0)]));
        let page = page(&last);
        contains(&page, "\nws_messages_sent_total 8\n");
        contains(&page, "\nstentor_shard_silent{shard=\"0\"} 1\n");
        contains(&page, "\nstentor_shard_silent{shard=\"1\"} 0\n");
    }
}
