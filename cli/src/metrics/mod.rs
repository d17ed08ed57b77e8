//! Owns what the page of metrics says: which counter of the core stands under which name. How a
//! family of metrics is put together is in `page`, what is known of shards that do not answer in
//! `survey`; what the counters mean is the core's business.

mod collector;
mod page;
mod reach;
mod survey;
mod tasks;

use stentor_core::{
    CloseCause, Config, DispatchStats, HandshakeError, PeerError, PriorityStats, RemoteStats,
    ShardId, Stats,
};

use crate::admin::STATUSES;
use crate::settings::flag::Flag;
use crate::settings::limits;
use crate::{Settings, Turns};
use page::{Counted, Page};

pub use collector::{Collector, PACE, Scrape, serve};

/// The `Content-Type` of what [`render`] returns.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Everything a page of metrics is made of, copied out of the machines by an adapter.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot<'a> {
    /// The limits, for comparison with what is used of them.
    pub settings: &'a Settings,
    /// What each shard counts, in the order of their ids.
    pub shards: Vec<Stats>,
    /// The shards of which that is not from now.
    pub silent: Vec<ShardId>,
    /// How long the turns of all shards took.
    pub turns: Turns,
    /// What the dispatcher counts.
    pub dispatch: DispatchStats,
    /// What the application says from outside.
    pub remote: RemoteStats,
    /// Sockets turned away before they reached a shard, because the server was full.
    pub refused_full: u64,
    /// Failures to accept a socket, as when file descriptors run out.
    pub accept_errors: u64,
    /// Shards that failed and were started again, empty.
    pub shard_restarts: u64,
    /// Requests for admin pages, in the order of [`STATUSES`].
    pub admin: [u64; STATUSES.len()],
    /// Log lines that were not written.
    pub log_lines_dropped: u64,
}

impl<'a> Snapshot<'a> {
    /// A snapshot of a server that has done nothing yet; the counters are for the caller to fill.
    #[must_use]
    pub fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            shards: Vec::new(),
            silent: Vec::new(),
            turns: Turns::default(),
            dispatch: DispatchStats::default(),
            remote: RemoteStats::default(),
            refused_full: 0,
            accept_errors: 0,
            shard_restarts: 0,
            admin: [0; STATUSES.len()],
            log_lines_dropped: 0,
        }
    }
}

/// The page of metrics, in the text format of Prometheus, version 0.0.4. Shards are added up; only
/// what shows an uneven load has a label of the shard.
///
/// On Linux the process's own metrics are among them. Those are read from `/proc`, which takes
/// time in proportion to the open files: not for the thread of a shard.
#[must_use]
pub fn render(snapshot: &Snapshot<'_>) -> String {
    let mut sum = Stats::default();
    for shard in &snapshot.shards {
        sum += shard;
    }
    let mut page = Page::default();
    connections(&mut page, &sum);
    messages(&mut page, &sum);
    traffic(&mut page, &sum);
    compression(&mut page, &sum);
    rooms(&mut page, &sum);
    reach::reach(&mut page, &sum, snapshot.remote);
    tasks::tasks(&mut page, &sum, &snapshot.dispatch);
    server(&mut page, snapshot);
    page.text()
}

fn connections(
    page: &mut Page,
    Stats {
        links,
        closed,
        peer_errors,
        refused,
        ..
    }: &Stats,
) {
    page.gauge(
        "ws_active_connections",
        "Open WebSocket connections.",
        links.active,
    );
    page.gauge(
        "stentor_sockets",
        "Open sockets, upgraded or not.",
        links.held,
    );
    page.counter(
        "stentor_sockets_accepted_total",
        "Sockets accepted.",
        links.accepted,
    );
    page.counter(
        "stentor_connections_opened_total",
        "Connections upgraded to WebSocket.",
        links.opened,
    );
    let causes = CloseCause::ALL.map(CloseCause::label);
    let help = "WebSocket connections closed, by first cause.";
    page.counters(
        "stentor_connections_closed_total",
        help,
        "cause",
        causes.into_iter().zip(*closed),
    );
    let help = "Connections failed because of a peer error, by error.";
    let errors = PeerError::ALL.map(PeerError::label);
    page.counters(
        "stentor_peer_errors_total",
        help,
        "error",
        errors.into_iter().zip(*peer_errors),
    );
    let help = "Upgrade requests refused, by cause.";
    let causes = HandshakeError::LABELS;
    page.counters(
        "stentor_handshakes_refused_total",
        help,
        "cause",
        causes.into_iter().zip(*refused),
    );
    let help = "Pauses of reading because the send queue of the connection was full.";
    page.counter("stentor_read_pauses_total", help, links.read_pauses);
    page.gauge(
        "stentor_frame_bytes",
        "Bytes held by encoded frames.",
        links.frame_bytes,
    );
    page.gauge(
        "stentor_memory_charged_bytes",
        "Bytes charged to the memory budget.",
        links.charged_bytes,
    );
    let help = "Timer wake-ups with nothing due.";
    page.counter("stentor_timer_idle_wakeups_total", help, links.idle_wakeups);
    let help = "Messages of the application that exceed the maximum payload length.";
    page.counter("stentor_payloads_too_long_total", help, links.too_long);
}

fn messages(
    page: &mut Page,
    Stats {
        delivery,
        priorities,
        ..
    }: &Stats,
) {
    let help = "Messages written completely to sockets.";
    page.counter("ws_messages_sent_total", help, delivery.written);
    let help = "Messages dropped because a send queue was full: refused or evicted.";
    let dropped = delivery.refused_full.wrapping_add(delivery.evicted);
    page.counter("ws_messages_dropped_total", help, dropped);
    let help = "Messages in the send queues of all connections.";
    page.gauge("ws_send_queue_length", help, delivery.waiting);
    let help = "Bytes in the send queues of all connections, with frame headers.";
    page.gauge("stentor_send_queue_bytes", help, delivery.waiting_bytes);
    let help = "Messages offered to send queues, once per receiving connection.";
    page.counter("stentor_messages_offered_total", help, delivery.offered);
    page.counter(
        "stentor_messages_queued_total",
        "Messages taken into send queues.",
        delivery.queued,
    );
    let help = "Messages dropped, by reason.";
    let reasons = [
        ("refused_full", delivery.refused_full),
        ("refused_closing", delivery.refused_closing),
        ("evicted", delivery.evicted),
        ("expired", delivery.expired),
        ("conflated", delivery.conflated),
        ("shed", delivery.shed),
        ("discarded", delivery.discarded),
    ];
    page.counters("stentor_messages_dropped_total", help, "reason", reasons);

    let each: Vec<(String, &PriorityStats)> = priorities
        .iter()
        .map(|(priority, fates)| (priority.map_or("other".into(), |p| p.to_string()), fates))
        .collect();
    let help = "Messages dropped, by priority and reason.";
    let dropped = each.iter().flat_map(|(priority, fates)| {
        let reasons = [
            ("refused_full", fates.refused),
            ("evicted", fates.evicted),
            ("expired", fates.expired),
            ("conflated", fates.conflated),
            ("shed", fates.shed),
            ("discarded", fates.discarded),
        ];
        reasons.map(|(reason, count)| ([priority.as_str(), reason], count))
    });
    let labels = ["priority", "reason"];
    page.counters_by("stentor_priority_dropped_total", help, labels, dropped);
    let help = "Time from publishing a message to writing its last byte to the socket.";
    let delivered = each
        .iter()
        .map(|(priority, PriorityStats { written, .. })| {
            let cumulative = written
                .cumulative()
                .map(|(bound, below)| (seconds(bound), below));
            let counted = Counted {
                cumulative: cumulative.collect(),
                count: written.count(),
                sum: seconds(written.micros()),
            };
            (priority.clone(), counted)
        });
    page.histograms("stentor_delivery_seconds", help, "priority", delivered);
}

fn traffic(page: &mut Page, Stats { received, sent, .. }: &Stats) {
    let kinds = [("text", received.text), ("binary", received.binary)];
    page.counters(
        "stentor_messages_received_total",
        "Complete messages from peers.",
        "kind",
        kinds,
    );
    let help = "Payload bytes of complete messages from peers.";
    page.counter(
        "stentor_messages_received_bytes_total",
        help,
        received.payload_bytes,
    );
    page.counter(
        "stentor_socket_read_bytes_total",
        "Bytes read from sockets.",
        received.bytes,
    );
    page.counter(
        "stentor_socket_written_bytes_total",
        "Bytes written to sockets.",
        sent.bytes,
    );
    let kinds = [("ping", received.pings), ("pong", received.pongs)];
    page.counters(
        "stentor_control_frames_received_total",
        "Control frames from peers.",
        "kind",
        kinds,
    );
    let kinds = [
        ("ping", sent.pings),
        ("pong", sent.pongs),
        ("close", sent.closes),
    ];
    page.counters(
        "stentor_control_frames_queued_total",
        "Control frames queued for peers.",
        "kind",
        kinds,
    );
    let help = "Pongs replaced by newer ones before they were written.";
    page.counter("stentor_pongs_replaced_total", help, sent.pongs_replaced);
    page.counter(
        "stentor_pages_sent_total",
        "HTTP responses written.",
        sent.pages,
    );
    page.counters(
        "stentor_unsent_limit_changes_total",
        "Changes of the unsent-bytes limit of a connection.",
        "to",
        [
            ("rate", sent.unsent_limit_raised),
            ("smallest", sent.unsent_limit_reset),
        ],
    );
}

fn compression(page: &mut Page, Stats { deflate, .. }: &Stats) {
    let help = "Connections that negotiated permessage-deflate.";
    page.counter("stentor_compression_agreed_total", help, deflate.agreed);
    let help = "Connections without context takeover because the context memory was used up.";
    page.counter(
        "stentor_compression_contexts_denied_total",
        help,
        deflate.contexts_denied,
    );
    let help = "Bytes of the compression contexts of connections.";
    page.gauge(
        "stentor_compression_context_bytes",
        help,
        deflate.context_bytes,
    );
    let help = "Messages compressed or decompressed; a shared broadcast counts once.";
    let ways = [("out", deflate.deflated), ("in", deflate.inflated)];
    page.counters("stentor_compressed_messages_total", help, "direction", ways);
    let help = "Compressed bytes of those messages.";
    let ways = [
        ("out", deflate.deflated_to_bytes),
        ("in", deflate.inflated_from_bytes),
    ];
    page.counters("stentor_compressed_bytes_total", help, "direction", ways);
    let help = "Uncompressed bytes of those messages.";
    let ways = [
        ("out", deflate.deflated_from_bytes),
        ("in", deflate.inflated_to_bytes),
    ];
    page.counters("stentor_uncompressed_bytes_total", help, "direction", ways);
    let help = "Messages sent uncompressed because compression did not shorten them.";
    page.counter(
        "stentor_incompressible_messages_total",
        help,
        deflate.incompressible,
    );
}

fn rooms(page: &mut Page, Stats { rooms, waiting, .. }: &Stats) {
    let help = "Rooms, once per shard that has members or owns the room.";
    page.gauge("stentor_rooms", help, rooms.rooms);
    page.gauge(
        "stentor_room_members",
        "Room memberships of connections.",
        rooms.members,
    );
    page.counter(
        "stentor_publications_total",
        "Messages published to rooms.",
        rooms.published,
    );
    let help = "Encodings of publications, one per format at the owner shard of the room.";
    page.counter("stentor_publications_encoded_total", help, rooms.encoded);
    let help = "Copies of publications, at most one per shard.";
    page.counter("stentor_publications_copied_total", help, rooms.copied);
    let help = "Members that a publication was offered to.";
    page.counter("stentor_publication_offers_total", help, rooms.offered);
    let help =
        "Publications discarded because their connection ended while they waited for credits.";
    page.counter(
        "stentor_publications_abandoned_total",
        help,
        rooms.abandoned,
    );
    page.counter(
        "stentor_intershard_messages_total",
        "Messages between shards.",
        rooms.letters,
    );
    let help = "Connections that are not read, by what they wait for.";
    let waiting = [
        ("credit", waiting.credit),
        ("owner", waiting.home),
        ("queue", waiting.queue),
        ("task", waiting.task),
    ];
    page.gauges("stentor_connections_waiting", help, "for", waiting);
    let help = "Waits of connections before publishing, by what they waited for.";
    let waits = [("credit", rooms.credit_waits), ("owner", rooms.home_waits)];
    page.counters("stentor_publish_waits_total", help, "for", waits);
    let help = "Joins refused because the connection had reached its maximum number of rooms.";
    page.counter("stentor_joins_refused_total", help, rooms.joins_refused);
    let help = "Publications to large rooms that are not yet queued for all members.";
    page.gauge("stentor_fan_outs_unfinished", help, rooms.unfinished);
    let help = "Slices of publications to large rooms.";
    page.counter("stentor_fan_out_slices_total", help, rooms.slices);
    let help = "Joins refused because the room would have been new and memory was short.";
    page.counter(
        "stentor_joins_refused_memory_total",
        help,
        rooms.joins_refused_memory,
    );
}

fn server(page: &mut Page, snapshot: &Snapshot<'_>) {
    let Snapshot {
        settings,
        shards,
        silent,
        turns,
        dispatch: _,
        remote: _,
        refused_full,
        accept_errors,
        shard_restarts,
        admin,
        log_lines_dropped,
    } = snapshot;
    let help = "Sockets refused before they reached a shard because the server was full.";
    page.counter("stentor_sockets_refused_total", help, *refused_full);
    page.counter(
        "stentor_accept_errors_total",
        "Failed accepts.",
        *accept_errors,
    );
    page.counter(
        "stentor_shard_restarts_total",
        "Shards that failed and were restarted.",
        *shard_restarts,
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
        statuses.iter().map(String::as_str).zip(*admin),
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

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}
