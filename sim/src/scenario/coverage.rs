//! Coverage that a set of runs must reach to be meaningful: every way to lose a message, every
//! wait, every fault.

use core::fmt;

use stentor_core::CloseCause;
use stentor_core::proto::ws::PeerError;
use stentor_core::stats::{DispatchStats, Stats};
use stentor_core::testing::deflate;

use super::plan::Act;
use crate::simulator::ReadPattern;

/// How often what occurred.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Coverage {
    counts: Vec<(&'static str, u64)>,
}

impl Coverage {
    /// Adds what occurred elsewhere.
    pub fn add(&mut self, other: &Self) {
        for &(what, times) in &other.counts {
            self.note(what, times);
        }
    }

    /// Returns what did not occur.
    pub fn missing(&self) -> Vec<&'static str> {
        let none = self.counts.iter().filter(|(_, times)| *times == 0);
        none.map(|&(what, _)| what).collect()
    }

    /// It occurred so many times.
    pub(super) fn note(&mut self, what: &'static str, times: u64) {
        match self.counts.iter_mut().find(|(name, _)| *name == what) {
            Some((_, sum)) => *sum += times,
            None => self.counts.push((what, times)),
        }
    }

    /// Somebody does this.
    pub(super) fn acts(&mut self, act: Act) {
        let what = match act {
            Act::Reads(ReadPattern::Stuck) => "reader stuck",
            Act::Reads(ReadPattern::Slow { .. }) => "reader slow",
            Act::Reset => "connection reset",
            Act::Vanish => "peer half-open",
            Act::ShutWithin => "end within a frame",
            Act::Publish { pieces: 2.., .. } => "message in fragments",
            Act::Publish { room: None, .. } => "said to everyone",
            Act::Publish { exclude: true, .. } => "said to all others",
            _ => return,
        };
        self.note(what, 1);
    }

    /// Adds what a server has counted.
    pub(super) fn count(&mut self, stats: &Stats, tasks: &DispatchStats) {
        let Stats {
            delivery,
            sent,
            channels,
            links,
            deflate: packing,
            closed,
            peer_errors,
            refused,
            ..
        } = stats;
        for (what, times) in [
            ("refused: full", delivery.refused_full),
            ("refused: closing", delivery.refused_closing),
            ("evicted", delivery.evicted),
            ("expired", delivery.expired),
            ("conflated", delivery.conflated),
            ("shed", delivery.shed),
            ("discarded", delivery.discarded),
            ("written", delivery.written),
            ("pong replaced", sent.pongs_replaced),
            ("ping", sent.pings),
            ("page", sent.pages),
            ("slice of a fan-out", channels.slices),
            ("wait for credit", channels.credit_waits),
            ("wait for a home", channels.home_waits),
            ("publication abandoned", channels.abandoned),
            ("read pause", links.read_pauses),
            ("wait for a task", links.task_waits),
            ("task end for nobody", links.outcomes_gone),
            ("request refused", refused.iter().sum()),
            ("task refused: full", tasks.refused_full),
            ("task tried again", tasks.retried),
            ("task failed", tasks.failed),
            ("attempt failed", tasks.attempts_failed),
            ("attempt panicked", tasks.panicked),
            ("attempt timed out", tasks.timed_out),
            ("attempt late", tasks.late),
            ("dead letter dropped", tasks.dead_dropped),
            ("task submitted again", tasks.resubmitted),
        ] {
            self.note(what, times);
        }
        if deflate::IS_BUILT {
            self.note("compressed", packing.deflated);
            self.note("incompressible", packing.incompressible);
            self.note("decompressed", packing.inflated);
            self.note("context denied", packing.contexts_denied);
        }
        for act in ACTS {
            self.note(act, 0);
        }
        // Memory seldom runs out for messages that are not complete, and a life is mostly
        // too short for a peer to be too slow.
        for cause in CloseCause::ALL {
            let times = closed[cause as usize];
            let is_rare = matches!(
                cause,
                CloseCause::Memory
                    | CloseCause::ReadRate
                    | CloseCause::SendRate
                    | CloseCause::Transport
                    | CloseCause::MessageRate
            );
            if !is_rare || times > 0 {
                self.note(CAUSES[cause as usize], times);
            }
        }
        for (error, &times) in PeerError::ALL.iter().zip(peer_errors) {
            if let Some((_, what)) = ERRORS.iter().find(|(known, _)| known == error) {
                self.note(what, times);
            }
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts = self.counts.clone();
        counts.sort_unstable();
        for (what, times) in counts {
            writeln!(f, "{times:>14}  {what}")?;
        }
        Ok(())
    }
}

/// In the order of [`CloseCause::ALL`].
const CAUSES: [&str; CloseCause::ALL.len()] = [
    "closed: by the peer",
    "closed: end of input",
    "closed: reset",
    "closed: protocol error",
    "closed: silent",
    "closed: takes nothing",
    "closed: slow consumer",
    "closed: by the application",
    "closed: shutdown",
    "closed: callback panicked",
    "closed: short of memory",
    "closed: reads too slowly",
    "closed: sends too slowly",
    "closed: transport",
    "closed: sends too much",
];

/// What peers do wrong in a [plan](super::ScenarioPlan), and its name here.
const ERRORS: [(PeerError, &str); 6] = [
    (PeerError::ReservedBit, "error: reserved bit"),
    (PeerError::Unmasked, "error: unmasked"),
    (PeerError::InvalidUtf8, "error: invalid UTF-8"),
    (PeerError::MessageTooBig, "error: message too big"),
    (PeerError::StrayContinuation, "error: stray continuation"),
    (PeerError::EmptyFragments, "error: empty fragments"),
];

/// What is noted only when it occurs.
const ACTS: [&str; 8] = [
    "reader stuck",
    "reader slow",
    "connection reset",
    "peer half-open",
    "end within a frame",
    "message in fragments",
    "said to everyone",
    "said to all others",
];
