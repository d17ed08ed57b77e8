//! A whole server's life from one seed: random settings, hundreds of random
//! clients, everything that can go wrong, and what must hold all the same.
//!
//! A [`ScenarioPlan`] is made first, as a plain list of what happens when; a
//! [`run`] carries it out on a simulated server and looks for contradictions
//! between what was said, what was heard and what was counted; [`shrink`] makes
//! the plan of one that fails as short as it can.
//!
//! What must hold:
//! - the conservation law, and every gauge, against a count from outside;
//! - every message heard was said, is whole, and was heard by members only;
//! - one order for each room and priority, in which all hear it, and in which
//!   what one sender says keeps its place;
//! - what a publisher is told of its publication is what happened;
//! - no queue, credit or line of tasks exceeds its bound;
//! - every task comes to one end, and its connection hears of it once;
//! - when everyone reads, everything arrives; when all have gone, nothing is left.

mod application_log;
mod client_observer;
mod clients;
mod coverage;
mod driver;
mod finale;
mod plan;
mod setup;
mod shrink;
mod total_order;
mod words;
mod world;

use core::cell::Cell;
use core::panic::AssertUnwindSafe;

pub use coverage::Coverage;
pub use plan::{Act, MessageOptions, PlanStep, Scale, ScenarioPlan};
pub use setup::{Ending, ScenarioSetup};
pub use shrink::shrink;

use world::World;

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct RunReport {
    /// Messages that the server received.
    pub received: u64,
    /// Messages that it wrote.
    pub written: u64,
    /// A number that stands for every byte that went over a socket, and when.
    pub digest: u64,
    /// What occurred.
    pub coverage: Coverage,
}

/// Why a run failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScenarioFailure {
    /// What the check said that failed.
    pub message: String,
    /// How many steps of the plan had been carried out; all, in the end.
    pub steps: usize,
}

impl ScenarioFailure {
    /// Returns whether this is likely the same fault: the message, numbers apart.
    fn is_like(&self, other: &Self) -> bool {
        let words = |failure: &Self| -> String {
            let words = failure.message.chars().filter(|c| !c.is_ascii_digit());
            words.take(40).collect()
        };
        words(self) == words(other)
    }
}

/// Carries out a plan.
///
/// # Errors
/// What did not hold.
pub fn run(plan: &ScenarioPlan) -> Result<RunReport, ScenarioFailure> {
    let steps = Cell::new(0);
    let life = || {
        if plan.setup.waits {
            World::<true>::new(plan).run(plan, &steps)
        } else {
            World::<false>::new(plan).run(plan, &steps)
        }
    };
    std::panic::catch_unwind(AssertUnwindSafe(life)).map_err(|panic| {
        let message = panic.downcast_ref::<String>().cloned();
        let message = message.or_else(|| Some((*panic.downcast_ref::<&str>()?).to_string()));
        ScenarioFailure {
            message: message.unwrap_or_default(),
            steps: steps.get(),
        }
    })
}
