//! Metrics of sockets and connections.

use stentor_core::CloseCause;
use stentor_core::proto::http::HandshakeError;
use stentor_core::proto::proxy::ProxyError;
use stentor_core::proto::ws::PeerError;
use stentor_core::stats::Stats;

use super::exposition::Exposition;

pub(super) fn connections(
    page: &mut Exposition,
    Stats {
        links,
        closed,
        peer_errors,
        refused,
        proxy_refused,
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
    let help = "TLS handshakes completed.";
    page.counter(
        "stentor_tls_handshakes_total",
        help,
        links.transports_agreed,
    );
    let help = "TLS connections whose peer broke the protocol, in the handshake or behind it.";
    page.counter("stentor_tls_failures_total", help, links.transports_failed);
    page.counter(
        "stentor_proxy_headers_total",
        "Headers of the PROXY protocol read in front of connections.",
        links.proxy_headers,
    );
    let help = "Times that a connection was not read for a while because it had sent too much.";
    page.counter("stentor_throttled_total", help, links.throttled);
    let help = "Connections whose address had no place in the table of addresses.";
    page.counter(
        "stentor_addresses_untracked_total",
        help,
        links.addresses_untracked,
    );
    let causes = ProxyError::ALL.map(ProxyError::label);
    let help = "Connections closed for want of a valid PROXY header, by cause.";
    page.counters(
        "stentor_proxy_headers_refused_total",
        help,
        "cause",
        causes.into_iter().zip(*proxy_refused),
    );
    let help = "Pauses of reading because the send queue of the connection was full.";
    page.counter("stentor_read_pauses_total", help, links.read_pauses);
    let help = "HTTP requests that were answered by a callback of the application.";
    page.counter("stentor_requests_held_total", help, links.requests_held);
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
    let help = "Callbacks of the application that panicked; their connections are closed.";
    page.counter("stentor_callback_panics_total", help, links.panics);
    let help = "Values of the application whose destructor panicked on a shard.";
    page.counter(
        "stentor_destructor_panics_total",
        help,
        links.drops_panicked,
    );
    let help = "Messages of the application that exceed the maximum payload length.";
    page.counter("stentor_payloads_too_long_total", help, links.too_long);
}
