//! Server side of an HTTP/1.1 connection (RFC 9112): one request after the other, their content, and
//! their responses.
//!
//! Each row is an event, each column a [state](HttpState) in which it occurs. A cell has the state
//! after it; *waits* if the input is left to the caller, *ignored* if it is consumed and dropped, and
//! *misuse* if the call returns [`AnswerError::State`] and changes nothing.
//!
//! | event | Idle | Receiving | Received | Answering | Failed | Upgraded | Closed |
//! |---|---|---|---|---|---|---|---|
//! | head with content | Receiving | | waits | waits | ignored | waits | ignored |
//! | head without content | Received | | waits | waits | ignored | waits | ignored |
//! | data | | Receiving | waits | waits | ignored | waits | ignored |
//! | end of content | | Received | waits | waits | ignored | waits | ignored |
//! | violation | Failed | Failed | waits | waits | ignored | waits | ignored |
//! | `handle_eof` | Closed | Failed | Received | Answering | Failed | Upgraded | Closed |
//! | `write_response` | misuse | Closed | Idle | misuse | Closed | misuse | misuse |
//! | `begin_response` | misuse | Answering | Answering | misuse | Answering | misuse | misuse |
//! | `write_body` | misuse | misuse | misuse | Answering | misuse | misuse | misuse |
//! | `end_response` | misuse | misuse | misuse | Idle | misuse | misuse | misuse |
//! | `refuse` | Closed | Closed | Closed | misuse | Closed | misuse | misuse |
//! | `upgrade` | misuse | misuse | Upgraded | misuse | misuse | misuse | misuse |
//! | `close` | Closed | Receiving | Received | Answering | Failed | Upgraded | Closed |
//!
//! The state is Closed instead of Idle after a response that says `Connection: close`. It says so if
//! the request does, if HTTP/1.0 does not ask for the opposite, after `handle_eof` and `close`, and
//! if it begins in Receiving or Failed: what is left of such a request is not read (RFC 9112 §9.3).
//! Input is ignored, and does not wait, while such a response is written.

use alloc::vec::Vec;

use crate::proto::http::content::Content;
use crate::proto::http::encode::{self, AnswerError, check_fields, field, status_line};
use crate::proto::http::error::HandshakeError;
use crate::proto::http::event::{HttpEvent, HttpLimits, HttpStep, RequestHead};
use crate::proto::http::exchange::{Exchange, expects_continue};
use crate::proto::http::fields::Fields;
use crate::proto::http::framing::Framing;
use crate::proto::http::request::Request;
use crate::proto::http::response;

/// The server side of an HTTP/1.1 connection, from its first byte until it is closed or upgraded.
///
/// Call [`poll_event`](Self::poll_event) with the received bytes until it returns no event, and keep
/// the bytes that it did not consume for the next call. Each request is answered with
/// [`write_response`](Self::write_response), with [`begin_response`](Self::begin_response) and what
/// follows it, with [`refuse`](Self::refuse), or, after the caller has written a 101, with
/// [`upgrade`](Self::upgrade). The next request is read only then, so that responses have the order
/// of the requests.
///
/// In the state [`Closed`](HttpState::Closed) the caller sends what it has written, ends its side of
/// the stream, and reads and drops what still arrives for a while (RFC 9112 §9.6).
///
/// A connection owns no heap memory and keeps no received byte.
#[derive(Debug)]
pub struct HttpConnection {
    phase: HttpPhase,
    exchange: Exchange,
}

const _: () = assert!(size_of::<HttpConnection>() <= 48);

/// The state of a connection. The table of transitions is at the head of `connection.rs`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HttpState {
    /// Reads a request head.
    Idle,
    /// Reads content of a request that is not answered.
    Receiving,
    /// Has read a whole request and waits for its answer.
    Received,
    /// Waits for the end of a response.
    Answering,
    /// Has refused the input and waits for the response that says so.
    Failed,
    /// Is no longer HTTP: all further input is of another protocol.
    Upgraded,
    /// Is to be closed.
    Closed,
}

#[derive(Clone, Copy, Debug)]
enum HttpPhase {
    Idle,
    Receiving(Content),
    Received,
    Answering(UnsentBody),
    Failed,
    Upgraded,
    Closed,
}

/// Content that is still to be written.
#[derive(Clone, Copy, Debug)]
enum UnsentBody {
    Length(u64),
    Chunks,
    UntilClose,
    /// None, whatever the application writes.
    HeadOnly,
}

impl HttpConnection {
    /// Returns a connection that has received nothing.
    pub const fn new() -> Self {
        Self {
            phase: HttpPhase::Idle,
            exchange: Exchange::NONE,
        }
    }

    /// Returns the state.
    pub const fn state(&self) -> HttpState {
        match self.phase {
            HttpPhase::Idle => HttpState::Idle,
            HttpPhase::Receiving(_) => HttpState::Receiving,
            HttpPhase::Received => HttpState::Received,
            HttpPhase::Answering(_) => HttpState::Answering,
            HttpPhase::Failed => HttpState::Failed,
            HttpPhase::Upgraded => HttpState::Upgraded,
            HttpPhase::Closed => HttpState::Closed,
        }
    }

    /// Returns the next event of `input`, which begins with the bytes that are not consumed yet. How
    /// the bytes are divided does not change the events.
    ///
    /// A head is parsed from its first byte at each call until it is complete, so a caller that
    /// receives it in small pieces decides how often that is worth it. Its limits and those of its
    /// content should be the same from call to call.
    ///
    /// # Errors
    /// The first violation, at the byte that shows it. The state is [`Failed`](HttpState::Failed),
    /// and the caller calls [`refuse`](Self::refuse).
    //= rfc9112#section-9.3.2 "it MUST send the corresponding responses in the same order that..."
    pub fn poll_event<'a>(
        &mut self,
        input: &'a [u8],
        fields: &'a mut Fields<'a>,
        limits: &HttpLimits,
    ) -> Result<HttpStep<'a>, HandshakeError> {
        let step = match &mut self.phase {
            HttpPhase::Idle => self.read_head(input, fields, limits),
            HttpPhase::Receiving(content) => content.read(input, limits),
            HttpPhase::Answering(_) if !self.exchange.keep_alive => Ok(HttpStep::more(input.len())),
            HttpPhase::Received | HttpPhase::Answering(_) | HttpPhase::Upgraded => {
                Ok(HttpStep::more(0))
            }
            HttpPhase::Failed | HttpPhase::Closed => Ok(HttpStep::more(input.len())),
        };
        match &step {
            Err(_) => self.phase = HttpPhase::Failed,
            Ok(step) => {
                if let Some(HttpEvent::End) = step.event {
                    self.phase = HttpPhase::Received;
                }
                //= rfc9110#section-10.1.1 "A server MAY omit sending a 100 (Continue) response if..."
                let is_content = !matches!(step.event, Some(HttpEvent::Head(_)));
                self.exchange.expects_continue &= !(is_content && step.consumed > 0);
            }
        }
        step
    }

    /// Handles the end of the peer's stream, with the input that is not consumed. The peer may still
    /// wait for an answer.
    ///
    /// # Errors
    /// [`Truncated`](HandshakeError::Truncated) inside a request.
    //= rfc9112#section-6.3 "If the sender closes the connection or the recipient times out..."
    pub fn handle_eof(&mut self, unconsumed: &[u8]) -> Result<(), HandshakeError> {
        self.exchange.keep_alive = false;
        match self.phase {
            // Empty lines before a request are no part of it.
            HttpPhase::Idle if unconsumed.iter().all(u8::is_ascii_whitespace) => {
                self.phase = HttpPhase::Closed;
            }
            HttpPhase::Idle | HttpPhase::Receiving(_) => {
                self.phase = HttpPhase::Failed;
                return Err(HandshakeError::Truncated);
            }
            _ => {}
        }
        Ok(())
    }

    /// Appends `100 Continue` if the client waits for it; returns whether it does. Call it when the
    /// content is wanted.
    pub fn write_continue(&mut self, out: &mut Vec<u8>) -> bool {
        let is_receiving = matches!(self.phase, HttpPhase::Receiving(_));
        let waits = is_receiving && core::mem::take(&mut self.exchange.expects_continue);
        if waits {
            status_line(out, 100);
            out.extend_from_slice(b"\r\n");
        }
        waits
    }

    /// Appends a whole response. For HEAD the body is left out, and its length stated. Before the end
    /// of the request's content, or after an error, the connection ends with it.
    ///
    /// `fields` are written in this order; `Date` is one of them if the caller has a clock (RFC 9110
    /// §6.6.1).
    ///
    /// # Errors
    /// If the response is not possible. Nothing has changed.
    pub fn write_response(
        &mut self,
        out: &mut Vec<u8>,
        status: u16,
        fields: &[(&str, &[u8])],
        body: &[u8],
    ) -> Result<(), AnswerError> {
        let answer = self.write_head(out, status, fields, Some(body.len() as u64))?;
        if let UnsentBody::Length(_) = answer {
            out.extend_from_slice(body);
        }
        self.finish();
        Ok(())
    }

    /// Appends the head of a response whose content is written later, of this length if it is known.
    /// Otherwise it is chunked, or for HTTP/1.0 ends with the connection.
    ///
    /// # Errors
    /// If the response is not possible. Nothing has changed.
    pub fn begin_response(
        &mut self,
        out: &mut Vec<u8>,
        status: u16,
        fields: &[(&str, &[u8])],
        length: Option<u64>,
    ) -> Result<(), AnswerError> {
        let answer = self.write_head(out, status, fields, length)?;
        self.phase = HttpPhase::Answering(answer);
        Ok(())
    }

    /// Appends a piece of content of the response that has begun; for HEAD nothing.
    ///
    /// # Errors
    /// [`State`](AnswerError::State); [`Length`](AnswerError::Length) for more than announced.
    /// Nothing has changed.
    pub fn write_body(&mut self, out: &mut Vec<u8>, data: &[u8]) -> Result<(), AnswerError> {
        match &mut self.phase {
            HttpPhase::Answering(UnsentBody::Length(rest)) => {
                let left = rest.checked_sub(data.len() as u64);
                *rest = left.ok_or(AnswerError::Length)?;
                out.extend_from_slice(data);
            }
            HttpPhase::Answering(UnsentBody::Chunks) => encode::chunk(out, data),
            HttpPhase::Answering(UnsentBody::UntilClose) => out.extend_from_slice(data),
            HttpPhase::Answering(UnsentBody::HeadOnly) => {}
            _ => return Err(AnswerError::State),
        }
        Ok(())
    }

    /// Ends the response that has begun.
    ///
    /// # Errors
    /// [`State`](AnswerError::State), and nothing has changed; [`Length`](AnswerError::Length) for
    /// less content than announced, and the connection is [`Closed`](HttpState::Closed), from which
    /// the client knows.
    pub fn end_response(&mut self, out: &mut Vec<u8>) -> Result<(), AnswerError> {
        match self.phase {
            HttpPhase::Answering(UnsentBody::Length(rest)) if rest > 0 => {
                self.phase = HttpPhase::Closed;
                return Err(AnswerError::Length);
            }
            HttpPhase::Answering(UnsentBody::Chunks) => encode::last_chunk(out),
            HttpPhase::Answering(_) => {}
            _ => return Err(AnswerError::State),
        }
        self.finish();
        Ok(())
    }

    /// Appends the [error response](response::refusal), for HEAD without its content. The connection
    /// ends with it.
    ///
    /// # Errors
    /// [`State`](AnswerError::State) if a response has begun, or none is possible any more. Nothing
    /// has changed.
    pub fn refuse(&mut self, out: &mut Vec<u8>, error: HandshakeError) -> Result<(), AnswerError> {
        match self.phase {
            HttpPhase::Idle | HttpPhase::Receiving(_) | HttpPhase::Received | HttpPhase::Failed => {
            }
            HttpPhase::Answering(_) | HttpPhase::Upgraded | HttpPhase::Closed => {
                return Err(AnswerError::State);
            }
        }
        response::refusal(out, error, self.exchange.is_head);
        self.exchange.keep_alive = false;
        self.finish();
        Ok(())
    }

    /// Ends HTTP: the caller has answered the request with 101, and what follows it belongs to the
    /// other protocol.
    ///
    /// # Errors
    /// [`State`](AnswerError::State) if no whole HTTP/1.1 request waits for its answer (RFC 9110
    /// §7.8).
    pub fn upgrade(&mut self) -> Result<(), AnswerError> {
        match self.phase {
            HttpPhase::Received if !self.exchange.is_http_1_0 => {
                self.phase = HttpPhase::Upgraded;
                Ok(())
            }
            _ => Err(AnswerError::State),
        }
    }

    /// Makes the connection end with the response to the current request; between requests, at once.
    pub fn close(&mut self) {
        self.exchange.keep_alive = false;
        if let HttpPhase::Idle = self.phase {
            self.phase = HttpPhase::Closed;
        }
    }

    fn read_head<'a>(
        &mut self,
        input: &'a [u8],
        fields: &'a mut Fields<'a>,
        limits: &HttpLimits,
    ) -> Result<HttpStep<'a>, HandshakeError> {
        let Some((request, len)) = Request::parse(input, fields, limits.head)? else {
            return Ok(HttpStep::more(0));
        };
        self.exchange = Exchange::of(&request);
        request.host()?;
        let framing = Framing::of(&request)?;
        let expects_continue = expects_continue(&request)?;
        if let Framing::Length(length) = framing
            && length > limits.body
        {
            return Err(HandshakeError::BodyTooLong);
        }
        let content = Content::new(framing);
        self.exchange.expects_continue = expects_continue && content.is_some();
        self.phase = content.map_or(HttpPhase::Received, HttpPhase::Receiving);
        let head = RequestHead {
            request,
            framing,
            keep_alive: self.exchange.keep_alive,
            expects_continue: self.exchange.expects_continue,
        };
        Ok(HttpStep::event(len, HttpEvent::Head(head)))
    }

    fn write_head(
        &mut self,
        out: &mut Vec<u8>,
        status: u16,
        fields: &[(&str, &[u8])],
        length: Option<u64>,
    ) -> Result<UnsentBody, AnswerError> {
        let is_complete = match self.phase {
            HttpPhase::Received => true,
            HttpPhase::Receiving(_) | HttpPhase::Failed => false,
            _ => return Err(AnswerError::State),
        };
        //= rfc9110#section-8.6 "A server MUST NOT send a Content-Length header field in any 2xx..."
        let is_possible = match status {
            200..=299 => !self.exchange.is_connect,
            300..=599 => true,
            _ => false,
        };
        if !is_possible {
            return Err(AnswerError::Status);
        }
        check_fields(fields)?;
        let length = match status {
            204 | 205 | 304 if length.is_some_and(|length| length > 0) => {
                return Err(AnswerError::Content);
            }
            204 | 205 | 304 => Some(0),
            _ => length,
        };
        let answer = match length {
            _ if self.exchange.is_head => UnsentBody::HeadOnly,
            Some(length) => UnsentBody::Length(length),
            None if self.exchange.is_http_1_0 => UnsentBody::UntilClose,
            None => UnsentBody::Chunks,
        };
        //= rfc9112#section-9.3 "A server MUST read the entire request message body or close the..."
        self.exchange.keep_alive &= is_complete && !matches!(answer, UnsentBody::UntilClose);

        status_line(out, status);
        encode::connection(out, self.exchange.persistence(), None);
        for (name, value) in fields {
            field(out, name, value);
        }
        //= rfc9112#section-6.2 "A sender MUST NOT send a Content-Length header field in any..."
        //= rfc9112#section-6.3 "a server SHOULD generate encoding or length-delimited messages..."
        match (status, length) {
            //= rfc9110#section-8.6 "...with a status code of 1xx (Informational) or 204 (No Content)."
            //= rfc9112#section-6.1 "A server MUST NOT send a Transfer-Encoding header field in any..."
            (204 | 304, _) => {}
            //= rfc9110#section-8.6 "a server MUST NOT send Content-Length in such a response..."
            (_, Some(length)) => encode::content_length(out, length),
            //= rfc9112#section-6.1 "A server MUST NOT send a response containing..."
            (_, None) if self.exchange.is_http_1_0 => {}
            (_, None) => field(out, "Transfer-Encoding", b"chunked"),
        }
        out.extend_from_slice(b"\r\n");
        Ok(answer)
    }

    fn finish(&mut self) {
        self.phase = match self.exchange.keep_alive {
            true => HttpPhase::Idle,
            false => HttpPhase::Closed,
        };
        self.exchange = Exchange::NONE;
    }
}

impl Default for HttpConnection {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
