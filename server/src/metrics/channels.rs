//! Metrics of channels, of messages to one connection and of commands from application threads.

use stentor_core::channels::RemoteStats;
use stentor_core::stats::{ChannelStats, Stats};

use super::exposition::Exposition;

pub(super) fn channels(
    page: &mut Exposition,
    Stats {
        channels, waiting, ..
    }: &Stats,
) {
    let help = "Channels, once per shard that has members or owns the channel.";
    page.gauge("stentor_rooms", help, channels.count);
    page.gauge(
        "stentor_room_members",
        "Channel memberships of connections.",
        channels.members,
    );
    page.counter(
        "stentor_publications_total",
        "Messages published to channels.",
        channels.published,
    );
    let help = "Encodings of publications, one per format at the owner shard of the channel.";
    page.counter("stentor_publications_encoded_total", help, channels.encoded);
    let help = "Messages encoded for a codec of the application, once each for all receivers.";
    page.counter("stentor_codec_encodes_total", help, channels.codec_encoded);
    let help = "Copies of publications, at most one per shard.";
    page.counter("stentor_publications_copied_total", help, channels.copied);
    let help = "Members that a publication was offered to.";
    page.counter("stentor_publication_offers_total", help, channels.offered);
    let help =
        "Publications discarded because their connection ended while they waited for credits.";
    page.counter(
        "stentor_publications_abandoned_total",
        help,
        channels.abandoned,
    );
    page.counter(
        "stentor_intershard_messages_total",
        "Messages between shards.",
        channels.shard_messages,
    );
    let help = "Connections that are not read, by what they wait for.";
    let waiting = [
        ("credit", waiting.credit),
        ("owner", waiting.owner),
        ("queue", waiting.queue),
        ("task", waiting.task),
        ("shards", waiting.answers),
    ];
    page.gauges("stentor_connections_waiting", help, "for", waiting);
    let help = "Waits of connections before publishing, by what they waited for.";
    let waits = [
        ("credit", channels.credit_waits),
        ("owner", channels.home_waits),
    ];
    page.counters("stentor_publish_waits_total", help, "for", waits);
    let help = "Joins refused because the connection had reached its maximum number of channels.";
    page.counter("stentor_joins_refused_total", help, channels.joins_refused);
    let help = "Publications to large channels that are not yet queued for all members.";
    page.gauge("stentor_fan_outs_unfinished", help, channels.unfinished);
    let help = "Slices of publications to large channels.";
    page.counter("stentor_fan_out_slices_total", help, channels.slices);
    let help = "Joins refused because the channel would have been new and memory was short.";
    page.counter(
        "stentor_joins_refused_memory_total",
        help,
        channels.joins_refused_memory,
    );
    streams(page, channels);
}

fn streams(page: &mut Exposition, channels: &ChannelStats) {
    let help = "Channels with a position.";
    page.gauge("stentor_streams", help, channels.streams);
    let help = "Publications in the history of channels.";
    page.gauge("stentor_history_publications", help, channels.kept);
    let help = "Bytes of publications in the history of channels.";
    page.gauge("stentor_history_bytes", help, channels.kept_bytes);
    let help = "Publications removed from history because memory was short.";
    page.counter("stentor_history_shed_total", help, channels.kept_shed);
    let help =
        "Publications not delivered: the channel had had their idempotency key, or their version.";
    let causes = [("key", channels.repeated), ("version", channels.outdated)];
    page.counters("stentor_publications_repeated_total", help, "by", causes);
    let help = "Idempotency keys forgotten before their time because there were too many.";
    page.counter(
        "stentor_idempotency_keys_forgotten_total",
        help,
        channels.keys_forgotten,
    );
    let help = "Presence entries of channels.";
    page.gauge("stentor_presence_entries", help, channels.shown);
    let help = "Recoveries of subscriptions, by whether everything missed was recovered.";
    let results = [
        ("recovered", channels.recovered),
        ("not_recovered", channels.not_recovered),
    ];
    page.counters("stentor_recoveries_total", help, "result", results);
    let help = "Subscriptions ended because a publication did not reach the connection.";
    page.counter(
        "stentor_positions_lost_total",
        help,
        channels.positions_lost,
    );
    let help = "Streams of channels restored from the state file.";
    page.counter("stentor_streams_restored_total", help, channels.restored);
    let help = "Questions of connections to the application on one or all shards.";
    page.counter("stentor_shard_questions_total", help, channels.questions);
}

pub(super) fn direct(page: &mut Exposition, Stats { direct, .. }: &Stats, remote: RemoteStats) {
    let help = "Messages to one connection.";
    page.counter("stentor_direct_messages_total", help, direct.sent);
    let help = "Messages to one connection that were offered to its send queue.";
    page.counter("stentor_direct_offered_total", help, direct.offered);
    let help = "Messages to one connection that had already closed.";
    page.counter(
        "stentor_direct_undeliverable_total",
        help,
        direct.undeliverable,
    );

    let help = "Commands from application threads in flight.";
    page.gauge("stentor_remote_commands", help, remote.under_way);
    let help = "Commands from application threads.";
    page.counter("stentor_remote_commands_total", help, remote.given);
    let help = "Commands from application threads that found the limit reached.";
    page.counter("stentor_remote_full_total", help, remote.full);
}
