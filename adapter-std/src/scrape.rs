//! Owns the answer to a request for the metrics: asks every shard what it has
//! counted, on a thread of its own.

use std::sync::mpsc::Receiver;

use stentor_cli::{Settings, metrics};
use stentor_core::{ConnId, Handler};

use crate::station::Stations;

/// A request for the metrics. A connection asks once, so these are bounded by
/// the connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scrape {
    pub(crate) id: ConnId,
    pub(crate) head_only: bool,
}

/// Answers requests for as long as anybody can make one, or until told to end.
/// Those that have come by the time the shards are asked get one answer, for
/// asking costs every shard a look at all its connections.
pub(crate) fn run<H: Handler>(
    scrapes: &Receiver<Option<Scrape>>,
    settings: &Settings,
    stations: &Stations<H>,
) {
    while let Ok(Some(first)) = scrapes.recv() {
        let mut waiting = vec![first];
        let mut ends = false;
        while let Ok(next) = scrapes.try_recv() {
            match next {
                Some(scrape) => waiting.push(scrape),
                None => ends = true,
            }
        }
        let text = page(settings, stations);
        for Scrape { id, head_only } in waiting {
            stations.handle_with(id.shard(), |inside| {
                let (kind, body) = (metrics::CONTENT_TYPE, text.as_bytes());
                inside
                    .shard
                    .handle_answer(inside.now, id, 200, kind, body, head_only);
            });
        }
        if ends {
            return;
        }
    }
}

fn page<H: Handler>(settings: &Settings, stations: &Stations<H>) -> String {
    let mut snapshot = metrics::Snapshot::new(settings);
    snapshot.shards = stations.shards().map(|at| stations.stats(at)).collect();
    for at in stations.shards() {
        snapshot.turns += &stations.turns(at);
    }
    snapshot.dispatch = stations.pool.stats();
    stations.census.fill(&mut snapshot);
    metrics::render(&snapshot)
}
