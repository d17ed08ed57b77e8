//! Metrics page: names, labels and help texts of the counters of a server.

mod application;
mod channels;
mod collector;
mod connections;
mod delivery;
mod exposition;
mod last_counters;
mod server;
mod tasks;
mod tls;

use stentor_core::ShardId;
use stentor_core::app::Metric;
use stentor_core::channels::RemoteStats;
use stentor_core::stats::{DispatchStats, Stats};

use crate::Settings;
use crate::counters::{ServerCounts, Turns};

pub use collector::{Collector, MIN_INTERVAL, serve};

/// The `Content-Type` of the text that [`render`] returns.
pub const CONTENT_TYPE: &str = crate::host::METRICS_TYPE;

/// Counters of all parts of a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot<'a> {
    /// The settings, whose limits are shown next to what is used of them.
    pub settings: &'a Settings,
    /// The counters of each shard, in the order of their ids.
    pub shards: Vec<Stats>,
    /// The shards that did not answer, whose counters are older.
    pub silent: Vec<ShardId>,
    /// The durations of the turns of all shards.
    pub turns: Turns,
    /// The metrics of the application on all shards, added up where they are the same.
    pub app: Vec<Metric>,
    /// The counters of the dispatcher.
    pub dispatch: DispatchStats,
    /// The counters of commands from application threads.
    pub remote: RemoteStats,
    /// Sockets refused before they reached a shard because the server was full.
    pub refused: u64,
    /// The counters of listeners, restarts and admin pages.
    pub counts: ServerCounts,
    /// Log lines that were not written.
    pub log_lines_dropped: u64,
}

impl<'a> Snapshot<'a> {
    /// Returns a snapshot with all counters at zero.
    #[must_use]
    pub fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            shards: Vec::new(),
            silent: Vec::new(),
            turns: Turns::default(),
            app: Vec::new(),
            dispatch: DispatchStats::default(),
            remote: RemoteStats::default(),
            refused: 0,
            counts: ServerCounts::default(),
            log_lines_dropped: 0,
        }
    }
}

/// Returns the metrics page in the text format of Prometheus, version 0.0.4. Shards are added up,
/// except for the metrics that show an uneven load.
///
/// On Linux it includes the metrics of the process. They are read from `/proc`, which takes time in
/// proportion to the open files, so this must not run on the thread of a shard.
#[must_use]
pub fn render(snapshot: &Snapshot<'_>) -> String {
    let mut sum = Stats::default();
    for shard in &snapshot.shards {
        sum += shard;
    }
    let mut page = exposition::Exposition::default();
    connections::connections(&mut page, &sum);
    delivery::messages(&mut page, &sum);
    delivery::traffic(&mut page, &sum);
    delivery::compression(&mut page, &sum);
    channels::channels(&mut page, &sum);
    channels::direct(&mut page, &sum, snapshot.remote);
    tasks::tasks(&mut page, &sum, &snapshot.dispatch);
    tls::certificates(&mut page, snapshot.settings);
    server::server(&mut page, snapshot);
    application::application(&mut page, &snapshot.app);
    page.text()
}
