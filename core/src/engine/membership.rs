//! Join, leave and publish, on the shard of the connection and on the owner shard of the room.
//! Everything about a room passes its owner in order. A connection waits for the owner's answer to
//! a join or leave, so the result does not depend on which shard is the owner.

use alloc::boxed::Box;

use bytes::Bytes;

use crate::channels::delivery_report::counted;
use crate::channels::fan_outs::EVERYONE;
use crate::channels::message::{
    Completion, Count, MessageBody, Notification, Origin, OwnerRequest, Publication, ShardMessage,
};
use crate::channels::registry::{Membership, Memberships, list_bytes};
use crate::delivery::MessagePayload;
use crate::delivery::queue::SendOptions;
use crate::engine::Engine;
use crate::engine::output::Output;
use crate::id::{ConnId, ShardId};
use crate::proto::ws::opcode::MessageType;
use crate::session::app_types::AppTypes;
use crate::session::deferred::{PendingOp, Wait};
use crate::session::slot::Phase;
use crate::sync::{AtomicCounters, OnceLock, SharedRef};

impl<A: AppTypes> Engine<A> {
    /// The connection's membership in a room, if it has one.
    pub(crate) fn membership(&self, at: u32, name: &[u8]) -> Option<Membership> {
        self.slots[at]
            .memberships
            .iter()
            .copied()
            .find(|m| self.rooms.name(m.room) == name)
    }

    /// Makes the connection a member, or asks the owner to.
    pub(crate) fn join(&mut self, at: u32, name: &[u8]) -> Result<(), Wait> {
        if self.slots[at].phase != Phase::Open || self.membership(at, name).is_some() {
            return Ok(());
        }
        let is_one_too_many = self.slots[at].memberships.len() >= self.config.rooms_per_connection;
        let is_too_much =
            self.rooms.find(name).is_none() && self.is_short_of_memory(self.rooms.growth());
        if is_one_too_many || is_too_much {
            let counts = &mut self.counts.rooms;
            *match is_one_too_many {
                true => &mut counts.joins_refused,
                false => &mut counts.joins_refused_memory,
            } += 1;
            self.defer_first(at, PendingOp::JoinRefused(Bytes::copy_from_slice(name)));
            self.schedule(at);
            return Err(Wait::Callback);
        }
        let owner = self.rooms.owner(name);
        if owner == self.id {
            self.add_member(at, name);
            return Ok(());
        }
        self.ask_owner(at, owner, |conn| MessageBody::Join {
            conn,
            room: Bytes::copy_from_slice(name),
        });
        Err(Wait::Joined)
    }

    /// Ends the connection's membership, or asks the owner to.
    pub(crate) fn leave(&mut self, at: u32, name: &[u8]) -> Result<(), Wait> {
        let Some(membership) = self.membership(at, name) else {
            return Ok(());
        };
        if self.must_wait_to_leave() {
            self.defer_first(at, PendingOp::Leave(Bytes::copy_from_slice(name)));
            return Err(Wait::Callback);
        }
        let owner = self.rooms.owner(name);
        if owner == self.id {
            self.remove_member(at, membership);
            return Ok(());
        }
        let room = self.rooms.name(membership.room).clone();
        self.ask_to_leave(at, owner, room);
        Err(Wait::Left(membership.room))
    }

    /// Publishes to a room, or to everyone for `None`.
    pub(crate) fn publish(
        &mut self,
        at: u32,
        name: Option<&[u8]>,
        kind: MessageType,
        options: SendOptions,
        payload: &[u8],
        exclude_sender: bool,
    ) -> Result<(), Wait> {
        if options.receipt.is_some() {
            // The outcome at our own queue is not known before that is free.
            if self.out.replies_are_held() {
                return Err(Wait::Callback);
            }
        }
        let owner = self.rooms.owner_of(name);
        let local = if owner == self.id {
            self.local_room(name)
        } else {
            None
        };
        if let Some(room) = local.filter(|&local| self.is_served_at_once(local)) {
            self.counts.rooms.published += 1;
            self.counts.rooms.encoded += 1;
            let except = exclude_sender.then_some(at);
            let meta = options.meta(|| self.rooms.scope_of(name), self.now);
            let payload = MessagePayload::Borrowed(payload);
            let variants = self.out.variants(meta, options.overflow, kind, payload);
            let before = options.receipt.map(|_| counted(&mut self.out));
            match room {
                Local::Room(room) => self.send_to_channel(room, variants, except),
                Local::Everyone => self.send_to_channel(EVERYONE, variants, except),
                Local::Nobody => {}
            }
            if let (Some(ticket), Some(before)) = (options.receipt, before) {
                let outcome = counted(&mut self.out).since(before).into();
                self.report(Completion {
                    conn: self.slots.id(at),
                    ticket,
                    answer: Notification::DeliveryReport(outcome),
                });
            }
            // It may have been woken for a credit that it did not need after all.
            let conn = self.slots.id(at);
            if self.credits.stop_waiting(owner, conn) {
                self.wake_first(Wait::Credit(owner));
            }
            return Ok(());
        }
        self.take_credit(at, owner, payload.len())?;
        self.counts.rooms.published += 1;
        let publication = Publication {
            room: name.map(Bytes::copy_from_slice),
            origin: Origin::Conn(self.slots.id(at)),
            exclude_sender,
            kind,
            options,
            published: self.now,
            payload: Bytes::copy_from_slice(payload),
            packed: OnceLock::new(),
            owner,
            counters: options.receipt.map(|_| Box::new(AtomicCounters::new())),
        };
        self.ask(owner, OwnerRequest::Publish(publication));
        Ok(())
    }

    /// Asks a room's owner how many members the room has.
    pub(crate) fn count_members(&mut self, at: u32, name: &[u8], ticket: u64) -> Result<(), Wait> {
        let owner = self.rooms.owner(name);
        self.take_credit(at, owner, name.len())?;
        let count = Count {
            room: Bytes::copy_from_slice(name),
            from: self.slots.id(at),
            ticket,
        };
        self.ask(owner, OwnerRequest::Count(count));
        Ok(())
    }

    /// Gives a room's owner what a credit has been taken for.
    pub(crate) fn ask(&mut self, owner: ShardId, request: OwnerRequest) {
        if owner == self.id {
            self.serve_as_owner(request);
        } else {
            self.post(owner, MessageBody::Ask(request));
        }
        self.wake_first(Wait::Credit(owner));
    }

    /// At the owner: does what was asked.
    pub(crate) fn serve_as_owner(&mut self, request: OwnerRequest) {
        match request {
            OwnerRequest::Publish(publication) => self.publish_as_owner(publication),
            OwnerRequest::Count(count) => self.count_as_owner(count),
        }
    }

    pub(crate) fn count_as_owner(&mut self, Count { room, from, ticket }: Count) {
        let members = self.rooms.find(&room).map_or(0, |room| {
            let remote_counts = self.rooms.remote_counts(room).iter();
            let remote_counts = remote_counts.map(|&(_, members)| u64::from(members));
            self.rooms.members(room).len() as u64 + remote_counts.sum::<u64>()
        });
        let report = Completion {
            conn: from,
            ticket,
            answer: Notification::Members(members),
        };
        self.give_credit_back(from, self.id, room.len(), Some(report));
    }

    /// At the owner: decides the publication's place in the room's order, and
    /// hands it to every shard that has members.
    pub(crate) fn publish_as_owner(&mut self, publication: Publication) {
        self.counts.rooms.encoded += 1;
        let interested: smallvec::SmallVec<[ShardId; 8]> = match &publication.room {
            Some(name) => self
                .rooms
                .find(name)
                .map(|room| {
                    self.rooms
                        .remote_counts(room)
                        .iter()
                        .map(|&(shard, _)| shard)
                        .collect()
                })
                .unwrap_or_default(),
            None => (0..self.config.shards)
                .map(ShardId)
                .filter(|&shard| shard != self.id)
                .collect(),
        };
        let shared = SharedRef::new(publication);
        for shard in interested {
            self.post(shard, MessageBody::Deliver(shared.share()));
        }
        self.fan_out(shared);
    }

    /// Ends a publication here; returns its credit if no other shard is still to
    /// deliver it.
    pub(crate) fn finish_publication(&mut self, shared: SharedRef<Publication>) {
        let Some(publication) = shared.finish() else {
            return;
        };
        let Publication {
            origin,
            owner,
            payload,
            options,
            counters,
            ..
        } = publication;
        let Origin::Conn(from) = origin else { return };
        let report = counters
            .zip(options.receipt)
            .map(|(counters, ticket)| Completion {
                conn: from,
                ticket,
                answer: Notification::DeliveryReport(counters.sums().into()),
            });
        self.give_credit_back(from, owner, payload.len(), report);
    }

    /// Lets a connection know what it has asked for, once its turn comes.
    pub(crate) fn report(&mut self, report: Completion) {
        if let Some(at) = self.slots.find(report.conn)
            && self.slots[at].phase == Phase::Open
        {
            self.defer(at, PendingOp::Notification(report.ticket, report.answer));
            if !self.slots[at].is_parked() {
                self.schedule(at);
            }
        }
    }

    pub(crate) fn add_member(&mut self, at: u32, name: &[u8]) {
        let membership = self.rooms.add_member(name, at);
        self.change_memberships(at, |memberships| memberships.push(membership));
        self.counts.rooms.members += 1;
        self.fan_outs.joined(membership.room, at);
    }

    /// Changes the list of rooms of a connection, and takes note of its memory.
    pub(crate) fn change_memberships(&mut self, at: u32, change: impl FnOnce(&mut Memberships)) {
        let memberships = &mut self.slots[at].memberships;
        let before = list_bytes(memberships);
        change(memberships);
        self.membership_bytes = self.membership_bytes - before + list_bytes(memberships);
    }

    pub(crate) fn remove_member(&mut self, at: u32, membership: Membership) {
        self.counts.rooms.members -= 1;
        let Membership { room, place } = membership;
        self.deliver_rest(room, at, place);
        self.change_memberships(at, |memberships| {
            // From the end: there is the one that is ended when all are.
            if let Some(n) = memberships.iter().rposition(|m| *m == membership) {
                memberships.remove(n);
            }
            if memberships.spilled() && memberships.len() <= memberships.capacity() / 4 {
                memberships.shrink_to_fit();
            }
        });
        let Self { slots, rooms, .. } = self;
        rooms.remove_member(membership, |moved| {
            let memberships = &mut slots[moved.slot].memberships;
            let of_room = memberships.iter_mut().find(|m| m.room == room);
            if let Some(m) = of_room {
                debug_assert_eq!(m.place, moved.from);
                m.place = moved.to;
            }
        });
    }

    /// Ends every membership of a connection that has ended. Homes elsewhere
    /// are told; the slot is kept until they have answered, so that no message
    /// for it can meet another.
    pub(crate) fn leave_all(&mut self, at: u32) {
        // One that is being left is on its way already; the owner counts.
        let wait = self.slots[at].deferred.as_ref().and_then(|p| p.wait);
        self.deliver_rest(EVERYONE, at, at);
        while let Some(&membership) = self.slots[at].memberships.last() {
            let owner = self.rooms.owner(self.rooms.name(membership.room));
            if owner != self.id && wait != Some(Wait::Left(membership.room)) {
                let room = self.rooms.name(membership.room).clone();
                self.ask_to_leave(at, owner, room);
            }
            self.remove_member(at, membership);
        }
    }

    pub(crate) fn post(&mut self, to: ShardId, body: MessageBody) {
        self.counts.rooms.shard_messages += 1;
        self.outputs.push_back(Output::Send(to, ShardMessage(body)));
    }

    /// Whether the end of a membership must wait for the end of the callback: what was
    /// published before may have to be queued first, and what becomes of that is not known
    /// while the reply buffer is held.
    pub(crate) fn must_wait_to_leave(&self) -> bool {
        !self.fan_outs.is_empty() && self.out.replies_are_held()
    }

    pub(crate) fn ask_to_leave(&mut self, at: u32, owner: ShardId, room: Bytes) {
        self.ask_owner(at, owner, |conn| MessageBody::Leave { conn, room });
    }

    pub(crate) fn ask_owner(
        &mut self,
        at: u32,
        owner: ShardId,
        body: impl FnOnce(ConnId) -> MessageBody,
    ) {
        self.slots[at].awaited_answers += 1;
        let body = body(self.slots.id(at));
        self.post(owner, body);
    }

    fn is_served_at_once(&self, whom: Local) -> bool {
        !match whom {
            Local::Room(room) => self.is_sliced(room),
            Local::Everyone => self.is_sliced(EVERYONE),
            Local::Nobody => false,
        }
    }

    /// The members of a room whose owner is here, if all of them are.
    fn local_room(&self, room: Option<&[u8]>) -> Option<Local> {
        let Some(name) = room else {
            return (self.config.shards == 1).then_some(Local::Everyone);
        };
        match self.rooms.find(name) {
            None => Some(Local::Nobody),
            Some(room) => self
                .rooms
                .remote_counts(room)
                .is_empty()
                .then_some(Local::Room(room)),
        }
    }
}

/// Whom a publication concerns, if nobody on another shard.
#[derive(Clone, Copy)]
enum Local {
    Room(u32),
    Everyone,
    Nobody,
}
