//! Owns what a shard does with a letter from another.

use crate::app::Handler;
use crate::channels::message::{MessageBody, ShardMessage};
use crate::id::ConnId;
use crate::session::deferred::Wait;
use crate::session::slot::Phase;
use crate::shard::{Engine, Shard};
use crate::time::Timestamp;

impl<H: Handler> Shard<H> {
    /// Takes a letter. What it says is done when the shard is polled, with what others
    /// say that came along, or before a task or an end that comes later; letters keep
    /// their order.
    pub fn handle_message(&mut self, now: Timestamp, letter: ShardMessage) {
        self.engine.set_time(now);
        self.engine.command_bytes += letter.command_bytes();
        self.engine.backlog.push_back(letter);
        self.engine.has_mail = true;
    }

    /// Does what those letters say that have come since this was last done. The others
    /// wait until what they led to is out.
    #[inline]
    pub(crate) fn take_new_letters(&mut self) {
        if core::mem::take(&mut self.engine.has_mail) {
            self.take_letters();
        }
    }

    /// Does what letters say, as far as sockets need not be tried first.
    pub(crate) fn take_letters(&mut self) {
        while !self.engine.is_pressed()
            && let Some(letter) = self.engine.backlog.pop_front()
        {
            self.engine.command_bytes -= letter.command_bytes();
            self.take_letter(letter);
        }
        self.engine.out.end_batch();
        self.engine.keep_within_budget();
    }

    fn take_letter(&mut self, ShardMessage(said): ShardMessage) {
        let engine = &mut self.engine;
        match said {
            MessageBody::Join { conn, room } => {
                engine.rooms.add_elsewhere(&room, conn.shard(), 1);
                engine.post(conn.shard(), MessageBody::Joined { conn, room });
            }
            MessageBody::Leave { conn, room, life } => {
                // Who was counted by the one before is not counted by this one.
                if life == engine.life() {
                    engine.rooms.remove_elsewhere(&room, conn.shard());
                }
                engine.post(conn.shard(), MessageBody::Left { conn, room });
            }
            MessageBody::Joined { conn, room } => engine.take_joined(conn, &room),
            MessageBody::Left { conn, room } => engine.take_left(conn, &room),
            MessageBody::Ask(asked) => engine.do_at_home(asked),
            MessageBody::Send(direct) => engine.take_direct(direct),
            MessageBody::Command(command, place) => engine.take_command(command, place),
            MessageBody::Deliver(parcel) => engine.fan_out(parcel),
            MessageBody::Credit {
                home,
                lives,
                bytes,
                report,
            } => engine.take_credit_back(home, lives, bytes, report),
            MessageBody::Reborn { shard, life } => engine.take_reborn(shard, life),
            // What was told to the one before is told again to this one.
            MessageBody::Restated { life } if life == engine.life() => engine.take_restated(),
            MessageBody::Members {
                life,
                shard,
                room,
                members,
            } if life == engine.life() => {
                engine.rooms.add_elsewhere(&room, shard, members);
            }
            MessageBody::Restated { .. } | MessageBody::Members { .. } => {}
        }
        self.engine.keep_within_budget();
    }
}

impl<H: Handler> Engine<H> {
    fn take_joined(&mut self, conn: ConnId, room: &bytes::Bytes) {
        let Some(at) = self.slots.find(conn) else {
            return;
        };
        if self.slots[at].phase == Phase::Open {
            self.slots[at].answers -= 1;
            self.add_member(at, room);
            self.unpark(at, Wait::Joined);
        } else {
            // It has ended meanwhile; the answer to this is still awaited.
            let (home, room) = (self.rooms.home(room), room.clone());
            let life = self.lives[home.index()];
            self.post(home, MessageBody::Leave { conn, room, life });
        }
    }

    fn take_left(&mut self, conn: ConnId, room: &[u8]) {
        let Some(at) = self.slots.find(conn) else {
            return;
        };
        self.slots[at].answers -= 1;
        if let Some(membership) = self.membership(at, room) {
            self.remove_member(at, membership);
            self.unpark(at, Wait::Left(membership.room));
        }
        self.free_if_done(at);
    }
}
