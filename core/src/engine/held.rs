//! Requests that the application holds until it answers them, and questions of connections to the
//! application on other shards.

use alloc::boxed::Box;
use core::time::Duration;

use bytes::Bytes;

use crate::channels::message::{Completion, MessageBody, Notification};
use crate::channels::question::{Question, ShardRequest, ShardTarget};
use crate::engine::Engine;
use crate::engine::subscribe::Notice;
use crate::id::{ConnId, ShardId};
use crate::proto::http::HandshakeError;
use crate::session::app_types::AppTypes;
use crate::session::deferred::{PendingOp, Wait};
use crate::session::ended::{Ended, Leftover};
use crate::session::http_exchange::{AnswerSource, HttpExchange};
use crate::session::http_response::HttpResponse;
use crate::session::phase::Phase;
use crate::stats::CloseCause;

impl<A: AppTypes> Engine<A> {
    /// Returns whether a request of the connection waits for the application.
    pub(crate) fn is_held(&self, at: u32) -> bool {
        let exchange = self.exchange(at);
        self.slots[at].phase() == Phase::Answering
            && exchange.is_some_and(|exchange| exchange.waits_for == AnswerSource::Handler)
    }

    /// Returns whether callbacks are made for the connection.
    pub(crate) fn is_acting(&self, at: u32) -> bool {
        self.slots[at].phase() == Phase::Open || self.is_held(at)
    }

    /// Holds a request; the connection has this state until it is answered.
    pub(crate) fn hold_request(&mut self, at: u32, mut exchange: HttpExchange, state: A::State) {
        exchange.waits_for = AnswerSource::Handler;
        self.await_answer(at, exchange, self.config.answer_timeout);
        let before = self.slots[at].state.replace(state);
        self.leftovers.extend(before.map(Leftover::State));
        self.counts.links.requests_held += 1;
    }

    /// Gives the application this long from now to answer the request that is held.
    pub(crate) fn extend_hold(&mut self, at: u32, delay: Duration) {
        if self.is_held(at) {
            self.set_deadline(at, delay);
        }
    }

    /// Answers the request that is held, if one is.
    pub(crate) fn respond_to_held(&mut self, at: u32, response: &HttpResponse) {
        if !self.is_held(at) {
            return;
        }
        let Some(exchange) = self.take_exchange(at) else {
            return;
        };
        self.set_app_timer(at, None);
        let fields = response.borrowed_fields();
        self.respond(
            at,
            exchange.connection,
            response.status,
            &fields,
            &response.body,
        );
        // A callback may be using the state.
        self.notices.push_back(Notice::Answered(self.slots.id(at)));
    }

    /// A request that is held will not be answered by the application, which is told so.
    pub(crate) fn end_held(&mut self, at: u32, cause: CloseCause) {
        if !self.is_held(at) {
            return;
        }
        self.discard_deferred_ops(at);
        self.set_app_timer(at, None);
        self.slots[at].flags.set_ending(true);
        self.ended.push_back(Ended {
            at,
            cause,
            channels: core::iter::empty().collect(),
        });
    }

    /// A callback for a request that is held has panicked.
    pub(crate) fn fail_held(&mut self, at: u32) {
        if self.is_held(at) {
            self.end_held(at, CloseCause::Panic);
            let connection = self.take_connection(at);
            self.refuse(at, connection, HandshakeError::Handler(500));
            self.forget_input(at);
        }
    }

    /// Asks the application on other shards on behalf of a connection, which goes on once all have
    /// answered. One that has ended does not wait.
    pub(crate) fn ask(&mut self, at: u32, ticket: u64, target: ShardTarget, payload: &Bytes) {
        let shards = match target {
            ShardTarget::All => 0..self.config.shards,
            ShardTarget::One(shard) if shard.0 < self.config.shards => shard.0..shard.0 + 1,
            ShardTarget::One(_) => 0..0,
            ShardTarget::Keyed(key) => {
                let shard = (key % u64::from(self.config.shards)) as u16;
                shard..shard + 1
            }
        };
        let from = self.slots.id(at);
        if shards.is_empty() {
            let answer = Notification::Shards(alloc::vec::Vec::new());
            return self.report(Completion {
                conn: from,
                ticket,
                answer,
            });
        }
        if self.is_acting(at) {
            let question = Question::new(ticket, shards.len() as u16);
            self.park(at, Wait::Answers, None);
            self.change_deferred(at, |deferred| {
                deferred.question = Some(Box::new(question));
            });
        }
        for shard in shards.map(ShardId) {
            let payload = payload.clone();
            let request = ShardRequest { from, payload };
            if shard == self.id {
                self.notices.push_back(Notice::Question(request));
            } else {
                self.post(shard, MessageBody::Question(request));
            }
        }
        self.counts.channels.questions += 1;
    }

    /// Answers a question of a connection of some shard.
    pub(crate) fn answer_question(&mut self, conn: ConnId, payload: Bytes) {
        if conn.shard() == self.id {
            return self.take_answer(conn, self.id, payload);
        }
        let answer = MessageBody::QuestionAnswer {
            conn,
            from: self.id,
            payload,
        };
        self.post(conn.shard(), answer);
    }

    /// Gives a question to this shard to one of its connections, in its turn.
    pub(crate) fn forward_question(&mut self, at: u32, request: ShardRequest) {
        self.defer(at, PendingOp::Question(request));
        self.schedule(at);
    }

    /// Takes the answer of a shard to a question of a connection, if that is still there.
    pub(crate) fn take_answer(&mut self, conn: ConnId, from: ShardId, payload: Bytes) {
        let Some(at) = self.slots.find(conn) else {
            return;
        };
        let asks = |deferred: &crate::session::deferred::Deferred<A>| deferred.question.is_some();
        if !self.slots[at].deferred.as_deref().is_some_and(asks) {
            return;
        }
        let question = self.change_deferred(at, |deferred| {
            let question = deferred.question.as_mut()?;
            let is_last = question.take_answer(from, payload);
            deferred.question.take_if(|_| is_last)
        });
        if let Some(question) = question {
            let (ticket, answers) = question.into_answers();
            let answer = PendingOp::Notification(ticket, Notification::Shards(answers));
            self.defer_first(at, answer);
            self.unpark(at, Wait::Answers);
        }
    }
}
