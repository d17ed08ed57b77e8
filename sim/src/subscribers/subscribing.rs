//! How clients subscribe: with which position, flags and tokens, and what may be the answer.

use stentor_gateway::token::TokenBuilder;

use super::connection::{Asked, Sub, SubState, SubscribeAsked};
use super::opening::sign;
use super::setup::{SECRET, pick};
use super::world::World;
use crate::client_protocol::{ProtoCommand, ProtoSubscribe};
use crate::simulator::Rng;

impl World {
    /// Adds a subscription, recovering if a position is known.
    pub(super) fn add_subscribe(
        &mut self,
        conn: usize,
        channel: &str,
        rng: &mut Rng,
        commands: &mut Vec<ProtoCommand>,
    ) {
        let who = self.conns[conn].who;
        let rules = self.rules(channel).clone();
        let mut errors = Vec::new();
        let mut must_fail = false;
        if self.setup.known.ends_are_late && self.conns[conn].left.contains(channel) {
            return;
        }
        if let Some(sub) = self.conns[conn].subs.get(channel) {
            match sub.state {
                // It may have been ended meanwhile.
                SubState::Asked if sub.leaves_at_once => return,
                SubState::Live | SubState::Asked if rng.percent(30) => errors.push(105),
                SubState::Leaving if !sub.is_asked_again => {}
                _ => return,
            }
        }
        let mut pending = self.conns[conn].pending.values();
        if pending.any(|one| one.channel == channel && matches!(one.asked, Asked::Subscribe(_))) {
            errors.push(105);
        }
        if self.conns[conn].subs.len() >= self.setup.settings.client.channel_limit {
            errors.push(106);
        }
        if self.setup.is_tight {
            errors.push(100);
        }
        let mut request = ProtoSubscribe {
            channel: channel.to_owned(),
            recoverable: rng.percent(40),
            positioned: rng.percent(20),
            join_leave: rng.percent(50),
            ..ProtoSubscribe::default()
        };
        let mut asked = SubscribeAsked {
            recoverable: request.recoverable,
            positioned: request.positioned,
            join_leave: request.join_leave,
            ..SubscribeAsked::default()
        };
        let known = self.people[who].known.get(channel).cloned();
        if let Some((epoch, offset)) = known.filter(|_| rng.percent(85)) {
            asked.since = Some((epoch, offset));
        } else if rng.percent(15) {
            let epoch = *pick(rng, &["", "_", "abcdefgh"]);
            asked.since = Some((epoch.to_owned(), rng.up_to(2)));
        }
        if let Some((epoch, offset)) = &asked.since {
            (request.recover, request.epoch, request.offset) = (true, epoch.clone(), *offset);
            if rng.percent(20) {
                (request.flag, asked.rejects_unrecovered) = (2, true);
                errors.push(112);
            }
        }
        if rules.needs_token() || rng.percent(10) {
            if rules.needs_token() && rng.percent(6) {
                (errors, must_fail) = ([errors, vec![103]].concat(), true);
            } else {
                request.token = self.subscription_token(
                    conn,
                    channel,
                    &mut asked,
                    (&mut errors, &mut must_fail),
                    rng,
                );
            }
        }
        let asked_at = self.now();
        let subs = &mut self.conns[conn].subs;
        match subs.get_mut(channel) {
            Some(sub) => sub.is_asked_again |= sub.state == SubState::Leaving,
            None => {
                let sub = Sub {
                    channel: channel.to_owned(),
                    asked_at,
                    ..Sub::default()
                };
                subs.insert(channel.to_owned(), sub);
            }
        }
        let id = self.ask(conn, Asked::Subscribe(asked), channel, errors, must_fail);
        commands.push(ProtoCommand {
            id,
            subscribe: Some(request),
            ..ProtoCommand::default()
        });
    }

    /// Returns a token for a channel, which may be of no use.
    fn subscription_token(
        &mut self,
        conn: usize,
        channel: &str,
        asked: &mut SubscribeAsked,
        (errors, must_fail): (&mut Vec<u32>, &mut bool),
        rng: &mut Rng,
    ) -> String {
        let user = self.conns[conn].user.clone();
        let mut token = TokenBuilder::new().user(&user).channel(channel);
        let mut secret = SECRET;
        match rng.below(20) {
            0 => {
                errors.push(103);
                *must_fail = true;
                secret = b"other";
            }
            1 => {
                errors.push(109);
                *must_fail = true;
                token = token.expires_at(self.unix().saturating_sub(1));
            }
            2 => {
                // Of another user, which is an attack.
                token = token.user("mallory");
                self.conns[conn].may_close.insert(3500);
                if errors.is_empty() {
                    self.conns[conn].must_close = Some(3500);
                }
            }
            3..=8 => {
                let until = self.unix() + 2 + rng.up_to(8);
                (token, asked.expires) = (token.expires_at(until), Some(until));
            }
            _ => {}
        }
        sign(&token, secret)
    }
}
