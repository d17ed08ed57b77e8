//! Subscriptions with a position, presence or events: what the owner of a channel does for them, and
//! what the handler of a member is to be told.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::channels::message::{
    Completion, JoinAnswer, MessageBody, Notification, PublicationExtras, Query, Requester,
    ShardPublication,
};
use crate::channels::publication::KeptPublication;
use crate::channels::query::{ChannelAnswer, ChannelQuery};
use crate::channels::question::ShardRequest;
use crate::channels::registry::{ChannelList, Membership};
use crate::channels::stream::Recovered;
use crate::channels::subscription::{ShownMember, Subscribed, Subscription};
use crate::delivery::codec::{ChannelEvent, MessageDetails, SharedPayload};
use crate::delivery::queue::SendOptions;
use crate::engine::Engine;
use crate::id::ConnId;
use crate::proto::ws::opcode::MessageType;
use crate::session::app_types::AppTypes;
use crate::session::deferred::Wait;
use crate::session::phase::Phase;

/// What a handler is to be told before anything else is written to the connection.
#[derive(Debug)]
pub(crate) enum Notice {
    Subscribed(ConnId, Subscribed),
    /// Of the channel with this name.
    PositionLost(ConnId, Bytes),
    /// A connection asks this shard. The handler is told that nothing else is said.
    Question(ShardRequest),
    /// A session without a link has been opened.
    Opened(ConnId),
    /// The request of a connection that was held is answered: its state is dropped.
    Answered(ConnId),
}

impl<A: AppTypes> Engine<A> {
    /// Subscribes a connection of this shard to a channel that is owned here.
    pub(crate) fn subscribe_here(&mut self, at: u32, name: &[u8], subscription: &Subscription) {
        let (conn, name) = (self.slots.id(at), Bytes::copy_from_slice(name));
        let answer = self.subscribe_as_owner(conn, &name, subscription);
        let is_member = answer.subscribed.is_member;
        self.finish_join(at, &name, answer);
        if is_member {
            self.announce(&name, ChannelEvent::Join, subscription.shown());
        }
    }

    /// At the owner: a connection of another shard wants to be a member.
    pub(crate) fn handle_join(
        &mut self,
        conn: ConnId,
        channel: Bytes,
        subscription: Option<&Subscription>,
    ) {
        let answer = subscription.map(|subscription| {
            let answer = self.subscribe_as_owner(conn, &channel, subscription);
            Box::new(answer)
        });
        let is_member = answer
            .as_ref()
            .is_none_or(|answer| answer.subscribed.is_member);
        if is_member {
            let shard = conn.shard();
            self.registry
                .add_remote(&channel, ChannelList::Members, shard);
            if answer.as_ref().is_some_and(|answer| answer.gets_events) {
                self.registry
                    .add_remote(&channel, ChannelList::Listeners, shard);
            }
        }
        let joined = MessageBody::Joined {
            conn,
            channel: channel.clone(),
            answer,
        };
        self.post(conn.shard(), joined);
        if is_member {
            let member = subscription.and_then(Subscription::shown);
            self.announce(&channel, ChannelEvent::Join, member);
        }
    }

    /// At the owner: a connection of another shard is a member no more.
    pub(crate) fn handle_leave(&mut self, conn: ConnId, channel: Bytes, listened: bool) {
        let shard = conn.shard();
        self.registry
            .remove_remote(&channel, ChannelList::Members, shard);
        if listened {
            self.registry
                .remove_remote(&channel, ChannelList::Listeners, shard);
        }
        let left = MessageBody::Left {
            conn,
            channel: channel.clone(),
        };
        self.post(shard, left);
        self.leave_as_owner(conn, &channel);
    }

    /// The owner of a channel has made a connection a member, or has not.
    pub(crate) fn handle_joined(
        &mut self,
        conn: ConnId,
        channel: &Bytes,
        answer: Option<Box<JoinAnswer>>,
    ) {
        let Some(at) = self.slots.find(conn) else {
            return;
        };
        let is_open = self.slots[at].phase() == Phase::Open;
        let is_member = answer
            .as_ref()
            .is_none_or(|answer| answer.subscribed.is_member);
        if !is_open && is_member {
            // It has ended meanwhile; the answer to this is still awaited.
            let leave = MessageBody::Leave {
                conn,
                channel: channel.clone(),
                listened: answer.is_some_and(|answer| answer.gets_events),
            };
            let owner = self.registry.owner(channel);
            self.post(owner, leave);
            return;
        }
        self.slots[at].awaited_answers -= 1;
        if !is_open {
            self.free_if_done(at);
            return;
        }
        match answer {
            None => self.add_member(at, channel, ChannelList::Members, false),
            Some(answer) => self.finish_join(at, channel, *answer),
        }
        self.unpark(at, Wait::Joined);
    }

    /// The owner of a channel has ended a membership.
    pub(crate) fn handle_left(&mut self, conn: ConnId, channel: &[u8]) {
        let Some(at) = self.slots.find(conn) else {
            return;
        };
        self.slots[at].awaited_answers -= 1;
        // One that was lost has ended already; there may be another by now, which waits for nothing.
        if let Some(membership) = self.membership(at, channel)
            && self.is_leaving(at, membership.channel())
        {
            self.quit(at, membership);
            self.unpark(at, Wait::Left(membership.channel()));
        }
        self.free_if_done(at);
    }

    fn is_leaving(&self, at: u32, channel: u32) -> bool {
        let deferred = self.slots[at].deferred.as_ref();
        deferred.and_then(|deferred| deferred.wait) == Some(Wait::Left(channel))
    }

    /// Enters a new member, and lets its handler know.
    fn finish_join(&mut self, at: u32, name: &Bytes, answer: JoinAnswer) {
        let JoinAnswer {
            subscribed,
            is_positioned,
            gets_events,
            codec,
        } = answer;
        if subscribed.is_member {
            self.add_member(at, name, ChannelList::Members, is_positioned);
            if let Some((codec, member)) = codec.zip(self.membership(at, name)) {
                self.out.set_own_codec(member.channel(), at, codec);
            }
            if gets_events {
                self.add_member(at, name, ChannelList::Listeners, false);
            }
        }
        let conn = self.slots.id(at);
        self.notices.push_back(Notice::Subscribed(conn, subscribed));
    }

    /// At the owner: says where a new member is in the stream of the channel, and shows it.
    fn subscribe_as_owner(
        &mut self,
        conn: ConnId,
        name: &Bytes,
        subscription: &Subscription,
    ) -> JoinAnswer {
        let (position, recovered) = match (subscription.retention, subscription.recovery) {
            (None, _) => (None, Recovered::nothing()),
            (Some(retention), None) => {
                let position = self.streams.position(name, &retention, self.now);
                (Some(position), Recovered::nothing())
            }
            (Some(retention), Some(recovery)) => {
                let (position, recovered) =
                    self.streams.recover(name, &recovery, &retention, self.now);
                (Some(position), recovered)
            }
        };
        let is_required = subscription
            .recovery
            .is_some_and(|recovery| recovery.is_required);
        let is_member = recovered.is_complete || !is_required;
        let others = match subscription.lists_others {
            true => self.presence.connections(name),
            false => Vec::new(),
        };
        if is_member && let Some(member) = subscription.shown() {
            self.presence.insert(name, conn, member);
        }
        if subscription.codec.is_some() {
            let is_new = recovered.publications.is_empty();
            self.streams.follow(name, is_new);
        }
        if subscription.recovery.is_some() {
            let counts = &mut self.counts.channels;
            *match recovered.is_complete {
                true => &mut counts.recovered,
                false => &mut counts.not_recovered,
            } += 1;
        }
        JoinAnswer {
            subscribed: Subscribed {
                channel: name.clone(),
                is_member,
                position,
                recovered: recovered.is_complete,
                publications: recovered.publications,
                others,
            },
            is_positioned: subscription.is_positioned,
            gets_events: subscription.gets_events,
            codec: subscription.codec,
        }
    }

    /// At the owner: a member is shown no more.
    pub(crate) fn leave_as_owner(&mut self, conn: ConnId, name: &Bytes) {
        if self.presence.members() > 0 {
            let member = self.presence.remove(name, conn);
            self.announce(name, ChannelEvent::Leave, member);
        }
    }

    /// At the owner: lets those know who get events.
    fn announce(&mut self, name: &Bytes, event: ChannelEvent, member: Option<ShownMember>) {
        let Some((member, priority)) = member.and_then(|m| Some((m.info, m.announced?))) else {
            return;
        };
        if self
            .registry
            .find_list(name, ChannelList::Listeners)
            .is_none()
        {
            return;
        }
        self.publish_as_owner(ShardPublication {
            channel: Some(name.clone()),
            origin: Requester::Owner,
            kind: MessageType::Text,
            options: SendOptions::new(priority),
            published: self.now,
            payload: SharedPayload::new(member.info.clone(), A::CODECS),
            extras: Some(Box::new(PublicationExtras {
                details: MessageDetails {
                    event,
                    ..MessageDetails::default()
                },
                retention: None,
                acknowledge: None,
                excluded: None,
                follows: false,
                identity: None,
            })),
            owner: self.id,
            counters: None,
        });
    }

    /// At the owner: gives a publication its offset, if the channel is to keep it.
    pub(crate) fn append_to_stream(&mut self, publication: &mut ShardPublication) {
        let Some(name) = &publication.channel else {
            return;
        };
        let extras = publication.extras.as_mut();
        let Some((extras, retention)) = extras.and_then(|extras| {
            let retention = extras.retention?;
            Some((extras, retention))
        }) else {
            if publication.list_of() == ChannelList::Members {
                self.streams.interrupt(name);
            }
            return;
        };
        if extras.follows {
            extras.details.previous = self.streams.previous(name, self.now).map(Box::new);
        }
        let kept = KeptPublication {
            offset: 0,
            kind: publication.kind,
            payload: publication.payload.bytes().clone(),
            annotation: extras.details.annotation.clone(),
        };
        let version = extras
            .identity
            .as_mut()
            .and_then(|identity| identity.version.take());
        let position = self
            .streams
            .append(name, kept, version, &retention, self.now);
        extras.details.position = Some(position);
        if publication.options.exclude_sender || extras.excluded.is_some() {
            // One of the members has not got it.
            self.streams.interrupt(name);
        }
    }

    /// At the owner: returns whether the channel has had a publication, or a newer version, and gives
    /// it the position that its publisher is told.
    pub(crate) fn is_repeated(&mut self, publication: &mut ShardPublication) -> bool {
        let (Some(name), Some(extras)) = (&publication.channel, &mut publication.extras) else {
            return false;
        };
        let Some(identity) = &extras.identity else {
            return false;
        };
        if !identity.idempotency_key.is_empty()
            && let Some(answer) = self
                .streams
                .find_key(name, &identity.idempotency_key, self.now)
        {
            extras.details.position = answer;
            self.counts.channels.repeated += 1;
            return true;
        }
        if let (Some(version), Some(retention)) = (&identity.version, &extras.retention)
            && let Some(position) = self.streams.outdating(name, version, retention, self.now)
        {
            extras.details.position = Some(position);
            self.counts.channels.outdated += 1;
            return true;
        }
        false
    }

    /// At the owner: remembers the key of a publication, and what its publisher is told.
    pub(crate) fn remember_key(&mut self, publication: &ShardPublication) {
        if let (Some(name), Some(extras)) = (&publication.channel, &publication.extras)
            && let Some(identity) = &extras.identity
            && !identity.idempotency_key.is_empty()
        {
            let (key, position) = (&identity.idempotency_key, extras.details.position);
            let forgotten = self.streams.insert_key(name, key, position, self.now);
            self.counts.channels.keys_forgotten += forgotten;
        }
    }

    /// At the owner: lets the publisher know that a publication has its place.
    pub(crate) fn acknowledge(&mut self, publication: &ShardPublication) {
        let Some(extras) = &publication.extras else {
            return;
        };
        if let (Requester::Conn(conn), Some(ticket)) = (&publication.origin, extras.acknowledge) {
            let conn = *conn;
            let report = Completion {
                conn,
                ticket,
                answer: Notification::Accepted(extras.details.position),
            };
            match conn.shard() == self.id {
                true => self.report(report),
                false => self.post(conn.shard(), MessageBody::Accepted(report)),
            }
        }
    }

    /// At the owner: answers a question about a channel.
    pub(crate) fn answer_as_owner(&mut self, query: Query) {
        let Query {
            channel,
            from,
            ticket,
            query,
        } = query;
        let answer = match query {
            ChannelQuery::MemberCount => {
                ChannelAnswer::MemberCount(self.members_everywhere(&channel))
            }
            ChannelQuery::Members => self.presence.list(&channel),
            ChannelQuery::Occupancy => self.presence.occupancy(&channel),
            ChannelQuery::History(history) => self.streams.history(&channel, &history, self.now),
            ChannelQuery::ClearHistory => {
                self.streams.clear(&channel);
                ChannelAnswer::HistoryCleared
            }
        };
        let report = Completion {
            conn: from,
            ticket,
            answer: Notification::Channel(Box::new(answer)),
        };
        self.give_credit_back(from, self.id, channel.len(), Some(report));
    }

    /// Returns whether a handler is to be told something before anything is written.
    #[inline]
    pub(crate) fn has_notices(&self) -> bool {
        !self.notices.is_empty() || self.out.has_lost()
    }

    /// Ends the memberships of those who have missed a publication although they are positioned.
    fn end_lost(&mut self) {
        while let Some((at, channel)) = self.out.pop_lost() {
            let mut memberships = self.slots[at].memberships.iter().copied();
            let is_it = |m: &Membership| m.channel() == channel && m.is_positioned();
            // One that is left already ends with the answer to that.
            let Some(membership) = memberships
                .find(is_it)
                .filter(|_| !self.is_leaving(at, channel))
            else {
                continue;
            };
            self.counts.channels.positions_lost += 1;
            let name = self.registry.name(channel).clone();
            let (conn, owner) = (self.slots.id(at), self.registry.owner(&name));
            if owner != self.id {
                self.ask_to_leave(at, owner, name.clone());
            }
            self.quit(at, membership);
            if owner == self.id {
                self.leave_as_owner(conn, &name);
            }
            self.notices.push_back(Notice::PositionLost(conn, name));
        }
    }

    /// Removes and returns the next thing that a handler is to be told.
    pub(crate) fn next_notice(&mut self) -> Option<Notice> {
        self.end_lost();
        self.notices.pop_front()
    }

    /// Forgets what is to be forgotten of the streams that are owned here, some at a time. Returns
    /// whether there was anything.
    pub(crate) fn expire_streams(&mut self) -> bool {
        let Self {
            streams, registry, ..
        } = self;
        let is_needed = |name: &[u8]| registry.find(name).is_some();
        streams.expire(self.now, self.config.fan_out_slice, is_needed)
    }
}

impl Recovered {
    const fn nothing() -> Self {
        Self {
            is_complete: false,
            publications: Vec::new(),
        }
    }
}
