//! A server of the product from one seed: clients of the channel protocol, in both codecs, and of the
//! seed protocol, on the same channels; and what each of them must be told.
//!
//! A [`SubscribersPlan`] is made first; [`run`] carries it out on a simulated server, and compares what
//! every client hears with a model that knows all publications; [`shrink`] makes the plan of a run that
//! fails shorter.
//!
//! What must hold:
//! - a subscriber with a position hears the next offset of the same epoch, once, or is told that it has
//!   missed something; nothing of a channel comes before the reply to its subscription, or after the
//!   reply to its end;
//! - a recovery is complete exactly when the channel still had what was missed;
//! - a page of the history is that of a naive list;
//! - presence is who is subscribed, whoever asks, and follows from the joins and leaves;
//! - every command has one reply, or the connection ends with a code of the protocol; what one client
//!   does wrong changes nothing for others;
//! - an epoch does not come back; when all have gone, nothing is left.

mod acts;
mod attacks;
mod connection;
mod coverage;
mod finale;
mod hear;
mod known;
mod ledger;
mod opening;
mod plan;
mod pushes;
mod quiet;
mod reply_from_json;
mod rooms;
mod setup;
mod streams;
mod subscribing;
mod wire;
mod world;

use core::cell::Cell;
use core::panic::AssertUnwindSafe;

pub use coverage::SubscribersCoverage;
pub use plan::{Act, LifeSize, Step, SubscribersPlan};
pub use setup::{ChannelRules, SubscribersSetup};
pub use wire::Speech;

use crate::scenario::ScenarioFailure;
use world::World;

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct SubscribersReport {
    /// A number that stands for every byte that went over a socket, and when.
    pub digest: u64,
    /// Messages that the server received.
    pub received: u64,
    /// Messages that it wrote.
    pub written: u64,
    /// What occurred.
    pub coverage: SubscribersCoverage,
}

/// Carries out a plan.
///
/// # Errors
/// What did not hold.
pub fn run(plan: &SubscribersPlan) -> Result<SubscribersReport, ScenarioFailure> {
    run_with(plan, false)
}

/// [`run`]s a plan, and prints every message.
///
/// # Errors
/// What did not hold.
pub fn trace(plan: &SubscribersPlan) -> Result<SubscribersReport, ScenarioFailure> {
    run_with(plan, true)
}

fn run_with(plan: &SubscribersPlan, traces: bool) -> Result<SubscribersReport, ScenarioFailure> {
    let steps = Cell::new(0);
    let life = || World::new(plan, traces).run(plan, &steps);
    std::panic::catch_unwind(AssertUnwindSafe(life)).map_err(|panic| {
        let message = panic.downcast_ref::<String>().cloned();
        let message = message.or_else(|| Some((*panic.downcast_ref::<&str>()?).to_string()));
        ScenarioFailure {
            message: message.unwrap_or_default(),
            steps: steps.get(),
        }
    })
}

/// Makes a plan that fails shorter while `go_on` says so. The shorter one fails in the same way; how,
/// is handed back with it.
pub fn shrink(
    plan: &SubscribersPlan,
    failure: &ScenarioFailure,
    mut go_on: impl FnMut() -> bool,
) -> (SubscribersPlan, ScenarioFailure) {
    let (mut best, mut why) = (plan.clone(), failure.clone());
    let mut size = best.steps.len().div_ceil(2);
    while size > 0 {
        let (mut from, mut is_shorter) = (0, false);
        while from < best.steps.len() && go_on() {
            let mut shorter = best.clone();
            shorter
                .steps
                .drain(from..(from + size).min(best.steps.len()));
            match run(&shorter) {
                Err(failure) if words(&failure) == words(&why) => {
                    (best, why, is_shorter) = (shorter, failure, true);
                }
                _ => from += size,
            }
        }
        if !go_on() || size == 1 && !is_shorter {
            break;
        }
        size = if size == 1 { 1 } else { size / 2 };
    }
    (best, why)
}

/// What two failures of the same kind have in common.
fn words(failure: &ScenarioFailure) -> String {
    let letters = failure.message.chars().filter(|c| !c.is_ascii_digit());
    letters.take(24).collect()
}
