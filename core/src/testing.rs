//! Access to the inside of this crate for the simulator, the fuzz targets and the benches.
//!
//! This is no stable interface: its names change whenever the code inside does. Everything that
//! those crates use of the inside is named here and nowhere else.

pub use crate::proto::client;

/// Configuration.
pub mod config {
    use crate::Config;
    use crate::proto::ws::MessageLimits;
    use crate::proto::ws::deflate::Terms;

    /// Returns this configuration with another number of shards, unchecked.
    #[must_use]
    pub fn with_shards(config: &Config, shards: u16) -> Config {
        Config {
            shards,
            ..config.clone()
        }
    }

    /// Returns what a peer may send.
    pub const fn message_limits(config: &Config) -> MessageLimits {
        config.message_limits()
    }

    /// Returns what is agreed to of an offer of compression, with room for contexts or without.
    pub const fn deflate_terms(config: &Config, has_room: bool) -> Terms {
        config.deflate_terms(has_room)
    }
}

/// permessage-deflate.
pub mod deflate {
    pub use crate::proto::ws::deflate::{
        Compressor, DEFLATER_BYTES, INFLATER_BYTES, IS_BUILT, Params, Side, Terms,
    };

    /// Returns the most bytes that the compressed form of a message of this length may have.
    pub const fn ceiling(len: usize) -> usize {
        crate::proto::ws::deflate::max_compressed_len(len)
    }
}

/// Table of the channels with members on one shard.
pub mod channels {
    use crate::ShardId;
    use crate::channels::registry::{self as channel, ChannelList, Moved};
    use crate::delivery::codec::Form;

    /// A member's place: which channel, and where in its list of members.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Membership {
        /// The channel's number.
        pub channel: u32,
        /// The member's place in its list.
        pub place: u32,
    }

    /// The table.
    #[derive(Debug)]
    pub struct ChannelTable(channel::ChannelRegistry);

    impl ChannelTable {
        /// Returns an empty table of a server with this seed and this number of shards.
        pub fn new(seed: u64, shards: u16) -> Self {
            Self(channel::ChannelRegistry::new(seed, shards))
        }

        /// Adds the member with this slot.
        pub fn add_member(&mut self, name: &[u8], slot: u32) -> Membership {
            let member = self
                .0
                .add_member(name, ChannelList::Members, slot, Form::DEFAULT);
            Membership {
                channel: member.channel(),
                place: member.place(),
            }
        }

        /// Removes a member. `moved` gets the slot of each that takes another place, its old
        /// place and its new one.
        pub fn remove_member(&mut self, member: Membership, mut moved: impl FnMut(u32, u32, u32)) {
            let Membership { channel, place } = member;
            self.0.remove_member(
                channel::Membership::new(channel, place),
                |Moved { slot, from, to }| moved(slot, from, to),
            );
        }

        /// Adds a member on another shard.
        pub fn add_elsewhere(&mut self, name: &[u8], shard: ShardId) {
            self.0.add_remote(name, ChannelList::Members, shard);
        }

        /// Removes a member on another shard, if there is one.
        pub fn remove_elsewhere(&mut self, name: &[u8], shard: ShardId) {
            self.0.remove_remote(name, ChannelList::Members, shard);
        }

        /// Returns the shard that owns the channel.
        pub fn owner(&self, name: &[u8]) -> ShardId {
            self.0.owner(name)
        }

        /// Returns the number of a channel.
        pub fn find(&self, name: &[u8]) -> Option<u32> {
            self.0.find(name)
        }

        /// Returns the name of a channel.
        pub fn name(&self, channel: u32) -> &[u8] {
            self.0.name(channel)
        }

        /// Returns the slots of a channel's members on this shard.
        pub fn members(&self, channel: u32) -> &[u32] {
            self.0.members(channel)
        }

        /// Returns the other shards that have members of a channel, and how many.
        pub fn elsewhere(&self, channel: u32) -> &[(ShardId, u32)] {
            self.0.remote_counts(channel)
        }

        /// Returns the number of channels.
        pub fn channels(&self) -> usize {
            self.0.len()
        }
    }
}

/// Protocol of one peer.
pub mod conn {
    pub use crate::proto::ws::{
        CloseState, Connection, ConnectionEvent, DecodeBuffers, MessageLimits, Payload, Role, Step,
    };
}

/// HTTP, and the opening handshake.
pub mod handshake {
    pub use crate::proto::http::{
        Fields, HeadLimits, HttpConnection, HttpEvent, HttpLimits, HttpState, Request,
    };
    pub use crate::proto::ws::upgrade::extension::Extension;
    pub use crate::proto::ws::upgrade::{HeadAction, decide};
}

/// Send queue of one connection.
pub mod queue {
    use core::time::Duration;

    use crate::{OverflowPolicy, SendOptions};

    pub use crate::delivery::queue::lone::{
        Control, LoneQueue, MAX_PONGS, Offered, Pushed, QueueSize, Ticket,
    };
    pub use crate::delivery::queue::{DropReason, PushError};

    /// Returns priority, time to live, key and overflow policy of these options.
    pub const fn parts(
        options: SendOptions,
    ) -> (u8, Option<Duration>, Option<u64>, OverflowPolicy) {
        let SendOptions {
            priority,
            ttl,
            key,
            overflow,
            ..
        } = options;
        (priority, ttl, key, overflow)
    }
}

/// Bytes of one frame.
pub mod wire {
    pub use crate::proto::ws::header::{Header, MAX_LEN, unmasked_len};
    pub use crate::proto::ws::opcode::Opcode;
    pub use crate::proto::ws::{close, mask};
}
