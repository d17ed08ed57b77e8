//! What happens in one run, as a plain list that a seed stands for. What a step does in detail follows
//! from its own number, so that a plan without some of its steps does the rest as before.

use core::fmt;

use super::known::Known;
use super::setup::{SubscribersSetup, pick};
use crate::simulator::Rng;

/// A server, its clients, and what they do.
#[derive(Clone, Debug)]
pub struct SubscribersPlan {
    /// What everything follows from.
    pub seed: u64,
    /// What the server is started with.
    pub setup: SubscribersSetup,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// Something that happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// The client that does it.
    pub who: u16,
    /// What it does. A client that is not connected connects instead.
    pub act: Act,
    /// What the details follow from.
    pub dice: u64,
    /// How long the next step waits, in microseconds.
    pub pause: u32,
}

/// What a client or the world does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// It subscribes, recovering if it knows a position.
    Subscribe,
    /// It unsubscribes.
    Unsubscribe,
    /// It unsubscribes and subscribes in one message.
    Resubscribe,
    /// It publishes.
    Publish,
    /// It publishes many times in one message.
    Burst,
    /// It asks who is subscribed.
    Presence,
    /// It asks how many are subscribed.
    PresenceStats,
    /// It asks for a page of what was published.
    History,
    /// It calls a procedure.
    Rpc,
    /// It hands in a new connection token.
    Refresh,
    /// It hands in a new subscription token.
    SubRefresh,
    /// It does several things in one message.
    Batch,
    /// It begins to read otherwise.
    Reader,
    /// It answers pings no more.
    Mute,
    /// Its link is cut.
    Cut,
    /// It goes without a word.
    Vanish,
    /// It closes.
    Close,
    /// It does something that is not allowed.
    Attack,
    /// Some time passes.
    Wait,
    /// Everything comes to rest, and everyone's view is compared.
    Quiet,
    /// All links are cut, and time passes.
    Exodus,
}

/// How much happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LifeSize {
    /// Clients.
    pub clients: usize,
    /// Steps.
    pub steps: usize,
    /// Whether also happens what the server is known not to keep to yet.
    pub is_strict: bool,
}

/// How often each occurs.
const WEIGHTS: [(Act, usize); 21] = [
    (Act::Subscribe, 200),
    (Act::Unsubscribe, 40),
    (Act::Resubscribe, 15),
    (Act::Publish, 330),
    (Act::Burst, 60),
    (Act::Presence, 40),
    (Act::PresenceStats, 30),
    (Act::History, 90),
    (Act::Rpc, 10),
    (Act::Refresh, 20),
    (Act::SubRefresh, 25),
    (Act::Batch, 30),
    (Act::Reader, 60),
    (Act::Mute, 4),
    (Act::Cut, 30),
    (Act::Vanish, 6),
    (Act::Close, 15),
    (Act::Attack, 20),
    (Act::Wait, 10),
    (Act::Quiet, 10),
    (Act::Exodus, 1),
];

impl SubscribersPlan {
    /// Returns what a seed stands for.
    pub fn new(seed: u64, size: LifeSize) -> Self {
        let LifeSize { clients, steps, .. } = size;
        let setup = SubscribersSetup::random(seed, clients, Known::new(size.is_strict));
        let mut rng = Rng::new(seed);
        let all: usize = WEIGHTS.iter().map(|(_, weight)| weight).sum();
        let steps = (0..steps).map(|_| {
            let mut place = rng.below(all);
            let chosen = WEIGHTS.iter().find(|(_, weight)| {
                let is_here = place < *weight;
                place = place.wrapping_sub(*weight);
                is_here
            });
            Step {
                who: rng.below(clients) as u16,
                act: chosen.expect("the place is below the sum").0,
                dice: rng.next(),
                pause: *pick(&mut rng, &[0, 50, 500, 3_000, 30_000]),
            }
        });
        let steps = steps.collect();
        Self { seed, setup, steps }
    }
}

impl fmt::Display for SubscribersPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            let Step {
                who,
                act,
                dice,
                pause,
            } = step;
            writeln!(f, "client {who}: {act:?} ({dice:#x}), then {pause} us")?;
        }
        Ok(())
    }
}
