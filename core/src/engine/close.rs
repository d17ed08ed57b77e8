//! Ends of connections: the closing handshake, the frames that are still written, and the release
//! of socket and slot.

use core::time::Duration;

use crate::CloseCode;
use crate::engine::Engine;
use crate::engine::output::{Event, Output};
use crate::id::ConnId;
use crate::inspect::closed::CloseInfo;
use crate::proto::http::HandshakeError;
use crate::proto::proxy::ProxyError;
use crate::proto::ws::CloseState;
use crate::proto::ws::PeerError;
use crate::proto::ws::close::fitting_reason;
use crate::session::app_types::AppTypes;
use crate::session::ended::Ended;
use crate::session::phase::{Phase, PhaseStep};
use crate::stats::CloseCause;

impl<A: AppTypes> Engine<A> {
    /// Ends a connection for the application: it leaves its channels, and nothing
    /// more is taken from it or for it. What waits is still to be written.
    pub(crate) fn end(&mut self, at: u32, ending: CloseInfo) {
        let (id, cause) = (self.slots.id(at), ending.cause);
        let channels = self.channels_of(at).cloned().collect();
        self.counts.closed[cause as usize] += 1;
        self.emit(Event::Closed(id, cause));
        self.remember(at, ending);
        self.leave_all(at);
        //= rfc6455#section-6.1 "If at any point the state of the WebSocket connection changes,..."
        self.discard_deferred_ops(at);
        self.set_app_timer(at, None);
        self.out.end(at);
        let slot = &mut self.slots[at];
        slot.advance(PhaseStep::End);
        slot.flags.set_ending(true);
        self.ended.push_back(Ended {
            at,
            cause,
            channels,
        });
        // However it was before: the peer's close frame is to be read.
        self.update_reading(at);
        if self.slots[at].decoder.state() == CloseState::Failed && self.out.is_empty(at) {
            // The wire has no last message.
            self.after_write(at);
        }
    }

    /// Begins the closing handshake: the close frame stands behind all that waits.
    pub(crate) fn begin_close(
        &mut self,
        at: u32,
        code: CloseCode,
        reason: &str,
        cause: CloseCause,
    ) {
        if self.slots[at].phase() == Phase::Open {
            self.push_close(at, Some(code), reason);
            self.end(at, CloseInfo::with_code(cause, Some(code)));
        }
    }

    /// Fails a connection (RFC 6455 §7.1.7): the close frame overtakes what
    /// waits for a peer that takes nothing. What is only yet to be offered goes
    /// first: it answers what preceded the fault, in the same read or in others.
    //= rfc6455#section-7.1.7 "the server MUST _Close the WebSocket Connection_, and SHOULD log..."
    //= rfc6455#section-7.1.7 "If _The WebSocket Connection is Established_ prior to the point..."
    //= rfc6455#section-10.7 "If the invalid data was received after a successful WebSocket..."
    pub(crate) fn fail(&mut self, at: u32, error: PeerError) {
        let which = PeerError::ALL.iter().position(|&other| other == error);
        self.counts.peer_errors[which.unwrap_or_default()] += 1;
        let id = self.slots.id(at);
        self.emit(Event::Failed(id, error));
        if self.slots[at].phase() == Phase::Open {
            self.out.discard_if_blocked(at);
            self.push_close(at, Some(error.close_code()), "");
            self.end(at, CloseInfo::of_error(error));
        } else if self.out.is_queue_empty(at) {
            // Our close frame is out, and nothing it sends can answer that.
            self.shut_write(at);
        }
    }

    /// Ends a connection whose peer broke the protocol of its transport. What the transport has to
    /// say to that is still written.
    pub(crate) fn fail_transport(&mut self, at: u32) {
        self.end_early(at, CloseCause::Transport);
        if !self.out.fail_transport(at) {
            return self.close_socket(at);
        }
        // Nothing of the peer is awaited.
        self.slots[at].advance(PhaseStep::End);
        self.slots[at].flags.set_eof(true);
        self.set_deadline(at, self.config.close_timeout);
    }

    /// Removes and returns the next open connection that does not keep up.
    pub(crate) fn next_slow(&mut self) -> Option<u32> {
        let mut slow = core::iter::from_fn(|| self.out.pop_slow());
        slow.find(|&at| self.slots[at].phase() == Phase::Open)
    }

    /// Closes a connection that does not keep up. What waits for it is thrown away, as
    /// for a fault: it takes nothing, and is to begin anew.
    pub(crate) fn close_slow(&mut self, at: u32, code: CloseCode, reason: &str) {
        self.out.discard_if_blocked(at);
        self.push_close(at, Some(code), reason);
        let ending = CloseInfo::with_code(CloseCause::SlowConsumer, Some(code));
        self.end(at, ending);
    }

    /// Closes a connection whose peer is not heard any more. If it is there all the same,
    /// and its socket takes that, it gets a close frame. Nothing of it is waited for then.
    pub(crate) fn close_silent(&mut self, at: u32) {
        if self.out.is_blocked(at) {
            return self.abort(at, CloseCause::PongTimeout);
        }
        let code = Some(CloseCode::INTERNAL_ERROR);
        self.push_close(at, code, KEEPALIVE);
        self.end(at, CloseInfo::with_code(CloseCause::PongTimeout, code));
        self.slots[at].flags.set_eof(true);
        self.set_deadline(at, self.config.close_timeout);
    }

    /// Closes a connection that takes or sends too slowly. What waits for it is thrown
    /// away, as that is what it is closed for.
    pub(crate) fn close_too_slow(&mut self, at: u32, cause: CloseCause, reason: &str) {
        if self.slots[at].phase() != Phase::Open {
            return self.abort(at, cause);
        }
        self.slots[at]
            .decoder
            .handle_failure(&mut self.decode_buffers);
        self.out.discard_if_blocked(at);
        let code = Some(CloseCode::POLICY);
        self.push_close(at, code, reason);
        self.end(at, CloseInfo::with_code(cause, code));
        self.out.forgive_rate(at);
        self.set_deadline(at, self.config.close_timeout);
    }

    /// The peer's close frame has been read.
    //= rfc6455#section-5.5.1 "If an endpoint receives a Close frame and did not previously send..."
    //= rfc6455#section-5.5.1 "It SHOULD do so as soon as practical."
    // That is behind what has been said to it already: that counts as sent,
    // however long it is delayed (§2.1).
    pub(crate) fn peer_closed(&mut self, at: u32, code: Option<CloseCode>) {
        if self.slots[at].phase() == Phase::Open {
            self.push_close(at, code, "");
            self.end(at, CloseInfo::with_code(CloseCause::Peer, code));
        } else if self.out.is_queue_empty(at) {
            self.close_behind_transport(at);
        }
    }

    /// The peer has shut its side, and everything it sent has been handled.
    pub(crate) fn handle_end_of_input(&mut self, at: u32) {
        match self.slots[at].phase() {
            Phase::Proxy => return self.refuse_proxy(at, ProxyError::Truncated),
            Phase::Head if self.is_amid_request(at) => {
                let connection = self.take_connection(at);
                self.refuse(at, connection, HandshakeError::Truncated);
            }
            Phase::Open => self.end(at, CloseInfo::new(CloseCause::Eof)),
            Phase::Free | Phase::Head | Phase::Answering | Phase::Closing => {}
            Phase::Lingering => return self.close_socket(at),
            Phase::Gone => return,
        }
        let answering = self.slots[at].phase() == Phase::Answering;
        if !answering && self.out.is_empty(at) {
            self.close_socket(at);
        }
    }

    /// Everything that waited for this connection is out.
    pub(crate) fn after_write(&mut self, at: u32) {
        let slot = &self.slots[at];
        match slot.phase() {
            //= rfc6455#section-7.2.2 "the server MUST simply _Close the WebSocket Connection_"
            Phase::Answering => self.after_answer(at),
            Phase::Closing if slot.flags.eof() => self.close_behind_transport(at),
            Phase::Closing => match slot.decoder.state() {
                //= rfc6455#section-5.5.1 "After both sending and receiving a Close message, an..."
                //= rfc6455#section-5.5.1 "The server MUST close the underlying TCP connection..."
                //= rfc6455#section-7.1.1 "The underlying TCP connection, in most normal cases,..."
                //= rfc6455#section-7.1.2 "Once an endpoint has both sent and received a Close..."
                CloseState::Closed => self.close_behind_transport(at),
                CloseState::Failed => self.shut_write(at),
                _ => self.set_deadline(at, self.config.close_timeout),
            },
            _ => {}
        }
    }

    /// Ends a connection at once, whatever waits.
    pub(crate) fn abort(&mut self, at: u32, cause: CloseCause) {
        self.end_early(at, cause);
        self.close_socket(at);
    }

    /// Ends a session, or a request that has begun, because nothing more comes of its socket.
    fn end_early(&mut self, at: u32, cause: CloseCause) {
        match self.slots[at].phase() {
            Phase::Open => self.end(at, CloseInfo::new(cause)),
            Phase::Head if self.is_amid_request(at) => {
                self.counts.refused[HandshakeError::Truncated.index()] += 1;
            }
            Phase::Answering => self.end_held(at, cause),
            _ => {}
        }
    }

    /// Lets go of the socket, once its transport has told the peer that nothing more comes.
    fn close_behind_transport(&mut self, at: u32) {
        if !self.out.close_transport(at) {
            self.close_socket(at);
        }
    }

    /// Lets go of the socket.
    pub(crate) fn close_socket(&mut self, at: u32) {
        if matches!(self.slots[at].phase(), Phase::Gone | Phase::Free) {
            return;
        }
        if self.rest.as_ref().is_some_and(|&(owner, _)| owner == at) {
            self.rest = None;
        }
        let drops = self.out.close(at);
        self.forget_input(at);
        let decoder = &mut self.slots[at].decoder;
        self.context_bytes -= decoder.context_bytes();
        decoder.release(&mut self.decode_buffers);
        self.wheel.disarm(&mut self.slots, at);
        self.leave_address(at);
        self.slots[at].advance(PhaseStep::Close);
        self.counts.links.active -= u64::from(self.slots[at].flags.upgraded());
        self.closed.close(at, drops);
        if self.is_detached(at) {
            return;
        }
        let id = self.slots.id(at);
        self.outputs.push_back(Output::Disconnect(id));
    }

    /// The adapter lets go of the socket now.
    pub(crate) fn release(&mut self, id: ConnId) {
        if let Some(at) = self.slots.find(id) {
            // The slot may still wait for messages about it.
            self.counts.links.held -= 1;
            self.slots[at].flags.set_released(true);
            self.free_if_done(at);
        }
    }

    /// Frees the slot once neither the socket nor another shard knows it, it stands in no line,
    /// and what the application asked for when it ended is done.
    pub(crate) fn free_if_done(&mut self, at: u32) {
        let slot = &self.slots[at];
        let stands = self.out.is_scheduled(at) || slot.flags.resuming();
        let is_known = !slot.flags.released() || slot.awaited_answers > 0;
        let is_unfinished = slot.flags.ending() || slot.has_deferred_ops();
        if slot.phase() == Phase::Gone && !stands && !is_known && !is_unfinished {
            self.slots.remove(at);
            self.out.remove(at);
            if self.slots.held() == 0 {
                self.rest();
            }
        }
    }

    pub(crate) fn set_deadline(&mut self, at: u32, delay: Duration) {
        self.slots[at].moment = Some(self.now.after(delay));
        self.slots[at].flags.set_excused(false);
        self.rearm(at);
    }

    /// Shuts our side and waits for the peer's: closing at once could make the
    /// kernel send a reset that destroys what we wrote last. A peer that has sent
    /// its close frame sends nothing more, so there it would be for nothing.
    //= rfc6455#section-7.1.1 "An endpoint SHOULD use a method that cleanly closes the TCP..."
    //= rfc6455#section-7.1.1 "when a server is instructed to _Close the WebSocket Connection_..."
    pub(crate) fn shut_write(&mut self, at: u32) {
        if self.slots[at].phase() == Phase::Lingering {
            return;
        }
        if self.out.close_transport(at) {
            // Goes on when that is written.
            return;
        }
        if self.slots[at].flags.eof() {
            return self.close_socket(at);
        }
        self.slots[at].advance(PhaseStep::Shut);
        let id = self.slots.id(at);
        self.outputs.push_back(Output::Shut(id));
        self.set_deadline(at, self.config.close_timeout);
    }

    /// Queues our close frame behind all that waits, or what stands for it on the wire. A reason that
    /// is too long for a close frame is cut.
    pub(crate) fn push_close(&mut self, at: u32, code: Option<CloseCode>, reason: &str) {
        self.slots[at].decoder.handle_close_sent();
        let form = self.out.form(at);
        if form.wire().needs_handshake() {
            return self.out.send_close(at, code, fitting_reason(reason));
        }
        let mut message = self.decode_buffers.buffers.take_for(reason.len());
        let code = code.unwrap_or(CloseCode::INTERNAL_ERROR);
        if !(self.encode_close)(form.codec(), code, reason, &mut message) {
            self.counts.links.panics += 1;
        } else if !message.is_empty() {
            self.out.send_last(at, &message);
        }
        self.decode_buffers.give(message);
    }
}

/// What a peer is told that has not been heard for too long.
const KEEPALIVE: &str = "keepalive timeout";
