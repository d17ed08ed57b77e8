//! What clients ask for when they keep to the protocol.

use stentor_gateway::token::TokenBuilder;

use super::attacks;
use super::connection::{Asked, Stage, SubState};
use super::opening::sign;
use super::plan::Act;
use super::setup::{SECRET, pick};
use super::wire::Speech;
use super::world::World;
use crate::client_protocol::{
    ProtoChannel, ProtoCommand, ProtoHistory, ProtoPosition, ProtoPublish, ProtoRefresh, ProtoRpc,
    ProtoSubRefresh,
};
use crate::simulator::Rng;

impl World {
    /// Lets a connected client do something.
    pub(super) fn act(&mut self, conn: usize, act: Act, rng: &mut Rng) {
        match act {
            Act::Reader => return self.read_slowly(conn, rng),
            Act::Mute => {
                self.conns[conn].answers_pings = false;
                self.conns[conn].unanswering_since = Some(self.now());
                self.conns[conn].may_close.insert(3012);
                return;
            }
            Act::Cut => return self.cut(conn),
            Act::Vanish => {
                self.sim.vanish(conn);
                return self.leave(conn, Stage::Gone);
            }
            Act::Close => {
                self.conns[conn].has_closed = true;
                self.sim.close(conn, Some(1000));
                return self.leave(conn, Stage::Gone);
            }
            _ => {}
        }
        if !self.conns[conn].is_connected() || self.conns[conn].is_spoiled {
            return;
        }
        if self.conns[conn].speech == Speech::Seed {
            return self.act_in_room(conn, act, rng);
        }
        if act == Act::Attack {
            return attacks::attack(self, conn, rng);
        }
        let mut commands = Vec::new();
        let several = match act {
            Act::Burst | Act::Batch if self.setup.is_tight => 3,
            Act::Burst => 2 + rng.below(38),
            Act::Batch => 2 + rng.below(6),
            _ => 1,
        };
        let channel = self.any_channel(rng);
        for _ in 0..several {
            let act = match act {
                Act::Burst => Act::Publish,
                Act::Batch => *pick(rng, IN_BATCHES),
                act => act,
            };
            let channel = match several {
                1 => channel.clone(),
                _ if act == Act::Publish => channel.clone(),
                _ => self.any_channel(rng),
            };
            self.add(conn, act, &channel, rng, &mut commands);
        }
        if !commands.is_empty() {
            self.send(conn, &commands);
        }
    }

    fn any_channel(&self, rng: &mut Rng) -> String {
        pick(rng, &self.setup.channels).name.clone()
    }

    /// A channel that the client is subscribed to, mostly.
    fn own_channel(&self, conn: usize, rng: &mut Rng, other: &str) -> String {
        let subs: Vec<&String> = self.conns[conn].subs.keys().collect();
        match subs.is_empty() || rng.percent(10) {
            true => other.to_owned(),
            false => (*pick(rng, &subs)).clone(),
        }
    }

    /// Adds a command to a message.
    fn add(
        &mut self,
        conn: usize,
        act: Act,
        channel: &str,
        rng: &mut Rng,
        commands: &mut Vec<ProtoCommand>,
    ) {
        match act {
            Act::Subscribe => self.add_subscribe(conn, channel, rng, commands),
            Act::Unsubscribe => {
                let channel = self.own_channel(conn, rng, channel);
                self.add_unsubscribe(conn, &channel, commands);
            }
            Act::Resubscribe if self.setup.known.ends_are_late => {}
            Act::Resubscribe => {
                let channel = self.own_channel(conn, rng, channel);
                let sub = self.conns[conn].subs.get(&channel);
                if sub.is_some_and(|sub| sub.state == SubState::Live && !sub.is_server_side) {
                    self.add_unsubscribe(conn, &channel, commands);
                    self.add_subscribe(conn, &channel, rng, commands);
                }
            }
            Act::Publish => {
                let channel = match rng.percent(30) {
                    true => self.own_channel(conn, rng, channel),
                    false => channel.to_owned(),
                };
                commands.push(self.publish(conn, &channel, rng));
            }
            Act::Presence | Act::PresenceStats => {
                commands.push(self.who_is_there(conn, channel, act == Act::PresenceStats));
            }
            Act::History => {
                let limit = *pick(rng, &[-1, 0, 1, 2, 5, 100]);
                let reverse = rng.percent(35);
                let since = match rng.below(4) {
                    0 | 1 => None,
                    2 => {
                        let newest = self.ledger.newest(channel);
                        newest.map(|(epoch, top)| {
                            let epoch = if rng.percent(20) {
                                String::new()
                            } else {
                                epoch
                            };
                            (epoch, rng.up_to(top + 2))
                        })
                    }
                    _ => Some((
                        (*pick(rng, &["_", "abcdefgh", ""])).to_owned(),
                        rng.up_to(3),
                    )),
                };
                commands.push(self.history(conn, channel, limit, since, reverse));
            }
            Act::Rpc => {
                let method = *pick(rng, &["ping", "other", "ns:other"]);
                let errors = match method {
                    "ping" => Vec::new(),
                    "other" => vec![108],
                    _ => vec![104],
                };
                let must_fail = !errors.is_empty();
                let id = self.ask(conn, Asked::Rpc, "", errors, must_fail);
                commands.push(ProtoCommand {
                    id,
                    rpc: Some(ProtoRpc {
                        method: method.to_owned(),
                        data: b"[1]".to_vec(),
                    }),
                    ..ProtoCommand::default()
                });
            }
            Act::Refresh => self.add_refresh(conn, rng, commands),
            Act::SubRefresh => self.add_sub_refresh(conn, rng, commands),
            _ => {}
        }
    }

    fn add_unsubscribe(&mut self, conn: usize, channel: &str, commands: &mut Vec<ProtoCommand>) {
        if let Some(sub) = self.conns[conn].subs.get_mut(channel) {
            match sub.state {
                SubState::Live => sub.state = SubState::Leaving,
                SubState::Asked if !self.setup.known.ends_are_late && !sub.leaves_at_once => {
                    sub.leaves_at_once = true;
                }
                _ => return,
            }
        }
        self.conns[conn].left.insert(channel.to_owned());
        let id = self.ask(conn, Asked::Unsubscribe, channel, Vec::new(), false);
        commands.push(ProtoCommand {
            id,
            unsubscribe: Some(ProtoChannel {
                channel: channel.to_owned(),
            }),
            ..ProtoCommand::default()
        });
    }

    fn publish(&mut self, conn: usize, channel: &str, rng: &mut Rng) -> ProtoCommand {
        let size = *pick(rng, self.setup.paddings());
        let now = self.now();
        let state = &self.conns[conn];
        let beside = 5 + state.user.len() + state.client.len() + state.conn_info.len();
        let is_raw = channel.starts_with("raw:")
            && self.conns[conn].speech == Speech::Protobuf
            && rng.percent(30);
        let payload = |n| {
            if is_raw {
                return [b"\xFF", format!("{n} is no JSON").as_bytes()].concat();
            }
            let pad = "x".repeat(size);
            format!(r#"{{"n":{n},"pad":"{pad}"}}"#).into_bytes()
        };
        let n = self.ledger.say(channel, conn, now, beside, payload);
        let data = self.ledger.said[n].payload.clone();
        let id = self.ask(conn, Asked::Publish(n), channel, Vec::new(), false);
        ProtoCommand {
            id,
            publish: Some(ProtoPublish {
                channel: channel.to_owned(),
                data,
                ..ProtoPublish::default()
            }),
            ..ProtoCommand::default()
        }
    }

    /// Returns a question about the presence of a channel.
    pub(super) fn who_is_there(
        &mut self,
        conn: usize,
        channel: &str,
        counts: bool,
    ) -> ProtoCommand {
        let has_presence = self.rules(channel).options.presence;
        let errors = if has_presence { Vec::new() } else { vec![108] };
        let asked = match counts {
            true => Asked::PresenceStats,
            false => Asked::Presence,
        };
        let id = self.ask(conn, asked, channel, errors, !has_presence);
        let request = Some(ProtoChannel {
            channel: channel.to_owned(),
        });
        let (presence, presence_stats) = match counts {
            true => (None, request),
            false => (request, None),
        };
        ProtoCommand {
            id,
            presence,
            presence_stats,
            ..ProtoCommand::default()
        }
    }

    /// Returns a question for a page of what was published.
    pub(super) fn history(
        &mut self,
        conn: usize,
        channel: &str,
        limit: i32,
        since: Option<(String, u64)>,
        reverse: bool,
    ) -> ProtoCommand {
        let has_history = self.rules(channel).options.has_history();
        let is_before_all = reverse && since.as_ref().is_some_and(|(_, offset)| *offset == 0);
        let mut errors = Vec::new();
        if !has_history {
            errors.push(108);
        } else if is_before_all {
            errors.push(107);
        } else if since.as_ref().is_some_and(|(epoch, _)| !epoch.is_empty()) {
            errors.push(112);
        }
        let asked = Asked::History {
            limit,
            since: since.clone(),
            reverse,
        };
        let must_fail = !has_history || is_before_all;
        let id = self.ask(conn, asked, channel, errors, must_fail);
        ProtoCommand {
            id,
            history: Some(ProtoHistory {
                channel: channel.to_owned(),
                limit,
                since: since.map(|(epoch, offset)| ProtoPosition { offset, epoch }),
                reverse,
            }),
            ..ProtoCommand::default()
        }
    }

    fn add_refresh(&mut self, conn: usize, rng: &mut Rng, commands: &mut Vec<ProtoCommand>) {
        let (user, now) = (self.conns[conn].user.clone(), self.unix());
        let Some(_) = self.conns[conn].expires else {
            return;
        };
        let mut until = Some(now + 3 + rng.up_to(10));
        let mut token = TokenBuilder::new().user(&user);
        match rng.below(10) {
            0 => {
                until = Some(now.saturating_sub(1));
                self.conns[conn].must_close = Some(3005);
            }
            1 => {
                token = token.user("mallory");
                self.conns[conn].must_close = Some(3500);
            }
            2 | 3 => until = None,
            _ => {}
        }
        if let Some(until) = until {
            token = token.expires_at(until);
        }
        if self.conns[conn].must_close.is_some() {
            self.conns[conn].is_spoiled = true;
        }
        let token = sign(&token, SECRET);
        let id = self.ask(conn, Asked::Refresh(until), "", Vec::new(), false);
        commands.push(ProtoCommand {
            id,
            refresh: Some(ProtoRefresh { token }),
            ..ProtoCommand::default()
        });
    }

    fn add_sub_refresh(&mut self, conn: usize, rng: &mut Rng, commands: &mut Vec<ProtoCommand>) {
        let (user, now) = (self.conns[conn].user.clone(), self.unix());
        let subs = self.conns[conn].subs.values();
        let expiring: Vec<String> = subs
            .filter(|sub| sub.expires.is_some() && sub.state == SubState::Live)
            .map(|sub| sub.channel.clone())
            .collect();
        let (channel, errors, must_fail) = match expiring.is_empty() {
            true => ("plain:nowhere".to_owned(), vec![103], true),
            // It may have been ended meanwhile.
            false => (pick(rng, &expiring).clone(), vec![103], false),
        };
        let until = now + 3 + rng.up_to(10);
        let token = TokenBuilder::new()
            .user(&user)
            .channel(&channel)
            .expires_at(until);
        let token = sign(&token, SECRET);
        let id = self.ask(
            conn,
            Asked::SubRefresh(Some(until)),
            &channel,
            errors,
            must_fail,
        );
        commands.push(ProtoCommand {
            id,
            sub_refresh: Some(ProtoSubRefresh {
                channel,
                token,
                ..ProtoSubRefresh::default()
            }),
            ..ProtoCommand::default()
        });
    }
}

/// What is done in messages of several commands.
const IN_BATCHES: &[Act] = &[
    Act::Subscribe,
    Act::Unsubscribe,
    Act::Publish,
    Act::Publish,
    Act::Presence,
    Act::History,
    Act::Rpc,
];
