//! Answers about connections: one explained, a selection, and a record of those that have ended.

use alloc::collections::BinaryHeap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::time::Duration;

use bytes::Bytes;

use crate::delivery::{Depth, Drops};
use crate::engine::Engine;
use crate::engine::memory_budget::SMALL;
use crate::inspect::closed::{CloseInfo, ClosedConnection, MAX_CLOSED_CHANNELS};
use crate::inspect::connection_info::{ConnectionInfo, ConnectionStage, MAX_CHANNELS, WaitReason};
use crate::inspect::connection_list::{ConnectionList, ConnectionQuery, SortBy};
use crate::session::app_types::AppTypes;
use crate::session::deferred::Wait;
use crate::session::http_exchange::AnswerSource;
use crate::session::phase::Phase;
use crate::time::Timestamp;

impl<A: AppTypes> Engine<A> {
    pub(crate) fn explain(&self, now: Timestamp, at: u32) -> ConnectionInfo {
        let (slot, connection) = (&self.slots[at], self.closed.ending(at));
        let (priorities, control_frames) = self.out.depths(now, at);
        let deferred = slot.deferred.as_deref();
        let channels = slot.memberships.iter().take(MAX_CHANNELS);
        let subprotocol = slot.subprotocol.name(&self.config.subprotocols);
        let open_for = slot.opened().map(|opened| now.since(opened));
        let unheard = now.since(slot.keepalive.last_received());
        ConnectionInfo {
            id: self.slots.id(at),
            peer: slot.peer.get(),
            stage: match slot.phase() {
                Phase::Proxy | Phase::Head => ConnectionStage::Request,
                Phase::Answering => ConnectionStage::Answer,
                Phase::Open => ConnectionStage::Open,
                Phase::Closing => ConnectionStage::Closing,
                Phase::Lingering => ConnectionStage::Lingering,
                Phase::Gone | Phase::Free => ConnectionStage::Gone,
            },
            open_for: open_for.or_else(|| connection.map(|connection| connection.open_for)),
            ending: connection.map(|connection| connection.ending),
            subprotocol: subprotocol.map(|name| name.map(String::from)),
            is_compressed: self.out.is_compressed(at),
            channels: channels
                .map(|m| self.registry.name(m.channel()).clone())
                .collect(),
            memberships: slot.memberships.len(),
            waiting: self.out.depth(now, at),
            priorities,
            control_frames,
            drops: self.out.drops(at),
            awaits: self.awaits(now, at),
            pause: self.pause(at),
            held_back_bytes: self.buffered_len(at),
            held_back_commands: deferred.map_or(0, |deferred| deferred.ops()),
            silent_for: unheard,
            application: Vec::new(),
            timer: self
                .next_timer(at)
                .map(|(timer, at)| (timer, at.since(now))),
        }
    }

    pub(crate) fn awaits(&self, now: Timestamp, at: u32) -> Vec<WaitReason> {
        let slot = &self.slots[at];
        let mut awaits = Vec::new();
        let wait = slot.deferred.as_ref().and_then(|deferred| deferred.wait);
        match wait {
            Some(Wait::Joined) => awaits.push(WaitReason::Joined),
            Some(Wait::Left(channel)) => {
                awaits.push(WaitReason::Left(self.registry.name(channel).clone()));
            }
            Some(Wait::Credit(owner)) => awaits.push(WaitReason::Credit(owner)),
            Some(Wait::Queue) => awaits.push(WaitReason::Queue),
            Some(Wait::Task) => awaits.push(WaitReason::Task),
            Some(Wait::Answers) => awaits.push(WaitReason::Answers),
            Some(Wait::Callback) => awaits.push(WaitReason::Turn),
            None if slot.flags.resuming() => awaits.push(WaitReason::Turn),
            None => {}
        }
        let has_nothing = self.out.is_empty(at);
        if self.out.is_blocked(at) {
            let since = self
                .out
                .stalled_since(at)
                .map_or(Duration::ZERO, |since| now.since(since));
            awaits.push(WaitReason::Socket(since));
        } else if !has_nothing {
            awaits.push(WaitReason::Write);
        }
        match slot.phase() {
            Phase::Proxy | Phase::Head => awaits.push(WaitReason::Request),
            Phase::Open if slot.decoder.pace_beyond(SMALL).is_some() => {
                awaits.push(WaitReason::Message(slot.decoder.message_bytes()));
            }
            Phase::Answering if has_nothing => {
                let source = self.exchange(at).map(|exchange| exchange.waits_for);
                awaits.push(match source {
                    Some(AnswerSource::Task) => WaitReason::Task,
                    Some(AnswerSource::Handler) => WaitReason::Application,
                    _ => WaitReason::Page,
                });
            }
            Phase::Closing if has_nothing => awaits.push(WaitReason::CloseFrame),
            Phase::Lingering => awaits.push(WaitReason::End),
            Phase::Gone if slot.awaited_answers > 0 => {
                awaits.push(WaitReason::Shards(slot.awaited_answers));
            }
            _ => {}
        }
        awaits
    }
}

impl<A: AppTypes> Engine<A> {
    pub(crate) fn connections(&self, now: Timestamp, filter: &ConnectionQuery) -> ConnectionList {
        let most = filter.most.min(ConnectionQuery::MOST);
        let mut matching = 0;
        // The last of those chosen is on top. Among equals, the lower slots are.
        let mut chosen = BinaryHeap::new();
        let mut look = |at: u32| {
            let Some(depth) = self.wanted(now, at, filter) else {
                return;
            };
            matching += 1;
            let place = (Reverse(filter.order.key(depth)), at);
            if chosen.len() < most {
                chosen.push(place);
            } else if chosen.peek().is_some_and(|last| place < *last) {
                chosen.pop();
                chosen.push(place);
            }
        };
        match &filter.channel {
            Some(name) => {
                let channel = self.registry.find(name);
                let members = channel.map_or(&[][..], |channel| self.registry.members(channel));
                members.iter().copied().for_each(&mut look);
            }
            None => self.slots.iter().for_each(|(at, _)| look(at)),
        }
        let chosen = chosen.into_sorted_vec().into_iter();
        ConnectionList {
            matching,
            connections: chosen.map(|(_, at)| self.explain(now, at)).collect(),
        }
    }

    /// What waits for a connection, if it is wanted.
    pub(crate) fn wanted(
        &self,
        now: Timestamp,
        at: u32,
        filter: &ConnectionQuery,
    ) -> Option<Depth> {
        if self.slots[at].phase() == Phase::Gone {
            return None;
        }
        let needs_age = filter.min_age > Duration::ZERO || filter.order == SortBy::Age;
        let mut depth = self.out.counted_depth(at);
        if !filter.admits(depth) {
            return None;
        }
        if needs_age {
            depth = self.out.depth(now, at);
        }
        (depth.oldest >= filter.min_age).then_some(depth)
    }
}

impl<A: AppTypes> Engine<A> {
    /// Remembers of a connection that ends what its slot is about to forget.
    pub(crate) fn remember(&mut self, at: u32, ending: CloseInfo) {
        let (id, opened) = (self.slots.id(at), self.slots[at].moment.take());
        let memberships = &self.slots[at].memberships;
        let channels = memberships.iter().take(MAX_CLOSED_CHANNELS);
        let connection = ClosedConnection {
            id,
            peer: self.slots[at].peer.get(),
            at: self.now,
            open_for: self.now.since(opened.unwrap_or(self.now)),
            ending,
            // Copies: they outlast the channels.
            channels: channels
                .map(|m| Bytes::copy_from_slice(self.registry.name(m.channel())))
                .collect(),
            memberships: memberships.len(),
            drops: Drops::default(),
        };
        self.closed.begin(at, connection);
    }

    /// Asserts that nothing is kept of slots that are free or given up, and that
    /// what was dropped of everyone's is what was dropped in all.
    #[cfg(feature = "testing")]
    pub(crate) fn audit_ledger(&self) {
        self.closed.audit();
        let mut kept = 0;
        for (at, slot) in self.slots.iter() {
            let is_ending = self.closed.ending(at).is_some();
            kept += usize::from(is_ending);
            let may_be_ending = matches!(slot.phase(), Phase::Closing | Phase::Lingering);
            assert!(!is_ending || may_be_ending, "{}", self.slots.id(at));
            let has_drops = self.out.drops(at) != Drops::default();
            assert!(slot.phase() != Phase::Gone || !has_drops);
        }
        let known = self.closed.known();
        assert_eq!(kept, known, "shard {}: kept of nobody", self.id.0);
        let closed = self.closed.gone().count();
        if closed == self.config.gone_connections {
            // Somebody may have been forgotten.
            return;
        }
        let closed = self.closed.gone().map(|each| each.drops);
        let each = self.out.all_drops().chain(closed);
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
        let d = &self.stats().delivery;
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
