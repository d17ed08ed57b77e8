//! Metrics of the server as a whole: shards, admin pages, log, limits, version.

use stentor_core::ShardId;
use stentor_core::config::Unit;
use stentor_core::stats::Stats;

use super::Snapshot;
use super::exposition::{Counted, Exposition};
use crate::counters::STATUSES;
use crate::settings::flag::FLAGS;
use crate::state_file::CAUSES;

pub(super) fn server(page: &mut Exposition, snapshot: &Snapshot<'_>) {
    let Snapshot {
        settings,
        shards,
        silent,
        turns,
        app: _,
        dispatch: _,
        remote: _,
        refused,
        counts,
        log_lines_dropped,
    } = snapshot;
    let help = "Sockets refused before they reached a shard because the server was full.";
    page.counter("stentor_sockets_refused_total", help, *refused);
    let (used, refused) = settings.live.counts();
    let help = "Settings that were read again, by whether they could be used.";
    let results = [("used", used), ("refused", refused)];
    page.counters("stentor_settings_reloads_total", help, "result", results);
    page.counter(
        "stentor_accept_errors_total",
        "Failed accepts.",
        counts.accept_errors,
    );
    page.counter(
        "stentor_accepts_delayed_total",
        "Accepted connections that waited, so that not all came back at once after a restart.",
        counts.accept_delays,
    );

    let help = "Duration of the turns of shards.";
    let counted = Counted {
        cumulative: turns.cumulative().collect(),
        count: turns.count(),
        sum: turns.seconds(),
    };
    page.histogram("stentor_shard_turn_seconds", help, counted);

    let ids: Vec<String> = (0..shards.len()).map(|id| id.to_string()).collect();
    let each =
        |count: fn(&Stats) -> u64| ids.iter().map(String::as_str).zip(shards.iter().map(count));
    let help = "1 if a shard did not answer in time; its other values are then the last known.";
    let is_silent = (0..).map(|at| u64::from(silent.contains(&ShardId(at))));
    let silent = ids.iter().map(String::as_str).zip(is_silent);
    page.gauges("stentor_shard_silent", help, "shard", silent);
    let help = "Open WebSocket connections, by shard.";
    page.gauges(
        "stentor_shard_connections",
        help,
        "shard",
        each(|stats| stats.links.active),
    );
    let help = "Messages written completely to sockets, by shard.";
    page.counters(
        "stentor_shard_messages_sent_total",
        help,
        "shard",
        each(|stats| stats.delivery.written),
    );
    let help = "Messages in the send queues of the connections, by shard.";
    page.gauges(
        "stentor_shard_send_queue_length",
        help,
        "shard",
        each(|stats| stats.delivery.waiting),
    );

    let help = "Requests for admin pages, by status code.";
    let statuses = STATUSES.map(|status| status.to_string());
    page.counters(
        "stentor_admin_requests_total",
        help,
        "status",
        statuses.iter().map(String::as_str).zip(counts.admin),
    );

    let help = "State files that were not used, by cause.";
    page.counters(
        "stentor_state_file_refused_total",
        help,
        "cause",
        CAUSES.into_iter().zip(counts.state_refused),
    );

    let help = "Log lines dropped because the queue was full or writing failed.";
    page.counter("stentor_log_lines_dropped_total", help, *log_lines_dropped);

    let limits = FLAGS.iter().filter_map(|flag| {
        let (value, unit) = (flag.number(settings)?, flag.bounds()?.unit);
        Some(match unit {
            Unit::Milliseconds => (format!("{}_seconds", flag.key), value as f64 / 1_000.0),
            _ => (flag.key.into(), value as f64),
        })
    });
    page.limits(
        "stentor_limit",
        "Settings that the server was started with, in base units.",
        "name",
        limits,
    );

    let version = [(env!("CARGO_PKG_VERSION"), 1)];
    page.gauges(
        "stentor_build_info",
        "Version of the server.",
        "version",
        version,
    );
}
