//! One run: the server, its clients, the steps of the plan, and time.

use core::cell::Cell;
use core::time::Duration;
use std::collections::BTreeMap;

use stentor_core::id::WorkerId;
use stentor_gateway::{Gateway, RoomTask};

use super::connection::{Conn, Person, Stage};
use super::coverage::SubscribersCoverage;
use super::ledger::Ledger;
use super::plan::{Act, Step, SubscribersPlan};
use super::setup::{ChannelRules, SubscribersSetup, UNIX};
use super::{SubscribersReport, wire::Speech};
use crate::client_protocol::ProtoCommand;
use crate::simulator::{Rng, Sim};

/// A server, and those who use it.
pub(super) struct World {
    pub(super) sim: Sim<Gateway>,
    pub(super) setup: SubscribersSetup,
    pub(super) ledger: Ledger,
    pub(super) people: Vec<Person>,
    /// By the number of the simulation's client.
    pub(super) conns: Vec<Conn>,
    pub(super) coverage: SubscribersCoverage,
    /// Answers of the seed protocol and replies, as they come.
    pub(super) views: Vec<super::quiet::View>,
    pub(super) is_viewing: bool,
    /// When the last comparison of views began, and who has left which channel since.
    pub(super) views_since: u64,
    pub(super) departed: Vec<(String, String)>,
    /// Which connections the server held then.
    pub(super) held_then: Vec<bool>,
    /// Bytes that were charged to the memory budget at first.
    pub(super) charged: u64,
    traces: bool,
}

impl World {
    pub(super) fn new(plan: &SubscribersPlan, traces: bool) -> Self {
        let setup = plan.setup.clone();
        let settings = setup.settings.clone();
        let work = Box::new(|worker: WorkerId, task: &RoomTask| task.run(worker));
        let handler = move |shard| Gateway::new(shard, settings.clone());
        let mut sim = Sim::new(setup.network, &setup.config, 1, 8, work, handler);
        sim.audit_every(setup.audit_every);
        sim.set_wall_clock(Duration::from_secs(UNIX));
        let people = setup
            .clients
            .iter()
            .enumerate()
            .map(|(who, &speech)| Person {
                speech,
                user: format!("u{}", who % 9),
                conn: None,
                known: BTreeMap::new(),
            });
        let people = people.collect();
        Self {
            charged: sim.stats().links.charged_bytes,
            sim,
            setup,
            ledger: Ledger::default(),
            people,
            conns: Vec::new(),
            coverage: SubscribersCoverage::default(),
            views: Vec::new(),
            is_viewing: false,
            views_since: 0,
            departed: Vec::new(),
            held_then: Vec::new(),
            traces,
        }
    }

    /// Carries out the plan; `steps` says how far it has come.
    pub(super) fn run(mut self, plan: &SubscribersPlan, steps: &Cell<usize>) -> SubscribersReport {
        for (at, step) in plan.steps.iter().enumerate() {
            steps.set(at);
            self.perform(step);
            self.pass(Duration::from_micros(step.pause.into()));
        }
        steps.set(plan.steps.len());
        self.quieten(&mut Rng::new(plan.seed));
        self.end()
    }

    fn perform(&mut self, step: &Step) {
        let mut rng = Rng::new(step.dice);
        let who = usize::from(step.who);
        match step.act {
            Act::Wait => {
                let seconds = [1, 1, 4, 8, 30, 130];
                let seconds = seconds[rng.below(seconds.len())];
                return self.pass(Duration::from_secs(seconds));
            }
            Act::Quiet => return self.quieten(&mut rng),
            Act::Exodus => {
                for conn in 0..self.conns.len() {
                    if self.conns[conn].is_open() {
                        self.cut(conn);
                    }
                }
                let seconds = [10, 50, 200, 500];
                let seconds = seconds[rng.below(seconds.len())];
                return self.pass(Duration::from_secs(seconds));
            }
            _ => {}
        }
        let Some(conn) = self.people[who].conn else {
            return self.dial(who, &mut rng);
        };
        if !self.conns[conn].is_open() {
            self.people[who].conn = None;
            return;
        }
        self.act(conn, step.act, &mut rng);
    }

    /// Lets time pass, in which clients answer what they hear.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now() + time.as_micros() as u64;
        while self.now() < end {
            let slice = (end - self.now()).min(SLICE);
            self.sim.pass(Duration::from_micros(slice));
            self.hear();
        }
        self.hear();
    }

    pub(super) const fn now(&self) -> u64 {
        self.sim.time().as_micros()
    }

    /// Returns the wall clock, in seconds.
    pub(super) const fn unix(&self) -> u64 {
        UNIX + self.now() / 1_000_000
    }

    pub(super) fn rules(&self, channel: &str) -> &ChannelRules {
        let mut rules = self.setup.channels.iter();
        rules
            .find(|rules| rules.name == channel)
            .unwrap_or_else(|| panic!("nobody speaks of {channel}"))
    }

    /// Cuts a link.
    pub(super) fn cut(&mut self, conn: usize) {
        self.sim.reset(conn);
        self.leave(conn, Stage::Gone);
    }

    /// A connection is of no use any more.
    pub(super) fn leave(&mut self, conn: usize, stage: Stage) {
        let state = &mut self.conns[conn];
        for channel in state.subs.keys() {
            self.departed.push((channel.clone(), state.client.clone()));
        }
        state.stage = stage;
        state.pending.clear();
        if self.people[state.who].conn == Some(conn) {
            self.people[state.who].conn = None;
        }
    }

    /// Lets a client send commands in one message.
    pub(super) fn send(&mut self, conn: usize, commands: &[ProtoCommand]) {
        let speech = self.conns[conn].speech;
        let message = speech.encode(commands);
        self.trace(conn, ">", &message);
        self.sim.send(conn, speech.kind(), &message);
    }

    /// Lets a client of the seed protocol say something.
    pub(super) fn say(&mut self, conn: usize, text: &str) {
        self.trace(conn, ">", text.as_bytes());
        self.sim.send(conn, Speech::Seed.kind(), text.as_bytes());
    }

    pub(super) fn trace(&self, conn: usize, what: &str, message: &[u8]) {
        if self.traces {
            let now = self.now();
            let who = self.conns[conn].who;
            let shard = self.sim.id_of(conn).shard().0;
            let text = match self.conns[conn].speech {
                Speech::Protobuf if what == ">" => {
                    format!(
                        "{:?}",
                        crate::client_protocol::decode_protobuf(message)
                            .iter()
                            .map(|command| {
                                command
                                    .as_ref()
                                    .map(|command| command.to_json().map(|json| json.to_string()))
                            })
                            .collect::<Vec<_>>()
                    )
                }
                Speech::Protobuf if what == "<" => {
                    format!(
                        "{:?}",
                        Speech::Protobuf
                            .decode(message)
                            .iter()
                            .map(|reply| { reply.to_json().map(|json| json.to_string()) })
                            .collect::<Vec<_>>()
                    )
                }
                _ => String::from_utf8_lossy(message).into_owned(),
            };
            println!("{now:>12} conn {conn} (client {who}, shard {shard}) {what} {text}");
        }
    }
}

/// How long clients take to answer at most, in microseconds.
pub(super) const SLICE: u64 = 100_000;
