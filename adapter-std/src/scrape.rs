//! Owns the answer to a request for the metrics: asks every shard what it has
//! counted, on a thread of its own. It never waits for a shard's lock: whose
//! application hangs keeps that for as long.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use stentor_cli::metrics::Survey;
use stentor_cli::{Deadline, Settings};
use stentor_core::{ConnId, Gate, Handler, ShardId};

use crate::station::{Post, Stations};

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
    gate: &Gate,
) {
    let mut survey = Survey::new(settings);
    while let Ok(Some(first)) = scrapes.recv() {
        let mut waiting = vec![first];
        let mut ends = false;
        while let Ok(next) = scrapes.try_recv() {
            match next {
                Some(scrape) => waiting.push(scrape),
                None => ends = true,
            }
        }
        ask(stations, &mut survey);
        let text: Arc<str> = survey
            .page(
                settings,
                stations.pool.desk.stats(),
                gate.stats(),
                &stations.census,
            )
            .into();
        for scrape in waiting {
            stations.post(scrape.id.shard(), Post::Metrics(scrape, text.clone()));
        }
        if ends {
            return;
        }
    }
}

/// Asks every shard what it has counted.
fn ask<H: Handler>(stations: &Stations<H>, survey: &mut Survey) {
    survey.begin();
    let mut deadline = Deadline::new(Instant::now(), Survey::PATIENCE);
    loop {
        let silent: Vec<ShardId> = survey.silent().collect();
        for at in silent {
            if let Some((counted, turns)) = stations.try_stats(at) {
                survey.answer(at, counted, turns);
            }
        }
        if survey.silent().next().is_none() || deadline.is_over(Instant::now()) {
            return;
        }
        thread::sleep(LOOK);
    }
}

/// How often it is looked whether a shard is free that was not.
const LOOK: Duration = Duration::from_millis(1);
