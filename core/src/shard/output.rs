//! Owns what a shard asks of its adapter, and the order in which it asks.

use crate::app::{Handler, TaskEnd};
use crate::channels::message::ShardMessage;
use crate::id::{ConnId, ShardId};
use crate::proto::http::HandshakeError;
use crate::proto::ws::PeerError;
use crate::session::slot::Phase;
use crate::shard::Shard;
use crate::stats::CloseCause;
use crate::tasks::TaskOptions;

/// Something for the adapter to do. A connection that is named is there until
/// its [`Disconnect`](Self::Disconnect).
pub enum Output<H: Handler> {
    /// Write what waits: [`Shard::poll_transmit`], a write,
    /// [`Shard::handle_transmitted`].
    Flush(ConnId),
    /// Stop reading the socket.
    StopReading(ConnId),
    /// Read the socket again; there may be bytes already.
    StartReading(ConnId),
    /// Carry a letter to another shard.
    Send(ShardId, ShardMessage),
    /// Give a task to the dispatcher. Its end comes back through
    /// [`Shard::handle_task`].
    Submit(ConnId, H::Task, TaskOptions),
    /// Answer with the page of metrics, which the core cannot write, through
    /// [`Shard::handle_answer`].
    Metrics {
        /// Who asked.
        id: ConnId,
        /// Whether the answer is its head only (a HEAD request).
        head_only: bool,
    },
    /// Let the kernel hold at most about this much of a connection that it cannot send yet
    /// (`TCP_NOTSENT_LOWAT`). New sockets begin with
    /// [`Config::unsent_bytes`](crate::Config::unsent_bytes). An adapter that cannot tell the
    /// kernel ignores it.
    LimitUnsent {
        /// Whose socket.
        id: ConnId,
        /// The limit in bytes, between `unsent_bytes` and `unsent_bytes_max` of the
        /// configuration.
        bytes: u32,
    },
    /// Shut the socket's write side.
    Shut(ConnId),
    /// Close the socket. The slot is free from here on.
    Disconnect(ConnId),
    /// Drop something of the application's. A panic in that is to harm nothing: catch it.
    Dispose(Leftover<H>),
    /// Something happened that a log may want.
    Event(Event),
}

/// Something of the application's that a shard needs no longer. The shard runs no code of the
/// application but callbacks, so it drops nothing of this itself.
#[must_use = "it is to be dropped where a panic is caught"]
pub struct Leftover<H: Handler>(Value<H>);

enum Value<H: Handler> {
    Task(H::Task),
    TaskEnd(TaskEnd<H>),
    State(H::State),
    Handler(H),
}

impl<H: Handler> Leftover<H> {
    pub(crate) const fn task(task: H::Task) -> Self {
        Self(Value::Task(task))
    }

    pub(crate) const fn end(end: TaskEnd<H>) -> Self {
        Self(Value::TaskEnd(end))
    }

    pub(crate) const fn state(state: H::State) -> Self {
        Self(Value::State(state))
    }

    pub(crate) const fn handler(handler: H) -> Self {
        Self(Value::Handler(handler))
    }
}

impl<H: Handler> core::fmt::Debug for Leftover<H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Leftover").finish_non_exhaustive()
    }
}

impl<H: Handler> core::fmt::Debug for Output<H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Flush(id) => write!(f, "Flush({id})"),
            Self::StopReading(id) => write!(f, "StopReading({id})"),
            Self::StartReading(id) => write!(f, "StartReading({id})"),
            Self::Send(shard, letter) => write!(f, "Send({}, {letter:?})", shard.0),
            Self::Submit(id, ..) => write!(f, "Submit({id})"),
            Self::Metrics { id, .. } => write!(f, "Metrics({id})"),
            Self::LimitUnsent { id, bytes } => write!(f, "LimitUnsent({id}, {bytes})"),
            Self::Shut(id) => write!(f, "Shut({id})"),
            Self::Disconnect(id) => write!(f, "Disconnect({id})"),
            Self::Dispose(leftover) => write!(f, "Dispose({leftover:?})"),
            Self::Event(event) => write!(f, "{event:?}"),
        }
    }
}

/// Something that happened. Everything here is counted too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connection was upgraded.
    Opened(ConnId),
    /// A request was refused.
    Refused(ConnId, HandshakeError),
    /// A peer broke the protocol.
    Failed(ConnId, PeerError),
    /// An upgraded connection ended.
    Closed(ConnId, CloseCause),
}

impl<H: Handler> Shard<H> {
    /// The next thing to do. Goes on with something that had to wait after each
    /// flush, and with the rest once nothing else is left; so `None` means that there is nothing to do until
    /// something else is handled, be it only how much of a flush went out.
    pub fn poll_output(&mut self) -> Option<Output<H>> {
        loop {
            self.take_new_letters();
            self.settle();
            if let Some(output) = self.engine.outputs.pop_front() {
                if let Output::Disconnect(id) = output {
                    self.engine.release(id);
                }
                return Some(output);
            }
            if self.engine.held_back_is_due && self.may_take_more() {
                self.engine.held_back_is_due = false;
                if self.take_held_back() {
                    continue;
                }
            }
            if !self.engine.fan_outs.is_empty() && self.engine.may_fan_out() {
                self.engine.fan_out_slice();
                continue;
            }
            if let Some(at) = self.engine.out.next_flush() {
                let slot = &self.engine.slots[at];
                if slot.phase == Phase::Gone {
                    self.engine.free_if_done(at);
                    continue;
                }
                let generation = slot.generation;
                if self.engine.out.expire_head(at) {
                    self.engine.transmitted(at, 0);
                    continue;
                }
                if self.engine.out.may_offer(at) {
                    // On a shard that always has something to write, what is held back
                    // would wait for ever otherwise.
                    self.engine.held_back_is_due = true;
                    return Some(Output::Flush(self.engine.slots.id_of(at, generation)));
                }
                continue;
            }
            if !self.take_more() {
                return None;
            }
        }
    }

    /// Takes more in when all that presses has been tried, and others have had their turn;
    /// says whether it did.
    #[inline(never)]
    fn take_more(&mut self) -> bool {
        if self.engine.is_caught_up() {
            self.engine.begin_stretch();
            return false;
        }
        self.may_take_more() && self.take_held_back()
    }

    /// Whether all that presses has been tried, and others have had their turn.
    fn may_take_more(&self) -> bool {
        !self.engine.out.is_backpressured() && !self.engine.out.is_turn_over()
    }

    /// Goes on with something that was held back, if there is anything.
    pub(crate) fn take_held_back(&mut self) -> bool {
        if !self.engine.backlog.is_empty() {
            self.take_letters();
        } else if let Some((at, range)) = self.engine.rest.take() {
            // It may stand before the rest, or be on its way.
            self.engine.out.vacate_scratch();
            self.go_on_in_scratch(at, range);
        } else if let Some(at) = self.engine.resume.pop_front() {
            self.engine.slots[at].flags.resuming = false;
            self.go_on(at);
            self.engine.free_if_done(at);
        } else {
            return false;
        }
        true
    }
}
