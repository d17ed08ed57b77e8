//! Input of a shard: sockets, bytes, ends of streams and of tasks, and the callbacks for messages
//! and pongs. Incomplete input is kept in `engine::buffered_input`.

use crate::engine::input::Admission;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::ops::Range;

use crate::app::{Handler, Isolation, Message};
use crate::delivery::{HEADROOM, MessageRef, Part};
use crate::id::ConnId;
use crate::proto::http::{HandshakeError, HttpConnection};
use crate::proto::transport::Transport;
use crate::proto::ws;
use crate::proto::ws::opcode::MessageType;
use crate::proto::ws::{Keepalive, Payload};
use crate::session::app_types::{Backpressure, TaskEnd};
use crate::session::deferred::{PendingOp, Wait};
use crate::session::ended::Leftover;
use crate::session::peer::PeerAddr;
use crate::session::phase::Phase;
use crate::session::slot::SubprotocolIndex;
use crate::shard::Shard;
use crate::stats::CloseCause;
use crate::time::Timestamp;

impl<H: Handler, I: Isolation> Shard<H, I> {
    /// Takes a new socket of a peer with this address, and returns the name of the connection.
    pub fn accept_from(
        &mut self,
        now: Timestamp,
        admission: Admission,
        peer: SocketAddr,
    ) -> ConnId {
        let id = self.accept(now, admission);
        self.engine
            .set_client(id.slot() as u32, PeerAddr::new(peer));
        id
    }

    /// Sends the bytes of a connection that was just accepted through a transport, behind a
    /// [header](Self::expect_proxy_header) of the PROXY protocol if there is one.
    pub fn set_transport(&mut self, id: ConnId, transport: Box<dyn Transport>) {
        if let Some(at) = self.engine.slots.find(id) {
            self.engine.out.set_transport(at, transport);
        }
    }

    /// Takes a new socket of a peer whose address is not known, and returns the name of the
    /// connection.
    pub fn accept(&mut self, now: Timestamp, admission: Admission) -> ConnId {
        let engine = &mut self.engine;
        engine.set_time(now);
        let spread = (engine.config.seed as u32 ^ engine.counts.links.accepted as u32)
            .wrapping_mul(0x9E37_79B9);
        let at = engine
            .slots
            .insert(Keepalive::new(now, engine.config.ping_interval, spread));
        engine.out.insert(at);
        engine.counts.links.accepted += 1;
        engine.counts.links.held += 1;
        engine.slots[at]
            .flags
            .set_surplus(admission == Admission::Surplus);
        engine.set_deadline(at, engine.config.handshake_timeout);
        engine.slots.id(at)
    }

    /// Takes a socket of a listener that clients cannot reach, and returns the name of the connection.
    /// `input` is what was read from it; it is modified.
    ///
    /// Its requests are [internal](crate::HttpRequest::is_internal), and may be for any host.
    pub fn accept_internal(
        &mut self,
        now: Timestamp,
        admission: Admission,
        peer: SocketAddr,
        input: &mut [u8],
    ) -> ConnId {
        let id = self.accept_from(now, admission, peer);
        self.engine.slots[id.slot() as u32].subprotocol = SubprotocolIndex::INTERNAL;
        self.handle_input(now, id, input);
        id
    }

    /// Takes a socket whose opening handshake another server has answered with 101, without
    /// extension and subprotocol, and returns the name of the connection. `input` is the head of the
    /// request, and the frames that were read behind it; it is modified.
    ///
    /// The application decides about the request as about any other. Since it is answered already, a
    /// refusal is a close frame: 1013 for the status 503, 1011 for other server errors, 1008 for all
    /// else.
    pub fn accept_upgraded(
        &mut self,
        now: Timestamp,
        admission: Admission,
        peer: SocketAddr,
        input: &mut [u8],
    ) -> ConnId {
        let id = self.accept(now, admission);
        let at = id.slot() as u32;
        self.engine.slots[at].subprotocol = SubprotocolIndex::ANSWERED;
        self.engine.set_client(at, PeerAddr::new(peer));
        self.handle_input(now, id, input);
        if self.engine.slots[at].phase() == Phase::Head {
            // There is no more of the head to come.
            let connection = HttpConnection::new();
            self.engine
                .refuse(at, connection, HandshakeError::Truncated);
            self.after_input(at);
        }
        id
    }

    /// Where the next read goes; the connection it is for is named in
    /// [`handle_read`](Self::handle_read).
    pub fn read_buffer(&mut self) -> &mut [u8] {
        self.engine.vacate_scratch();
        &mut self.engine.out.scratch()[HEADROOM..]
    }

    /// Whether the connection is to be read: what the last
    /// [`StopReading`](crate::Output::StopReading) or
    /// [`StartReading`](crate::Output::StartReading) says, be it polled or not yet. For
    /// an adapter that reads a socket more than once before it polls.
    pub fn is_reading(&self, id: ConnId) -> bool {
        self.engine
            .slots
            .find(id)
            .is_some_and(|at| !self.engine.slots[at].flags.unread())
    }

    /// Takes `n` bytes that were read from this connection into
    /// [`read_buffer`](Self::read_buffer).
    pub fn handle_read(&mut self, now: Timestamp, id: ConnId, n: usize) {
        self.engine.set_time(now);
        let range = HEADROOM..HEADROOM + n;
        let Some(at) = self.engine.begin_input(id, n) else {
            return self.handle_proxy_read(id, range);
        };
        if self.engine.out.is_sealed(at) {
            let mut scratch = self.engine.out.lend_scratch();
            let opened = self.engine.open_sealed(at, &mut scratch[range]);
            self.engine.out.return_scratch(scratch);
            return self.handle_opened(at, opened);
        }
        if self.engine.slots[at].is_deferring() {
            let tail = self.engine.buffered_len(at);
            if tail > HEADROOM
                || self.engine.slots[at].has_deferred_ops()
                || matches!(
                    self.engine.slots[at].phase(),
                    Phase::Head | Phase::Answering
                )
            {
                self.engine.buffer_scratch(at, range);
                self.resume(at);
                return;
            }
            // What was left over is a piece of a frame: put it in front.
            let start = HEADROOM - tail;
            self.engine.prepend_buffered(at, start);
            self.resume_in_scratch(at, start..range.end);
        } else {
            self.resume_in_scratch(at, range);
        }
    }

    /// Takes bytes that were read into a buffer of the caller's. They are
    /// changed where they stand.
    pub fn handle_input(&mut self, now: Timestamp, id: ConnId, bytes: &mut [u8]) {
        self.engine.set_time(now);
        self.engine.vacate_scratch();
        let Some(at) = self.engine.begin_input(id, bytes.len()) else {
            return self.handle_proxy_input(id, bytes);
        };
        self.handle_wire_bytes(at, bytes);
    }

    /// Handles bytes of the wire that are not in the scratch.
    pub(crate) fn handle_wire_bytes(&mut self, at: u32, bytes: &mut [u8]) {
        if self.engine.out.is_sealed(at) {
            let opened = self.engine.open_sealed(at, bytes);
            return self.handle_opened(at, opened);
        }
        self.handle_bytes(at, bytes);
    }

    /// Handles what a transport has opened.
    #[inline(never)]
    fn handle_opened(&mut self, at: u32, opened: Option<(Vec<u8>, bool)>) {
        match opened {
            Some((mut bytes, is_over)) => {
                let id = self.engine.slots.id(at);
                self.handle_bytes(at, &mut bytes);
                self.engine.decode_buffers.give(bytes);
                if is_over {
                    self.handle_eof(self.engine.now, id);
                }
            }
            None => self.settle(),
        }
    }

    /// Handles bytes that are not in the scratch.
    fn handle_bytes(&mut self, at: u32, bytes: &mut [u8]) {
        if self.engine.slots[at].is_deferring() {
            self.engine.buffer_input(at, bytes);
            self.resume(at);
        } else {
            let consumed = self.consume(at, bytes, None);
            self.engine.buffer_input(at, &bytes[consumed..]);
            self.after_input(at);
        }
    }

    /// Takes note that the peer has shut its side.
    pub fn handle_eof(&mut self, now: Timestamp, id: ConnId) {
        self.engine.set_time(now);
        let Some(at) = self.engine.slots.find(id) else {
            return;
        };
        self.engine.slots[at].flags.set_eof(true);
        self.engine.vacate_scratch();
        if self.engine.slots[at].is_deferring() && self.engine.slots[at].phase() == Phase::Open {
            // What it said before must be done first.
            self.engine.schedule(at);
        } else {
            self.engine.handle_end_of_input(at);
        }
        self.settle();
    }

    /// Takes the end of a task that this connection submitted.
    pub fn handle_task(&mut self, now: Timestamp, id: ConnId, end: TaskEnd<H>) {
        self.engine.set_time(now);
        self.engine.handle_new_messages();
        let under_way = &mut self.engine.counts.links.tasks_pending;
        *under_way = under_way.saturating_sub(1);
        self.engine.wake_first(Wait::Task);
        match self.engine.slots.find(id) {
            Some(at) if self.engine.is_acting(at) => {
                self.notify(at, PendingOp::TaskEnd(end));
            }
            at => {
                let left = match at {
                    Some(at) => self.answer_after_task(at, end),
                    None => Some(end),
                };
                self.engine.counts.links.outcomes_gone += u64::from(left.is_some());
                self.engine.leftovers.extend(left.map(Leftover::TaskEnd));
            }
        }
        self.settle();
    }

    /// Goes on with what is held back for a connection: its commands, then its bytes.
    pub(crate) fn resume(&mut self, at: u32) {
        if self.engine.out.waits_for_turn(at) {
            let opened = self.engine.open_sealed(at, &mut []);
            self.handle_opened(at, opened);
            self.engine.update_reading(at);
            return;
        }
        self.engine.unpark(at, Wait::Callback);
        self.engine.vacate_scratch();
        while !self.engine.slots[at].is_parked()
            && !self.engine.out.is_turn_over()
            && let Some(op) = self.engine.next_op(at)
        {
            self.run_or_defer(at, op);
        }
        let phase = self.engine.slots[at].phase();
        if (phase == Phase::Closing || !self.engine.slots[at].has_deferred_ops())
            && matches!(phase, Phase::Head | Phase::Open | Phase::Closing)
            && let Some(deferred) = &mut self.engine.slots[at].deferred
        {
            let mut buffered = core::mem::take(&mut deferred.buffered);
            let begin = core::mem::take(&mut deferred.begin);
            let consumed = self.consume(at, &mut buffered[begin..], None);
            self.engine.return_buffered(at, buffered, begin + consumed);
        }
        self.after_input(at);
    }

    /// Handles a stretch of the scratch, where replies may stay.
    pub(crate) fn resume_in_scratch(&mut self, at: u32, range: Range<usize>) {
        let mut scratch = self.engine.out.lend_scratch();
        let consumed = self.consume(at, &mut scratch[range.clone()], Some(range.start));
        self.engine.out.return_scratch(scratch);
        let rest = range.start + consumed..range.end;
        if !rest.is_empty() {
            if self.engine.must_wait() && !self.engine.slots[at].is_parked() {
                // Goes on right where it is, once there was a flush.
                self.engine.rest = Some((at, rest));
                return;
            }
            self.engine.buffer_scratch(at, rest);
        }
        self.after_input(at);
    }

    #[inline]
    pub(crate) fn after_input(&mut self, at: u32) {
        if self.engine.is_up_to_date(at) {
            self.engine.keep_within_budget();
            return self.settle();
        }
        self.settle_input(at);
    }

    #[inline(never)]
    fn settle_input(&mut self, at: u32) {
        self.engine.unpark(at, Wait::Callback);
        let parked = self.engine.slots[at].is_parked();
        if self.engine.must_wait() && !parked && self.engine.slots[at].is_deferring() {
            self.engine.schedule(at);
        } else if self.engine.slots[at].flags.eof()
            && !(self.engine.slots[at].phase() == Phase::Open
                && (self.engine.slots[at].has_deferred_ops() || self.engine.is_throttled(at)))
        {
            self.engine.handle_end_of_input(at);
        }
        self.engine.drop_empty_deferred(at);
        self.engine.check_input(at);
        self.engine.watch_message(at);
        self.engine.keep_within_budget();
        self.engine.update_reading(at);
        self.settle();
    }

    /// Handles as much of `input` as can be; says how much that is. `base` is
    /// its place in the scratch, if it is there.
    pub(crate) fn consume(&mut self, at: u32, input: &mut [u8], base: Option<usize>) -> usize {
        let mut done = 0;
        if self.engine.slots[at].phase() == Phase::Head {
            done = self.consume_request(at, input);
        }
        done += self.consume_frames(at, &mut input[done..], base.map(|base| base + done));
        self.engine.out.end_batch();
        done
    }

    #[inline]
    pub(crate) fn consume_frames(
        &mut self,
        at: u32,
        input: &mut [u8],
        base: Option<usize>,
    ) -> usize {
        let mut done = 0;
        loop {
            let slot = &self.engine.slots[at];
            match slot.phase() {
                Phase::Open if slot.is_parked() || self.engine.is_throttled(at) => return done,
                // What is said to it in answer would wait for its socket, and is lost in no
                // case: what it has sent is better left as it is.
                Phase::Open
                    if H::OVERFLOW == Backpressure::PauseReads
                        && self.engine.out.is_blocked(at)
                        && done < input.len() =>
                {
                    self.engine.park(at, Wait::Queue, None);
                    return done;
                }
                Phase::Open if !self.engine.must_wait() => {}
                Phase::Closing if slot.decoder.state().may_receive() => {}
                Phase::Head | Phase::Open => return done,
                // The next request waits for the answer to this one.
                Phase::Answering if self.engine.exchange(at).is_some() => return done,
                _ => return input.len(),
            }
            let limits = self.engine.message_limits();
            let slot = &mut self.engine.slots[at];
            let step = match slot.decoder.poll_event(
                &mut input[done..],
                limits,
                &mut self.engine.decode_buffers,
            ) {
                Ok(step) => step,
                Err(error) => {
                    self.engine.fail(at, error);
                    return input.len();
                }
            };
            let start = done;
            done += step.consumed;
            let is_message = step.event.is_some();
            if self.engine.rates.is_some()
                && !self.engine.charge_rate(at, step.consumed, is_message)
            {
                return input.len();
            }
            let Some(event) = step.event else { return done };
            let within = |range: Range<usize>| start + range.start..start + range.end;
            match event {
                ws::ConnectionEvent::Message { kind, payload } => {
                    match payload {
                        Payload::InPlace(range) => {
                            let range = within(range);
                            let payload = &input[range.clone()];
                            let here =
                                MessageRef::new(base.map(|base| base + range.start), payload);
                            self.take_message(at, here, kind, payload);
                        }
                        Payload::Assembled => {
                            let message = self.engine.decode_buffers.take_message();
                            self.take_message(at, MessageRef::new(None, &message), kind, &message);
                            self.engine.decode_buffers.give(message);
                        }
                    }
                    self.settle_replies_in(input, base);
                }
                ws::ConnectionEvent::Ping(range) => self.engine.pong(at, &input[within(range)]),
                ws::ConnectionEvent::Pong(range) => {
                    self.engine.counts.received.pongs += 1;
                    if self.engine.slots[at].phase() == Phase::Open {
                        let payload = &input[within(range)];
                        self.call(at, None, |handler, ctx| handler.on_pong(ctx, payload));
                    }
                    self.settle_replies_in(input, base);
                }
                ws::ConnectionEvent::Close(code, _) => {
                    self.engine.peer_closed(at, code);
                    return input.len();
                }
            }
        }
    }

    pub(crate) fn settle_replies_in(&mut self, input: &mut [u8], base: Option<usize>) {
        let base = base.unwrap_or_default();
        self.engine.out.settle_replies(Part { bytes: input, base });
    }

    // On the way of every message, and called once.
    #[inline(always)]
    pub(crate) fn take_message(
        &mut self,
        at: u32,
        here: MessageRef,
        kind: MessageType,
        payload: &[u8],
    ) {
        let received = &mut self.engine.counts.received;
        match kind {
            MessageType::Text => received.text += 1,
            MessageType::Binary => received.binary += 1,
        }
        received.payload_bytes += payload.len() as u64;
        if self.engine.slots[at].phase() == Phase::Open {
            let message = Message { kind, payload };
            self.call(at, Some(here), |handler, ctx| {
                handler.on_message(ctx, message);
            });
        }
    }
}

impl<H: Handler, I: Isolation> Shard<H, I> {
    /// Takes note that the socket has failed.
    pub fn handle_disconnect(&mut self, now: Timestamp, id: ConnId) {
        self.engine.set_time(now);
        if let Some(at) = self.engine.slots.find(id) {
            self.engine.vacate_scratch();
            self.engine.abort(at, CloseCause::Reset);
        }
        self.settle();
    }
}
