//! Counters of a gateway.

use crate::api::ApiMethod;
use crate::client_protocol::{CommandRequest, DisconnectCode, ErrorCode, UnsubscribeCode};
use crate::namespace_stats::{NamespaceCounts, NamespaceStats};
use crate::token::TokenError;
use crate::transport::ClientLink;

/// What the clients of the channel protocol on one shard have done, and what they were told, since the
/// start.
#[derive(Clone, Debug, Default)]
pub struct GatewayStats {
    /// Sessions that are polled.
    pub polled: u64,
    /// Requests that were refused because the server has no key, or is for development only.
    pub requests_refused: u64,
    /// Calls of the server API.
    pub api: ApiStats,
    pub(crate) namespaces: NamespaceStats,
    links: [LinkCounts; ClientLink::ALL.len()],
    commands: Counts<{ CommandRequest::NAMES.len() }>,
    token_failures: Counts<{ TokenError::ALL.len() }>,
    errors: Counts<{ ErrorCode::ALL.len() }>,
    unsubscribes: Counts<{ UnsubscribeCode::ALL.len() }>,
    disconnects: Counts<{ DisconnectCode::ALL.len() }>,
}

/// Requests of the server API, and what was answered.
#[derive(Clone, Debug, Default)]
pub struct ApiStats {
    /// Requests without a key, or with another one.
    pub unauthorized: u64,
    /// Requests whose body could not be read.
    pub undecodable: u64,
    calls: Counts<{ ApiMethod::ALL.len() }>,
    errors: Counts<{ ErrorCode::ALL.len() }>,
}

impl ApiStats {
    /// Returns how often each method was called.
    pub fn calls(&self) -> impl Iterator<Item = (ApiMethod, u64)> + '_ {
        self.calls.with(ApiMethod::ALL)
    }

    /// Returns how many calls were answered with each error.
    pub fn errors(&self) -> impl Iterator<Item = (ErrorCode, u64)> + '_ {
        self.errors.with(ErrorCode::ALL)
    }

    pub(crate) fn add_call(&mut self, method: ApiMethod) {
        self.calls.add(ApiMethod::ALL, method);
    }

    pub(crate) fn add_error(&mut self, code: ErrorCode) {
        self.errors.add(ErrorCode::ALL, code);
    }

    fn add(&mut self, other: &Self) {
        self.unauthorized += other.unauthorized;
        self.undecodable += other.undecodable;
        self.calls.add_all(&other.calls);
        self.errors.add_all(&other.errors);
    }
}

/// The clients with one kind of link.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LinkCounts {
    pub(crate) connected: u64,
    pub(crate) connects: u64,
}

/// A counter for each of several codes.
#[derive(Clone, Debug)]
struct Counts<const N: usize>([u64; N]);

impl<const N: usize> Default for Counts<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Counts<N> {
    fn add<C: PartialEq>(&mut self, all: &[C], code: C) {
        let at = all.iter().position(|other| *other == code);
        if let Some(count) = at.and_then(|at| self.0.get_mut(at)) {
            *count += 1;
        }
    }

    fn add_all(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    fn with<'s, C: Copy>(&'s self, all: &'s [C]) -> impl Iterator<Item = (C, u64)> + use<'s, C, N> {
        all.iter().copied().zip(self.0.iter().copied())
    }
}

impl GatewayStats {
    /// Adds the counters of another shard.
    pub fn add(&mut self, other: &Self) {
        self.polled += other.polled;
        self.requests_refused += other.requests_refused;
        self.api.add(&other.api);
        self.namespaces.add(&other.namespaces);
        for (counts, more) in self.links.iter_mut().zip(&other.links) {
            counts.connected += more.connected;
            counts.connects += more.connects;
        }
        self.commands.add_all(&other.commands);
        self.token_failures.add_all(&other.token_failures);
        self.errors.add_all(&other.errors);
        self.unsubscribes.add_all(&other.unsubscribes);
        self.disconnects.add_all(&other.disconnects);
    }

    /// Returns the number of clients that are connected.
    pub fn connected(&self) -> u64 {
        self.links.iter().map(|counts| counts.connected).sum()
    }

    /// Returns how many clients have connected.
    pub fn connects(&self) -> u64 {
        self.links.iter().map(|counts| counts.connects).sum()
    }

    /// Returns what has happened in all channels.
    pub fn channels(&self) -> NamespaceCounts {
        self.namespaces.totals()
    }

    /// Returns how many clients are and were connected in each way.
    pub(crate) fn links(&self) -> impl Iterator<Item = (ClientLink, &LinkCounts)> {
        ClientLink::ALL.iter().copied().zip(&self.links)
    }

    /// Returns how often each command was sent.
    pub fn commands(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.commands.with(CommandRequest::NAMES)
    }

    /// Returns how many tokens were refused for each reason.
    pub fn token_failures(&self) -> impl Iterator<Item = (TokenError, u64)> + '_ {
        self.token_failures.with(TokenError::ALL)
    }

    /// Returns how many commands were answered with each error.
    pub fn errors(&self) -> impl Iterator<Item = (ErrorCode, u64)> + '_ {
        self.errors.with(ErrorCode::ALL)
    }

    /// Returns how many subscriptions the gateway ended with each code.
    pub fn unsubscribes(&self) -> impl Iterator<Item = (UnsubscribeCode, u64)> + '_ {
        self.unsubscribes.with(UnsubscribeCode::ALL)
    }

    /// Returns how many connections the gateway closed with each code. Those that the core closes, such
    /// as the slow ones, are in its own counters.
    pub fn disconnects(&self) -> impl Iterator<Item = (DisconnectCode, u64)> + '_ {
        self.disconnects.with(DisconnectCode::ALL)
    }

    pub(crate) fn link(&mut self, link: ClientLink) -> &mut LinkCounts {
        let is_it =
            |other: &ClientLink| (other.transport, other.codec) == (link.transport, link.codec);
        let place = ClientLink::ALL.iter().position(is_it);
        &mut self.links[place.unwrap_or_default()]
    }

    pub(crate) fn add_command(&mut self, request: &CommandRequest<'_>) {
        self.commands.0[request.number()] += 1;
    }

    pub(crate) fn add_token_failure(&mut self, error: TokenError) {
        self.token_failures.add(TokenError::ALL, error);
    }

    pub(crate) fn add_error(&mut self, code: ErrorCode) {
        self.errors.add(ErrorCode::ALL, code);
    }

    pub(crate) fn add_unsubscribe(&mut self, code: UnsubscribeCode) {
        self.unsubscribes.add(UnsubscribeCode::ALL, code);
    }

    pub(crate) fn add_disconnect(&mut self, code: DisconnectCode) {
        self.disconnects.add(DisconnectCode::ALL, code);
    }
}
