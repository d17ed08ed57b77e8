//! State of one socket besides delivery. Together with its row in `delivery` it takes at most 184
//! bytes without application state, and an idle connection has nothing on the heap.

use alloc::boxed::Box;
use alloc::string::String;

use smallvec::SmallVec;

use crate::channels::registry::Memberships;
use crate::proto::wire::{Decoder, Wire};
use crate::proto::ws::Keepalive;
use crate::session::app_types::AppTypes;
use crate::session::deferred::Deferred;
use crate::session::links::Links;
use crate::session::peer::PeerAddr;
use crate::session::phase::{Phase, PhaseStep};
use crate::time::Timestamp;

/// A socket, and whatever it has become.
pub(crate) struct Slot<A: AppTypes> {
    pub(crate) decoder: Decoder,
    pub(crate) keepalive: Keepalive,
    /// When its phase must be over; or, where it is open, since when it is.
    pub(crate) moment: Option<Timestamp>,
    pub(crate) memberships: Memberships,
    pub(crate) deferred: Option<Box<Deferred<A>>>,
    pub(crate) links: Links,
    pub(crate) generation: u32,
    pub(crate) peer: PeerAddr,
    phase: Phase,
    pub(crate) flags: Flags,
    /// The subprotocol agreed on.
    pub(crate) subprotocol: SubprotocolIndex,
    /// Answers of other shards that are still to come.
    pub(crate) awaited_answers: u16,
    pub(crate) state: Option<A::State>,
}

/// What is true of a socket besides its phase: one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flags(u8);

macro_rules! flags {
    ($($(#[$doc:meta])* $bit:literal $name:ident $set:ident,)*) => {
        impl Flags {
            $(
                $(#[$doc])*
                pub(crate) const fn $name(self) -> bool {
                    self.0 & 1 << $bit != 0
                }

                pub(crate) const fn $set(&mut self, value: bool) {
                    self.0 = self.0 & !(1 << $bit) | (value as u8) << $bit;
                }
            )*
        }
    };
}

flags! {
    /// It stands in the list of those to be gone on with.
    0 resuming set_resuming,
    /// A time-out of it has been restarted because nobody looked when it was over, and
    /// nothing has shown since that the peer lives.
    1 excused set_excused,
    /// The adapter was told not to read it.
    2 unread set_unread,
    /// The peer has shut its side.
    3 eof set_eof,
    /// It is beyond the limit of connections and gets 503.
    4 surplus set_surplus,
    /// It has become a WebSocket connection.
    5 upgraded set_upgraded,
    /// The adapter has let go of its socket.
    6 released set_released,
    /// It has ended, and the application is still to be told.
    7 ending set_ending,
}

/// A subprotocol by its place among those of the configuration, counted from
/// one: 0 is none, and the largest one that is not listed there. The last but one is that of a
/// connection whose handshake another server has answered, without any.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct SubprotocolIndex(u8);

impl SubprotocolIndex {
    /// The handshake was answered before the connection came here.
    pub(crate) const ANSWERED: Self = Self(u8::MAX - 1);
    /// The connection is of an internal listener. None is agreed on.
    pub(crate) const INTERNAL: Self = Self(u8::MAX - 2);

    pub(crate) fn new(agreed: Option<&str>, listed: &[String]) -> Self {
        let Some(agreed) = agreed else {
            return Self::default();
        };
        let place = listed.iter().position(|listed| listed == agreed);
        let place = place.filter(|&place| place + 1 < usize::from(Self::INTERNAL.0));
        Self(place.map_or(u8::MAX, |place| (place + 1) as u8))
    }

    /// Its name; that of one that is not listed is not kept.
    pub(crate) fn name(self, listed: &[String]) -> Option<Option<&str>> {
        if [Self::ANSWERED, Self::INTERNAL].contains(&self) {
            return None;
        }
        let place = usize::from(self.0.checked_sub(1)?);
        Some(
            listed
                .get(place)
                .map(String::as_str)
                .filter(|_| self.0 < u8::MAX),
        )
    }
}

impl<A: AppTypes> Slot<A> {
    /// That of a socket of which nothing has come.
    pub(crate) fn new(keepalive: Keepalive, generation: u32) -> Self {
        Self {
            decoder: Decoder::new(Wire::WebSocket, None, 0),
            keepalive,
            moment: None,
            memberships: SmallVec::new(),
            deferred: None,
            links: Links::NONE,
            generation,
            peer: PeerAddr::NONE,
            phase: Phase::Head,
            flags: Flags::default(),
            subprotocol: SubprotocolIndex::default(),
            awaited_answers: 0,
            state: None,
        }
    }

    /// Whether another server has answered its opening handshake.
    pub(crate) fn is_answered(&self) -> bool {
        self.subprotocol == SubprotocolIndex::ANSWERED
    }

    /// Whether it is of an internal listener.
    pub(crate) fn is_internal(&self) -> bool {
        self.subprotocol == SubprotocolIndex::INTERNAL
    }

    /// Returns how far it has come.
    #[inline]
    pub(crate) const fn phase(&self) -> Phase {
        self.phase
    }

    /// The header of a proxy stands in front of all that comes. Only of a socket of which nothing has
    /// come.
    pub(crate) const fn expect_proxy(&mut self) {
        self.phase = Phase::Proxy;
    }

    /// Takes a step in its life.
    pub(crate) fn advance(&mut self, step: PhaseStep) {
        let next = self.phase.after(step);
        debug_assert!(next.is_some(), "{step:?} from {:?}", self.phase);
        self.phase = next.unwrap_or(self.phase);
    }

    /// Leaves its place to whoever comes next.
    pub(super) const fn vacate_phase(&mut self) {
        self.phase = Phase::Free;
    }

    /// When its phase must be over.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.moment.filter(|_| self.phase != Phase::Open)
    }

    /// Since when it is open.
    pub(crate) fn opened(&self) -> Option<Timestamp> {
        self.moment.filter(|_| self.phase == Phase::Open)
    }

    /// Whether what it sent must wait for something.
    pub(crate) fn is_parked(&self) -> bool {
        self.deferred
            .as_ref()
            .is_some_and(|deferred| deferred.wait.is_some())
    }

    /// Whether commands of it are held back, or would have to be.
    pub(crate) fn has_deferred_ops(&self) -> bool {
        self.deferred
            .as_ref()
            .is_some_and(|deferred| deferred.wait.is_some() || deferred.has_ops())
    }

    /// Whether bytes or commands of it are held back.
    pub(crate) fn is_deferring(&self) -> bool {
        self.deferred
            .as_ref()
            .is_some_and(|deferred| deferred.wait.is_some() || !deferred.is_empty())
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
        let name = |agreed| SubprotocolIndex::new(agreed, &listed).name(&listed);
        assert_eq!(name(None), None);
        assert_eq!(name(Some("v0")), Some(Some("v0")));
        assert_eq!(name(Some("v251")), Some(Some("v251")));
        for unnamed in ["v252", "v253", "v254", "v299", "other"] {
            assert_eq!(name(Some(unnamed)), Some(None), "{unnamed}");
        }
        for unnamed in [SubprotocolIndex::ANSWERED, SubprotocolIndex::INTERNAL] {
            assert_eq!(unnamed.name(&listed), None);
        }
    }
}
