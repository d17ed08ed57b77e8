//! Questions of a connection to the application on other shards, and their answers.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::id::{ConnId, ShardId};

/// The shards that are asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShardTarget {
    /// All shards of the server, that of the connection among them.
    All,
    /// This one. If there is none with this number, there are no answers.
    One(ShardId),
    /// One of them: the same for equal numbers. For what a single shard has to decide.
    Keyed(u64),
}

/// A question to the application on one shard.
#[derive(PartialEq, Eq, Debug)]
pub struct ShardRequest {
    pub(crate) from: ConnId,
    pub(crate) payload: Bytes,
}

impl ShardRequest {
    /// Returns the connection that asks.
    pub const fn from(&self) -> ConnId {
        self.from
    }

    /// Returns what is asked.
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }
}

/// A question that is not answered by all shards yet.
#[derive(Debug)]
pub(crate) struct Question {
    ticket: u64,
    /// The number of answers that are missing.
    missing: u16,
    answers: Vec<(ShardId, Bytes)>,
}

impl Question {
    /// Returns a question to this number of shards, at least one.
    pub(crate) fn new(ticket: u64, shards: u16) -> Self {
        Self {
            ticket,
            missing: shards,
            answers: Vec::with_capacity(shards.into()),
        }
    }

    /// Takes the answer of a shard; only its first one counts. Returns whether it was the last that
    /// was missing.
    pub(crate) fn take_answer(&mut self, shard: ShardId, payload: Bytes) -> bool {
        let place = self
            .answers
            .partition_point(|&(other, _)| other.0 < shard.0);
        if self
            .answers
            .get(place)
            .is_some_and(|&(other, _)| other == shard)
        {
            return false;
        }
        self.answers.insert(place, (shard, payload));
        self.missing -= 1;
        self.missing == 0
    }

    pub(crate) fn into_answers(self) -> (u64, Vec<(ShardId, Bytes)>) {
        (self.ticket, self.answers)
    }

    /// Returns the bytes of memory that it owns.
    pub(crate) fn memory(&self) -> usize {
        let payloads: usize = self.answers.iter().map(|(_, payload)| payload.len()).sum();
        size_of::<Self>() + self.answers.capacity() * size_of::<(ShardId, Bytes)>() + payloads
    }
}
