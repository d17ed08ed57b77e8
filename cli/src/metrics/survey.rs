//! Owns what is known of the counters of every shard while some may be silent. How a shard is
//! asked is the adapter's business.

use stentor_core::{DispatchStats, RemoteStats, ShardId, Stats};

use super::{Snapshot, render};
use crate::{ConnectionLimiter, Settings, Turns, log};

/// What the shards of a server have said of themselves, survey by survey.
///
/// Of a shard that does not answer in time, because its application hangs or has too much to do,
/// stands what it said last: a counter that goes back would be taken for a restart.
#[derive(Debug)]
pub(super) struct MetricsCollector {
    shards: Vec<(Stats, Turns)>,
    silent: Vec<bool>,
}

impl MetricsCollector {
    /// No shard has said anything yet.
    pub(super) fn new(settings: &Settings) -> Self {
        let shards = usize::from(settings.config.shards());
        Self {
            shards: vec![(Stats::default(), Turns::default()); shards],
            silent: vec![false; shards],
        }
    }

    /// Begins anew: every shard is to be asked.
    pub(super) fn begin(&mut self) {
        self.silent.fill(true);
    }

    /// The shards that have not answered since.
    fn silent(&self) -> impl Iterator<Item = ShardId> {
        let all = (0..).map(ShardId).zip(&self.silent);
        all.filter_map(|(shard, &silent)| silent.then_some(shard))
    }

    /// Takes the answer of a shard.
    pub(super) fn answer(&mut self, shard: ShardId, counted: Stats, turns: Turns) {
        self.shards[shard.index()] = (counted, turns);
        self.silent[shard.index()] = false;
    }

    /// The page of metrics, with what the other parts of the server have counted.
    pub(super) fn page(
        &self,
        settings: &Settings,
        dispatch: DispatchStats,
        remote: RemoteStats,
        census: &ConnectionLimiter,
    ) -> String {
        let mut snapshot = Snapshot::new(settings);
        for (counted, turns) in &self.shards {
            snapshot.shards.push(*counted);
            snapshot.turns += turns;
        }
        snapshot.silent = self.silent().collect();
        snapshot.dispatch = dispatch;
        snapshot.remote = remote;
        census.fill(&mut snapshot);
        snapshot.log_lines_dropped = log::dropped_lines();
        render(&snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_silent_shard_its_last_answer_stands() {
        let args = ["stentor", "--shards=2"];
        let settings = Settings::parse(args, |_| None, |_| unreachable!()).expect("valid");
        let with = |written| {
            let mut stats = Stats::default();
            stats.delivery.written = written;
            stats
        };
        let mut survey = MetricsCollector::new(&settings);
        let page = |survey: &MetricsCollector| {
            let census = ConnectionLimiter::new(&settings);
            let (dispatch, remote) = Default::default();
            survey.page(&settings, dispatch, remote, &census)
        };
        let says = |page: &str, line: &str| assert!(page.contains(line), "{line}: {page}");
        survey.begin();
        survey.answer(ShardId(0), with(3), Turns::default());
        survey.answer(ShardId(1), with(4), Turns::default());
        assert_eq!(survey.silent().next(), None);
        says(&page(&survey), "\nws_messages_sent_total 7\n");

        survey.begin();
        survey.answer(ShardId(1), with(5), Turns::default());
        assert!(survey.silent().eq([ShardId(0)]));
        let page = page(&survey);
        says(&page, "\nws_messages_sent_total 8\n");
        says(&page, "\nstentor_shard_silent{shard=\"0\"} 1\n");
        says(&page, "\nstentor_shard_silent{shard=\"1\"} 0\n");
    }
}
