//! Owns what a shard does with a letter from another.

use crate::channels::message::{MessageBody, ShardMessage};
use crate::engine::Engine;
use crate::id::ConnId;
use crate::session::app_types::AppTypes;
use crate::session::deferred::Wait;
use crate::session::slot::Phase;

impl<A: AppTypes> Engine<A> {
    /// Does what those letters say that have come since this was last done. The others
    /// wait until what they led to is out.
    #[inline]
    pub(crate) fn take_new_letters(&mut self) {
        if core::mem::take(&mut self.has_mail) {
            self.take_letters();
        }
    }

    /// Does what letters say, as far as sockets need not be tried first.
    pub(crate) fn take_letters(&mut self) {
        while !self.is_pressed()
            && let Some(letter) = self.backlog.pop_front()
        {
            self.command_bytes -= letter.command_bytes();
            self.take_letter(letter);
        }
        self.out.end_batch();
        self.keep_within_budget();
    }

    fn take_letter(&mut self, ShardMessage(said): ShardMessage) {
        let engine = self;
        match said {
            MessageBody::Join { conn, room } => {
                engine.rooms.add_elsewhere(&room, conn.shard(), 1);
                engine.post(conn.shard(), MessageBody::Joined { conn, room });
            }
            MessageBody::Leave { conn, room, life } => {
                // Who was counted by the one before is not counted by this one.
                if life == engine.credits.own_epoch() {
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
            MessageBody::Restated { life } if life == engine.credits.own_epoch() => {
                engine.take_restated()
            }
            MessageBody::Members {
                life,
                shard,
                room,
                members,
            } if life == engine.credits.own_epoch() => {
                engine.rooms.add_elsewhere(&room, shard, members);
            }
            MessageBody::Restated { .. } | MessageBody::Members { .. } => {}
        }
        engine.keep_within_budget();
    }

    pub(crate) fn take_joined(&mut self, conn: ConnId, room: &bytes::Bytes) {
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
            let life = self.credits.epoch(home);
            self.post(home, MessageBody::Leave { conn, room, life });
        }
    }

    pub(crate) fn take_left(&mut self, conn: ConnId, room: &[u8]) {
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
