//! Moments in which everything has come to rest: then all clients see the same, and miss nothing.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use super::connection::SubState;
use super::setup::pick;
use super::wire::Speech;
use super::world::{SLICE, World};
use crate::client_protocol::{ProtoClientInfo, ProtoHistoryResult};
use crate::simulator::{ReadPattern, Rng};

/// What a client was told of a channel.
#[derive(Debug)]
pub(super) enum View {
    Presence(String, BTreeMap<String, ProtoClientInfo>),
    Stats(String, u32, u32),
    History(String, ProtoHistoryResult),
}

/// Who is in a channel.
#[derive(Debug, Default)]
struct Members {
    /// Their client ids.
    clients: BTreeSet<String>,
    users: BTreeSet<String>,
    /// Clients of the seed protocol, whose ids nobody knows.
    seeds: usize,
    /// Of connections that have gone and that the server may still hold.
    maybe: BTreeSet<String>,
    maybe_unknown: usize,
}

impl World {
    /// Lets everything come to rest, and compares what clients see.
    pub(super) fn quieten(&mut self, rng: &mut Rng) {
        let open: Vec<usize> = (0..self.conns.len())
            .filter(|&conn| self.conns[conn].is_open())
            .collect();
        let readers: Vec<_> = open
            .iter()
            .map(|&conn| self.sim.client(conn).reader)
            .collect();
        for &conn in &open {
            self.sim.client_mut(conn).reader = ReadPattern::Eager;
        }
        self.rest();
        self.check_answers();
        self.compare_views(rng);
        self.check_positions();
        self.check_audiences();
        self.sim.compare_all();
        for (&conn, reader) in open.iter().zip(readers) {
            if self.conns[conn].is_open() {
                self.sim.client_mut(conn).reader = reader;
            }
        }
        self.coverage.note("quiet");
    }

    /// Lets clients hear and answer until there is nothing more.
    fn rest(&mut self) {
        let mut idle = 0;
        for _ in 0..10_000 {
            // In slices, since pings are to be answered in time.
            let before = self.sim.digest();
            self.sim.pass(Duration::from_micros(SLICE));
            let is_idle = !self.hear() && self.sim.digest() == before;
            idle = if is_idle { idle + 1 } else { 0 };
            if idle == 2 {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    /// Every command has its reply, and who did what is not allowed is closed.
    fn check_answers(&self) {
        for (conn, state) in self.conns.iter().enumerate() {
            if !state.is_open() {
                continue;
            }
            match state.must_close {
                // In time.
                Some(3502) | None => {}
                Some(code) => panic!("conn {conn} is to be closed with {code}"),
            }
            if state.is_connected() {
                self.check_times(conn);
            }
            let pending = state.pending.iter().next();
            assert!(
                pending.is_none(),
                "conn {conn} waits for a reply: {pending:?}; {:?}",
                self.sim.explain(conn)
            );
        }
    }

    /// Whatever is to end in time has ended.
    fn check_times(&self, conn: usize) {
        let (state, unix) = (&self.conns[conn], self.unix());
        let settings = &self.setup.settings.client;
        let by = |delay: Duration| unix.saturating_sub(delay.as_secs() + 1);
        let by_connection = by(settings.expired_close_delay);
        let is_expired = state.expires.is_some_and(|at| at < by_connection);
        assert!(!is_expired, "conn {conn} has expired: {:?}", state.expires);
        let by_sub = by(settings.expired_sub_close_delay);
        for sub in state.subs.values() {
            let is_expired = sub.expires.is_some_and(|at| at < by_sub);
            assert!(!is_expired, "conn {conn}: {} has expired", sub.channel);
        }
        let patience = settings.ping_interval + settings.pong_timeout + Duration::from_secs(1);
        let is_dead = state.unanswering_since.is_some_and(|since| {
            let silent = Duration::from_micros(self.now() - since);
            state.speech != Speech::Seed && silent > patience
        });
        assert!(!is_dead, "conn {conn} answers no pings");
    }

    fn compare_views(&mut self, rng: &mut Rng) {
        let viewers: Vec<usize> = (0..self.conns.len())
            .filter(|&conn| {
                let state = &self.conns[conn];
                state.is_connected() && !state.is_spoiled && state.speech != Speech::Seed
            })
            .collect();
        if viewers.is_empty() {
            return;
        }
        self.views.clear();
        self.departed.clear();
        self.held_then = (0..self.conns.len())
            .map(|conn| self.sim.is_held(conn))
            .collect();
        self.views_since = self.now();
        self.is_viewing = true;
        for _ in 0..4 {
            let rules = pick(rng, &self.setup.channels).clone();
            // Who has no JSON to tell would be closed by the answer.
            if rules.name.starts_with("raw:") {
                continue;
            }
            for _ in 0..2 {
                let conn = *pick(rng, &viewers);
                let mut commands = Vec::new();
                if rules.options.presence {
                    commands.push(self.who_is_there(conn, &rules.name, false));
                    commands.push(self.who_is_there(conn, &rules.name, true));
                }
                if rules.options.has_history() {
                    commands.push(self.history(conn, &rules.name, -1, None, false));
                }
                if !commands.is_empty() {
                    self.send(conn, &commands);
                }
            }
        }
        self.rest();
        self.is_viewing = false;
        let views = core::mem::take(&mut self.views);
        let mut histories: BTreeMap<String, ProtoHistoryResult> = BTreeMap::new();
        for view in views {
            self.coverage.note("views compared");
            match view {
                View::Presence(channel, presence) => self.check_presence(&channel, &presence),
                View::Stats(channel, clients, users) => self.check_stats(&channel, clients, users),
                View::History(channel, history) => {
                    if let Some(other) = histories.insert(channel.clone(), history.clone()) {
                        // What is kept may have expired meanwhile.
                        let positions = |one: &ProtoHistoryResult| (one.offset, one.epoch.clone());
                        assert_eq!(positions(&other), positions(&history), "{channel}");
                    }
                }
            }
        }
    }

    fn members(&self, channel: &str) -> Members {
        let mut members = Members::default();
        let departed = self.departed.iter();
        let departed = departed.filter(|(of, client)| of == channel && !client.is_empty());
        members
            .maybe
            .extend(departed.map(|(_, client)| client.clone()));
        for (conn, state) in self.conns.iter().enumerate() {
            let is_new = state
                .subs
                .get(channel)
                .is_some_and(|sub| sub.since >= self.views_since);
            if is_new {
                members.maybe.insert(state.client.clone());
            }
            let is_member = match state.speech {
                Speech::Seed => state
                    .room
                    .as_ref()
                    .is_some_and(|sub| sub.channel == channel),
                _ => state
                    .subs
                    .get(channel)
                    .is_some_and(|sub| sub.state == SubState::Live),
            };
            if state.is_connected() {
                match state.speech {
                    _ if !is_member || is_new => {}
                    Speech::Seed => {
                        members.seeds += 1;
                        members.users.insert(String::new());
                    }
                    _ => {
                        members.clients.insert(state.client.clone());
                        members.users.insert(state.user.clone());
                    }
                }
            } else if self.sim.is_held(conn) || self.held_then.get(conn) == Some(&true) {
                // Its last words may have been another.
                if state.client.is_empty() {
                    members.maybe_unknown += 1;
                } else {
                    members.maybe.insert(state.client.clone());
                }
            }
        }
        members
    }

    fn check_presence(&mut self, channel: &str, presence: &BTreeMap<String, ProtoClientInfo>) {
        let members = self.members(channel);
        if presence.len() > 1 {
            self.coverage.note("presence: several");
        }
        for client in &members.clients {
            assert!(
                presence.contains_key(client),
                "{client} is in {channel}: {presence:?}"
            );
        }
        let mut unknown = 0;
        for (client, info) in presence {
            if members.clients.contains(client) || members.maybe.contains(client) {
                continue;
            }
            let known = self.conns.iter().position(|conn| conn.client == *client);
            assert_eq!(known, None, "{info:?} is not in {channel}: {members:?}");
            unknown += 1;
        }
        let most = members.seeds + members.maybe_unknown;
        assert!(
            (members.seeds..=most).contains(&unknown),
            "{channel}: {unknown} others, and {members:?}"
        );
        self.check_events(channel, presence, &members);
    }

    /// Who was told who comes and leaves knows who is there.
    fn check_events(
        &self,
        channel: &str,
        presence: &BTreeMap<String, ProtoClientInfo>,
        members: &Members,
    ) {
        if self.setup.is_lossy {
            return;
        }
        for (conn, state) in self.conns.iter().enumerate() {
            let Some(sub) = state.subs.get(channel) else {
                continue;
            };
            let is_new = sub.since >= self.views_since;
            if !state.is_connected() || state.was_slow || !sub.gets_events || is_new {
                continue;
            }
            let came = sub.came;
            let came = came
                .unwrap_or_else(|| panic!("conn {conn} has not heard that it came to {channel}"));
            for (client, &is_there) in &sub.others {
                // One may leave whose answer to `connect` nobody has read.
                let is_known = self.conns.iter().any(|conn| conn.client == *client);
                if members.maybe.contains(client) || !is_known {
                    continue;
                }
                assert_eq!(
                    presence.contains_key(client),
                    is_there,
                    "conn {conn} has heard of {client} in {channel}: {presence:?}"
                );
            }
            for other in &self.conns {
                let later = other.subs.get(channel).filter(|sub| sub.asked_at > came);
                assert!(
                    later.is_none()
                        || members.maybe.contains(&other.client)
                        || !presence.contains_key(&other.client)
                        || sub.others.contains_key(&other.client)
                        || other.client == state.client,
                    "conn {conn} has not heard that {} came to {channel}",
                    other.client
                );
            }
        }
    }

    fn check_stats(&self, channel: &str, clients: u32, users: u32) {
        let members = self.members(channel);
        let least = members.clients.len() + members.seeds;
        let most = least + members.maybe.len() + members.maybe_unknown;
        assert!(
            (least..=most).contains(&(clients as usize)),
            "{channel}: {clients} clients, and {members:?}"
        );
        let most = members.users.len() + members.maybe.len() + members.maybe_unknown;
        assert!(
            (members.users.len()..=most).contains(&(users as usize)),
            "{channel}: {users} users, and {members:?}"
        );
    }

    /// Whoever has a position has the newest.
    fn check_positions(&self) {
        for (conn, state) in self.conns.iter().enumerate() {
            if !state.is_connected() || state.is_spoiled {
                continue;
            }
            for (channel, sub) in &state.subs {
                let Some((epoch, at)) = &sub.position else {
                    continue;
                };
                let top = self.ledger.top_of(channel, epoch);
                assert_eq!(*at, top, "conn {conn} is at {at} of {epoch} in {channel}");
                let newest = self.ledger.newest(channel);
                assert_eq!(
                    newest.map(|(epoch, _)| epoch).as_ref(),
                    Some(epoch),
                    "conn {conn} is in a stream of {channel} that is over"
                );
            }
        }
    }

    /// Where nothing may be lost, every subscriber has heard everything.
    fn check_audiences(&self) {
        if self.setup.is_lossy {
            return;
        }
        for (conn, state) in self.conns.iter().enumerate() {
            if !state.is_connected() || state.was_slow || state.is_spoiled {
                continue;
            }
            let subs = state.subs.values().chain(&state.room);
            for sub in subs.filter(|sub| sub.state == SubState::Live) {
                if state.speech == Speech::Json && sub.channel.starts_with("raw:") {
                    continue;
                }
                for (n, said) in self.ledger.said.iter().enumerate() {
                    let is_due = said.is_accepted
                        && said.channel == sub.channel
                        && said.sent > sub.since
                        && self.conns[said.by].is_connected();
                    assert!(
                        !is_due || sub.heard.contains(&n),
                        "conn {conn} has not heard {n} in {}",
                        sub.channel
                    );
                }
            }
        }
    }
}
