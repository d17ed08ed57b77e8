//! Execution of commands from outside all shards. Does not contain the handle that sends them,
//! which is in `channels::handle`.

use crate::channels::handle::{Permit, RemoteCommand};

use crate::channels::message::{Direct, OwnerRequest, Publication, Requester};
use crate::delivery::codec::SharedPayload;
use crate::engine::Engine;
use crate::session::app_types::AppTypes;
use crate::session::phase::Phase;
use crate::stats::CloseCause;

impl<A: AppTypes> Engine<A> {
    /// Carries out a command from outside. Its place goes with what is under way
    /// of it.
    pub(crate) fn handle_command(&mut self, command: RemoteCommand, place: Permit) {
        let origin = Requester::Outside(place);
        match command {
            RemoteCommand::Publish {
                channel,
                kind,
                options,
                payload,
            } => {
                self.counts.channels.published += 1;
                self.serve_as_owner(OwnerRequest::Publish(Publication {
                    channel,
                    origin,
                    kind,
                    options,
                    published: self.now,
                    payload: SharedPayload::new(payload, A::CODECS),
                    owner: self.id,
                    counters: None,
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
                    origin,
                    kind,
                    options,
                    published: self.now,
                    payload,
                });
            }
            RemoteCommand::Close { conn, code } => {
                let open = |&at: &u32| self.slots[at].phase() == Phase::Open;
                if let Some(at) = self.slots.find(conn).filter(open) {
                    self.begin_close(at, code, CloseCause::Handler);
                }
            }
        }
    }
}
