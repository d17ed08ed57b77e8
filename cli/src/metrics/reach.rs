//! Owns what the page says of messages to one connection and of commands from outside.

use stentor_core::{RemoteStats, Stats};

use super::page::Page;

pub(super) fn reach(page: &mut Page, Stats { direct, .. }: &Stats, remote: RemoteStats) {
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
