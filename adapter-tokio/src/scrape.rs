//! Owns the answer to a request for the metrics: asks every shard what it has
//! counted, off the shards' threads.

use std::sync::Arc;

use stentor_cli::Settings;
use stentor_cli::metrics::Survey;
use stentor_core::{ConnId, Handler};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::door::{Doors, Post};
use crate::drain::within;
use crate::remote::Outside;
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
    outside: Arc<Outside>,
) {
    let mut waiting = Vec::new();
    let mut survey = Survey::new(&settings);
    while scrapes.recv_many(&mut waiting, usize::MAX).await > 0 {
        ask(&doors, &mut survey).await;
        let (dispatch, remote) = (pool.desk.stats(), outside.gate.stats());
        let text = survey.page(&settings, dispatch, remote, &doors.census);
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

/// Asks every shard what it has counted.
async fn ask<H: Handler>(doors: &Doors<H>, survey: &mut Survey) {
    survey.begin();
    let (sender, mut receiver) = unbounded_channel();
    doors.post_to_all(|| Post::Stats(sender.clone()));
    drop(sender);
    let answers = async {
        while let Some((shard, counted, turns)) = receiver.recv().await {
            survey.answer(shard, counted, turns);
        }
    };
    // Of those that are silent the last answer stands.
    let _ = within(Survey::PATIENCE, answers).await;
}
