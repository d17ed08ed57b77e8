//! Owns what a shard knows of single connections besides their slots: what was
//! dropped of theirs, why they ended, and, for a while, who has gone. Whoever
//! keeps up and stays costs nothing here.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::CloseCode;
use crate::app::Handler;
use crate::error::PeerError;
use crate::id::ConnId;
use crate::inspect::stats::CloseCause;
use crate::shard::engine::Engine;
use crate::table::Peak;
use crate::time::Timestamp;

/// Messages for one connection that were not written, by what became of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Drops {
    /// Refused because its queue was full of nothing that could go.
    pub refused: u64,
    /// Pushed out of its full queue by others.
    pub evicted: u64,
    /// Dropped because their time to live had passed.
    pub expired: u64,
    /// Replaced by newer ones with the same key.
    pub conflated: u64,
    /// Dropped because the shard had not enough memory.
    pub shed: u64,
    /// Thrown away because it ended first.
    pub discarded: u64,
}

/// Why a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CloseInfo {
    /// What began it.
    pub cause: CloseCause,
    /// The code of the close frame that began it: the peer's, where that closed;
    /// otherwise ours, if there was one.
    pub code: Option<CloseCode>,
    /// What the peer did wrong, if that was it.
    pub error: Option<PeerError>,
}

/// What is remembered of a connection that has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ClosedConnection {
    /// Who it was.
    pub id: ConnId,
    /// When it ended.
    pub at: Timestamp,
    /// How long it had been open.
    pub open_for: Duration,
    /// Why it ended.
    pub ending: CloseInfo,
    /// The rooms that it was in, the first few.
    pub rooms: Vec<Bytes>,
    /// How many those were in all.
    pub memberships: usize,
    /// What was dropped of what was for it.
    pub drops: Drops,
}

/// What is known of single connections.
#[derive(Debug)]
pub(crate) struct ClosedConnections {
    /// By slot: of whom something was dropped, and who is ending. Boxed, since all are moved in
    /// one go when the table grows, however many there are.
    entries: HashMap<u32, Box<Entry>, FixedState>,
    peak: Peak,
    /// Who has gone, the oldest first.
    gone: VecDeque<ClosedConnection>,
    /// How many of those are kept.
    limit: usize,
    /// Bytes of memory that the rooms of all of these take.
    room_bytes: usize,
}

#[derive(Debug, Default)]
struct Entry {
    drops: Drops,
    departure: Option<ClosedConnection>,
}

impl CloseInfo {
    pub(crate) const fn new(cause: CloseCause) -> Self {
        Self::with_code(cause, None)
    }

    pub(crate) const fn with_code(cause: CloseCause, code: Option<CloseCode>) -> Self {
        Self {
            cause,
            code,
            error: None,
        }
    }

    pub(crate) const fn of_error(error: PeerError) -> Self {
        Self {
            cause: CloseCause::PeerError,
            code: Some(error.close_code()),
            error: Some(error),
        }
    }
}

impl ClosedConnection {
    /// Bytes of memory that its rooms take.
    fn room_bytes(&self) -> usize {
        let names = self.rooms.iter().map(Bytes::len).sum::<usize>();
        self.rooms.capacity() * size_of::<Bytes>() + names
    }
}

impl ClosedConnections {
    pub(crate) fn new(seed: u64, limit: usize) -> Self {
        Self {
            entries: HashMap::with_hasher(FixedState::with_seed(seed)),
            peak: Peak::default(),
            gone: VecDeque::new(),
            limit,
            room_bytes: 0,
        }
    }

    /// Where it is counted what is dropped of a connection's.
    pub(crate) fn drops(&mut self, at: u32) -> &mut Drops {
        &mut self.entries.entry(at).or_default().drops
    }

    /// What was dropped of a connection's.
    pub(crate) fn drops_of(&self, at: u32) -> Drops {
        self.entries
            .get(&at)
            .map(|entry| entry.drops)
            .unwrap_or_default()
    }

    /// What is known of the end of a connection that is ending.
    pub(crate) fn departure(&self, at: u32) -> Option<&ClosedConnection> {
        self.entries.get(&at)?.departure.as_ref()
    }

    /// A connection begins to end.
    pub(crate) fn begin(&mut self, at: u32, departure: ClosedConnection) {
        self.room_bytes += departure.room_bytes();
        self.entries.entry(at).or_default().departure = Some(departure);
    }

    /// A slot is given up; if that was a connection, it has gone.
    pub(crate) fn close(&mut self, at: u32) {
        self.peak.note(self.entries.len());
        let Some(entry) = self.entries.remove(&at) else {
            return;
        };
        let Entry { drops, departure } = *entry;
        if let Some(departure) = departure {
            self.add(ClosedConnection { drops, ..departure });
        }
    }

    /// Gives memory back that was not needed since the last time.
    pub(crate) fn decay(&mut self) {
        let (len, capacity) = (self.entries.len(), self.entries.capacity());
        if let Some(most) = self.peak.decay(len, capacity) {
            self.entries.shrink_to(most);
        }
    }

    /// Bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        self.entries.allocation_size()
            + self.entries.len() * size_of::<Entry>()
            + self.gone.capacity() * size_of::<ClosedConnection>()
            + self.room_bytes
    }

    /// What of that the rooms take, counted anew.
    #[cfg(any(test, feature = "testing"))]
    fn count_room_bytes(&self) -> usize {
        let ending = self
            .entries
            .values()
            .filter_map(|entry| entry.departure.as_ref());
        ending
            .chain(&self.gone)
            .map(ClosedConnection::room_bytes)
            .sum()
    }

    /// Who has gone, the latest first.
    pub(crate) fn gone(&self) -> impl Iterator<Item = &ClosedConnection> {
        self.gone.iter().rev()
    }

    fn add(&mut self, departure: ClosedConnection) {
        let oldest = if self.limit == 0 {
            self.room_bytes -= departure.room_bytes();
            return;
        } else if self.gone.len() >= self.limit {
            self.gone.pop_front()
        } else {
            None
        };
        self.room_bytes -= oldest.map_or(0, |oldest| oldest.room_bytes());
        self.gone.push_back(departure);
    }
}

impl<H: Handler> Engine<H> {
    /// Remembers of a connection that ends what its slot is about to forget.
    pub(crate) fn remember(&mut self, at: u32, ending: CloseInfo) {
        let (id, opened) = (self.slots.id(at), self.slots[at].moment.take());
        let memberships = &self.slots[at].memberships;
        let rooms = memberships.iter().take(MOST_ROOMS);
        let departure = ClosedConnection {
            id,
            at: self.now,
            open_for: self.now.since(opened.unwrap_or(self.now)),
            ending,
            // Copies: they outlast the rooms.
            rooms: rooms
                .map(|m| Bytes::copy_from_slice(self.rooms.name(m.room)))
                .collect(),
            memberships: memberships.len(),
            drops: Drops::default(),
        };
        self.ledger.begin(at, departure);
    }

    /// What the next shard in this one's place is to remember. Rooms are not
    /// asked of a shard that has failed.
    pub(crate) fn bequeath(&mut self) -> ClosedConnections {
        let limit = self.config.gone_connections;
        let mut ledger = core::mem::replace(&mut self.ledger, ClosedConnections::new(0, limit));
        for (at, slot) in self.slots.iter() {
            if let Some(opened) = slot.opened() {
                let departure = ClosedConnection {
                    id: self.slots.id(at),
                    at: self.now,
                    open_for: self.now.since(opened),
                    ending: CloseInfo::new(CloseCause::Panic),
                    rooms: Vec::new(),
                    memberships: slot.memberships.len(),
                    drops: Drops::default(),
                };
                ledger.begin(at, departure);
            }
            ledger.close(at);
        }
        ledger.entries.clear();
        ledger.room_bytes = ledger.gone.iter().map(ClosedConnection::room_bytes).sum();
        ledger
    }

    /// Asserts that nothing is kept of slots that are free or given up, and that
    /// what was dropped of everyone's is what was dropped in all.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn audit_ledger(&self) {
        use crate::session::slot::Phase;
        assert_eq!(self.ledger.room_bytes, self.ledger.count_room_bytes());
        let (entries, gone) = (&self.ledger.entries, &self.ledger.gone);
        let mut kept = 0;
        for (at, slot) in self.slots.iter() {
            let is_ending = self.ledger.departure(at).is_some();
            kept += usize::from(entries.contains_key(&at));
            let may_be_ending = matches!(slot.phase, Phase::Closing | Phase::Lingering);
            assert!(!is_ending || may_be_ending, "{}", self.slots.id(at));
            assert!(slot.phase != Phase::Gone || !entries.contains_key(&at));
        }
        assert_eq!(kept, entries.len(), "shard {}: kept of nobody", self.id.0);
        assert!(gone.len() <= self.config.gone_connections);
        if gone.len() == self.config.gone_connections || self.life() > 0 {
            // Somebody may have been forgotten, or have failed.
            return;
        }
        let gone = gone.iter().map(|departure| departure.drops);
        let each = entries.values().map(|entry| entry.drops).chain(gone);
        let mut sums = [0; 6];
        for drops in each {
            let parts = [
                drops.refused,
                drops.evicted,
                drops.expired,
                drops.conflated,
                drops.shed,
                drops.discarded,
            ];
            sums = core::array::from_fn(|at| sums[at] + parts[at]);
        }
        let d = &self.counts.delivery;
        let all = [
            d.refused_full,
            d.evicted,
            d.expired,
            d.conflated,
            d.shed,
            d.discarded,
        ];
        assert_eq!(sums, all, "shard {}: of each and in all", self.id.0);
    }
}

/// Rooms of one connection that are remembered when it has gone.
const MOST_ROOMS: usize = 8;
