//! Owns what the page says of messages to one connection and of commands from outside.

use stentor_core::{RemoteStats, Stats};

use super::page::Page;

pub(super) fn reach(page: &mut Page, Stats { direct, .. }: &Stats, remote: RemoteStats) {
    let help = "Messages to one connection.";
    page.counter("stentor_direct_messages_total", help, direct.sent);
    let help = "Messages to one connection that were offered to its queue.";
    page.counter("stentor_direct_offered_total", help, direct.offered);
    let help = "Messages to one connection that came when it had ended.";
    page.counter(
        "stentor_direct_undeliverable_total",
        help,
        direct.undeliverable,
    );

    let help = "Commands from outside the shards that are under way.";
    page.gauge("stentor_remote_commands", help, remote.under_way);
    let help = "Commands from outside the shards.";
    page.counter("stentor_remote_commands_total", help, remote.given);
    let help = "Times somebody looked for a place for such a command, and there was none.";
    page.counter("stentor_remote_full_total", help, remote.full);
}
