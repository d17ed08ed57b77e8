//! Clients of the seed protocol, in the rooms that are channels of one namespace.

use super::connection::{Sub, SubState};
use super::plan::Act;
use super::setup::pick;
use super::world::World;
use crate::simulator::Rng;

impl World {
    /// The channels that are rooms, and their names there.
    fn rooms(&self) -> Vec<(String, String)> {
        let namespace = &self.setup.settings.seed_protocol.namespace;
        let channels = self.setup.channels.iter().map(|rules| &rules.name);
        let rooms = channels.filter_map(|name| match name.split_once(':') {
            Some((of, room)) if of == namespace => Some((name.clone(), room.to_owned())),
            None if namespace.is_empty() => Some((name.clone(), name.clone())),
            _ => None,
        });
        rooms.collect()
    }

    /// Lets a client join a room.
    pub(super) fn join_room(&mut self, conn: usize, rng: &mut Rng) {
        let rooms = self.rooms();
        let (channel, room) = pick(rng, &rooms).clone();
        self.say(conn, &format!("join:{room}"));
        if self.rules(&channel).needs_token() {
            return;
        }
        let is_there = self.conns[conn]
            .room
            .as_ref()
            .is_some_and(|sub| sub.channel == channel);
        if !is_there {
            let asked_at = self.now();
            self.conns[conn].room = Some(Sub {
                channel: channel.clone(),
                asked_at,
                ..Sub::default()
            });
            self.conns[conn].rooms_asked.push(channel);
        }
    }

    /// Lets a client of the seed protocol do something.
    pub(super) fn act_in_room(&mut self, conn: usize, act: Act, rng: &mut Rng) {
        match act {
            Act::Subscribe | Act::Resubscribe if rng.percent(30) => self.join_room(conn, rng),
            Act::Unsubscribe if rng.percent(30) && self.conns[conn].room.is_some() => {
                self.conns[conn].room = None;
                self.say(conn, "leave:");
            }
            Act::Publish | Act::Burst => {
                let Some(channel) = self.conns[conn]
                    .room
                    .as_ref()
                    .map(|sub| sub.channel.clone())
                else {
                    return;
                };
                let several = if act == Act::Burst { 20 } else { 1 };
                for _ in 0..several {
                    let is_json = rng.percent(50);
                    let payload = |n| match is_json {
                        true => format!(r#"{{"n":{n}}}"#).into_bytes(),
                        false => format!("m{n} \"of\" the seed").into_bytes(),
                    };
                    let now = self.now();
                    let is_there = self.conns[conn].room.as_ref();
                    let is_there = is_there.is_some_and(|sub| sub.state == SubState::Live);
                    let n = self.ledger.say(&channel, conn, now, 0, payload);
                    self.ledger.said[n].is_accepted = is_there;
                    let text = String::from_utf8_lossy(&self.ledger.said[n].payload).into_owned();
                    self.say(conn, &format!("msg:{text}"));
                }
            }
            _ => {}
        }
    }

    /// Takes what a client of the seed protocol has heard.
    pub(super) fn hear_in_room(&mut self, conn: usize, text: &[u8]) {
        let now = self.now();
        let text_only = core::str::from_utf8(text).expect("clients send text");
        if let Some(room) = text_only.strip_prefix("joined:") {
            if let Some(sub) = &mut self.conns[conn].room {
                let is_this = sub.channel == room
                    || sub
                        .channel
                        .split_once(':')
                        .is_some_and(|(_, name)| name == room);
                // An earlier answer is of an earlier membership.
                if is_this && sub.state == SubState::Asked {
                    (sub.state, sub.since) = (SubState::Live, now);
                }
            }
            return;
        }
        if text_only.starts_with("left:") || text_only.starts_with("error:") {
            return;
        }
        let n = super::ledger::number_of(text).filter(|&n| n < self.ledger.said.len());
        let n = n.unwrap_or_else(|| panic!("conn {conn}: nobody has said {text_only}"));
        let said = &self.ledger.said[n];
        assert_eq!(
            said.payload, text,
            "conn {conn}: publication {n} has changed"
        );
        assert!(
            self.conns[conn].rooms_asked.contains(&said.channel),
            "conn {conn} hears {n} of {}, and was never there",
            said.channel
        );
        let by = self.conns[said.by].speech;
        if by != self.conns[conn].speech {
            self.coverage.note("seed heard a client");
        }
        let channel = said.channel.clone();
        if let Some(sub) = &mut self.conns[conn].room
            && sub.channel == channel
        {
            assert!(sub.heard.insert(n), "conn {conn} hears {n} twice");
        }
    }
}
