//! Calls of the application, each of which may panic without harm to anybody but the connection
//! that it is for. Operations other than callbacks are in `engine::pending_ops`.

use bytes::Bytes;

use crate::CloseCode;
use crate::app::{AfterPanic, Context, Handler, Isolation, ShardContext};
use crate::channels::message::Notification;
use crate::channels::question::ShardRequest;
use crate::delivery::MessageRef;
use crate::engine::output::{Event, Output};
use crate::engine::subscribe::Notice;
use crate::session::deferred::{PendingOp, Wait};
use crate::session::ended::{Ended, Leftover};
use crate::session::phase::Phase;
use crate::shard::Shard;
use crate::stats::CloseCause;

impl<H: Handler, I: Isolation> Shard<H, I> {
    /// Calls the handler for a connection. `message` is the message that it is about.
    #[inline]
    pub(crate) fn call(
        &mut self,
        at: u32,
        message: Option<MessageRef>,
        call: impl FnOnce(&mut H, &mut Context<'_, H>),
    ) {
        let Self {
            handler, engine, ..
        } = self;
        let Some(mut state) = engine.slots[at].state.take() else {
            return;
        };
        let returned = I::run(|| {
            let mut ctx = Context::new(engine, &mut state, at, message);
            call(handler, &mut ctx);
        });
        self.engine.slots[at].state = Some(state);
        if returned.is_none() {
            self.handle_panic(at);
        }
    }

    /// Calls the handler about something that has ended. What that leads to goes
    /// before what was given later.
    pub(crate) fn emit(&mut self, at: u32, call: impl FnOnce(&mut H, &mut Context<'_, H>)) {
        let later = self.engine.take_ops(at);
        self.call(at, None, call);
        self.engine.defer_all(at, later);
    }

    /// Lets the handler know of something once its turn comes: at once, if nothing of the
    /// connection waits and this turn is not over.
    pub(crate) fn notify(&mut self, at: u32, op: PendingOp<H>) {
        self.engine.vacate_scratch();
        if self.engine.slots[at].has_deferred_ops() {
            self.engine.defer(at, op);
        } else if self.engine.out.is_turn_over() {
            // What it leads to may be much; others have their turn first.
            self.engine.defer(at, op);
            self.engine.schedule(at);
        } else {
            self.run_or_defer(at, op);
        }
        self.engine.update_reading(at);
    }

    /// Carries out a command of a connection, or leaves it until what it waits for has come.
    pub(crate) fn run_or_defer(&mut self, at: u32, op: PendingOp<H>) {
        if self.engine.slots[at].is_parked() {
            self.engine.defer(at, op);
            return;
        }
        match op {
            PendingOp::TaskEnd(end) => self.emit(at, |handler, ctx| handler.on_task(ctx, end)),
            PendingOp::Notification(ticket, answer) => self.emit(at, |handler, ctx| match answer {
                Notification::DeliveryReport(outcome) => handler.on_published(ctx, ticket, outcome),
                Notification::Accepted(position) => handler.on_accepted(ctx, ticket, position),
                Notification::Channel(answer) => handler.on_channel_answer(ctx, ticket, *answer),
                Notification::Shards(answers) => handler.on_shard_answers(ctx, ticket, answers),
            }),
            // The connection may have left and come back meanwhile, and knows where it is now.
            PendingOp::PositionLost(channel) if self.engine.membership(at, &channel).is_some() => {}
            PendingOp::PositionLost(channel) => {
                self.emit(at, |handler, ctx| handler.on_position_lost(ctx, &channel));
            }
            PendingOp::JoinRefused(channel) => {
                self.emit(at, |handler, ctx| {
                    handler.on_subscribe_refused(ctx, &channel);
                });
            }
            PendingOp::Question(request) => {
                let from = request.from();
                let panics = self.engine.counts.links.panics;
                self.emit(at, |handler, ctx| handler.on_forwarded(ctx, request));
                if self.engine.counts.links.panics > panics {
                    // Whoever asks is not to wait for ever.
                    self.engine.answer_question(from, Bytes::new());
                }
            }
            PendingOp::Timer => self.emit(at, |handler, ctx| handler.on_timer(ctx)),
            op => self.engine.run(at, op),
        }
    }

    /// Tells the handler about connections that have ended, and drops what it needs no longer.
    #[cold]
    pub(crate) fn settle_ends(&mut self) {
        self.close_slow();
        while let Some(ended) = self.engine.ended.pop_front() {
            self.call_on_close(&ended);
        }
        while let Some(notice) = self.engine.next_notice() {
            self.tell(notice);
        }
        self.drop_leftovers();
    }

    /// Tells the handler what it is to know before anything else is written to a connection.
    fn tell(&mut self, notice: Notice) {
        match notice {
            Notice::Subscribed(conn, subscribed) => {
                let Some(at) = self.engine.find_open(conn) else {
                    return;
                };
                self.engine.unpark(at, Wait::Callback);
                self.emit(at, |handler, ctx| {
                    ctx.exempt_pushes();
                    handler.on_subscribed(ctx, subscribed);
                });
            }
            // Nothing of the channel waits any more, so it may come behind what the connection waits
            // for.
            Notice::PositionLost(conn, channel) => {
                if let Some(at) = self.engine.find_open(conn) {
                    self.notify(at, PendingOp::PositionLost(channel));
                }
            }
            Notice::Question(request) => self.take_question(request),
            Notice::Opened(conn) => {
                if let Some(at) = self.engine.find_open(conn) {
                    self.call(at, None, |handler, ctx| handler.on_open(ctx));
                }
            }
            Notice::Answered(conn) => {
                if let Some(at) = self.engine.slots.find(conn)
                    && !self.engine.is_acting(at)
                    && let Some(state) = self.engine.slots[at].state.take()
                {
                    self.engine.leftovers.push(Leftover::State(state));
                    let ops = self.engine.take_ops(at);
                    self.engine.forget_ops(ops);
                }
            }
        }
    }

    /// Asks the application on this shard.
    fn take_question(&mut self, request: ShardRequest) {
        let from = request.from();
        self.engine.vacate_scratch();
        let Self {
            handler, engine, ..
        } = self;
        let mut shard = ShardContext::new(engine);
        let returned = I::run(|| handler.on_shard_request(&mut shard, request));
        let called = shard.end();
        if returned.is_some() {
            return;
        }
        // Whoever asks is not to wait for ever.
        self.engine.answer_question(from, Bytes::new());
        match called {
            Some(at) => self.handle_panic(at),
            None => {
                self.goes_on_after_panic();
            }
        }
    }

    /// Closes those who do not keep up, as the application wants connections of their codecs to be
    /// closed.
    fn close_slow(&mut self) {
        while let Some(at) = self.engine.next_slow() {
            let codec = self.engine.out.form(at).codec();
            let answer = I::run(|| H::slow_consumer(codec));
            self.engine.counts.links.panics += u64::from(answer.is_none());
            let (code, reason) = answer.unwrap_or((CloseCode::TRY_LATER, ""));
            self.engine.close_slow(at, code, reason);
        }
    }

    /// Tells the handler that something waits for a session without a link, once.
    #[cold]
    pub(crate) fn tell_output(&mut self, at: u32) {
        self.engine.out.hold(at);
        if self.engine.slots[at].phase() == Phase::Open {
            self.call(at, None, |handler, ctx| handler.on_output(ctx));
        }
    }

    fn call_on_close(&mut self, ended: &Ended) {
        let Ended {
            at,
            cause,
            channels,
        } = ended;
        let at = *at;
        let Self {
            handler, engine, ..
        } = self;
        if let Some(mut state) = engine.slots[at].state.take() {
            if engine.closed.is_sampled(engine.config.access_sample) {
                let described = I::run(|| handler.describe(&state)).unwrap_or_default();
                engine.closed.sample(at, described);
                let id = engine.slots.id(at);
                engine.emit(Event::Sampled(id));
            }
            let returned = I::run(|| {
                let ctx = Context::new(engine, &mut state, at, None);
                handler.on_close(&mut ctx.of_closed(channels), *cause);
            });
            self.engine.leftovers.push(Leftover::State(state));
            if returned.is_none() {
                self.handle_panic(at);
            }
        }
        self.engine.slots[at].flags.set_ending(false);
        self.engine.unpark(at, Wait::Callback);
        if self.engine.is_detached(at) {
            // Nobody takes what still waits.
            self.engine.close_socket(at);
        }
        self.engine.free_if_done(at);
    }

    /// A callback for a connection has panicked. What it had asked for stands; the connection is
    /// closed behind that.
    #[cold]
    pub(crate) fn handle_panic(&mut self, at: u32) {
        let id = self.engine.slots.id(at);
        self.engine.emit(Event::Panicked(id));
        if self.goes_on_after_panic() {
            let engine = &mut self.engine;
            engine.close_behind(at, CloseCode::INTERNAL_ERROR, "".into(), CloseCause::Panic);
            engine.fail_held(at);
        }
    }

    /// Counts a panic of a callback. Returns whether the handler can go on; if not, the process ends.
    #[cold]
    fn goes_on_after_panic(&mut self) -> bool {
        let handler = &mut self.handler;
        let may_go_on = I::run(|| handler.after_panic()) == Some(AfterPanic::Continue);
        let engine = &mut self.engine;
        engine.counts.links.panics += 1;
        // In the middle of a call from the callback, it was the engine that panicked.
        let goes_on = may_go_on && !engine.is_called;
        if !goes_on {
            engine.outputs.push_front(Output::Abort);
        }
        goes_on
    }

    /// Drops values of the application.
    pub(crate) fn drop_leftovers(&mut self) {
        while let Some(leftover) = self.engine.leftovers.pop() {
            self.drop_contained(leftover);
        }
    }

    /// Drops a value of the application. Counts a panic in that.
    fn drop_contained<T>(&mut self, value: T) {
        if I::run(|| drop(value)).is_none() {
            self.engine.counts.links.drops_panicked += 1;
        }
    }
}

impl<H: Handler, I: Isolation> Drop for Shard<H, I> {
    /// Drops each value of the application separately: if two destructors panic in one drop, the
    /// process aborts.
    fn drop(&mut self) {
        self.engine.surrender();
        self.drop_leftovers();
    }
}
