//! Owns what one shard says to another.

use alloc::boxed::Box;

use bytes::Bytes;

use crate::handler::Outcome;
use crate::id::{ConnId, ShardId};
use crate::queue::Qos;
use crate::sync::{Once, Parcel, Tally};
use crate::time::Timestamp;
use crate::wire::opcode::Kind;

/// What one shard says to another. An adapter carries letters and does not
/// look inside; letters from one shard to another must arrive in the order in
/// which they were posted.
#[derive(Debug)]
pub struct Letter(pub(super) Said);

#[derive(Debug)]
pub(super) enum Said {
    /// To a room's home: the connection wants to be a member.
    Join { conn: ConnId, room: Bytes },
    /// From a room's home: it is one, from here on in this stream of letters.
    Joined { conn: ConnId, room: Bytes },
    /// To a room's home: the connection is a member no more. It was counted as
    /// one in this life of the home, or of one before.
    Leave {
        conn: ConnId,
        room: Bytes,
        life: u32,
    },
    /// From a room's home: it is none, from here on.
    Left { conn: ConnId, room: Bytes },
    /// To a room's home: this is to be said in the room.
    Publish(Publication),
    /// From a room's home: this is said in the room.
    Deliver(Parcel<Publication>),
    /// From the last shard that delivered a publication, to the one it came from.
    Credit {
        home: ShardId,
        lives: Lives,
        bytes: usize,
        report: Option<Report>,
    },
    /// A shard has failed, and begins anew, for the how manieth time.
    Reborn { shard: ShardId, life: u32 },
    /// To a room's home that begins anew: so many members are on this shard.
    Members {
        life: u32,
        shard: ShardId,
        room: Bytes,
        members: u32,
    },
    /// To a shard that begins anew: these were all.
    Restated { life: u32 },
}

/// Something said in a room, or to everyone.
#[derive(Debug)]
pub(super) struct Publication {
    pub(super) room: Option<Bytes>,
    pub(super) from: ConnId,
    pub(super) exclude_sender: bool,
    pub(super) kind: Kind,
    pub(super) qos: Qos,
    pub(super) published: Timestamp,
    pub(super) payload: Bytes,
    /// Its compressed form, if that is shorter, once a shard has made it.
    pub(super) packed: Once<Option<Bytes>>,
    /// The shard that decided its order.
    pub(super) home: ShardId,
    pub(super) lives: Lives,
    /// What became of it so far, if anybody wants to know.
    pub(super) tally: Option<Box<Tally<{ Outcome::PARTS }>>>,
}

/// In which lives of its shards a publication was made. What was under way
/// when one of them failed is forgiven, and is not to be given back once more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Lives {
    /// Of the shard that it came from.
    pub(super) own: u32,
    /// Of its home, as far as that was known.
    pub(super) home: u32,
}

/// What became of a publication, for whoever asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    pub(super) conn: ConnId,
    pub(super) ticket: u64,
    pub(super) outcome: Outcome,
}
