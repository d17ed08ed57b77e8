//! Outbound half of one connection: its send queue and the state of its socket.

use alloc::boxed::Box;

use crate::delivery::codec::Form;
use crate::delivery::flush_scheduler::QueuedLevels;
use crate::delivery::queue::Queue;
use crate::delivery::sealed::Sealed;
use crate::delivery::send_rate::SendRate;
use crate::proto::ws::deflate::Compressor;
use crate::table::Place;
use crate::time::Timestamp;

/// One row of the table of connections in [`Outbound`](crate::delivery::Outbound).
pub(crate) struct OutboundConn {
    pub(super) queue: Queue,
    pub(super) compressor: Compressor,
    /// From the time on when its socket was first full, and where its link has a transport. Most
    /// have none.
    pub(super) link: Option<Box<LinkState>>,
    pub(super) takes: Takes,
    /// How its data frames are encoded.
    pub(super) form: Form,
    pub(super) seal: Seal,
    /// The flush levels in which it is queued.
    pub(super) levels: QueuedLevels,
    /// Its bytes have been offered to the adapter, which has not said how many it wrote.
    pub(super) offered: bool,
    /// Why nothing is written to its socket.
    pub(super) stop: WriteStop,
    /// It is in the list of connections that shedding visits.
    pub(super) in_shedding_list: bool,
    pub(super) pressure: Pressure,
}

/// Why nothing is written to a socket at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct WriteStop(u8);

impl WriteStop {
    const BLOCKED: u8 = 1;
    const HELD: u8 = 2;

    /// Returns whether there is a reason.
    #[inline]
    pub(super) const fn is_any(self) -> bool {
        self.0 != 0
    }

    /// Returns whether the socket took less than it was offered.
    #[inline]
    pub(super) const fn is_blocked(self) -> bool {
        self.0 & Self::BLOCKED != 0
    }

    #[inline]
    pub(super) const fn set_blocked(&mut self, is_blocked: bool) {
        self.0 = self.0 & !Self::BLOCKED | is_blocked as u8;
    }

    /// Sets whether the application holds writes back. Returns whether it did.
    pub(super) const fn set_held(&mut self, is_held: bool) -> bool {
        let was_held = self.0 & Self::HELD != 0;
        self.0 = self.0 & !Self::HELD | if is_held { Self::HELD } else { 0 };
        was_held
    }
}

/// What is known of a link's transport without looking there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seal {
    /// There is none.
    None,
    /// Nothing that it has sealed waits.
    Empty,
    /// Sealed bytes wait to be written.
    Waits,
}

/// How well a peer keeps up whose socket was full, and the transport of the link.
#[derive(Debug, Default)]
pub(super) struct LinkState {
    pub(super) sealed: Option<Sealed>,
    pub(super) rate: SendRate,
    /// Since when the peer has taken nothing of what waits for it.
    pub(super) stalled: Option<Timestamp>,
    /// By how many microseconds the peer was behind the minimum rate when it last took
    /// something.
    pub(super) behind: u32,
}

/// What follows from a write.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(crate) struct Written {
    /// Whether something had been offered.
    pub(crate) was_offered: bool,
    /// Whether the socket takes no more for now.
    pub(crate) is_blocked: bool,
    /// Whether nothing waits any more.
    pub(crate) is_empty: bool,
    /// Whether the time in which a blocked peer has to take something has begun anew.
    pub(crate) restarts_timer: bool,
    /// The new limit on bytes that the kernel may hold unsent, if it changes.
    pub(crate) unsent_limit: Option<u32>,
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

impl LinkState {
    /// Returns the bytes of memory that it takes.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.sealed.as_ref().map_or(0, Sealed::memory)
    }
}

impl OutboundConn {
    /// Bytes of memory of a row.
    pub(crate) const BYTES: usize = size_of::<Self>();

    /// Returns the row of a new socket at this place.
    pub(super) const fn new(at: u32) -> Self {
        Self {
            queue: Queue::new(at),
            compressor: Compressor::NONE,
            link: None,
            takes: Takes::Control,
            form: Form::DEFAULT,
            seal: Seal::None,
            levels: QueuedLevels::NONE,
            offered: false,
            stop: WriteStop(0),
            in_shedding_list: false,
            pressure: Pressure::No,
        }
    }

    /// Returns whether nothing waits in its queue, or sealed.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.seal != Seal::Waits
    }

    /// Returns since when the peer has taken nothing of what waits for it.
    pub(super) fn stalled(&self) -> Option<Timestamp> {
        self.link.as_ref()?.stalled
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
