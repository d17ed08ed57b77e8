//! Request head of a connection: parsing, and the decision, which the application makes for an
//! upgrade. The answer is in `engine::head`.

use crate::app::{Decision, Handler, Isolation};
use crate::proto::http::HandshakeError;
use crate::proto::http::{Fields, Request};
use crate::proto::ws::upgrade;
use crate::proto::ws::upgrade::HeadAction;
use crate::shard::Shard;

impl<H: Handler, I: Isolation> Shard<H, I> {
    /// Takes the request if it is all there; says how much of the input it was.
    //= rfc6455#section-4.2.2 "When a client establishes a WebSocket connection to a server, the..."
    pub(crate) fn consume_head(&mut self, at: u32, input: &[u8]) -> usize {
        if let Some(deferred) = &mut self.engine.slots[at].deferred
            && !deferred
                .head
                .is_worth_parsing(input, self.engine.config.max_head)
        {
            return 0;
        }
        let mut fields = Fields::new();
        let (request, len) =
            match Request::parse(input, &mut fields, self.engine.config.head_limits()) {
                Ok(Some(parsed)) => parsed,
                Ok(None) => return 0,
                Err(error) => {
                    self.engine.refuse(at, error, false);
                    return input.len();
                }
            };
        let head_only = request.is_head();
        let decision = if self.engine.draining {
            Err(HandshakeError::Draining)
        } else {
            upgrade::decide(&request, &self.engine.config.upgrade_policy())
        };
        let surplus = self.engine.slots[at].flags.surplus();
        match decision {
            // Monitors still get their pages: a full server is when they matter.
            Ok(HeadAction::Upgrade(_)) if surplus => {
                self.engine.refuse(at, HandshakeError::Full, head_only);
            }
            Ok(HeadAction::Upgrade(_)) if self.engine.is_short_of_memory(0) => {
                self.engine.refuse(at, HandshakeError::Memory, head_only);
            }
            Ok(HeadAction::Upgrade(upgrade)) => {
                let handler = &mut self.handler;
                match I::run(|| handler.on_request(&request)) {
                    Some(Decision::Accept { state, subprotocol }) => {
                        let place = subprotocol.place(upgrade.subprotocol);
                        let subprotocol = place.and_then(|n| request.subprotocols().nth(n));
                        self.engine.open(at, state, &upgrade, subprotocol);
                        self.call(at, None, |handler, ctx| handler.on_open(ctx));
                        return len;
                    }
                    Some(Decision::Reject(status)) => {
                        let error = HandshakeError::Handler(status);
                        self.engine.refuse(at, error, head_only);
                    }
                    None => {
                        let error = HandshakeError::Handler(500);
                        self.engine.refuse(at, error, head_only);
                        self.handle_panic(at);
                    }
                }
            }
            Ok(HeadAction::Methods) => self.engine.answer_methods(at),
            Ok(HeadAction::Page { page, head_only }) => self.engine.answer(at, page, head_only),
            Err(error) => self.engine.refuse(at, error, head_only),
        }
        input.len()
    }
}
