//! Join, leave and publish, on the shard of the connection and on the owner shard of the channel.
//! Everything about a channel passes its owner in order. A connection waits for the owner's answer to
//! a join or leave, so the result does not depend on which shard is the owner.

use alloc::boxed::Box;

use bytes::Bytes;

use crate::channels::RemoteResult;
use crate::channels::delivery_report::counted;
use crate::channels::fan_outs::EVERYONE;
use crate::channels::message::{
    Completion, Count, MessageBody, Notification, OwnerRequest, Requester, ShardMessage,
    ShardPublication,
};
use crate::channels::registry::{Membership, Memberships, list_bytes};
use crate::delivery::MessagePayload;
use crate::delivery::codec::SharedPayload;
use crate::delivery::queue::SendOptions;
use crate::engine::Engine;
use crate::engine::output::Output;
use crate::id::{ConnId, ShardId};
use crate::proto::ws::opcode::MessageType;
use crate::session::app_types::AppTypes;
use crate::session::deferred::{PendingOp, Wait};
use crate::session::phase::Phase;
use crate::sync::{AtomicCounters, SharedRef};

impl<A: AppTypes> Engine<A> {
    /// The connection's membership in a channel, if it has one.
    pub(crate) fn membership(&self, at: u32, name: &[u8]) -> Option<Membership> {
        self.slots[at]
            .memberships
            .iter()
            .copied()
            .find(|m| self.registry.name(m.channel) == name)
    }

    /// Makes the connection a member, or asks the owner to.
    pub(crate) fn join(&mut self, at: u32, name: &[u8]) -> Result<(), Wait> {
        if self.slots[at].phase() != Phase::Open || self.membership(at, name).is_some() {
            return Ok(());
        }
        let is_one_too_many =
            self.slots[at].memberships.len() >= self.config.channels_per_connection;
        let is_too_much =
            self.registry.find(name).is_none() && self.is_short_of_memory(self.registry.growth());
        if is_one_too_many || is_too_much {
            let counts = &mut self.counts.channels;
            *match is_one_too_many {
                true => &mut counts.joins_refused,
                false => &mut counts.joins_refused_memory,
            } += 1;
            self.defer_first(at, PendingOp::JoinRefused(Bytes::copy_from_slice(name)));
            self.schedule(at);
            return Err(Wait::Callback);
        }
        let owner = self.registry.owner(name);
        if owner == self.id {
            self.add_member(at, name);
            return Ok(());
        }
        self.ask_owner(at, owner, |conn| MessageBody::Join {
            conn,
            channel: Bytes::copy_from_slice(name),
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
        let owner = self.registry.owner(name);
        if owner == self.id {
            self.remove_member(at, membership);
            return Ok(());
        }
        let channel = self.registry.name(membership.channel).clone();
        self.ask_to_leave(at, owner, channel);
        Err(Wait::Left(membership.channel))
    }

    /// Publishes to a channel, or to everyone for `None`.
    pub(crate) fn publish(
        &mut self,
        at: u32,
        name: Option<&[u8]>,
        kind: MessageType,
        options: SendOptions,
        payload: &[u8],
    ) -> Result<(), Wait> {
        if options.receipt.is_some() {
            // The outcome at our own queue is not known before that is free.
            if self.out.replies_are_held() {
                return Err(Wait::Callback);
            }
        }
        let owner = self.registry.owner_of(name);
        let local = if owner == self.id {
            self.local_channel(name)
        } else {
            None
        };
        if let Some(channel) = local.filter(|&local| self.is_served_at_once(local)) {
            self.counts.channels.published += 1;
            self.counts.channels.encoded += 1;
            let except = options.exclude_sender.then_some(at);
            let meta = options.meta(|| self.registry.scope_of(name), self.now);
            let payload = MessagePayload::Borrowed(payload);
            let variants = self
                .out
                .variants(meta, options.overflow, name, kind, payload);
            let before = options.receipt.map(|_| counted(&mut self.out));
            match channel {
                Local::Channel(channel) => self.send_to_channel(channel, variants, except),
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
        self.counts.channels.published += 1;
        let publication = ShardPublication {
            channel: name.map(Bytes::copy_from_slice),
            origin: Requester::Conn(self.slots.id(at)),
            kind,
            options,
            published: self.now,
            payload: SharedPayload::new(Bytes::copy_from_slice(payload), A::CODECS),
            owner,
            counters: options.receipt.map(|_| Box::new(AtomicCounters::new())),
        };
        self.ask(owner, OwnerRequest::Publish(publication));
        Ok(())
    }

    /// Asks a channel's owner how many members the channel has.
    pub(crate) fn count_members(&mut self, at: u32, name: &[u8], ticket: u64) -> Result<(), Wait> {
        let owner = self.registry.owner(name);
        self.take_credit(at, owner, name.len())?;
        let count = Count {
            channel: Bytes::copy_from_slice(name),
            from: self.slots.id(at),
            ticket,
        };
        self.ask(owner, OwnerRequest::Count(count));
        Ok(())
    }

    /// Gives a channel's owner what a credit has been taken for.
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

    pub(crate) fn count_as_owner(
        &mut self,
        Count {
            channel,
            from,
            ticket,
        }: Count,
    ) {
        let members = self.members_everywhere(&channel);
        let report = Completion {
            conn: from,
            ticket,
            answer: Notification::Members(members),
        };
        self.give_credit_back(from, self.id, channel.len(), Some(report));
    }

    /// At the owner: the number of members of a channel on all shards.
    pub(crate) fn members_everywhere(&self, channel: &[u8]) -> u64 {
        self.registry.find(channel).map_or(0, |channel| {
            let remote_counts = self.registry.remote_counts(channel).iter();
            let remote_counts = remote_counts.map(|&(_, members)| u64::from(members));
            self.registry.members(channel).len() as u64 + remote_counts.sum::<u64>()
        })
    }

    /// At the owner: decides the publication's place in the channel's order, and
    /// hands it to every shard that has members.
    pub(crate) fn publish_as_owner(&mut self, publication: ShardPublication) {
        self.counts.channels.encoded += 1;
        let interested: smallvec::SmallVec<[ShardId; 8]> = match &publication.channel {
            Some(name) => self
                .registry
                .find(name)
                .map(|channel| {
                    self.registry
                        .remote_counts(channel)
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
    pub(crate) fn finish_publication(&mut self, shared: SharedRef<ShardPublication>) {
        let Some(publication) = shared.finish() else {
            return;
        };
        let ShardPublication {
            origin,
            owner,
            payload,
            options,
            counters,
            ..
        } = publication;
        let from = match origin {
            Requester::Conn(from) => from,
            Requester::Outside(permit) => {
                let sums = counters.map(|counters| counters.sums().into());
                return permit.finish(|| RemoteResult::Delivered(sums.unwrap_or_default()));
            }
        };
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
            && self.slots[at].phase() == Phase::Open
        {
            self.defer(at, PendingOp::Notification(report.ticket, report.answer));
            if !self.slots[at].is_parked() {
                self.schedule(at);
            }
        }
    }

    pub(crate) fn add_member(&mut self, at: u32, name: &[u8]) {
        let form = self.out.form(at);
        let membership = self.registry.add_member(name, at, form);
        self.change_memberships(at, |memberships| memberships.push(membership));
        self.counts.channels.members += 1;
        self.fan_outs.joined(membership.channel, at);
    }

    /// Changes the list of channels of a connection, and takes note of its memory.
    pub(crate) fn change_memberships(&mut self, at: u32, change: impl FnOnce(&mut Memberships)) {
        let memberships = &mut self.slots[at].memberships;
        let before = list_bytes(memberships);
        change(memberships);
        self.membership_bytes = self.membership_bytes - before + list_bytes(memberships);
    }

    pub(crate) fn remove_member(&mut self, at: u32, membership: Membership) {
        self.counts.channels.members -= 1;
        let Membership { channel, place } = membership;
        self.deliver_rest(channel, at, place);
        self.change_memberships(at, |memberships| {
            // From the end: there is the one that is ended when all are.
            if let Some(n) = memberships.iter().rposition(|m| *m == membership) {
                memberships.remove(n);
            }
            if memberships.spilled() && memberships.len() <= memberships.capacity() / 4 {
                memberships.shrink_to_fit();
            }
        });
        let Self {
            slots, registry, ..
        } = self;
        registry.remove_member(membership, |moved| {
            let memberships = &mut slots[moved.slot].memberships;
            let of_channel = memberships.iter_mut().find(|m| m.channel == channel);
            if let Some(m) = of_channel {
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
            let owner = self.registry.owner(self.registry.name(membership.channel));
            if owner != self.id && wait != Some(Wait::Left(membership.channel)) {
                let channel = self.registry.name(membership.channel).clone();
                self.ask_to_leave(at, owner, channel);
            }
            self.remove_member(at, membership);
        }
    }

    pub(crate) fn post(&mut self, to: ShardId, body: MessageBody) {
        self.counts.channels.shard_messages += 1;
        self.outputs.push_back(Output::Send(to, ShardMessage(body)));
    }

    /// Whether the end of a membership must wait for the end of the callback: what was
    /// published before may have to be queued first, and what becomes of that is not known
    /// while the reply buffer is held.
    pub(crate) fn must_wait_to_leave(&self) -> bool {
        !self.fan_outs.is_empty() && self.out.replies_are_held()
    }

    pub(crate) fn ask_to_leave(&mut self, at: u32, owner: ShardId, channel: Bytes) {
        self.ask_owner(at, owner, |conn| MessageBody::Leave { conn, channel });
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
            Local::Channel(channel) => self.is_sliced(channel),
            Local::Everyone => self.is_sliced(EVERYONE),
            Local::Nobody => false,
        }
    }

    /// The members of a channel whose owner is here, if all of them are.
    fn local_channel(&self, channel: Option<&[u8]>) -> Option<Local> {
        let Some(name) = channel else {
            return (self.config.shards == 1).then_some(Local::Everyone);
        };
        match self.registry.find(name) {
            None => Some(Local::Nobody),
            Some(channel) => self
                .registry
                .remote_counts(channel)
                .is_empty()
                .then_some(Local::Channel(channel)),
        }
    }
}

/// Whom a publication concerns, if nobody on another shard.
#[derive(Clone, Copy)]
enum Local {
    Channel(u32),
    Everyone,
    Nobody,
}
