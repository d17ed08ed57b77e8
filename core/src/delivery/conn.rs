//! Outbound half of one connection: its send queue and the state of its socket.

use alloc::boxed::Box;

use crate::delivery::codec::Form;
use crate::delivery::flush_scheduler::QueuedLevels;
use crate::delivery::queue::Queue;
use crate::delivery::send_rate::SendRate;
use crate::proto::ws::deflate::Compressor;
use crate::table::Place;
use crate::time::Timestamp;

/// One row of the table of connections in [`Outbound`](crate::delivery::Outbound).
pub(crate) struct OutboundConn {
    pub(super) queue: Queue,
    pub(super) compressor: Compressor,
    /// From the time on when its socket was first full. That of most never is.
    pub(super) lag: Option<Box<Lag>>,
    pub(super) takes: Takes,
    /// How its data frames are encoded.
    pub(super) form: Form,
    /// The flush levels in which it is queued.
    pub(super) levels: QueuedLevels,
    /// Its bytes have been offered to the adapter, which has not said how many it wrote.
    pub(super) offered: bool,
    /// Its socket took less than it was offered.
    pub(super) blocked: bool,
    /// It is in the list of connections that shedding visits.
    pub(super) in_shedding_list: bool,
    pub(super) pressure: Pressure,
    /// It is to be closed because it does not keep up.
    pub(super) is_slow: bool,
}

/// How well a peer keeps up whose socket was full.
#[derive(Debug, Default)]
pub(super) struct Lag {
    pub(super) rate: SendRate,
    /// Since when the peer has taken nothing of what waits for it.
    pub(super) stalled: Option<Timestamp>,
    /// By how many microseconds the peer was behind the minimum rate when it last took
    /// something.
    pub(super) behind: u32,
}

/// What may be queued for a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Takes {
    /// Nothing: its socket is closed, or nobody is here.
    Nothing,
    /// Control frames and the answer to its request, but no messages.
    Control,
    /// Messages too.
    Messages,
}

/// Whether input waits for this connection's socket to be tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pressure {
    No,
    /// No, but it is in the list of connections for which input has waited.
    Listed,
    /// Yes, and it is in that list.
    Yes,
}

impl OutboundConn {
    /// Bytes of memory of a row.
    pub(crate) const BYTES: usize = size_of::<Self>();

    /// Returns the row of a new socket at this place.
    pub(super) const fn new(at: u32) -> Self {
        Self {
            queue: Queue::new(at),
            compressor: Compressor::NONE,
            lag: None,
            takes: Takes::Control,
            form: Form::DEFAULT,
            levels: QueuedLevels::NONE,
            offered: false,
            blocked: false,
            in_shedding_list: false,
            pressure: Pressure::No,
            is_slow: false,
        }
    }

    /// Returns since when the peer has taken nothing of what waits for it.
    pub(super) fn stalled(&self) -> Option<Timestamp> {
        self.lag.as_ref()?.stalled
    }

    /// Keeps the marks of lists that still hold the number of this place, so that the next
    /// occupant is not entered a second time.
    pub(super) const fn keep_listed(&mut self, before: &Self) {
        self.in_shedding_list = before.in_shedding_list;
        self.pressure = match before.pressure {
            Pressure::No => Pressure::No,
            Pressure::Listed | Pressure::Yes => Pressure::Listed,
        };
    }
}

impl Place for OutboundConn {
    fn vacate(&mut self, next: u32) {
        // The queue of a vacant place has no owner; its number is that of the next vacant one.
        let mut vacant = Self::new(next);
        vacant.takes = Takes::Nothing;
        vacant.keep_listed(self);
        *self = vacant;
    }

    fn next_vacant(&self) -> u32 {
        self.queue.owner()
    }
}
