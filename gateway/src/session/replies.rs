//! What is sent to a client beside publications, joins and leaves: replies, several of which make one
//! WebSocket message, pushes, and the end.

use alloc::borrow::Cow;
use alloc::string::String;

use stentor_core::{CloseCode, Handler};

use super::{SessionCall, SessionPhase};
use crate::client_protocol::{
    ClientCodec, CommandResult, DisconnectCode, DisconnectPush, ErrorCode, InvalidPayload, Push,
    PushEvent, Reply, UnsubscribeCode, encode_push, encode_reply,
};
use crate::publication_encoding::message_type;
use crate::transport::Transport;

impl<H: Handler> SessionCall<'_, '_, H> {
    /// Adds the result of a command to the message that [`flush`](Self::flush) sends.
    pub(super) fn succeed(&mut self, id: u32, result: CommandResult<'_>) {
        let added = self.add(&Reply::Result { id, result });
        self.close_if_invalid(added);
    }

    /// Adds the error of a command. Too many of them close the connection.
    pub(super) fn fail(&mut self, id: u32, code: ErrorCode) {
        self.shared.stats.add_error(code);
        // An error has no payload that could be invalid.
        let added = self.add(&Reply::error(id, code));
        self.close_if_invalid(added);
        let max = self.settings.client.max_errors;
        if self.session.errors.spend(self.ctx.now(), max) {
            self.disconnect(DisconnectCode::TooManyErrors);
        }
    }

    /// Adds a ping.
    pub(super) fn ping(&mut self) {
        let added = self.add(&Reply::Ping);
        self.close_if_invalid(added);
    }

    /// Adds a push that the subscription to a channel has ended.
    pub(super) fn push_unsubscribe(&mut self, channel: &str, code: UnsubscribeCode) {
        self.shared.stats.add_unsubscribe(code);
        self.push(channel, PushEvent::Unsubscribe(code.into()));
    }

    /// Adds a push about a channel, or about the connection.
    pub(super) fn push(&mut self, channel: &str, event: PushEvent<'_>) {
        let added = self.add(&Reply::Push(Push::new(channel, event)));
        self.close_if_invalid(added);
    }

    fn add(&mut self, reply: &Reply<'_>) -> Result<(), InvalidPayload> {
        let link = self.session.link;
        if link.separates_replies() {
            self.flush();
        }
        let (codec, out) = (link.codec, &mut self.shared.out);
        let end = out.len();
        if codec == ClientCodec::Json && end > 0 {
            out.push(b'\n');
        }
        let result = match reply {
            Reply::Push(push) if link.is_one_way() => encode_push(codec, push, out),
            Reply::Result { result, .. } if link.is_one_way() => match result {
                CommandResult::Connect(result) => {
                    encode_push(codec, &Push::new("", PushEvent::Connect(*result)), out)
                }
                // It has no other commands.
                _ => Ok(()),
            },
            reply => encode_reply(codec, reply, out),
        };
        if result.is_err() {
            out.truncate(end);
        }
        result
    }

    fn close_if_invalid(&mut self, added: Result<(), InvalidPayload>) {
        if let Err(error) = added {
            self.disconnect(error.disconnect_code());
        }
    }

    /// Sends what was added since the last call.
    pub(super) fn flush(&mut self) {
        if !self.shared.out.is_empty() {
            let kind = message_type(self.session.link.codec);
            self.ctx.push(kind, &self.shared.out);
            self.shared.out.clear();
            // A long answer is rare, and its memory is not for the next one to keep.
            self.shared.out.shrink_to(MAX_KEPT);
        }
    }

    /// Closes the connection behind what was sent to it.
    pub(super) fn disconnect(&mut self, code: DisconnectCode) {
        if matches!(self.session.phase, SessionPhase::Closing) {
            return;
        }
        self.shared.stats.add_disconnect(code);
        self.close(code.into());
    }

    /// Closes the connection behind what was sent to it, with any code and reason.
    pub(super) fn close(&mut self, end: DisconnectPush<'_>) {
        if matches!(self.session.phase, SessionPhase::Closing) {
            return;
        }
        if self.session.link.transport == Transport::OneWayWebSocket {
            // Its client need not look at close frames.
            let push = Push::new("", PushEvent::Disconnect(end));
            // It has no payload that could be invalid.
            let _ = self.add(&Reply::Push(push));
        }
        self.flush();
        self.session.phase = SessionPhase::Closing;
        self.ctx.cancel_timer();
        let code = CloseCode::new(end.code).unwrap_or(CloseCode::INTERNAL_ERROR);
        self.ctx
            .close_with(code, Cow::Owned(String::from(end.reason)));
    }
}

/// Bytes of the buffer for replies that are kept.
pub(super) const MAX_KEPT: usize = 64 << 10;

/// Returns the close code of a WebSocket.
pub(crate) fn close_code(code: DisconnectCode) -> CloseCode {
    // All of them are in the range for applications.
    CloseCode::new(code.number()).unwrap_or(CloseCode::INTERNAL_ERROR)
}
