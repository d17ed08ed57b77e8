//! Owns joining, leaving and publishing: what a connection's shard does, and
//! what the room's home does. Everything that concerns a room passes its home
//! in order, and a connection waits for the home's answer before it goes on;
//! so what it says means the same wherever the home is.

use alloc::boxed::Box;

use bytes::Bytes;

use crate::channels::delivery_report::counted;
use crate::channels::fan_outs::EVERYONE;
use crate::channels::message::{
    Completion, Count, MessageBody, Notification, Origin, OwnerRequest, Publication, ShardMessage,
};
use crate::channels::registry::{Membership, Memberships, list_bytes};
use crate::delivery::Payload;
use crate::delivery::queue::SendOptions;
use crate::engine::Engine;
use crate::engine::output::Output;
use crate::id::{ConnId, ShardId};
use crate::proto::ws::opcode::MessageType;
use crate::session::app_types::AppTypes;
use crate::session::deferred::{Op, Wait};
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

    /// Makes the connection a member, or asks the home to.
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
            self.defer_first(at, Op::JoinRefused(Bytes::copy_from_slice(name)));
            self.schedule(at);
            return Err(Wait::Callback);
        }
        let home = self.rooms.home(name);
        if home == self.id {
            self.add_member(at, name);
            return Ok(());
        }
        self.ask_home(at, home, |conn| MessageBody::Join {
            conn,
            room: Bytes::copy_from_slice(name),
        });
        Err(Wait::Joined)
    }

    /// Ends the connection's membership, or asks the home to.
    pub(crate) fn leave(&mut self, at: u32, name: &[u8]) -> Result<(), Wait> {
        let Some(membership) = self.membership(at, name) else {
            return Ok(());
        };
        if self.must_wait_to_leave() {
            self.defer_first(at, Op::Leave(Bytes::copy_from_slice(name)));
            return Err(Wait::Callback);
        }
        let home = self.rooms.home(name);
        if home == self.id {
            self.remove_member(at, membership);
            return Ok(());
        }
        let room = self.rooms.name(membership.room).clone();
        self.ask_to_leave(at, home, room);
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
        let home = self.rooms.home_of(name);
        let local = if home == self.id {
            self.local_room(name)
        } else {
            None
        };
        if let Some(room) = local.filter(|&local| self.is_served_at_once(local)) {
            self.counts.rooms.published += 1;
            self.counts.rooms.encoded += 1;
            let except = exclude_sender.then_some(at);
            let meta = options.meta(|| self.rooms.scope_of(name), self.now);
            let payload = Payload::Borrowed(payload);
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
                    told: Notification::DeliveryReport(outcome),
                });
            }
            // It may have been woken for a credit that it did not need after all.
            let conn = self.slots.id(at);
            if self.credits.stop_waiting(home, conn) {
                self.wake_first(Wait::Credit(home));
            }
            return Ok(());
        }
        self.take_credit(at, home, payload.len())?;
        self.counts.rooms.published += 1;
        let publication = Publication {
            room: name.map(Bytes::copy_from_slice),
            origin: Origin::Conn(self.borrower(at, home)),
            exclude_sender,
            kind,
            options,
            published: self.now,
            payload: Bytes::copy_from_slice(payload),
            packed: OnceLock::new(),
            home,
            tally: options.receipt.map(|_| Box::new(AtomicCounters::new())),
        };
        self.ask(home, OwnerRequest::Publish(publication));
        Ok(())
    }

    /// Asks a room's home how many members the room has.
    pub(crate) fn count_members(&mut self, at: u32, name: &[u8], ticket: u64) -> Result<(), Wait> {
        let home = self.rooms.home(name);
        self.take_credit(at, home, name.len())?;
        let count = Count {
            room: Bytes::copy_from_slice(name),
            from: self.borrower(at, home),
            ticket,
        };
        self.ask(home, OwnerRequest::Count(count));
        Ok(())
    }

    /// Gives a room's home what a credit has been taken for.
    pub(crate) fn ask(&mut self, home: ShardId, asked: OwnerRequest) {
        if home == self.id {
            self.do_at_home(asked);
        } else {
            self.post(home, MessageBody::Ask(asked));
        }
        self.wake_first(Wait::Credit(home));
    }

    /// At the home: does what was asked, once it is known again who is in its rooms.
    pub(crate) fn do_at_home(&mut self, asked: OwnerRequest) {
        if self.restating > 0 {
            self.unanswered.push_back(asked);
            return;
        }
        match asked {
            OwnerRequest::Publish(publication) => self.publish_at_home(publication),
            OwnerRequest::Count(count) => self.count_at_home(count),
        }
    }

    pub(crate) fn count_at_home(&mut self, Count { room, from, ticket }: Count) {
        let members = self.rooms.find(&room).map_or(0, |room| {
            let elsewhere = self.rooms.elsewhere(room).iter();
            let elsewhere = elsewhere.map(|&(_, members)| u64::from(members));
            self.rooms.members(room).len() as u64 + elsewhere.sum::<u64>()
        });
        let report = Completion {
            conn: from.conn,
            ticket,
            told: Notification::Members(members),
        };
        self.give_credit_back(from, self.id, room.len(), Some(report));
    }

    /// At the home: decides the publication's place in the room's order, and
    /// hands it to every shard that has members.
    pub(crate) fn publish_at_home(&mut self, publication: Publication) {
        self.counts.rooms.encoded += 1;
        let interested: smallvec::SmallVec<[ShardId; 8]> = match &publication.room {
            Some(name) => self
                .rooms
                .find(name)
                .map(|room| {
                    self.rooms
                        .elsewhere(room)
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
        let parcel = SharedRef::new(publication);
        for shard in interested {
            self.post(shard, MessageBody::Deliver(parcel.share()));
        }
        self.fan_out(parcel);
    }

    /// Ends a publication here; returns its credit if no other shard is still to
    /// deliver it.
    pub(crate) fn finish_publication(&mut self, parcel: SharedRef<Publication>) {
        let Some(publication) = parcel.finish() else {
            return;
        };
        let Publication {
            origin,
            home,
            payload,
            options,
            tally,
            ..
        } = publication;
        let Origin::Conn(from) = origin else { return };
        let report = tally
            .zip(options.receipt)
            .map(|(tally, ticket)| Completion {
                conn: from.conn,
                ticket,
                told: Notification::DeliveryReport(tally.sums().into()),
            });
        self.give_credit_back(from, home, payload.len(), report);
    }

    /// Lets a connection know what it has asked for, once its turn comes.
    pub(crate) fn report(&mut self, report: Completion) {
        if let Some(at) = self.slots.find(report.conn)
            && self.slots[at].phase == Phase::Open
        {
            self.defer(at, Op::Notification(report.ticket, report.told));
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
    /// are told; the slot is kept until they have answered, so that no letter
    /// for it can meet another.
    pub(crate) fn leave_all(&mut self, at: u32) {
        // One that is being left is on its way already; the home counts.
        let wait = self.slots[at].pending.as_ref().and_then(|p| p.wait);
        self.deliver_rest(EVERYONE, at, at);
        while let Some(&membership) = self.slots[at].memberships.last() {
            let home = self.rooms.home(self.rooms.name(membership.room));
            if home != self.id && wait != Some(Wait::Left(membership.room)) {
                let room = self.rooms.name(membership.room).clone();
                self.ask_to_leave(at, home, room);
            }
            self.remove_member(at, membership);
        }
    }

    pub(crate) fn post(&mut self, to: ShardId, said: MessageBody) {
        self.counts.rooms.letters += 1;
        self.outputs.push_back(Output::Send(to, ShardMessage(said)));
    }

    /// Whether the end of a membership must wait for the end of the callback: what was
    /// published before may have to be queued first, and what becomes of that is not known
    /// while the lane is held.
    pub(crate) fn must_wait_to_leave(&self) -> bool {
        !self.fan_outs.is_empty() && self.out.replies_are_held()
    }

    pub(crate) fn ask_to_leave(&mut self, at: u32, home: ShardId, room: Bytes) {
        let life = self.credits.epoch(home);
        self.ask_home(at, home, |conn| MessageBody::Leave { conn, room, life });
    }

    pub(crate) fn ask_home(
        &mut self,
        at: u32,
        home: ShardId,
        said: impl FnOnce(ConnId) -> MessageBody,
    ) {
        self.slots[at].answers += 1;
        let said = said(self.slots.id(at));
        self.post(home, said);
    }

    fn is_served_at_once(&self, whom: Local) -> bool {
        !match whom {
            Local::Room(room) => self.is_sliced(room),
            Local::Everyone => self.is_sliced(EVERYONE),
            Local::Nobody => false,
        }
    }

    /// The members of a room whose home is here, if all of them are.
    fn local_room(&self, room: Option<&[u8]>) -> Option<Local> {
        if self.restating > 0 {
            return None;
        }
        let Some(name) = room else {
            return (self.config.shards == 1).then_some(Local::Everyone);
        };
        match self.rooms.find(name) {
            None => Some(Local::Nobody),
            Some(room) => self
                .rooms
                .elsewhere(room)
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
