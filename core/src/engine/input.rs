//! State of a connection's input: arrival of bytes, pongs, and whether the adapter reads the
//! socket. Does not contain the decoding, which is in `shard::input`.

use alloc::vec::Vec;

use crate::engine::Engine;
use crate::engine::output::Output;
use crate::id::ConnId;
use crate::inspect::connection_info::Pause;
use crate::proto::wire::Decoder;
use crate::session::app_types::AppTypes;
use crate::session::phase::Phase;

impl<A: AppTypes> Engine<A> {
    /// Notes that bytes have come; `None` if nobody wants them.
    pub(crate) fn begin_input(&mut self, id: ConnId, n: usize) -> Option<u32> {
        let at = self.slots.find(id)?;
        let now = self.now;
        self.counts.received.bytes += n as u64;
        let ping_interval = self.config.ping_interval;
        let slot = &mut self.slots[at];
        slot.keepalive.handle_input(now, ping_interval);
        if let Some(pace) = slot.decoder.pace_mut()
            && let Some(since) = pace.since.replace(now)
            && let Some(rate) = self.config.send_rate()
        {
            let gap = rate.gap(pace.behind, since, now, self.config.timer_tolerance());
            pace.behind = rate.advance(pace.behind, gap, n);
        }
        let is_wanted = match slot.phase() {
            Phase::Head | Phase::Open | Phase::Closing => true,
            // The next request may come before the answer to this one.
            Phase::Answering => self.exchange(at).is_some(),
            Phase::Free | Phase::Proxy | Phase::Lingering | Phase::Gone => false,
        };
        is_wanted.then_some(at)
    }

    /// Opens bytes that have come through a transport; says whether the peer sends nothing more.
    /// `None` if the peer broke its protocol; then the link is closed once what is sealed for it has
    /// been written.
    pub(crate) fn open_sealed(&mut self, at: u32, bytes: &mut [u8]) -> Option<(Vec<u8>, bool)> {
        if self.out.keep_for_next_turn(at, bytes) {
            self.schedule(at);
            self.update_reading(at);
            return Some((Vec::new(), false));
        }
        let mut plain = self.decode_buffers.buffers.take_for(bytes.len());
        if let Ok(opened) = self.out.open_sealed(at, bytes, &mut plain) {
            self.counts.links.transports_agreed += u64::from(opened.has_agreed);
            return Some((plain, opened.is_over));
        }
        self.counts.links.transports_failed += 1;
        self.decode_buffers.give(plain);
        self.fail_transport(at);
        None
    }

    /// Returns whether all that an open connection has sent is done, and the adapter reads it: the
    /// usual case, in which there is nothing to see to after input.
    #[inline]
    pub(crate) fn is_up_to_date(&self, at: u32) -> bool {
        let slot = &self.slots[at];
        slot.phase() == Phase::Open
            && slot.deferred.is_none()
            && !slot.decoder.is_amid_message()
            && !slot.flags.eof()
            && !slot.flags.unread()
            && !self.is_throttled(at)
            && !self.draining
    }

    /// Sees to it that a message which has not come to its end is looked at in time.
    #[inline]
    pub(crate) fn watch_message(&mut self, at: u32) {
        let now = self.now;
        if let Some(pace) = self.slots[at].decoder.pace_mut() {
            pace.since.get_or_insert(now);
            self.rearm(at);
        }
    }

    pub(crate) fn pong(&mut self, at: u32, payload: &[u8]) {
        self.counts.received.pings += 1;
        let is_open = self.slots[at].phase() == Phase::Open;
        self.out.send_pong(at, is_open, payload);
    }

    /// Returns why a connection is not to be read, if it is not.
    pub(crate) fn pause(&self, at: u32) -> Option<Pause> {
        let slot = &self.slots[at];
        match slot.phase() {
            Phase::Open => {}
            Phase::Head if self.out.waits_for_turn(at) => return Some(Pause::Behind),
            // Requests behind one that is not answered wait.
            Phase::Answering => {
                let holds = self.exchange(at).is_some() && self.buffered_len(at) > 0;
                return holds.then_some(Pause::Behind);
            }
            // What an application asks for when a connection has ended may wait; its close frame
            // is read all the same.
            _ => return None,
        }
        if slot.is_parked() {
            Some(Pause::Awaits)
        } else if self.is_throttled(at) {
            Some(Pause::Throttled)
        } else if self.draining {
            Some(Pause::Drain)
        } else if self.buffered_len(at) > MAX_BUFFERED {
            // A peer that sends faster than its messages are handled would otherwise fill our
            // memory instead of its own.
            Some(Pause::Behind)
        } else {
            None
        }
    }

    /// Tells the adapter whether to read the connection, if that has changed.
    pub(crate) fn update_reading(&mut self, at: u32) {
        let (unread, id) = (self.pause(at).is_some(), self.slots.id(at));
        let (now, ping_interval) = (self.now, self.config.ping_interval);
        let slot = &mut self.slots[at];
        let has_link = !matches!(slot.decoder, Decoder::Detached);
        let is_there = has_link && !matches!(slot.phase(), Phase::Gone | Phase::Free);
        if slot.flags.unread() != unread && is_there {
            slot.flags.set_unread(unread);
            if !unread {
                // What it has said meanwhile is yet to be read.
                slot.keepalive.handle_input(now, ping_interval);
                if let Some(pace) = slot.decoder.pace_mut() {
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
const MAX_BUFFERED: usize = 64 << 10;
