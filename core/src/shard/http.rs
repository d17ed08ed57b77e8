//! Requests of a connection: parsing, and the decision, which the application makes where the
//! server does not answer itself. The answers are written in `engine::http`.

use alloc::string::String;
use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::app::{Acceptance, Decision, Handler, HttpRequest, HttpResponse, Isolation};
use crate::delivery::codec::Form;
use crate::proto::http::{
    Fields, HandshakeError, Hosts, HttpConnection, HttpEvent, HttpLimits, Request, check_fields,
    response,
};
use crate::proto::proxy::client_of;
use crate::proto::ws::upgrade::{self, HeadAction, Policy, Upgrade};
use crate::session::app_types::TaskEnd;
use crate::session::ended::Leftover;
use crate::session::http_exchange::{AnswerSource, HttpExchange};
use crate::session::peer::{PeerAddr, RequestOrigin};
use crate::session::phase::Phase;
use crate::shard::Shard;

/// A request of which all is there.
struct CompleteRequest<'r> {
    connection: HttpConnection,
    request: Request<'r>,
    origin: RequestOrigin,
    /// Its head as it was read.
    head: &'r [u8],
    body: &'r [u8],
}

impl<H: Handler, I: Isolation> Shard<H, I> {
    /// Takes a request, as far as it is there, and no more than one. Returns how much of the input
    /// that was.
    //= rfc6455#section-4.2.2 "When a client establishes a WebSocket connection to a server, the..."
    #[inline(never)]
    pub(crate) fn consume_request(&mut self, at: u32, input: &[u8]) -> usize {
        let exchange = self.engine.exchange(at);
        if exchange.is_some_and(|exchange| !exchange.head.is_empty())
            && let Some(exchange) = self.engine.take_exchange(at)
        {
            return self.consume_content(at, exchange, input);
        }
        self.consume_head(at, input)
    }

    fn consume_head(&mut self, at: u32, input: &[u8]) -> usize {
        let max_head = self.engine.config.max_head;
        if let Some(deferred) = &mut self.engine.slots[at].deferred
            && !deferred.head.is_worth_parsing(input, max_head)
        {
            return 0;
        }
        let mut connection = HttpConnection::new();
        let mut fields = Fields::new();
        let limits = self.http_limits();
        let (head, len) = match connection.poll_event(input, &mut fields, &limits) {
            Ok(step) => match step.event {
                Some(HttpEvent::Head(head)) => (head, step.consumed),
                _ => return 0,
            },
            Err(error) => {
                self.engine.refuse(at, connection, error);
                return input.len();
            }
        };
        self.engine.forget_head_progress(at);
        let request = *head.request();
        let action = match self.engine.draining {
            true => Err(HandshakeError::Draining),
            false => upgrade::decide(&request, &self.policy(at)),
        };
        let action = action.and_then(|action| Ok((action, self.origin_of(at, &request)?)));
        match action {
            Ok((HeadAction::Other(_), _)) if head.has_content() && !self.is_surplus(at) => {
                let mut exchange = HttpExchange::new(connection);
                exchange.head.extend_from_slice(&input[..len]);
                self.ask_for_content(at, &mut exchange);
                len + self.consume_content(at, exchange, &input[len..])
            }
            Ok((action, origin)) => {
                let received = CompleteRequest {
                    connection,
                    request,
                    origin,
                    head: &input[..len],
                    body: &[],
                };
                self.decide(at, received, action);
                self.consumed(at, len, input)
            }
            Err(error) => {
                self.engine.refuse(at, connection, error);
                input.len()
            }
        }
    }

    /// Returns how much of the input is consumed by a request of length `len`: all, if nothing
    /// behind it is read any more.
    fn consumed(&self, at: u32, len: usize, input: &[u8]) -> usize {
        let is_over =
            self.engine.slots[at].phase() == Phase::Answering && self.engine.exchange(at).is_none();
        if is_over { input.len() } else { len }
    }

    /// Tells a client that waits for that to send its content.
    fn ask_for_content(&mut self, at: u32, exchange: &mut HttpExchange) {
        let mut out = Vec::new();
        if exchange.connection.write_continue(&mut out) {
            self.engine.out.send_head(at, &out);
        }
    }

    /// Reads content, and decides when it is complete.
    fn consume_content(&mut self, at: u32, mut exchange: HttpExchange, input: &[u8]) -> usize {
        let limits = self.http_limits();
        let mut done = 0;
        loop {
            let mut fields = Fields::new();
            let step = exchange
                .connection
                .poll_event(&input[done..], &mut fields, &limits);
            let step = match step {
                Ok(step) => step,
                Err(error) => {
                    self.engine.refuse(at, exchange.connection, error);
                    return input.len();
                }
            };
            done += step.consumed;
            match step.event {
                Some(HttpEvent::Data(data)) => exchange.body.extend_from_slice(data),
                Some(HttpEvent::End) => break,
                // What a request brings is not worth the messages of others.
                _ if self.engine.is_short_of_memory(exchange.memory()) => {
                    let error = HandshakeError::Memory;
                    self.engine.refuse(at, exchange.connection, error);
                    return input.len();
                }
                _ => {
                    self.engine.keep_exchange(at, exchange);
                    return done;
                }
            }
        }
        self.decide_again(at, exchange, None);
        self.consumed(at, done, input)
    }

    /// Decides about a request of which all is there: by the application, which may have waited for
    /// a task.
    fn decide_again(&mut self, at: u32, exchange: HttpExchange, end: Option<TaskEnd<H>>) {
        let HttpExchange {
            connection,
            head,
            body,
            ..
        } = exchange;
        let mut fields = Fields::new();
        let limits = self.engine.config.head_limits();
        // It was parsed before.
        let Ok(Some((request, _))) = Request::parse(&head, &mut fields, limits) else {
            return self
                .engine
                .refuse(at, connection, HandshakeError::Malformed);
        };
        // It was found before.
        let Ok(origin) = self.origin_of(at, &request) else {
            return self
                .engine
                .refuse(at, connection, HandshakeError::Forwarded);
        };
        let received = CompleteRequest {
            connection,
            request,
            origin,
            head: &head,
            body: &body,
        };
        match upgrade::decide(&request, &self.policy(at)) {
            Ok(action) => match end {
                Some(end) => self.decide_after_task(at, received, action, end),
                None => self.decide(at, received, action),
            },
            Err(error) => self.engine.refuse(at, received.connection, error),
        }
    }

    fn decide(&mut self, at: u32, received: CompleteRequest<'_>, action: HeadAction) {
        let upgrade = match action {
            // Monitors still get their pages: a full server is when they matter.
            HeadAction::Page(page) => {
                return self.engine.respond_with_page(at, received.connection, page);
            }
            HeadAction::Methods => {
                let allow = ("Allow", response::METHODS.as_bytes());
                return self
                    .engine
                    .respond(at, received.connection, 200, &[allow], &[]);
            }
            _ if self.is_surplus(at) => {
                let error = HandshakeError::Full;
                return self.engine.refuse(at, received.connection, error);
            }
            HeadAction::Upgrade(_) if self.engine.is_short_of_memory(0) => {
                let error = HandshakeError::Memory;
                return self.engine.refuse(at, received.connection, error);
            }
            HeadAction::Upgrade(upgrade) => match self.engine.admit_session(at, received.origin) {
                Ok(()) => Ok(upgrade),
                Err(error) => return self.engine.refuse(at, received.connection, error),
            },
            HeadAction::Other(error) => Err(error),
        };
        let asked = self.http_request(at, &received, upgrade.is_ok());
        let asked = asked.certified(self.engine.out.peer_certificate(at));
        let handler = &mut self.handler;
        let decision = I::run(|| handler.on_request(&asked));
        self.carry_out(at, received, upgrade, decision);
    }

    fn decide_after_task(
        &mut self,
        at: u32,
        received: CompleteRequest<'_>,
        action: HeadAction,
        end: TaskEnd<H>,
    ) {
        let upgrade = match action {
            HeadAction::Upgrade(upgrade) => Ok(upgrade),
            HeadAction::Other(error) => Err(error),
            HeadAction::Page(_) | HeadAction::Methods => Err(HandshakeError::NotFound),
        };
        let asked = self.http_request(at, &received, upgrade.is_ok());
        let asked = asked.certified(self.engine.out.peer_certificate(at));
        let handler = &mut self.handler;
        let decision = I::run(|| handler.on_request_task(&asked, end));
        self.carry_out(at, received, upgrade, decision);
    }

    /// Does what the application has decided. Without a decision, it has panicked.
    fn carry_out(
        &mut self,
        at: u32,
        received: CompleteRequest<'_>,
        upgrade: Result<Upgrade, HandshakeError>,
        decision: Option<Decision<H>>,
    ) {
        let CompleteRequest {
            mut connection,
            request,
            origin,
            head,
            body,
        } = received;
        match decision {
            Some(Decision::Accept(accepted)) => {
                // A drain may have begun while the request waited for a task.
                let is_draining = self.engine.draining;
                let has_codec = usize::from(accepted.codec.number()) < H::CODECS;
                let opened = match upgrade {
                    _ if is_draining => Err(HandshakeError::Draining),
                    _ if !has_codec => Err(HandshakeError::Handler(500)),
                    _ if self.engine.is_short_of_memory(0) => Err(HandshakeError::Memory),
                    _ if !accepted.wire.needs_handshake() => {
                        match self.engine.slots[at].is_answered() {
                            true => Err(HandshakeError::NotUpgrade),
                            false if upgrade.is_ok() => Ok(None),
                            false => self.engine.admit_session(at, origin).map(|()| None),
                        }
                    }
                    upgrade => upgrade.map(Some),
                };
                match opened {
                    Ok(upgrade) => {
                        self.engine.set_client_of_session(at, origin.peer);
                        self.open(at, &request, upgrade.as_ref(), accepted);
                    }
                    Err(error) => {
                        self.engine.leftovers.push(Leftover::State(accepted.state));
                        self.engine.refuse(at, connection, error);
                    }
                }
            }
            Some(Decision::Reject(response)) if is_plain(&response) => {
                let error = match response.status {
                    404 => HandshakeError::NotFound,
                    status => HandshakeError::Handler(status),
                };
                self.engine.refuse(at, connection, error);
            }
            Some(Decision::Reject(mut response)) => {
                self.engine
                    .count_refused(at, HandshakeError::Handler(response.status));
                connection.close();
                if !(400..600).contains(&response.status) {
                    response.status = 500;
                }
                self.respond(at, connection, &response);
            }
            Some(Decision::Respond(response)) => self.respond(at, connection, &response),
            Some(Decision::Wait(task, options)) => {
                let exchange = HttpExchange {
                    connection,
                    head: head.to_vec(),
                    body: body.to_vec(),
                    waits_for: AnswerSource::Task,
                };
                let limit = self.engine.config.answer_timeout;
                self.engine.await_answer(at, exchange, limit);
                self.engine.emit_task(at, task, options);
            }
            Some(Decision::Hold(_)) if self.engine.slots[at].is_answered() => {
                // There is no request any more that could be answered.
                self.engine
                    .refuse(at, connection, HandshakeError::NotUpgrade);
            }
            Some(Decision::Hold(state)) => {
                let exchange = HttpExchange::new(connection);
                self.engine.hold_request(at, exchange, state);
                // The callback may change the link, so the certificate is copied.
                let certificate = self.engine.out.peer_certificate(at).map(<[u8]>::to_vec);
                let asked = self
                    .request_of(at, &request, body, origin, upgrade.is_ok())
                    .certified(certificate.as_deref());
                self.call(at, None, |handler, ctx| handler.on_held(ctx, &asked));
            }
            None => {
                self.engine
                    .refuse(at, connection, HandshakeError::Handler(500));
                self.handle_panic(at);
            }
        }
    }

    /// Takes the end of the task for which a request waits. Returns it if none does.
    pub(crate) fn answer_after_task(&mut self, at: u32, end: TaskEnd<H>) -> Option<TaskEnd<H>> {
        let waits = self.engine.exchange(at).map(|exchange| exchange.waits_for);
        if self.engine.slots[at].phase() != Phase::Answering || waits != Some(AnswerSource::Task) {
            return Some(end);
        }
        let exchange = self.engine.take_exchange(at)?;
        self.engine.vacate_scratch();
        self.decide_again(at, exchange, Some(end));
        if self.engine.slots[at].phase() == Phase::Open {
            self.engine.schedule(at);
        }
        self.engine.drop_empty_deferred(at);
        self.engine.update_reading(at);
        None
    }

    fn open(
        &mut self,
        at: u32,
        request: &Request<'_>,
        upgrade: Option<&Upgrade>,
        accepted: Acceptance<H::State>,
    ) {
        let Acceptance {
            state, codec, wire, ..
        } = accepted;
        let fields = borrow(&accepted.fields);
        // A field that cannot be sent is not worth the connection.
        let fields = check_fields(&fields).map_or(&[][..], |()| &fields);
        match upgrade {
            Some(upgrade) => {
                let place = accepted.subprotocol.place(upgrade.subprotocol);
                let subprotocol = place.and_then(|n| request.subprotocols().nth(n));
                self.engine
                    .open(at, state, codec, upgrade, subprotocol, fields);
            }
            None => {
                let form = Form::new(codec, wire);
                self.engine.open_over(at, state, form, fields);
            }
        }
        self.call(at, None, |handler, ctx| handler.on_open(ctx));
    }

    fn respond(&mut self, at: u32, connection: HttpConnection, response: &HttpResponse) {
        let fields = response.borrowed_fields();
        let status = response.status;
        self.engine
            .respond(at, connection, status, &fields, &response.body);
    }

    fn http_request<'r>(
        &self,
        at: u32,
        received: &CompleteRequest<'r>,
        is_upgrade: bool,
    ) -> HttpRequest<'r> {
        let CompleteRequest {
            request,
            origin,
            body,
            ..
        } = received;
        self.request_of(at, request, body, *origin, is_upgrade)
    }

    fn request_of<'r>(
        &self,
        at: u32,
        request: &Request<'r>,
        body: &'r [u8],
        origin: RequestOrigin,
        is_upgrade: bool,
    ) -> HttpRequest<'r> {
        let has_origin = self.is_origin_allowed(at, request, is_upgrade);
        let unix_time = self.engine.unix_time();
        let is_internal = self.engine.slots[at].is_internal();
        HttpRequest::new(*request, body, origin, is_upgrade, has_origin, unix_time)
            .internal(is_internal)
    }

    /// Returns the rules for requests of a connection.
    fn policy(&self, at: u32) -> Policy<'_> {
        static ANY: Hosts = Hosts {
            any: true,
            allowed: Vec::new(),
        };
        let policy = self.engine.config.upgrade_policy();
        match self.engine.slots[at].is_internal() {
            // Its listener has hosts of its own.
            true => Policy {
                hosts: &ANY,
                ..policy
            },
            false => policy,
        }
    }

    /// Returns whether the origin of a request is allowed, which that of an upgrade is.
    fn is_origin_allowed(&self, at: u32, request: &Request<'_>, is_upgrade: bool) -> bool {
        is_upgrade || upgrade::is_origin_allowed(request, &self.policy(at))
    }

    /// Returns from where a request has come. A peer that is a trusted proxy may say so.
    fn origin_of(&self, at: u32, request: &Request<'_>) -> Result<RequestOrigin, HandshakeError> {
        let (peer, proxies) = (self.engine.slots[at].peer, &self.engine.config.proxies);
        let is_trusted = proxies.trusts(peer.get().map(|peer| peer.ip()));
        let client = match is_trusted {
            true => client_of(request, proxies).map_err(|_| HandshakeError::Forwarded)?,
            false => None,
        };
        Ok(RequestOrigin {
            peer: client.map_or(peer, PeerAddr::new),
            is_trusted,
        })
    }

    /// Returns whether the connection is beyond the limit of connections.
    fn is_surplus(&self, at: u32) -> bool {
        self.engine.slots[at].flags.surplus()
    }

    fn http_limits(&self) -> HttpLimits {
        HttpLimits {
            head: self.engine.config.head_limits(),
            body: self.engine.config.max_body as u64,
        }
    }
}

/// Returns whether a refusal says nothing but its status.
fn is_plain(response: &HttpResponse) -> bool {
    response.fields.is_empty() && response.body.is_empty()
}

fn borrow(fields: &[(String, Vec<u8>)]) -> SmallVec<[(&str, &[u8]); 8]> {
    let pairs = fields.iter();
    pairs
        .map(|(name, value)| (name.as_str(), value.as_slice()))
        .collect()
}
