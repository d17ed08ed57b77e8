//! Subscriptions with a position or presence: what is asked for, and the answer.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::channels::publication::{KeptPublication, Retention};
use crate::delivery::OwnForm;
use crate::delivery::codec::Codec;
use crate::id::ConnId;
use crate::position::{Epoch, Position};

/// What a connection that becomes a member of a channel wants beside the publications.
#[derive(Clone, Debug, Default)]
pub struct Subscription {
    pub(crate) retention: Option<Retention>,
    pub(crate) is_positioned: bool,
    pub(crate) recovery: Option<Recovery>,
    pub(crate) member: Option<Arc<MemberInfo>>,
    pub(crate) announced: Option<u8>,
    pub(crate) gets_events: bool,
    pub(crate) lists_others: bool,
    pub(crate) own: OwnForm,
}

impl Subscription {
    /// Creates a subscription to publications alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the position in the stream of the channel, which is begun if there is none.
    #[must_use]
    pub const fn position(mut self, retention: Retention) -> Self {
        self.retention = Some(retention);
        self
    }

    /// Ends the membership if a publication with an offset does not reach the connection, because its
    /// queue is full, or short of memory, or the publication has expired:
    /// [`Handler::on_position_lost`](crate::Handler::on_position_lost). So what it gets has no gap.
    #[must_use]
    pub const fn positioned(mut self) -> Self {
        self.is_positioned = true;
        self
    }

    /// Asks for what was published since. Needs a [position](Self::position).
    #[must_use]
    pub const fn recover(mut self, recovery: Recovery) -> Self {
        self.recovery = Some(recovery);
        self
    }

    /// Shows the connection among the members of the channel.
    #[must_use]
    pub fn presence(mut self, member: Arc<MemberInfo>) -> Self {
        self.member = Some(member);
        self
    }

    /// Lets those who get events know that the connection, which must be [shown](Self::presence),
    /// comes, and later that it leaves. The events have this priority.
    #[must_use]
    pub const fn announced(mut self, priority: u8) -> Self {
        self.announced = Some(priority);
        self
    }

    /// Asks who else is [shown](Self::presence). Of several connections that ask so, each is told of
    /// those that came before it.
    #[must_use]
    pub const fn list_others(mut self) -> Self {
        self.lists_others = true;
        self
    }

    /// Gives the connection the publications of this channel in another codec than that of its
    /// acceptance, unless that is the verbatim one. Until it has got one of them, those that follow
    /// are encoded without [what was before](crate::delivery::Outgoing::previous).
    #[must_use]
    pub const fn codec(mut self, codec: Codec) -> Self {
        self.own.codec = Some(codec);
        self
    }

    /// Gives the connection only the publications of the channel that
    /// [pass](crate::Handler::passes) this filter, which means something to the application alone.
    /// Those that do not are as good as delivered: a [positioned](Self::positioned) member has not
    /// missed them. Joins and leaves are not filtered, nor is what is [recovered](Self::recover).
    #[must_use]
    pub fn filter(mut self, filter: Bytes) -> Self {
        self.own.filter = Some(filter);
        self
    }

    /// Returns the member as it is shown to others, if it is.
    pub(crate) fn shown(&self) -> Option<ShownMember> {
        let announced = self.announced;
        let member = self.member.clone();
        member.map(|info| ShownMember { info, announced })
    }

    /// Lets the connection know who comes and leaves, itself included.
    #[must_use]
    pub const fn events(mut self) -> Self {
        self.gets_events = true;
        self
    }
}

/// What others see of a member of a channel.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MemberInfo {
    /// Who it is: several connections may be one user.
    pub user: Bytes,
    /// What its connection is called, and whatever else: of no meaning here. It is the payload of the
    /// events about the member.
    pub info: Bytes,
}

/// A member that others see.
#[derive(Clone, Debug)]
pub(crate) struct ShownMember {
    pub(crate) info: Arc<MemberInfo>,
    /// The priority of the events about it, if there are any.
    pub(crate) announced: Option<u8>,
}

impl ShownMember {
    /// Returns the bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        size_of::<MemberInfo>() + self.info.user.len() + self.info.info.len()
    }
}

/// What a subscriber wants of what was published before it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// Which publications.
    pub scope: RecoveryScope,
    /// What it has seen last.
    pub since: Since,
    /// The most publications that are given.
    pub limit: u32,
    /// Whether the connection is to become no member if that cannot be recovered.
    pub is_required: bool,
}

/// The publication that a question is about what follows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Since {
    /// The epoch of its offset; `None` for that which the channel has.
    pub epoch: Option<Epoch>,
    /// Its offset.
    pub offset: u64,
}

/// What is recovered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RecoveryScope {
    /// Every publication since, or none if one of them is missing.
    #[default]
    All,
    /// The latest publication, unless the subscriber has it.
    Latest,
}

/// The answer to a subscription: [`Handler::on_subscribed`](crate::Handler::on_subscribed).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Subscribed {
    /// The channel.
    pub channel: Bytes,
    /// Whether the connection is a member now: false only if a recovery was
    /// [required](Recovery::is_required) and is not possible.
    pub is_member: bool,
    /// The position from which on it gets publications, if it has asked for that: what follows is
    /// the next offset.
    pub position: Option<Position>,
    /// Whether nothing is missing between what it has seen and that position, given `publications`.
    pub recovered: bool,
    /// What it has missed, the oldest first.
    pub publications: Vec<KeptPublication>,
    /// The connections that were shown already, if it has asked for them.
    pub others: Vec<ConnId>,
}
