//! Consistency checks of the engine's gauges for tests.

use crate::engine::Engine;
use crate::session::app_types::AppTypes;
use crate::session::deferred::Wait;
use crate::session::phase::Phase;
use crate::stats::{Stats, Waiting};

impl<A: AppTypes> Engine<A> {
    /// Asserts that the gauges that are kept as things change are what a count of all
    /// connections comes to.
    pub(crate) fn audit_gauges(&self) {
        let kept = self.stats();
        let mut counted = kept;
        let Stats {
            channels,
            links,
            waiting,
            ..
        } = &mut counted;
        (links.held, links.active, channels.members) = (0, 0, 0);
        *waiting = Waiting::default();
        for (_, slot) in self.slots.iter() {
            links.held += u64::from(!slot.flags.released());
            links.active += u64::from(slot.flags.upgraded() && slot.phase() != Phase::Gone);
            channels.members += slot.memberships.len() as u64;
            match slot.deferred.as_ref().and_then(|deferred| deferred.wait) {
                Some(Wait::Joined | Wait::Left(_)) => waiting.owner += 1,
                Some(Wait::Credit(_)) => waiting.credit += 1,
                Some(Wait::Queue) => waiting.queue += 1,
                Some(Wait::Task) => waiting.task += 1,
                Some(Wait::Answers) => waiting.answers += 1,
                Some(Wait::Callback) | None => {}
            }
        }
        assert_eq!(kept, counted, "shard {}: gauges", self.id.0);
    }
}
