//! What clients hear, and what of it is right at that moment.

use super::connection::{Asked, Pending, Stage, SubState, SubscribeAsked};
use super::quiet::View;
use super::wire::Speech;
use super::world::World;
use crate::client_protocol::{
    ProtoClientInfo, ProtoCommand, ProtoConnectResult, ProtoError, ProtoReply,
};
use crate::simulator::{Incoming, Rng};

impl World {
    /// Takes what clients have heard, and lets them answer. Returns whether there was anything.
    pub(super) fn hear(&mut self) -> bool {
        let mut is_any = false;
        for conn in 0..self.conns.len() {
            if self.sim.client(conn).heard.is_empty() {
                continue;
            }
            is_any = true;
            for one in self.sim.take_heard(conn) {
                self.take(conn, one);
            }
        }
        is_any
    }

    fn take(&mut self, conn: usize, heard: Incoming) {
        if matches!(self.conns[conn].stage, Stage::Gone | Stage::Closed) {
            return;
        }
        match heard {
            Incoming::Head(101) => self.open(conn),
            Incoming::Head(status) => {
                assert!(self.setup.is_tight, "conn {conn} gets {status}");
                self.coverage.note("request refused");
                self.leave(conn, Stage::Closed);
            }
            Incoming::Message(kind, payload) => {
                self.trace(conn, "<", &payload);
                let speech = self.conns[conn].speech;
                if speech == Speech::Seed {
                    return self.hear_in_room(conn, &payload);
                }
                assert_eq!(kind, speech.kind(), "conn {conn}: the type of a message");
                for reply in speech.decode(&payload) {
                    self.take_reply(conn, reply);
                }
            }
            Incoming::Close(code) => self.take_close(conn, code),
            Incoming::Eof => {
                let state = &self.conns[conn];
                let is_expected = state.was_slow || self.setup.is_tight;
                assert!(is_expected, "conn {conn} ends without a close frame");
                self.coverage.note("ended without a close frame");
                self.leave(conn, Stage::Closed);
            }
            Incoming::Ping(_) | Incoming::Pong(_) => {}
        }
    }

    fn take_close(&mut self, conn: usize, code: Option<u16>) {
        self.trace(conn, "< close", format!("{code:?}").as_bytes());
        let unix = self.unix();
        let settings = &self.setup.settings.client;
        let state = &self.conns[conn];
        let code = code.unwrap_or_else(|| panic!("conn {conn} is closed without a code"));
        let has_too_many = state.errors >= settings.max_errors;
        let is_allowed = state.must_close == Some(code)
            || state.may_close.contains(&code)
            || code == 3509 && has_too_many;
        assert!(
            is_allowed,
            "conn {conn} is closed with {code}; must {:?}, may {:?}",
            state.must_close, state.may_close
        );
        if code == 3005 && state.must_close != Some(3005) {
            let expires = state.expires.expect("only who expires");
            let by = expires + settings.expired_close_delay.as_secs();
            assert!(
                unix >= by,
                "conn {conn} expires at {by} and is closed at {unix}"
            );
        }
        self.coverage.note(format!("closed {code}"));
        self.leave(conn, Stage::Closed);
    }

    fn take_reply(&mut self, conn: usize, reply: ProtoReply) {
        if reply.id == 0 {
            match reply.push {
                Some(push) => self.take_push(conn, push),
                None => self.take_ping(conn, &reply),
            }
            return;
        }
        let pending = self.conns[conn].pending.remove(&reply.id);
        let pending =
            pending.unwrap_or_else(|| panic!("conn {conn}: a reply to nothing: {reply:?}"));
        if let Some(error) = &reply.error {
            return self.take_error(conn, &pending, error);
        }
        assert!(
            !pending.must_fail,
            "conn {conn}: {:?} in {} succeeds, and is to fail with one of {:?}",
            pending.asked, pending.channel, pending.errors
        );
        self.take_result(conn, pending, reply);
    }

    fn take_ping(&mut self, conn: usize, reply: &ProtoReply) {
        assert_eq!(*reply, ProtoReply::default(), "conn {conn}: a ping");
        assert!(
            self.conns[conn].is_connected(),
            "conn {conn} is pinged and not connected"
        );
        self.coverage.note("ping");
        if self.conns[conn].answers_pings {
            self.send(conn, &[ProtoCommand::default()]);
        }
    }

    fn take_error(&mut self, conn: usize, pending: &Pending, error: &ProtoError) {
        let code = error.code;
        let channel = &pending.channel;
        // A command that has waited is looked at later than it was sent.
        let is_late = pending.asked.expires().is_some_and(|at| at <= self.unix());
        assert!(
            pending.errors.contains(&code) || code == 109 && is_late,
            "conn {conn}: {:?} in {channel} fails with {code}, not with one of {:?}",
            pending.asked,
            pending.errors
        );
        assert_eq!(
            error.temporary,
            matches!(code, 100 | 111 | 113),
            "{error:?}"
        );
        self.coverage.note(format!("error {code}"));
        self.conns[conn].errors += 1;
        match &pending.asked {
            Asked::Connect { .. } => self.conns[conn].stage = Stage::Unusable,
            Asked::Subscribe(asked) => {
                if code == 112 {
                    self.check_rejection(channel, asked, pending);
                }
                let subs = &mut self.conns[conn].subs;
                let is_asked = subs
                    .get(channel)
                    .is_some_and(|sub| sub.state == SubState::Asked);
                if code != 105 && is_asked {
                    subs.remove(channel);
                }
            }
            Asked::History { since, .. } if code == 112 => {
                let epoch = since.as_ref().map(|(epoch, _)| epoch);
                let newest = pending.floor.as_ref().map(|(epoch, _)| epoch);
                // It may be over by now.
                let is_same = epoch == newest && self.ledger.epochs_of(channel) == 1;
                let may_be_over = self.may_be_over(channel, pending.sent);
                assert!(
                    !is_same || may_be_over,
                    "conn {conn}: history of {channel} since {since:?} is refused"
                );
            }
            _ => {}
        }
    }

    fn take_result(&mut self, conn: usize, pending: Pending, reply: ProtoReply) {
        let Pending {
            asked,
            channel,
            sent,
            floor,
            ..
        } = pending;
        let mut rest = reply.clone();
        rest.id = 0;
        match asked {
            Asked::Connect { subs, expires } => {
                let result = rest.connect.take().expect("the result of a connect");
                self.take_connect(conn, result, &subs, expires, sent);
            }
            Asked::Subscribe(asked) => {
                let result = rest.subscribe.take().expect("the result of a subscribe");
                self.take_subscription(conn, &channel, &asked, result, (sent, floor), false);
            }
            Asked::Unsubscribe => {
                rest.unsubscribe
                    .take()
                    .expect("the result of an unsubscribe");
                let subs = &mut self.conns[conn].subs;
                if let Some(sub) = subs.get_mut(&channel)
                    && sub.state != SubState::Live
                {
                    assert!(
                        sub.state == SubState::Leaving || !sub.leaves_at_once,
                        "conn {conn}: the end in {channel} is answered before its beginning"
                    );
                    let is_asked_again = sub.is_asked_again;
                    subs.remove(&channel);
                    if is_asked_again {
                        self.ask_again(conn, &channel, sent);
                    }
                }
            }
            Asked::Publish(n) => {
                rest.publish.take().expect("the result of a publish");
                self.ledger.said[n].is_accepted = true;
            }
            Asked::Presence => {
                let result = rest.presence.take().expect("the result of a presence");
                for (client, info) in &result.presence {
                    assert_eq!(client, &info.client, "conn {conn}: presence of {channel}");
                    self.check_info(conn, &channel, info);
                }
                if self.is_viewing {
                    self.views.push(View::Presence(channel, result.presence));
                }
            }
            Asked::PresenceStats => {
                let result = rest
                    .presence_stats
                    .take()
                    .expect("the result of presence stats");
                if self.is_viewing {
                    self.views
                        .push(View::Stats(channel, result.num_clients, result.num_users));
                }
            }
            Asked::History {
                limit,
                since,
                reverse,
            } => {
                let result = rest.history.take().expect("the result of a history");
                let question = (limit, since, reverse);
                self.take_history(conn, &channel, question, result, (sent, floor));
            }
            Asked::Rpc => {
                let result = rest.rpc.take().expect("the result of a call");
                assert!(result.data.is_empty());
            }
            Asked::Refresh(until) => {
                let result = rest.refresh.take().expect("the result of a refresh");
                self.check_expiry(conn, until, result.expires, result.ttl, sent);
                self.conns[conn].expires = until;
                self.coverage.note("refreshed");
            }
            Asked::SubRefresh(until) => {
                let result = rest
                    .sub_refresh
                    .take()
                    .expect("the result of a sub_refresh");
                self.check_expiry(conn, until, result.expires, result.ttl, sent);
                if let Some(sub) = self.conns[conn].subs.get_mut(&channel) {
                    sub.expires = until;
                }
                self.coverage.note("subscription refreshed");
            }
        }
        assert_eq!(
            rest,
            ProtoReply::default(),
            "conn {conn}: {reply:?} has more"
        );
    }

    /// A subscription waits for its answer that was asked for behind the end of another.
    pub(super) fn ask_again(&mut self, conn: usize, channel: &str, asked_at: u64) {
        let sub = super::connection::Sub {
            channel: channel.to_owned(),
            asked_at,
            ..super::connection::Sub::default()
        };
        self.conns[conn].subs.insert(channel.to_owned(), sub);
    }

    fn check_expiry(&self, conn: usize, until: Option<u64>, expires: bool, ttl: u32, sent: u64) {
        assert_eq!(expires, until.is_some(), "conn {conn}: expires");
        let Some(until) = until else {
            assert_eq!(ttl, 0, "conn {conn}: ttl");
            return;
        };
        let sent = super::setup::UNIX + sent / 1_000_000;
        let most = until.saturating_sub(sent).max(1);
        let least = until.saturating_sub(self.unix()).max(1);
        assert!(
            (least..=most).contains(&ttl.into()),
            "conn {conn}: a ttl of {ttl}, not {least} to {most}"
        );
    }

    /// Checks what others see of a client.
    pub(super) fn check_info(&self, conn: usize, channel: &str, info: &ProtoClientInfo) {
        let known = self.conns.iter().find(|other| other.client == info.client);
        match known {
            Some(other) => {
                assert_eq!(info.user, other.user, "conn {conn}: {info:?} in {channel}");
                let conn_info = String::from_utf8_lossy(&info.conn_info);
                assert_eq!(
                    conn_info, other.conn_info,
                    "conn {conn}: {info:?} in {channel}"
                );
            }
            // One of the seed protocol, or whose answer to `connect` is not read yet.
            None => assert!(
                info.client.parse::<u64>().is_ok(),
                "conn {conn}: {info:?} in {channel}"
            ),
        }
    }

    fn take_connect(
        &mut self,
        conn: usize,
        result: ProtoConnectResult,
        subs: &std::collections::BTreeMap<String, (String, u64)>,
        expires: Option<u64>,
        sent: u64,
    ) {
        let settings = &self.setup.settings.client;
        assert!(!result.version.is_empty() && result.client.parse::<u64>().is_ok());
        assert_eq!(u64::from(result.ping), settings.ping_interval.as_secs());
        assert!(result.pong);
        let is_new = self.conns.iter().all(|other| other.client != result.client);
        assert!(is_new, "the client id {} is there twice", result.client);
        self.check_expiry(conn, expires, result.expires, result.ttl, sent);
        let state = &mut self.conns[conn];
        assert_eq!(state.stage, Stage::Connecting, "conn {conn}");
        (state.stage, state.client, state.expires) = (Stage::Connected, result.client, expires);
        for (channel, result) in result.subs {
            self.coverage.note("server-side subscription");
            let asked = SubscribeAsked {
                since: subs.get(&channel).cloned(),
                ..SubscribeAsked::default()
            };
            if result.recovered {
                self.coverage.note("server-side subscription recovered");
            }
            self.ask_again(conn, &channel, sent);
            self.take_subscription(conn, &channel, &asked, result, (sent, None), true);
        }
    }

    /// Lets a client subscribe again whose subscription the server has ended.
    pub(super) fn come_back(&mut self, conn: usize, channel: &str) {
        let mut rng = Rng::new(self.now() ^ (conn as u64) << 40);
        let mut commands = Vec::new();
        if rng.percent(80) {
            self.add_subscribe(conn, channel, &mut rng, &mut commands);
        }
        if !commands.is_empty() {
            self.send(conn, &commands);
        }
    }
}
