//! Join and leave, on the shard of the connection and on the owner shard of the channel.
//! Everything about a channel passes its owner in order. A connection waits for the owner's answer to
//! a join or leave, so the result does not depend on which shard is the owner.

use alloc::boxed::Box;

use bytes::Bytes;

use crate::channels::fan_outs::EVERYONE;
use crate::channels::message::{Completion, MessageBody, ShardMessage};
use crate::channels::registry::{ChannelList, Membership, Memberships, list_bytes};
use crate::channels::subscription::Subscription;
use crate::engine::Engine;
use crate::engine::output::Output;
use crate::id::{ConnId, ShardId};
use crate::session::app_types::AppTypes;
use crate::session::deferred::{PendingOp, Wait};
use crate::session::phase::Phase;

impl<A: AppTypes> Engine<A> {
    /// The connection's membership in a channel, if it has one.
    pub(crate) fn membership(&self, at: u32, name: &[u8]) -> Option<Membership> {
        self.membership_of(at, name, ChannelList::Members)
    }

    /// The connection's place among those who get events of a channel, if it has one.
    pub(crate) fn listens(&self, at: u32, name: &[u8]) -> Option<Membership> {
        self.membership_of(at, name, ChannelList::Listeners)
    }

    fn membership_of(&self, at: u32, name: &[u8], list: ChannelList) -> Option<Membership> {
        let memberships = &self.slots[at].memberships;
        if memberships.is_empty() {
            return None;
        }
        let channel = self.registry.find_list(name, list)?;
        let mut memberships = memberships.iter().copied();
        memberships.find(|m| m.channel() == channel)
    }

    /// Makes the connection a member, or asks the owner to.
    pub(crate) fn join(
        &mut self,
        at: u32,
        name: &[u8],
        subscription: Option<&Subscription>,
    ) -> Result<(), Wait> {
        if self.slots[at].phase() != Phase::Open || self.membership(at, name).is_some() {
            return Ok(());
        }
        if subscription.is_some() && !self.out.is_push_lane_low(at) {
            // The answer is pushed, whatever waits there.
            return Err(Wait::Queue);
        }
        let most = self.config.channels_per_connection;
        let is_one_too_many =
            self.slots[at].memberships.len() >= most && self.channels_of(at).count() >= most;
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
            return match subscription {
                None => {
                    self.add_member(at, name, ChannelList::Members, false);
                    Ok(())
                }
                Some(subscription) => {
                    self.subscribe_here(at, name, subscription);
                    // The handler is to be told before anything else is done for it.
                    Err(Wait::Callback)
                }
            };
        }
        self.ask_owner(at, owner, |conn| MessageBody::Join {
            conn,
            channel: Bytes::copy_from_slice(name),
            subscription: subscription.cloned().map(Box::new),
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
        let channel = self.registry.name(membership.channel()).clone();
        if owner == self.id {
            self.quit(at, membership);
            self.leave_as_owner(self.slots.id(at), &channel);
            return Ok(());
        }
        self.ask_to_leave(at, owner, channel);
        Err(Wait::Left(membership.channel()))
    }

    /// Lets a connection know what it has asked for, once its turn comes.
    pub(crate) fn report(&mut self, report: Completion) {
        if let Some(at) = self.slots.find(report.conn)
            && self.is_acting(at)
        {
            self.defer(at, PendingOp::Notification(report.ticket, report.answer));
            if !self.slots[at].is_parked() {
                self.schedule(at);
            }
        }
    }

    /// Enters a connection in a list of a channel.
    pub(crate) fn add_member(
        &mut self,
        at: u32,
        name: &[u8],
        list: ChannelList,
        is_positioned: bool,
    ) {
        let form = self.out.form(at);
        let membership = self.registry.add_member(name, list, at, form);
        let membership = membership.positioned(is_positioned);
        self.change_memberships(at, |memberships| memberships.push(membership));
        self.counts.channels.members += 1;
        self.fan_outs.joined(membership.channel(), at);
    }

    /// Changes the list of channels of a connection, and takes note of its memory.
    pub(crate) fn change_memberships(&mut self, at: u32, change: impl FnOnce(&mut Memberships)) {
        let memberships = &mut self.slots[at].memberships;
        let before = list_bytes(memberships);
        change(memberships);
        self.membership_bytes = self.membership_bytes - before + list_bytes(memberships);
    }

    /// Ends a membership that the connection has asked to end, or has lost. What waits of the stream of
    /// the channel is discarded: it would be told that again when it comes back.
    pub(crate) fn quit(&mut self, at: u32, membership: Membership) {
        let listens = self.end_membership(at, membership);
        for list in listens.into_iter().chain([membership]) {
            self.out.discard_channel(at, list.channel());
        }
    }

    /// Ends a membership: the connection gets nothing more of the channel, not even events. Returns its
    /// place among those who get these, if it had one.
    fn end_membership(&mut self, at: u32, membership: Membership) -> Option<Membership> {
        // With one membership alone there is no other list.
        let has_others = self.slots[at].memberships.len() > 1;
        let name = self.registry.name(membership.channel());
        let listens = has_others.then(|| self.listens(at, name)).flatten();
        if let Some(listens) = listens {
            self.remove_member(at, listens);
        }
        self.remove_member(at, membership);
        listens
    }

    /// Takes a connection out of a list of a channel.
    fn remove_member(&mut self, at: u32, membership: Membership) {
        self.counts.channels.members -= 1;
        let channel = membership.channel();
        self.deliver_rest(channel, at, membership.place());
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
            let of_channel = memberships.iter_mut().find(|m| m.channel() == channel);
            if let Some(m) = of_channel {
                debug_assert_eq!(m.place(), moved.from);
                m.set_place(moved.to);
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
        while let Some(&last) = self.slots[at].memberships.last() {
            let channel = self.registry.name(last.channel()).clone();
            // A listener's place is ended with the other.
            let membership = match self.registry.list_of(last.channel()) {
                ChannelList::Members => last,
                ChannelList::Listeners => self.membership(at, &channel).unwrap_or(last),
            };
            let owner = self.registry.owner(&channel);
            if owner == self.id {
                self.end_membership(at, membership);
                self.leave_as_owner(self.slots.id(at), &channel);
                continue;
            }
            if wait != Some(Wait::Left(membership.channel())) {
                self.ask_to_leave(at, owner, channel);
            }
            self.end_membership(at, membership);
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
        let listened = self.listens(at, &channel).is_some();
        self.ask_owner(at, owner, |conn| MessageBody::Leave {
            conn,
            channel,
            listened,
        });
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
}
