//! Execution of commands from outside all shards. Does not contain the handle that sends them,
//! which is in `channels::handle`.

use alloc::boxed::Box;

use crate::channels::RemoteResult;
use crate::channels::handle::{Permit, RemoteCommand};
use crate::channels::message::{Direct, OwnerRequest, Requester, ShardPublication};
use crate::delivery::codec::SharedPayload;
use crate::engine::Engine;
use crate::id::ConnId;
use crate::session::app_types::AppTypes;
use crate::session::deferred::PendingOp;
use crate::session::phase::Phase;
use crate::stats::CloseCause;
use crate::sync::AtomicCounters;

impl<A: AppTypes> Engine<A> {
    /// Carries out a command from outside. Its place goes with what is under way
    /// of it.
    pub(crate) fn handle_command(&mut self, command: RemoteCommand, place: Permit) {
        match command {
            RemoteCommand::Publish {
                channel,
                kind,
                options,
                payload,
            } => {
                self.counts.channels.published += 1;
                let wants_result = place.wants_result();
                self.serve_as_owner(OwnerRequest::Publish(ShardPublication {
                    channel,
                    origin: Requester::Outside(place),
                    kind,
                    options,
                    published: self.now,
                    payload: SharedPayload::new(payload, A::CODECS),
                    extras: None,
                    owner: self.id,
                    counters: wants_result.then(|| Box::new(AtomicCounters::new())),
                }));
            }
            RemoteCommand::Send {
                to,
                kind,
                options,
                payload,
            } => {
                self.counts.direct.sent += 1;
                self.deliver_direct(Direct {
                    to,
                    origin: Requester::Outside(place),
                    kind,
                    options,
                    published: self.now,
                    payload,
                });
            }
            RemoteCommand::Close { conn, code } => {
                let found = self.find_open(conn);
                if let Some(at) = found {
                    self.begin_close(at, code, "", CloseCause::Handler);
                }
                place.finish(|| RemoteResult::Found(found.is_some()));
            }
            RemoteCommand::Membership {
                conn,
                channel,
                joins,
            } => {
                let found = self.find_open(conn);
                if let Some(at) = found {
                    let op = match joins {
                        true => PendingOp::Join(channel),
                        false => PendingOp::Leave(channel),
                    };
                    self.defer(at, op);
                    if !self.slots[at].is_parked() {
                        self.schedule(at);
                    }
                }
                place.finish(|| RemoteResult::Found(found.is_some()));
            }
            RemoteCommand::Count { channel } => {
                let members = self.members_everywhere(&channel);
                place.finish(|| RemoteResult::Members(members));
            }
        }
    }

    pub(crate) fn find_open(&self, conn: ConnId) -> Option<u32> {
        let open = |&at: &u32| self.slots[at].phase() == Phase::Open;
        self.slots.find(conn).filter(open)
    }
}
