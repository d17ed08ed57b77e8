//! Room: its members, each with an unbounded channel, as in the chat examples of the libraries.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::data::Data;

/// The members that receive what is published.
#[derive(Debug)]
pub struct Room<M> {
    members: Mutex<Members<M>>,
}

#[derive(Debug)]
struct Members<M> {
    next: u64,
    inboxes: HashMap<u64, UnboundedSender<M>>,
}

/// A connection that can join the room. Dropping the value leaves it.
#[derive(Debug)]
pub struct Member<M> {
    room: Arc<Room<M>>,
    number: Option<u64>,
    inbox: UnboundedSender<M>,
}

impl<M> Default for Room<M> {
    fn default() -> Self {
        let members = Members {
            next: 0,
            inboxes: HashMap::new(),
        };
        Self {
            members: members.into(),
        }
    }
}

impl<M: Data> Room<M> {
    fn publish(&self, message: &M) {
        let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        for inbox in members.inboxes.values() {
            // The receiver of a member that is leaving may be gone already.
            let _ = inbox.send(message.clone());
        }
    }
}

impl<M: Data> Member<M> {
    /// Returns a connection that has not joined yet, and its receiver.
    pub fn new(room: Arc<Room<M>>) -> (Self, UnboundedReceiver<M>) {
        let (inbox, heard) = unbounded_channel();
        let member = Self {
            room,
            number: None,
            inbox,
        };
        (member, heard)
    }

    /// Returns the sender of this member's channel.
    pub fn inbox(&self) -> &UnboundedSender<M> {
        &self.inbox
    }

    /// Handles a message. Returns the answer, if there is one.
    pub fn say(&mut self, message: M) -> Option<M> {
        let (is_text, payload) = message.into_parts();
        let answer = |parts: [&[u8]; 2]| M::from_parts(is_text, parts.concat().into());
        if payload.starts_with(b"msg:") {
            let text = payload.slice(b"msg:".len()..);
            self.room.publish(&M::from_parts(is_text, text)?);
            None
        } else if let Some(name) = payload.strip_prefix(b"join:") {
            self.join();
            answer([b"joined:", name])
        } else {
            answer([b"echo:", &payload])
        }
    }

    fn join(&mut self) {
        let room = &self.room.members;
        let mut members = room.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *self.number.get_or_insert(members.next);
        members.next += 1;
        members.inboxes.insert(number, self.inbox.clone());
    }
}

impl<M> Drop for Member<M> {
    fn drop(&mut self) {
        let room = &self.room.members;
        let mut members = room.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = self.number {
            members.inboxes.remove(&number);
        }
    }
}
