//! Owns the answer to a request for the metrics: asks every shard what it has
//! counted, off the shards' threads.

use std::sync::Arc;
use std::time::Duration;

use stentor_cli::{Settings, Turns, metrics};
use stentor_core::{ConnId, Handler, Stats};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout_at};

use crate::door::{Doors, Post};
use crate::workers::Pool;

/// A request for the metrics. A connection asks once, so these are bounded by
/// the connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scrape {
    pub(crate) id: ConnId,
    pub(crate) head_only: bool,
}

/// Answers requests for as long as there is a server. Those that have come by
/// the time the shards are asked get one answer, for asking costs every shard a
/// look at all its connections.
pub(crate) async fn serve<H: Handler + 'static>(
    mut scrapes: UnboundedReceiver<Scrape>,
    settings: Arc<Settings>,
    doors: Arc<Doors<H>>,
    pool: Arc<Pool<H>>,
) {
    let mut waiting = Vec::new();
    let mut shards = vec![(Stats::default(), Turns::default()); doors.shards().count()];
    while scrapes.recv_many(&mut waiting, usize::MAX).await > 0 {
        gather(&doors, &mut shards).await;
        let mut snapshot = metrics::Snapshot::new(&settings);
        for (stats, turns) in &shards {
            snapshot.shards.push(*stats);
            snapshot.turns += turns;
        }
        snapshot.dispatch = pool.stats();
        doors.census.fill(&mut snapshot);
        let text = metrics::render(&snapshot);
        for Scrape { id, head_only } in waiting.drain(..) {
            let text = text.clone();
            let answer = Post::Metrics {
                id,
                text,
                head_only,
            };
            doors.post(id.shard(), answer);
        }
    }
}

/// What every shard has counted. Of a shard that does not answer in time stands
/// what it said last: a counter that goes back would be taken for a restart.
async fn gather<H: Handler>(doors: &Doors<H>, shards: &mut [(Stats, Turns)]) {
    let (sender, mut receiver) = unbounded_channel();
    doors.post_to_all(|| Post::Stats(sender.clone()));
    drop(sender);
    let deadline = Instant::now() + PATIENCE;
    while let Ok(Some((shard, stats, turns))) = timeout_at(deadline, receiver.recv()).await {
        shards[shard.index()] = (stats, turns);
    }
}

const PATIENCE: Duration = Duration::from_secs(2);
