//! Owns what a shard keeps for one socket. The whole of it, application state
//! apart, stays below 192 bytes, and an idle connection has nothing on the heap.

use alloc::boxed::Box;
use alloc::string::String;

use smallvec::SmallVec;

use super::flush_scheduler::Standing;
use super::pace::Pace;
use super::pending::Pending;
use super::wheel::Links;
use crate::conn::{Connection, Keepalive, Role};
use crate::handler::Handler;
use crate::queue::Queue;
use crate::room::Membership;
use crate::time::Timestamp;

/// How far a socket has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Nobody is here.
    Free,
    /// Its request head is being read.
    Head,
    /// A page or a refusal is on its way to it.
    Answering,
    /// It is upgraded.
    Open,
    /// It is upgraded and ending: what waits is written, nothing is taken.
    Closing,
    /// Our side is shut; the peer's is awaited, so that what we wrote last is
    /// not destroyed by a reset.
    Lingering,
    /// The socket is given up; answers of other shards may be awaited.
    Gone,
}

/// The rooms of a connection.
pub(super) type Memberships = SmallVec<[Membership; 2]>;

/// A socket, and whatever it has become.
pub(super) struct Slot<H: Handler> {
    pub(super) conn: Connection,
    pub(super) queue: Queue,
    pub(super) keepalive: Keepalive,
    /// When its phase must be over; or, where it is open, since when it is.
    pub(super) moment: Option<Timestamp>,
    /// Since when the peer has taken nothing of what waits for it.
    pub(super) stalled: Option<Timestamp>,
    pub(super) pace: Pace,
    pub(super) memberships: Memberships,
    pub(super) pending: Option<Box<Pending<H>>>,
    pub(super) links: Links,
    /// By how many microseconds the peer was behind the rate at which it has to take what
    /// waits for it when it last took something.
    pub(super) behind: u32,
    pub(super) generation: u32,
    pub(super) phase: Phase,
    pub(super) flags: Flags,
    /// The subprotocol agreed on.
    pub(super) subprotocol: Subprotocol,
    /// Answers of other shards that are still to come.
    pub(super) answers: u16,
    pub(super) state: Option<H::State>,
}

/// Most of a slot is the same for every application.
pub const SLOT_BYTES: usize = size_of::<Slot<crate::Echo>>();
const _: () = assert!(SLOT_BYTES <= 184);

/// What is true of a socket besides its phase.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    /// Where it stands among those to be flushed.
    pub(super) flush: Standing,
    /// The adapter has taken what goes out next and not yet said how much of it did.
    pub(super) offered: bool,
    /// Its socket took less than it was offered.
    pub(super) blocked: bool,
    /// It stands among those whose sockets took less than they were offered.
    pub(super) lags: bool,
    /// Its queue is half full, and nobody has seen yet whether its socket takes more.
    pub(super) pressing: Pressing,
    /// It is to be closed because it does not keep up, and takes nothing more.
    pub(super) slow: bool,
    /// It stands in the list of those to be gone on with.
    pub(super) resuming: bool,
    /// A time-out of it has begun anew because nobody looked when it was over, and
    /// nothing has shown since that the peer lives.
    pub(super) excused: bool,
    /// The adapter was told not to read it.
    pub(super) unread: bool,
    /// The peer has shut its side.
    pub(super) eof: bool,
    /// It is beyond the limit of connections and gets 503.
    pub(super) surplus: bool,
    /// It has become a WebSocket connection.
    pub(super) upgraded: bool,
    /// The adapter has let go of its socket.
    pub(super) released: bool,
}

/// Whether a connection is pressing, and stands in the list of those that have been.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Pressing {
    #[default]
    No,
    /// It was.
    Listed,
    /// It is, and it stands there.
    Yes,
}

/// A subprotocol by its place among those of the configuration, counted from
/// one: 0 is none, and the largest one that is not listed there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Subprotocol(u8);

impl Subprotocol {
    pub(super) fn new(agreed: Option<&str>, listed: &[String]) -> Self {
        let Some(agreed) = agreed else {
            return Self::default();
        };
        let place = listed.iter().position(|listed| listed == agreed);
        Self(place.map_or(u8::MAX, |place| (place + 1).min(u8::MAX.into()) as u8))
    }

    /// Its name; that of one that is not listed is not kept.
    pub(super) fn name(self, listed: &[String]) -> Option<Option<&str>> {
        let place = usize::from(self.0.checked_sub(1)?);
        Some(
            listed
                .get(place)
                .map(String::as_str)
                .filter(|_| self.0 < u8::MAX),
        )
    }
}

impl<H: Handler> Slot<H> {
    /// That of a socket of which nothing has come.
    pub(super) fn new(at: u32, keepalive: Keepalive, generation: u32) -> Self {
        Self {
            conn: Connection::new(Role::Server),
            queue: Queue::new(at),
            keepalive,
            moment: None,
            stalled: None,
            pace: Pace::default(),
            behind: 0,
            memberships: SmallVec::new(),
            pending: None,
            links: Links::NONE,
            generation,
            phase: Phase::Head,
            flags: Flags::default(),
            subprotocol: Subprotocol::default(),
            answers: 0,
            state: None,
        }
    }

    /// When its phase must be over.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.moment.filter(|_| self.phase != Phase::Open)
    }

    /// Since when it is open.
    pub(super) fn opened(&self) -> Option<Timestamp> {
        self.moment.filter(|_| self.phase == Phase::Open)
    }

    /// Whether what it sent must wait for something.
    pub(super) fn is_parked(&self) -> bool {
        self.pending
            .as_ref()
            .is_some_and(|pending| pending.wait.is_some())
    }

    /// Whether commands of it are held back, or would have to be.
    pub(super) fn has_program(&self) -> bool {
        self.pending
            .as_ref()
            .is_some_and(|pending| pending.wait.is_some() || pending.has_ops())
    }

    /// Whether bytes or commands of it are held back.
    pub(super) fn is_behind(&self) -> bool {
        self.pending
            .as_ref()
            .is_some_and(|pending| pending.wait.is_some() || !pending.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn a_subprotocol_is_known_by_its_place_and_one_without_is_not_named() {
        let listed: Vec<String> = (0..300).map(|n| format!("v{n}")).collect();
        let name = |agreed| Subprotocol::new(agreed, &listed).name(&listed);
        assert_eq!(name(None), None);
        assert_eq!(name(Some("v0")), Some(Some("v0")));
        assert_eq!(name(Some("v253")), Some(Some("v253")));
        for unnamed in ["v254", "v299", "other"] {
            assert_eq!(name(Some(unnamed)), Some(None), "{unnamed}");
        }
    }
}
