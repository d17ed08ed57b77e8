//! Metrics of the server as a whole: shards, admin pages, log, limits, version.

use stentor_core::{Config, ShardId, Stats};

use super::Snapshot;
use super::exposition::{Counted, Page};
use crate::counters::STATUSES;
use crate::settings::flag::Flag;
use crate::settings::limits;

pub(super) fn server(page: &mut Page, snapshot: &Snapshot<'_>) {
    let Snapshot {
        settings,
        shards,
        silent,
        turns,
        dispatch: _,
        remote: _,
        refused,
        counts,
        log_lines_dropped,
    } = snapshot;
    let help = "Sockets refused before they reached a shard because the server was full.";
    page.counter("stentor_sockets_refused_total", help, *refused);
    page.counter(
        "stentor_accept_errors_total",
        "Failed accepts.",
        counts.accept_errors,
    );
    page.counter(
        "stentor_shard_restarts_total",
        "Shards that failed and were restarted.",
        counts.shard_restarts,
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

    let help = "Log lines dropped because the queue was full or writing failed.";
    page.counter("stentor_log_lines_dropped_total", help, *log_lines_dropped);

    let core = Config::RANGES.iter().filter_map(|range| {
        let value = limits::get(&settings.config, range.key)?;
        let (value, suffix) = limits::base_unit(value, range.unit);
        Some((format!("{}{suffix}", Flag::of_limit(range.key)?.key), value))
    });
    let own = [
        ("server.shards", f64::from(settings.config.shards())),
        ("tasks.workers", settings.workers as f64),
        ("tasks.queue", settings.worker_queue as f64),
        ("log.queue_lines", settings.log_queue_lines as f64),
        ("log.queue_bytes", settings.log_queue_bytes as f64),
        ("rooms.work_time_seconds", settings.work_time.as_secs_f64()),
        (
            "server.shutdown_timeout_seconds",
            settings.drain.as_secs_f64(),
        ),
        (
            "rooms.message_ttl_seconds",
            settings.message_ttl.unwrap_or_default().as_secs_f64(),
        ),
    ];
    let own = own.into_iter().chain(
        settings
            .max_connections
            .map(|most| ("server.max_connections", most as f64)),
    );
    let all = core.chain(own.map(|(name, value)| (name.into(), value)));
    page.limits(
        "stentor_limit",
        "Settings that the server was started with, in base units.",
        "name",
        all,
    );

    let version = [(env!("CARGO_PKG_VERSION"), 1)];
    page.gauges(
        "stentor_build_info",
        "Version of the server.",
        "version",
        version,
    );
}
