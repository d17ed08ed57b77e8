//! Pushes: publications without gaps, joins and leaves, ends of subscriptions.

use super::connection::SubState;
use super::wire::Speech;
use super::world::World;
use crate::client_protocol::{ProtoClientInfo, ProtoPublication, ProtoPush, ProtoUnsubscribePush};

impl World {
    /// Takes a push.
    pub(super) fn take_push(&mut self, conn: usize, push: ProtoPush) {
        let channel = push.channel.clone();
        let state = &self.conns[conn];
        assert!(
            state.is_connected(),
            "conn {conn} is not connected: {push:?}"
        );
        let sub = state.subs.get(&channel);
        let is_subscribed = sub.is_some_and(|sub| sub.state != SubState::Asked);
        let known = self.setup.known;
        if !is_subscribed
            && (known.pushes_overtake && state.lost.contains(&channel)
                || known.ends_are_late && sub.is_none())
        {
            return;
        }
        assert!(is_subscribed, "conn {conn} is not subscribed: {push:?}");
        let mut rest = push.clone();
        rest.channel.clear();
        if let Some(publication) = rest.r#pub.take() {
            self.take_publication(conn, &channel, &publication);
        } else if let Some(event) = rest.join.take() {
            self.take_event(conn, &channel, &event.info.expect("who"), true);
        } else if let Some(event) = rest.leave.take() {
            self.take_event(conn, &channel, &event.info.expect("who"), false);
        } else if let Some(end) = rest.unsubscribe.take() {
            self.take_end(conn, &channel, &end);
        }
        assert_eq!(rest, ProtoPush::default(), "conn {conn}: {push:?} has more");
    }

    fn take_publication(&mut self, conn: usize, channel: &str, publication: &ProtoPublication) {
        let n = self.check_publication(conn, channel, publication);
        let now = self.now();
        let has_history = self.rules(channel).options.has_history();
        let who = self.conns[conn].who;
        let sub = self.conns[conn]
            .subs
            .get_mut(channel)
            .expect("it is subscribed");
        assert!(
            sub.heard.insert(n),
            "conn {conn} hears {n} in {channel} twice"
        );
        let offset = publication.offset;
        assert_eq!(offset > 0, has_history, "conn {conn}: {publication:?}");
        assert_eq!(
            publication.epoch.is_empty(),
            offset != 1,
            "conn {conn}: {publication:?}"
        );
        let Some((epoch, at)) = &mut sub.position else {
            if let Some((_, place)) = self.ledger.said[n].place {
                assert_eq!(offset, place, "conn {conn}: {publication:?}");
            }
            return;
        };
        assert_eq!(
            offset,
            *at + 1,
            "conn {conn} hears {offset} in {channel} after {at} of {epoch}"
        );
        *at = offset;
        let epoch = epoch.clone();
        if offset == 1 {
            assert_eq!(publication.epoch, epoch, "conn {conn}: {publication:?}");
        }
        self.ledger.place(channel, (&epoch, offset), n, now);
        self.people[who]
            .known
            .insert(channel.to_owned(), (epoch, offset));
    }

    fn take_event(&mut self, conn: usize, channel: &str, info: &ProtoClientInfo, comes: bool) {
        self.check_info(conn, channel, info);
        self.coverage.note(if comes { "join" } else { "leave" });
        let now = self.now();
        let is_lossy = self.setup.is_lossy;
        let state = &mut self.conns[conn];
        let may_miss = is_lossy || state.was_slow;
        let sub = state.subs.get_mut(channel).expect("it is subscribed");
        assert!(
            sub.gets_events,
            "conn {conn} gets no events of {channel}: {info:?}"
        );
        if info.client == state.client {
            assert!(comes, "conn {conn} hears that it leaves {channel}");
            assert!(sub.came.is_none(), "conn {conn} comes to {channel} twice");
            sub.came = Some(now);
            return;
        }
        let before = sub.others.insert(info.client.clone(), comes);
        assert!(
            may_miss || before != Some(comes),
            "conn {conn} hears twice in {channel} that {info:?} comes or leaves: {comes}"
        );
    }

    fn take_end(&mut self, conn: usize, channel: &str, end: &ProtoUnsubscribePush) {
        let (unix, is_lossy) = (self.unix(), self.setup.is_lossy);
        let delay = self.setup.settings.client.expired_sub_close_delay.as_secs();
        self.coverage.note(format!("unsubscribed {}", end.code));
        let state = &mut self.conns[conn];
        let sub = state.subs.remove(channel).expect("it is subscribed");
        assert!(!sub.is_server_side, "conn {conn}: {end:?} of {channel}");
        match end.code {
            2500 => {
                assert!(
                    sub.position.is_some(),
                    "conn {conn}: {channel} has no position"
                );
                let may_be_no_json = state.speech == Speech::Json && channel.starts_with("raw:");
                assert!(
                    is_lossy || state.was_slow || may_be_no_json,
                    "conn {conn} reads all, and misses something in {channel}"
                );
            }
            2501 => {
                let expires = sub.expires.expect("only what expires");
                assert!(
                    unix >= expires + delay,
                    "conn {conn}: {channel} expires at {expires}, and ends at {unix}"
                );
            }
            code => panic!("conn {conn}: {channel} ends with {code}"),
        }
        self.departed
            .push((channel.to_owned(), state.client.clone()));
        if end.code == 2500 {
            self.conns[conn].lost.insert(channel.to_owned());
        }
        if end.code == 2501 {
            self.conns[conn].left.insert(channel.to_owned());
        }
        if sub.is_asked_again {
            let now = self.now();
            self.ask_again(conn, channel, now);
        } else if sub.state == SubState::Live {
            self.come_back(conn, channel);
        }
    }
}
