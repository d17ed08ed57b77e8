//! How clients connect: with which token, and with which subscriptions.

use std::collections::{BTreeMap, BTreeSet};

use stentor_gateway::token::{Algorithm, HmacKey, TokenBuilder};

use super::attacks;
use super::connection::{Asked, Conn, Pending, Stage};
use super::setup::SECRET;
use super::wire::Speech;
use super::world::World;
use crate::client_protocol::{ProtoCommand, ProtoConnect, ProtoSubscribe};
use crate::simulator::{ReadPattern, Rng};

/// Returns a signed token.
pub(super) fn sign(token: &TokenBuilder, secret: &[u8]) -> String {
    let key = HmacKey::new(secret).expect("a secret");
    token.sign(&key, Algorithm::Hs256).expect("a token")
}

impl World {
    /// Opens a connection of a client.
    pub(super) fn dial(&mut self, who: usize, rng: &mut Rng) {
        let shards = usize::from(self.setup.config.shards());
        let conn = self.sim.dial(rng.below(shards));
        let person = &mut self.people[who];
        person.conn = Some(conn);
        let mut may_close = BTreeSet::new();
        if self.setup.is_lossy || self.setup.config.reply_messages() < 64 {
            may_close.insert(3008);
        }
        if person.speech == Speech::Json {
            // What others publish in Protobuf may be no JSON.
            may_close.insert(3506);
        }
        if person.speech == Speech::Seed {
            may_close.insert(1013);
        }
        if self.setup.is_tight {
            // Long answers may keep pings waiting.
            may_close.extend([1013, 3004, 3012]);
        }
        self.conns.push(Conn {
            who,
            speech: person.speech,
            stage: Stage::Dialing,
            opening: rng.next(),
            client: String::new(),
            user: String::new(),
            conn_info: String::new(),
            next_id: 1,
            pending: BTreeMap::new(),
            subs: BTreeMap::new(),
            left: BTreeSet::new(),
            lost: BTreeSet::new(),
            room: None,
            rooms_asked: Vec::new(),
            may_close,
            must_close: None,
            was_slow: false,
            is_spoiled: false,
            answers_pings: true,
            unanswering_since: None,
            expires: None,
            errors: 0,
            has_closed: false,
        });
        self.sim.send_bytes(conn, &person.speech.request());
        if rng.percent(8) {
            self.read_slowly(conn, rng);
        }
    }

    /// Lets a client read otherwise from now on.
    pub(super) fn read_slowly(&mut self, conn: usize, rng: &mut Rng) {
        let reader = match rng.below(4) {
            0 => ReadPattern::Eager,
            1 => ReadPattern::Stuck,
            2 => ReadPattern::Slow {
                bytes: 60,
                every: 3_000,
            },
            _ => ReadPattern::Slow {
                bytes: 2_000,
                every: 200_000,
            },
        };
        self.sim.client_mut(conn).reader = reader;
        if reader != ReadPattern::Eager {
            self.conns[conn].was_slow = true;
            // Too slow to read a ping in time, or to know that it may connect, or at all.
            self.conns[conn]
                .may_close
                .extend([3008, 3012, 3502, 1008, 1013]);
        }
    }

    /// Sends the first command of a connection that was upgraded.
    pub(super) fn open(&mut self, conn: usize) {
        let mut rng = Rng::new(self.conns[conn].opening);
        let rng = &mut rng;
        let (who, speech) = (self.conns[conn].who, self.conns[conn].speech);
        if speech == Speech::Seed {
            self.conns[conn].stage = Stage::Connected;
            return self.join_room(conn, rng);
        }
        if rng.percent(4) {
            // It never connects, or does something else first.
            self.conns[conn].is_spoiled = true;
            if rng.percent(50) {
                self.conns[conn].must_close = Some(3502);
            } else {
                attacks::before_connect(self, conn, rng);
            }
            return;
        }
        let user = self.people[who].user.clone();
        let now = self.unix();
        let mut token = TokenBuilder::new().user(&user);
        let mut expires = None;
        let mut request = ProtoConnect {
            name: "sim".to_owned(),
            ..ProtoConnect::default()
        };
        let (mut errors, mut must_fail, mut info) = (Vec::new(), false, "");
        let allows_anonymous = self
            .setup
            .settings
            .client
            .allow_anonymous_connect_without_token;
        let state = &mut self.conns[conn];
        state.user = user;
        match rng.below(100) {
            0..=14 => {
                state.user = String::new();
                if !allows_anonymous {
                    state.must_close = Some(3501);
                }
            }
            15..=29 => {
                let until = now + 2 + rng.up_to(8);
                (token, expires) = (token.expires_at(until), Some(until));
                state.may_close.insert(3005);
            }
            30..=33 => {
                token = token.expires_at(now.saturating_sub(rng.up_to(3)));
                (errors, must_fail) = (vec![109], true);
                state.must_close = Some(3502);
            }
            34..=36 => state.must_close = Some(3500),
            37..=50 => {
                info = r#"{"i":"x"}"#;
                token = token.info(info).expect("it is JSON");
            }
            _ => {}
        }
        state.conn_info = info.to_owned();
        let mut several = 0;
        if !state.user.is_empty() {
            for rules in &self.setup.channels {
                if several < MOST_SERVER_SIDE && rng.percent(3) {
                    several += 1;
                    token = token.server_channel(&rules.name);
                }
            }
            let is_bad = state.must_close == Some(3500);
            request.token = sign(&token, if is_bad { b"other" } else { SECRET });
        }
        let mut subs = BTreeMap::new();
        if rng.percent(30) {
            // It knows them, and lets the server make them.
            for (channel, (epoch, offset)) in &self.people[who].known {
                if subs.len() + several < MOST_SERVER_SIDE && rng.percent(50) {
                    subs.insert(channel.clone(), (epoch.clone(), *offset));
                    let wish = ProtoSubscribe {
                        recover: true,
                        epoch: epoch.clone(),
                        offset: *offset,
                        ..ProtoSubscribe::default()
                    };
                    request.subs.insert(channel.clone(), wish);
                }
            }
        }
        let state = &mut self.conns[conn];
        // A position that is lost there closes the connection; so do too many of them.
        state.may_close.extend([3010, 3505]);
        state.stage = Stage::Connecting;
        let id = self.ask(
            conn,
            Asked::Connect { subs, expires },
            "",
            errors,
            must_fail,
        );
        let connect = ProtoCommand {
            id,
            connect: Some(request),
            ..ProtoCommand::default()
        };
        self.send(conn, &[connect]);
    }

    /// Takes note of a command. Returns its number.
    pub(super) fn ask(
        &mut self,
        conn: usize,
        asked: Asked,
        channel: &str,
        errors: Vec<u32>,
        must_fail: bool,
    ) -> u32 {
        let (sent, floor) = (self.now(), self.ledger.newest(channel));
        let state = &mut self.conns[conn];
        let id = state.next_id;
        state.next_id += 1;
        let pending = Pending {
            asked,
            channel: channel.to_owned(),
            sent,
            floor,
            errors,
            must_fail,
        };
        state.pending.insert(id, pending);
        id
    }
}

/// Subscriptions that the server makes for a client at most.
const MOST_SERVER_SIDE: usize = 5;
