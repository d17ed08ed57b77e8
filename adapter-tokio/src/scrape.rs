//! Owns the answer to a request for the metrics: asks every shard what it has
//! counted, off the shards' threads.

use std::sync::Arc;
use std::time::Duration;

use stentor_cli::{Settings, metrics};
use stentor_core::{ConnId, Handler, Stats};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout_at};

use crate::acceptor::Turned;
use crate::door::{Doors, Post};
use crate::workers::Pool;

/// A request for the metrics. A connection asks once, so these are bounded by
/// the connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scrape {
    pub(crate) id: ConnId,
    pub(crate) head_only: bool,
}

/// Answers requests one after the other for as long as there is a server.
pub(crate) async fn serve<H: Handler + 'static>(
    mut scrapes: UnboundedReceiver<Scrape>,
    settings: Arc<Settings>,
    doors: Arc<Doors<H>>,
    pool: Arc<Pool<H>>,
    turned: Arc<Turned>,
) {
    while let Some(Scrape { id, head_only }) = scrapes.recv().await {
        let mut snapshot = metrics::Snapshot::new(&settings);
        snapshot.shards = gather(&doors).await;
        snapshot.dispatch = pool.stats();
        snapshot.refused_full = turned.full();
        snapshot.accept_errors = turned.errors();
        snapshot.shard_restarts = doors.restarts();
        let text = metrics::render(&snapshot);
        doors.post(
            id.shard(),
            Post::Metrics {
                id,
                text,
                head_only,
            },
        );
    }
}

/// What every shard has counted. A shard that does not answer in time is left
/// out rather than waited for.
async fn gather<H: Handler>(doors: &Doors<H>) -> Vec<Stats> {
    let (sender, mut receiver) = unbounded_channel();
    doors.post_to_all(|| Post::Stats(sender.clone()));
    drop(sender);
    let mut stats = vec![Stats::default(); doors.shards().count()];
    let deadline = Instant::now() + PATIENCE;
    while let Ok(Some((shard, counted))) = timeout_at(deadline, receiver.recv()).await {
        stats[shard.index()] = counted;
    }
    stats
}

const PATIENCE: Duration = Duration::from_secs(2);
