//! Publications, and questions about channels: from a connection to the owner of the channel, and from
//! there to the shards with members.

use alloc::boxed::Box;

use bytes::Bytes;

use crate::channels::RemoteResult;
use crate::channels::delivery_report::counted;
use crate::channels::fan_outs::EVERYONE;
use crate::channels::message::{
    Completion, MessageBody, Notification, OwnerRequest, PublicationExtras, PublicationIdentity,
    Query, Requester, ShardPublication,
};
use crate::channels::publication::Publication;
use crate::channels::query::ChannelQuery;
use crate::channels::registry::ChannelList;
use crate::delivery::MessagePayload;
use crate::delivery::codec::{ChannelEvent, MessageDetails, SharedPayload};
use crate::delivery::queue::SendOptions;
use crate::engine::Engine;
use crate::id::ShardId;
use crate::proto::ws::opcode::MessageType;
use crate::session::app_types::AppTypes;
use crate::session::deferred::Wait;
use crate::sync::{AtomicCounters, SharedRef};

impl<A: AppTypes> Engine<A> {
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
            let own_codecs = match channel {
                Local::Channel(channel) if self.out.has_own_codecs() => {
                    self.out.with_own_codecs(channel)
                }
                _ => None,
            };
            if let Some(name) = name {
                self.streams.interrupt(name);
            }
            let variants = self
                .out
                .variants(meta, options.overflow, name, kind, payload)
                .with_own_codecs(own_codecs);
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
        self.publish_through(at, owner, name, (kind, options, payload), None);
        Ok(())
    }

    /// Publishes to a channel, with what codecs are told about it, and with an offset if the channel
    /// is to keep it.
    pub(crate) fn publish_with(
        &mut self,
        at: u32,
        name: &[u8],
        publication: &Publication<'_>,
    ) -> Result<(), Wait> {
        let Publication {
            kind,
            options,
            payload,
            annotation,
            retention,
            acknowledge,
            excluded,
            follows,
            ..
        } = *publication;
        let identity = PublicationIdentity::of(publication);
        let is_bare = annotation.is_empty() && retention.is_none();
        if is_bare && acknowledge.is_none() && excluded.is_none() && identity.is_none() {
            return self.publish(at, Some(name), kind, options, payload);
        }
        if options.receipt.is_some() && self.out.replies_are_held() {
            return Err(Wait::Callback);
        }
        let owner = self.registry.owner(name);
        self.take_credit(at, owner, payload.len())?;
        let extras = PublicationExtras {
            details: MessageDetails {
                event: ChannelEvent::Publication,
                annotation: Bytes::copy_from_slice(annotation),
                position: None,
                previous: None,
            },
            retention,
            acknowledge,
            excluded,
            follows,
            identity,
        };
        let message = (kind, options, payload);
        self.publish_through(at, owner, Some(name), message, Some(Box::new(extras)));
        Ok(())
    }

    /// Gives a publication, for which a credit was taken, to the owner of its channel.
    fn publish_through(
        &mut self,
        at: u32,
        owner: ShardId,
        name: Option<&[u8]>,
        (kind, options, payload): (MessageType, SendOptions, &[u8]),
        extras: Option<Box<PublicationExtras>>,
    ) {
        self.counts.channels.published += 1;
        let publication = ShardPublication {
            channel: name.map(Bytes::copy_from_slice),
            origin: Requester::Conn(self.slots.id(at)),
            kind,
            options,
            published: self.now,
            payload: SharedPayload::new(Bytes::copy_from_slice(payload), A::CODECS),
            extras,
            owner,
            counters: options.receipt.map(|_| Box::new(AtomicCounters::new())),
        };
        self.ask_in_channel(owner, OwnerRequest::Publish(publication));
    }

    /// Asks a channel's owner something about the channel.
    pub(crate) fn query(
        &mut self,
        at: u32,
        name: &[u8],
        ticket: u64,
        query: ChannelQuery,
    ) -> Result<(), Wait> {
        let owner = self.registry.owner(name);
        self.take_credit(at, owner, name.len())?;
        let query = Query {
            channel: Bytes::copy_from_slice(name),
            from: self.slots.id(at),
            ticket,
            query,
        };
        self.ask_in_channel(owner, OwnerRequest::Query(query));
        Ok(())
    }

    /// Gives a channel's owner what a credit has been taken for.
    pub(crate) fn ask_in_channel(&mut self, owner: ShardId, request: OwnerRequest) {
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
            OwnerRequest::Query(query) => self.answer_as_owner(query),
        }
    }

    /// At the owner: the number of members of a channel on all shards.
    pub(crate) fn members_everywhere(&self, channel: &[u8]) -> u64 {
        self.registry.find(channel).map_or(0, |channel| {
            let remote_counts = self.registry.remote_counts(channel).iter();
            let remote_counts = remote_counts.map(|&(_, members)| u64::from(members));
            self.registry.members(channel).len() as u64 + remote_counts.sum::<u64>()
        })
    }

    /// Returns the channels that this shard owns and that have members, and how many on all shards.
    pub(crate) fn owned_channels(&self) -> impl Iterator<Item = (&Bytes, u64)> {
        let places = 0..self.registry.places();
        let channels = places.filter(|&at| self.registry.list_of(at) == ChannelList::Members);
        let channels = channels.map(|at| self.registry.name(at));
        let owned = channels.filter(|name| self.registry.owner(name) == self.id);
        let counted = owned.map(|name| (name, self.members_everywhere(name)));
        counted.filter(|&(_, members)| members > 0)
    }

    /// At the owner: decides the publication's place in the channel's order, and
    /// hands it to every shard that has members.
    pub(crate) fn publish_as_owner(&mut self, mut publication: ShardPublication) {
        if self.is_repeated(&mut publication) {
            self.acknowledge(&publication);
            return self.finish_publication(SharedRef::new(publication));
        }
        self.counts.channels.encoded += 1;
        self.append_to_stream(&mut publication);
        self.remember_key(&publication);
        self.acknowledge(&publication);
        let interested: smallvec::SmallVec<[ShardId; 8]> = match &publication.channel {
            Some(name) => self
                .registry
                .find_list(name, publication.list_of())
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
            Requester::Owner => return,
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
