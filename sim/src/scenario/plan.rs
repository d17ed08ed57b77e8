//! Plan of a run: which client does what, and when. It is a plain list, so a part of it is a plan
//! as well.

use core::fmt;

use stentor_core::OverflowPolicy;

use super::setup::{ScenarioSetup, pick, slow};
use crate::simulator::{ReadPattern, Rng};

/// How big a life is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scale {
    /// Shards; any number from one to eight with 0.
    pub shards: u16,
    /// Clients at a time.
    pub clients: usize,
    /// Messages that the server receives, at least.
    pub messages: usize,
}

/// What happens in a life.
#[derive(Clone, Debug)]
pub struct ScenarioPlan {
    /// What everything random follows from.
    pub seed: u64,
    /// With what the server is started.
    pub setup: ScenarioSetup,
    /// Messages that are enough: when the server has received them, the end begins.
    pub messages: u64,
    /// What clients do, in order.
    pub steps: Vec<PlanStep>,
}

/// Something that a client does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlanStep {
    /// The number of the step, and of the message if it is one.
    pub n: u32,
    /// When, in microseconds.
    pub at: u64,
    /// Who. Somebody who is not connected connects first.
    pub who: u16,
    /// What.
    pub act: Act,
}

/// What somebody does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Act {
    Join {
        room: u8,
    },
    Leave {
        room: u8,
    },
    /// To a room, or to everyone.
    Publish {
        room: Option<u8>,
        terms: MessageOptions,
        receipt: bool,
        exclude: bool,
        size: u16,
        /// In how many fragments.
        pieces: u8,
    },
    /// The application answers with the same.
    Reply {
        terms: MessageOptions,
        size: u16,
        pieces: u8,
    },
    /// With 0 its line is the connection's, with 1 none, beyond that it has this key.
    Task {
        line: u8,
        /// Milliseconds.
        delay: u8,
        /// As many as the server allows, with 0.
        attempts: u8,
        size: u16,
    },
    /// Has the application close the connection.
    AskToClose {
        code: u16,
    },
    /// Has the application panic, and the shard fail.
    Crash,
    Pings {
        count: u8,
    },
    Reads(ReadPattern),
    /// Answers no pings from here on.
    FallSilent,
    /// Begins the closing handshake.
    Close {
        code: Option<u16>,
    },
    /// Shuts its side.
    Shut,
    /// Shuts its side within a frame.
    ShutWithin,
    Reset,
    /// Goes without a word.
    Vanish,
    /// Breaks the protocol, in one of several ways.
    Misbehave {
        how: u8,
    },
    /// Somebody asks for a page, or for an upgrade in a wrong way, or not to the end.
    Visit {
        how: u8,
    },
    /// What has failed for good is submitted again.
    Resubmit,
}

/// How a message is to be treated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "as in `SendOptions`")]
pub struct MessageOptions {
    pub priority: u8,
    /// Milliseconds; for ever with 0.
    pub ttl: u8,
    pub key: Option<u8>,
    pub overflow: OverflowPolicy,
}

impl ScenarioPlan {
    /// Returns the plan of a seed.
    pub fn new(seed: u64, scale: Scale) -> Self {
        let mut rng = Rng::new(seed ^ 0x5CE7_A210);
        let shards = match scale.shards {
            0 => 1 + rng.below(8) as u16,
            shards => shards,
        };
        let setup = ScenarioSetup::random(seed, shards, scale.clients, &mut rng);
        let crashes = [0, 1, 2, 4][rng.below(4)];
        let pace = 10 + rng.up_to(60);
        let mut plan = Self {
            seed,
            setup,
            messages: scale.messages as u64,
            steps: Vec::new(),
        };
        let mut now = 0;
        for who in 0..scale.clients {
            for _ in 0..1 + rng.below(3) {
                let room = rng.below(plan.setup.rooms.into()) as u8;
                plan.add(now, who, Act::Join { room });
            }
            now += rng.up_to(pace);
        }
        let mut messages = plan.steps.len() * 2;
        // Many are lost on the way: what a client has not written when it is reset, for one.
        let wanted = 2 * scale.messages + scale.messages / 4;
        while messages < wanted {
            now += rng.up_to(pace);
            let who = rng.below(scale.clients);
            // Now and then one has much to say at once.
            let count = if rng.percent(6) { 2 + rng.below(12) } else { 1 };
            // Often all of it to the same people.
            let speech = (count > 1 && rng.percent(60)).then(|| plan.setup.speech(&mut rng));
            for _ in 0..count {
                let act = match speech {
                    Some(act) if !rng.percent(5) => act,
                    _ => plan.setup.act(&mut rng),
                };
                messages += act.messages();
                plan.add(now, who, act);
            }
        }
        for _ in 0..crashes {
            let at = rng.below(plan.steps.len());
            plan.steps[at].act = Act::Crash;
        }
        plan
    }

    fn add(&mut self, at: u64, who: usize, act: Act) {
        let (n, who) = (self.steps.len() as u32, who as u16);
        self.steps.push(PlanStep { n, at, who, act });
    }
}

impl Act {
    /// Returns how many messages it is.
    const fn messages(self) -> usize {
        match self {
            // And one that says when it is done.
            Self::Join { .. } | Self::Leave { .. } => 2,
            Self::Publish { .. } | Self::Reply { .. } | Self::Task { .. } => 1,
            _ => 0,
        }
    }
}

impl ScenarioSetup {
    /// One of several messages that may be queued as one.
    fn speech(&self, rng: &mut Rng) -> Act {
        Act::Publish {
            room: Some(rng.below(self.rooms.into()) as u8),
            terms: MessageOptions {
                ttl: 0,
                key: None,
                ..MessageOptions::random(rng)
            },
            receipt: false,
            exclude: rng.percent(20),
            size: 8 + rng.below(60) as u16,
            pieces: 1,
        }
    }

    fn act(&self, rng: &mut Rng) -> Act {
        let room = rng.below(self.rooms.into()) as u8;
        match rng.below(1_000) {
            0..=549 => Act::Publish {
                room: Some(room),
                terms: MessageOptions::random(rng),
                receipt: rng.percent(50),
                exclude: rng.percent(20),
                size: size(rng),
                pieces: pieces(rng),
            },
            550..=554 => Act::Publish {
                room: None,
                terms: MessageOptions::random(rng),
                receipt: rng.percent(50),
                exclude: rng.percent(20),
                size: 8 + rng.below(30) as u16,
                pieces: 1,
            },
            555..=719 => Act::Reply {
                terms: MessageOptions::random(rng),
                size: size(rng),
                pieces: pieces(rng),
            },
            720..=809 => Act::Task {
                line: *pick(rng, &[0, 0, 1, 2, 3]),
                delay: *pick(rng, &[0, 0, 5]),
                attempts: *pick(rng, &[0, 0, 1, 5]),
                size: 8 + rng.below(40) as u16,
            },
            810..=869 => Act::Join { room },
            870..=909 => Act::Leave { room },
            910..=934 => Act::Pings {
                count: *pick(rng, &[1, 1, 3, 40]),
            },
            935..=954 => Act::Reads(slow(rng)),
            955..=969 => Act::Reads(ReadPattern::Eager),
            970..=972 => Act::FallSilent,
            973..=976 => Act::Close {
                code: *pick(rng, &[None, Some(1000), Some(4_321)]),
            },
            977..=978 => Act::AskToClose { code: 4_000 },
            979..=981 => Act::Shut,
            982 => Act::ShutWithin,
            983..=986 => Act::Reset,
            987..=988 => Act::Vanish,
            989..=991 => Act::Misbehave {
                how: rng.below(6) as u8,
            },
            992..=996 => Act::Visit {
                how: rng.below(7) as u8,
            },
            _ => Act::Resubmit,
        }
    }
}

impl MessageOptions {
    fn random(rng: &mut Rng) -> Self {
        Self {
            priority: *pick(rng, &[5, 10, 10, 50, 200]),
            ttl: *pick(rng, &[0, 0, 0, 0, 2, 30]),
            key: rng.percent(20).then(|| rng.below(3) as u8),
            overflow: *pick(
                rng,
                &[
                    OverflowPolicy::EvictLower,
                    OverflowPolicy::EvictLower,
                    OverflowPolicy::EvictLower,
                    OverflowPolicy::EvictLower,
                    OverflowPolicy::EvictLower,
                    OverflowPolicy::DropNew,
                    OverflowPolicy::DropNew,
                    OverflowPolicy::DropOldest,
                    OverflowPolicy::DropOldest,
                    OverflowPolicy::Conflate,
                    OverflowPolicy::Conflate,
                ],
            ),
        }
        .with_some_closing(rng)
    }

    /// Closing whoever is slow would soon leave nobody who is.
    fn with_some_closing(mut self, rng: &mut Rng) -> Self {
        if rng.below(200) == 0 {
            self.overflow = OverflowPolicy::Disconnect;
        }
        self
    }
}

fn size(rng: &mut Rng) -> u16 {
    let most = match rng.below(200) {
        0 => 12_000,
        1..=8 => 3_000,
        9..=40 => 300,
        _ => 40,
    };
    8 + rng.below(most) as u16
}

fn pieces(rng: &mut Rng) -> u8 {
    if rng.percent(3) {
        2 + rng.below(4) as u8
    } else {
        1
    }
}

impl fmt::Display for ScenarioPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {:?}", self.seed, self.setup)?;
        let left_out = self.steps.len().saturating_sub(MOST_SHOWN);
        if left_out > 0 {
            writeln!(f, "... {left_out} steps before")?;
        }
        for step in &self.steps[left_out..] {
            writeln!(f, "{step}")?;
        }
        Ok(())
    }
}

impl fmt::Display for PlanStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { n, at, who, act } = self;
        write!(f, "{at:>9} us  client {who:<3} {n:>6}: {act:?}")
    }
}

/// The last steps, so many of them, are shown.
const MOST_SHOWN: usize = 200;
