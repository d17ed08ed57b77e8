//! Metrics of messages: send queues, drops, delivery times, traffic and compression.

use stentor_core::stats::{PriorityStats, Stats};

use super::exposition::{Counted, Exposition};

pub(super) fn messages(
    page: &mut Exposition,
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
        ("refused_codec", delivery.refused_codec),
        ("evicted", delivery.evicted),
        ("expired", delivery.expired),
        ("conflated", delivery.conflated),
        ("shed", delivery.shed),
        ("discarded", delivery.discarded),
    ];
    page.counters("stentor_messages_dropped_total", help, "reason", reasons);

    let each: Vec<(String, &PriorityStats)> = priorities
        .iter()
        .map(|(priority, stats)| (priority.map_or("other".into(), |p| p.to_string()), stats))
        .collect();
    let help = "Messages dropped, by priority and reason.";
    let dropped = each.iter().flat_map(|(priority, stats)| {
        let reasons = [
            ("refused_full", stats.refused),
            ("evicted", stats.evicted),
            ("expired", stats.expired),
            ("conflated", stats.conflated),
            ("shed", stats.shed),
            ("discarded", stats.discarded),
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

pub(super) fn traffic(page: &mut Exposition, Stats { received, sent, .. }: &Stats) {
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
    let help = "Replies of the application queued ahead of other messages.";
    page.counter("stentor_pushes_total", help, sent.pushes);
    let help = "Of these, replies discarded because their connection ended first.";
    page.counter(
        "stentor_pushes_discarded_total",
        help,
        sent.pushes_discarded,
    );
    let help = "Of these, replies that wait, of all connections.";
    page.gauge("stentor_push_queue_length", help, sent.pushes_waiting);
    let help = "Bytes of the replies that wait, with frame headers.";
    page.gauge("stentor_push_queue_bytes", help, sent.pushes_waiting_bytes);
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

pub(super) fn compression(page: &mut Exposition, Stats { deflate, .. }: &Stats) {
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

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}
