//! Owns what happens to bytes: from the socket through the request head or the
//! frames to the handler, and what is kept until the rest has come.

use crate::engine::Engine;
use crate::engine::output::Output;
use crate::id::ConnId;
use crate::session::app_types::AppTypes;
use crate::session::slot::Phase;

impl<A: AppTypes> Engine<A> {
    /// Notes that bytes have come; `None` if nobody wants them.
    pub(crate) fn begin_input(&mut self, id: ConnId, n: usize) -> Option<u32> {
        let at = self.slots.find(id)?;
        let now = self.now;
        self.counts.received.bytes += n as u64;
        let ping_interval = self.config.ping_interval;
        let slot = &mut self.slots[at];
        slot.keepalive.handle_input(now, ping_interval);
        if let Some(pace) = slot.conn.pace_mut()
            && let Some(since) = pace.since.replace(now)
            && let Some(rate) = self.config.send_rate()
        {
            let gap = rate.gap(pace.behind, since, now, self.config.timer_tolerance());
            pace.behind = rate.advance(pace.behind, gap, n);
        }
        matches!(slot.phase, Phase::Head | Phase::Open | Phase::Closing).then_some(at)
    }

    /// Sees to it that a message which has not come to its end is looked at in time.
    #[inline]
    pub(crate) fn watch_message(&mut self, at: u32) {
        let now = self.now;
        if let Some(pace) = self.slots[at].conn.pace_mut() {
            pace.since.get_or_insert(now);
            self.rearm(at);
        }
    }

    pub(crate) fn pong(&mut self, at: u32, payload: &[u8]) {
        self.counts.received.pings += 1;
        let is_open = self.slots[at].phase == Phase::Open;
        self.out.send_pong(at, is_open, payload);
    }

    /// Tells the adapter whether to read the connection, if that has changed.
    pub(crate) fn update_reading(&mut self, at: u32) {
        let slot = &self.slots[at];
        // Whoever sends faster than what it sends can be done would otherwise
        // fill our memory instead of its own.
        let is_far_behind = self.buffered_len(at) > MOST_HELD_BACK;
        let (unread, id) = (
            slot.is_parked() || (slot.phase == Phase::Open && (self.draining || is_far_behind)),
            self.slots.id(at),
        );
        let (now, ping_interval) = (self.now, self.config.ping_interval);
        let slot = &mut self.slots[at];
        let is_there = !matches!(slot.phase, Phase::Gone | Phase::Free);
        if slot.flags.unread != unread && is_there {
            slot.flags.unread = unread;
            if !unread {
                // What it has said meanwhile is yet to be read.
                slot.keepalive.handle_input(now, ping_interval);
                if let Some(pace) = slot.conn.pace_mut() {
                    pace.since = Some(now);
                }
            }
            self.outputs.push_back(if unread {
                Output::StopReading(id)
            } else {
                Output::StartReading(id)
            });
        }
    }
}

/// Whether a new socket is within the limit of connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It is.
    Normal,
    /// It is one too many: a request to become a WebSocket is answered with 503.
    Surplus,
}

/// Bytes held back for a connection beyond which it is not read; far more than
/// the piece of a frame that is left over when all is done.
const MOST_HELD_BACK: usize = 64 << 10;
