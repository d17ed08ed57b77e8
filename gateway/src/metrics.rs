//! The counters of a gateway as metrics.

use alloc::borrow::Cow;
use alloc::string::ToString as _;
use alloc::vec::Vec;

use stentor_core::app::{Metric, MetricFamily, MetricKind};

use crate::stats::GatewayStats;

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> MetricFamily {
    MetricFamily {
        name,
        help,
        kind: MetricKind::Counter,
        labels,
    }
}

const fn gauge(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> MetricFamily {
    MetricFamily {
        kind: MetricKind::Gauge,
        ..counter(name, labels, help)
    }
}

const CLIENTS: MetricFamily = gauge(
    "stentor_clients",
    &["transport", "protocol"],
    "Connected clients of the channel protocol.",
);
const CONNECTS: MetricFamily = counter(
    "stentor_client_connects_total",
    &["transport", "protocol"],
    "Clients whose connect command succeeded.",
);
const POLLED: MetricFamily = gauge(
    "stentor_poll_sessions",
    &[],
    "Sessions of clients that poll.",
);
const COMMANDS: MetricFamily = counter(
    "stentor_client_commands_total",
    &["command"],
    "Commands of clients, answers to pings among them.",
);
const ERRORS: MetricFamily = counter(
    "stentor_client_errors_total",
    &["code"],
    "Commands of clients that were answered with an error.",
);
const DISCONNECTS: MetricFamily = counter(
    "stentor_client_disconnects_total",
    &["code"],
    "Clients that the channel protocol closed, by close code; not those that the send queue closed.",
);
const UNSUBSCRIBES: MetricFamily = counter(
    "stentor_client_unsubscribes_total",
    &["code"],
    "Subscriptions that the server ended.",
);
const TOKEN_FAILURES: MetricFamily = counter(
    "stentor_token_failures_total",
    &["reason"],
    "Tokens that were refused.",
);
const REQUESTS_REFUSED: MetricFamily = counter(
    "stentor_access_refused_total",
    &[],
    "Requests refused because the server has no key, or is for development only.",
);
const SUBSCRIPTIONS: MetricFamily = gauge(
    "stentor_namespace_subscriptions",
    &["namespace"],
    "Subscriptions of clients.",
);
const SUBSCRIBES: MetricFamily = counter(
    "stentor_namespace_subscribes_total",
    &["namespace"],
    "Subscriptions that were made.",
);
const PUBLICATIONS: MetricFamily = counter(
    "stentor_namespace_publications_total",
    &["namespace"],
    "Publications of clients and of the server API that were accepted.",
);
const RECOVERIES: MetricFamily = counter(
    "stentor_namespace_recoveries_total",
    &["namespace", "result"],
    "Subscriptions that asked for what they had missed, by whether all of it was there.",
);
const API_CALLS: MetricFamily = counter(
    "stentor_api_calls_total",
    &["method"],
    "Calls of the server API.",
);
const API_ERRORS: MetricFamily = counter(
    "stentor_api_errors_total",
    &["code"],
    "Calls of the server API that were answered with an error.",
);
const API_REFUSED: MetricFamily = counter(
    "stentor_api_requests_refused_total",
    &["reason"],
    "Requests to the server API without a valid key or readable content.",
);

impl GatewayStats {
    /// Returns the counters as metrics of a shard.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        let none: [&str; 0] = [];
        let mut all = Vec::from([
            POLLED.value(none, self.polled),
            REQUESTS_REFUSED.value(none, self.requests_refused),
            API_REFUSED.value(["key"], self.api.unauthorized),
            API_REFUSED.value(["content"], self.api.undecodable),
        ]);
        for (link, counts) in self.links() {
            let labels = [link.transport.name(), link.codec.name()];
            all.push(CLIENTS.value(labels, counts.connected));
            all.push(CONNECTS.value(labels, counts.connects));
        }
        for (name, counts) in self.namespaces.iter() {
            let name = || Cow::from(name.clone());
            all.push(SUBSCRIPTIONS.value([name()], counts.subscriptions));
            all.push(SUBSCRIBES.value([name()], counts.subscribes));
            all.push(PUBLICATIONS.value([name()], counts.publications));
            let recoveries = [
                ("recovered", counts.recovered),
                ("not_recovered", counts.not_recovered),
            ];
            for (result, count) in recoveries {
                all.push(RECOVERIES.value([name(), result.into()], count));
            }
        }
        let commands = self.commands();
        all.extend(commands.map(|(command, count)| COMMANDS.value([command], count)));
        let failures = self.token_failures();
        all.extend(failures.map(|(error, n)| TOKEN_FAILURES.value([error.label()], n)));
        let calls = self.api.calls();
        all.extend(calls.map(|(method, count)| API_CALLS.value([method.name()], count)));
        let errors = self.errors().map(|(code, n)| (ERRORS, code.number(), n));
        let api = self.api.errors();
        let api = api.map(|(code, n)| (API_ERRORS, code.number(), n));
        let ends = self.disconnects();
        let ends = ends.map(|(code, n)| (DISCONNECTS, code.number(), n));
        let unsubscribes = self.unsubscribes();
        let unsubscribes = unsubscribes.map(|(code, n)| (UNSUBSCRIBES, code.number(), n));
        let codes = errors.chain(api).chain(ends).chain(unsubscribes);
        all.extend(codes.map(|(family, code, n)| family.value([code.to_string()], n)));
        all
    }
}
