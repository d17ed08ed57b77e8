//! Answers about streams, compared with what was published: subscriptions, recoveries, history.

use super::connection::{Pending, SubState, SubscribeAsked};
use super::ledger::Kept;
use super::quiet::View;
use super::setup::ChannelRules;
use super::wire::Speech;
use super::world::World;
use crate::client_protocol::{ProtoHistoryResult, ProtoPublication, ProtoSubscribeResult};

/// When something was asked, and the newest position that was known then.
type AskedAt = (u64, Option<(String, u64)>);

impl World {
    /// Checks a publication, and returns its number.
    pub(super) fn check_publication(
        &mut self,
        conn: usize,
        channel: &str,
        publication: &ProtoPublication,
    ) -> usize {
        let n = self.ledger.identify(channel, &publication.data);
        let said = &self.ledger.said[n];
        let speech = self.conns[conn].speech;
        let is_same = if speech == Speech::Protobuf {
            publication.data == said.payload
        } else {
            let text = String::from_utf8_lossy(&said.payload).into_owned();
            let value = serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text));
            serde_json::from_slice::<serde_json::Value>(&publication.data).ok() == Some(value)
        };
        assert!(
            is_same,
            "conn {conn}: publication {n} has changed: {publication:?}"
        );
        let by = &self.conns[said.by];
        let is_seed = by.speech == Speech::Seed;
        assert_eq!(
            publication.info.is_none(),
            is_seed,
            "conn {conn}: {publication:?}"
        );
        if let Some(info) = &publication.info {
            assert_eq!(info.client, by.client, "conn {conn}: who has published {n}");
            assert_eq!(info.user, by.user, "conn {conn}: who has published {n}");
            assert_eq!(String::from_utf8_lossy(&info.conn_info), by.conn_info);
        } else {
            self.coverage.note("client heard a seed");
        }
        n
    }

    fn check_list(
        &mut self,
        conn: usize,
        channel: &str,
        epoch: &str,
        publications: &[ProtoPublication],
    ) -> Vec<u64> {
        let now = self.now();
        for publication in publications {
            let n = self.check_publication(conn, channel, publication);
            assert!(publication.offset > 0, "conn {conn}: {publication:?}");
            self.ledger
                .place(channel, (epoch, publication.offset), n, now);
        }
        publications.iter().map(|one| one.offset).collect()
    }

    fn expected_rules(rules: &ChannelRules, asked: &SubscribeAsked) -> (bool, bool) {
        let options = &rules.options;
        let has_history = options.has_history();
        let asks = asked.recoverable || asked.since.is_some();
        let is_recoverable = has_history && (options.force_recovery || asks);
        let is_positioned = has_history && (options.force_positioning || asked.positioned);
        (is_recoverable, is_positioned || is_recoverable)
    }

    /// Takes the answer to a subscription.
    pub(super) fn take_subscription(
        &mut self,
        conn: usize,
        channel: &str,
        asked: &SubscribeAsked,
        result: ProtoSubscribeResult,
        at: AskedAt,
        is_server_side: bool,
    ) {
        let rules = self.rules(channel).clone();
        let (is_recoverable, is_positioned) = Self::expected_rules(&rules, asked);
        let what = format!("conn {conn}: subscribed to {channel} with {asked:?}: {result:?}");
        assert_eq!(result.recoverable, is_recoverable, "{what}");
        assert_eq!(result.positioned, is_positioned, "{what}");
        let recovers_alone = rules.is_cache() && rules.options.auto_cache_recover;
        let since = asked.since.clone();
        let since = since.or_else(|| recovers_alone.then(|| (String::new(), 0)));
        assert_eq!(result.was_recovering, since.is_some(), "{what}");
        assert_eq!(result.expires, asked.expires.is_some(), "{what}");
        let position = if is_positioned {
            let top = self.check_position(conn, &rules, since.as_ref(), &result, &at, &what);
            Some((result.epoch.clone(), top))
        } else {
            assert!(
                result.epoch.is_empty() && result.publications.is_empty(),
                "{what}"
            );
            assert!(!result.recovered && result.offset == 0, "{what}");
            None
        };
        if let Some(position) = &position {
            let who = self.conns[conn].who;
            self.people[who]
                .known
                .insert(channel.to_owned(), position.clone());
        }
        let now = self.now();
        if !self.conns[conn].subs.contains_key(channel) {
            // It was ended by the server after this was asked.
            self.ask_again(conn, channel, at.0);
        }
        let heard: Vec<usize> = result
            .publications
            .iter()
            .filter_map(|one| super::ledger::number_of(&one.data))
            .collect();
        let sub = self.conns[conn]
            .subs
            .get_mut(channel)
            .expect("it was asked for");
        assert_eq!(sub.state, SubState::Asked, "{what}");
        sub.state = match sub.leaves_at_once {
            true => SubState::Leaving,
            false => SubState::Live,
        };
        (sub.position, sub.since, sub.expires) = (position, now, asked.expires);
        sub.heard.extend(heard);
        let options = &rules.options;
        sub.gets_events = options.join_leave && (options.force_push_join_leave || asked.join_leave);
        sub.is_server_side = is_server_side;
    }

    /// Checks the position of an answer, and what was recovered. Returns the newest offset.
    fn check_position(
        &mut self,
        conn: usize,
        rules: &ChannelRules,
        since: Option<&(String, u64)>,
        result: &ProtoSubscribeResult,
        (sent, floor): &AskedAt,
        what: &str,
    ) -> u64 {
        let (channel, epoch, now) = (&*rules.name, &*result.epoch, self.now());
        let offsets = self.check_list(conn, channel, epoch, &result.publications);
        let recovers = since.filter(|_| result.recoverable);
        let top = match (result.recovered, offsets.last()) {
            (true, Some(&last)) => last,
            _ => result.offset,
        };
        if self.ledger.epochs_of(channel) > 0 && self.ledger.top_of(channel, epoch) == 0 && top == 0
        {
            self.coverage.note("empty stream");
        }
        let before = self.ledger.epochs_of(channel);
        self.ledger
            .witness(rules, (epoch, top), (*sent, now), floor.as_ref());
        if before > 0 && self.ledger.epochs_of(channel) > before {
            self.coverage.note("new epoch");
        }
        let Some((since_epoch, offset)) = recovers else {
            assert!(!result.recovered && offsets.is_empty(), "{what}");
            return top;
        };
        let kept = self
            .ledger
            .kept(&self.setup, rules, (epoch, top), (*sent, now));
        let is_same = since_epoch.is_empty() || since_epoch == epoch;
        if rules.is_cache() {
            let has_it = since_epoch == epoch && *offset == top;
            if result.recovered {
                assert_eq!(result.offset, *offset, "{what}");
                match &offsets[..] {
                    [] => assert!(has_it, "{what}"),
                    [only] => assert!(*only == top && !has_it, "{what}"),
                    _ => panic!("{what}"),
                }
                if !offsets.is_empty() {
                    assert!(kept.may_have(top - 1), "{what}: {kept:?}");
                    self.coverage.note("recovered: latest");
                }
            } else {
                assert!(offsets.is_empty() && !has_it, "{what}");
                let may_lack = top == 0 || kept.may_lack(top - 1);
                assert!(may_lack, "{what}: {kept:?}");
            }
            return top;
        }
        let limit = u64::from(self.setup.settings.client.recovery_max_publication_limit);
        let may_recover = is_same && *offset <= top && top - *offset <= limit;
        if result.recovered {
            assert_eq!(result.offset, *offset, "{what}");
            assert!(offsets.iter().copied().eq(offset + 1..=top), "{what}");
            assert!(may_recover && kept.may_have(*offset), "{what}: {kept:?}");
            self.coverage.note("recovered");
            if !offsets.is_empty() {
                self.coverage.note("recovered: something");
            }
        } else {
            assert!(offsets.is_empty(), "{what}");
            assert!(!may_recover || kept.may_lack(*offset), "{what}: {kept:?}");
            self.coverage.note("not recovered");
            self.coverage.note(match is_same {
                false => "not recovered: foreign epoch",
                true => "not recovered: too old",
            });
        }
        top
    }

    /// Checks that what was refused for want of a recovery could not be recovered.
    pub(super) fn check_rejection(&self, channel: &str, asked: &SubscribeAsked, pending: &Pending) {
        let rules = self.rules(channel);
        let Some((since_epoch, offset)) = &asked.since else {
            panic!("{channel}: refused without a recovery");
        };
        if !rules.options.has_history() {
            return;
        }
        // Whoever had the newest one just before is refused only if there is more by now, or another
        // stream.
        let Some((epoch, top)) = &pending.floor else {
            return;
        };
        if since_epoch != epoch || self.may_be_over(channel, pending.sent) {
            return;
        }
        let now = self.now();
        let newest = self.ledger.top_of(channel, epoch).max(*top);
        let unheard = self.ledger.unplaced(channel, now);
        let limit = u64::from(self.setup.settings.client.recovery_max_publication_limit);
        let is_possible = |top: u64| {
            let kept = self
                .ledger
                .kept(&self.setup, rules, (epoch, top), (pending.sent, now));
            *offset > top || top - *offset > limit || kept.may_lack(*offset)
        };
        let may_fail = (*top..=newest).any(is_possible) || unheard > 0;
        assert!(
            may_fail,
            "{channel}: {asked:?} is refused at {epoch} {top} to {newest}"
        );
    }

    /// Returns whether the stream that is known may be over by now.
    pub(super) fn may_be_over(&self, channel: &str, _sent: u64) -> bool {
        let rules = self.rules(channel);
        self.ledger.may_be_over(rules, self.now())
    }

    /// Takes a page of what was published.
    pub(super) fn take_history(
        &mut self,
        conn: usize,
        channel: &str,
        (limit, since, reverse): (i32, Option<(String, u64)>, bool),
        result: ProtoHistoryResult,
        (sent, floor): AskedAt,
    ) {
        let (rules, now) = (self.rules(channel).clone(), self.now());
        let (epoch, top) = (&*result.epoch, result.offset);
        let what = format!("conn {conn}: history of {channel}, {limit} since {since:?}, {reverse}");
        if let Some((since_epoch, _)) = since.as_ref().filter(|(epoch, _)| !epoch.is_empty()) {
            assert_eq!(since_epoch, epoch, "{what}: a foreign epoch");
        }
        let offsets = self.check_list(conn, channel, epoch, &result.publications);
        let before = self.ledger.epochs_of(channel);
        self.ledger
            .witness(&rules, (epoch, top), (sent, now), floor.as_ref());
        if before > 0 && self.ledger.epochs_of(channel) > before {
            self.coverage.note("new epoch");
        }
        let kept = self
            .ledger
            .kept(&self.setup, &rules, (epoch, top), (sent, now));
        let most = self.setup.settings.client.history_max_publication_limit;
        let limit = u32::try_from(limit).unwrap_or(most).min(most) as usize;
        let page = |base: u64| -> Vec<u64> {
            if reverse {
                let end = since
                    .as_ref()
                    .map_or(top, |(_, offset)| (offset - 1).min(top));
                (base + 1..=end).rev().take(limit).collect()
            } else {
                let first = since.as_ref().map_or(base, |(_, offset)| base.max(*offset));
                (first + 1..=top).take(limit).collect()
            }
        };
        let mut bases = (kept.least..=top).filter(|&base| kept.allows(base));
        let is_right = bases.any(|base| page(base) == offsets);
        assert!(is_right, "{what}: {offsets:?} at {top}, {kept:?}");
        self.note_history(&offsets, top, limit, since.is_some(), reverse, &kept);
        if self.is_viewing {
            self.views.push(View::History(channel.to_owned(), result));
        }
    }

    fn note_history(
        &mut self,
        offsets: &[u64],
        top: u64,
        limit: usize,
        has_since: bool,
        reverse: bool,
        kept: &Kept,
    ) {
        if offsets.len() > 1 {
            self.coverage.note(match reverse {
                true => "history: reverse",
                false => "history: forward",
            });
            if has_since {
                self.coverage.note("history: since");
            }
        }
        if offsets.is_empty() && top > 0 && limit > 0 && !has_since && kept.least == top {
            self.coverage.note("history: expired");
        }
    }
}
