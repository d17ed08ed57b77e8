//! Orders that concern every connection of a shard: drain, close or abort. Each turn carries them
//! out for a part of the slots, so that reads and writes continue between them.

use core::time::Duration;

use crate::CloseCode;
use crate::engine::Engine;
use crate::session::app_types::AppTypes;
use crate::session::phase::Phase;
use crate::session::sweep::{ClosePace, Sweep, SweepOrder};
use crate::stats::CloseCause;
use crate::time::Timestamp;

impl<A: AppTypes> Engine<A> {
    /// Begins to carry out an order, and does the first slots. A weaker one than what is
    /// under way is part of that.
    pub(crate) fn begin_sweep(&mut self, order: SweepOrder) {
        self.draining |= !matches!(order, SweepOrder::Abort);
        let is_part = self
            .sweep
            .is_some_and(|sweep| sweep.order.rank() > order.rank());
        if !is_part {
            self.sweep = Some(Sweep { order, next: 0 });
            self.sweep_slice();
        }
    }

    /// Begins to close connections one after the other.
    pub(crate) fn begin_pace(&mut self, within: Duration) {
        let (rate, shards) = (self.config.shutdown_rate as u32, self.config.shards);
        let interval = Duration::from_secs(shards.into());
        let interval = interval.checked_div(rate).unwrap_or_default();
        let (count, seed) = (self.counts.links.active, self.config.seed);
        let seed = seed ^ u64::from(self.id.0) << 32 ^ self.now.as_micros();
        self.close_pace = Some(ClosePace::new(self.now, interval, within, count, seed));
    }

    /// Returns when the next connection may be closed, if that is not yet.
    pub(crate) fn paced_until(&self) -> Option<Timestamp> {
        let is_closing = matches!(
            self.sweep,
            Some(Sweep {
                order: SweepOrder::Close(_),
                ..
            })
        );
        let pace = self.close_pace.as_ref().filter(|_| is_closing);
        pace.map(|pace| pace.next_at).filter(|&at| at > self.now)
    }

    /// Whether the next slots are to be done. Close frames wait for those before them to be
    /// written, and all of it for the adapter to have done what it was asked for.
    pub(crate) fn has_sweep(&self) -> bool {
        self.sweep.is_some_and(|Sweep { order, .. }| {
            let waits = matches!(order, SweepOrder::Close(_))
                && self.out.scheduled() > self.config.fan_out_slice;
            !waits && self.has_room_for_outputs() && self.paced_until().is_none()
        })
    }

    /// Carries out the order under way for the next slots.
    pub(crate) fn sweep_slice(&mut self) {
        let Some(Sweep { order, mut next }) = self.sweep else {
            return;
        };
        self.vacate_scratch();
        let mut left = self.config.fan_out_slice;
        while left > 0 && next < self.slots.len() {
            let at = next;
            if self.slots[at].phase() == Phase::Open
                && let (SweepOrder::Close(_), Some(pace)) = (order, &mut self.close_pace)
            {
                if pace.next_at > self.now {
                    break;
                }
                pace.handle_closed();
            }
            next += 1;
            let is_there = !matches!(self.slots[at].phase(), Phase::Free | Phase::Gone);
            // To end a connection costs several times as much as to look at its slot.
            left = left.saturating_sub(if is_there { COST_OF_AN_END } else { 1 });
            match (order, self.slots[at].phase()) {
                (SweepOrder::Close(code), Phase::Open) => {
                    let (code, reason) = match code {
                        CloseCode::GOING_AWAY => (self.shutdown)(self.out.form(at).codec()),
                        code => (code, ""),
                    };
                    self.begin_close(at, code, reason, CloseCause::Drain);
                }
                (SweepOrder::Close(_), Phase::Proxy | Phase::Head) => self.close_socket(at),
                (SweepOrder::Abort, _) => self.abort(at, CloseCause::Drain),
                _ => {}
            }
            self.update_reading(at);
        }
        self.sweep = (next < self.slots.len()).then_some(Sweep { order, next });
    }
}

/// In visits of a member by a fan-out.
const COST_OF_AN_END: usize = 4;
