//! Receiving half of a link's wire.

use crate::proto::wire::Wire;
use crate::proto::wire::response_stream::ResponseStream;
use crate::proto::ws::deflate::Params;
use crate::proto::ws::min_rate::ReceiveProgress;
use crate::proto::ws::{
    CloseState, Connection, DecodeBuffers, MessageLimits, PeerError, Role, Step,
};

/// The machine that turns the bytes of one peer into events.
#[derive(Debug)]
pub(crate) enum Decoder {
    /// Of a WebSocket; also before it is known what a connection becomes.
    WebSocket(Connection),
    /// Of a wire whose client has only sent its request.
    Response(ResponseStream),
    /// Of a session without a link.
    Detached,
}

const _: () = assert!(size_of::<Decoder>() <= 24);

impl Decoder {
    /// Returns a machine whose handshake is done. `agreed` is the compression that was agreed on,
    /// `max_message` the longest message in bytes.
    pub(crate) fn new(wire: Wire, agreed: Option<&Params>, max_message: usize) -> Self {
        let connection = match (wire, agreed) {
            (Wire::WebSocket, None) => Connection::new(Role::Server),
            (Wire::WebSocket, Some(agreed)) => Connection::with_deflate(Role::Server, agreed),
            _ => return Self::Response(ResponseStream::default()),
        };
        Self::WebSocket(connection.with_max_message(max_message))
    }

    /// Decodes `input` up to the next event, like [`Connection::poll_event`]; the limit on the bytes
    /// of a message is that of [`new`](Self::new).
    // One more call, and the event is copied twice.
    #[inline(always)]
    pub(crate) fn poll_event(
        &mut self,
        input: &mut [u8],
        limits: MessageLimits,
        buffers: &mut DecodeBuffers,
    ) -> Result<Step, PeerError> {
        match self {
            Self::WebSocket(connection) => {
                let bytes = connection.max_message();
                connection.poll_event(input, MessageLimits { bytes, ..limits }, buffers)
            }
            other => other.poll_stream(input),
        }
    }

    // Out of line, so that the WebSocket is the straight way.
    #[cold]
    #[inline(never)]
    fn poll_stream(&mut self, input: &[u8]) -> Result<Step, PeerError> {
        match self {
            Self::Response(stream) => stream.poll_event(input),
            Self::WebSocket(_) | Self::Detached => Ok(Step::more(input.len())),
        }
    }

    /// Returns whether silent peers are pinged on this wire.
    #[inline]
    pub(crate) const fn has_pings(&self) -> bool {
        matches!(self, Self::WebSocket(_))
    }

    /// Returns the state of the closing handshake.
    pub(crate) const fn state(&self) -> CloseState {
        match self {
            Self::WebSocket(connection) => connection.state(),
            Self::Response(stream) => stream.state(),
            Self::Detached => CloseState::Open,
        }
    }

    /// Handles that the last frame of this end was queued.
    pub(crate) fn handle_close_sent(&mut self) {
        match self {
            Self::WebSocket(connection) => connection.handle_close_sent(),
            Self::Response(stream) => stream.handle_close_sent(),
            Self::Detached => {}
        }
    }

    /// Fails the connection and discards an incomplete message.
    pub(crate) fn handle_failure(&mut self, buffers: &mut DecodeBuffers) {
        match self {
            Self::WebSocket(connection) => connection.handle_failure(buffers),
            Self::Response(stream) => stream.handle_failure(),
            Self::Detached => {}
        }
    }

    /// Releases an incomplete message and the compression contexts. Nothing may be read after that.
    pub(crate) fn release(&mut self, buffers: &mut DecodeBuffers) {
        if let Some(connection) = self.websocket_mut() {
            connection.release(buffers);
        }
    }

    /// Returns the capacity in bytes of the incomplete message.
    pub(crate) fn held_bytes(&self) -> usize {
        self.websocket().map_or(0, Connection::held_bytes)
    }

    /// Returns the length in bytes of the incomplete message.
    pub(crate) fn message_bytes(&self) -> usize {
        self.websocket().map_or(0, Connection::message_bytes)
    }

    /// Returns whether a message has begun and is not complete.
    #[inline]
    pub(crate) const fn is_amid_message(&self) -> bool {
        match self {
            Self::WebSocket(connection) => connection.is_amid_message(),
            Self::Response(_) | Self::Detached => false,
        }
    }

    /// Returns the pace of the incomplete message, if there is one.
    #[inline]
    pub(crate) fn pace_mut(&mut self) -> Option<&mut ReceiveProgress> {
        self.websocket_mut()?.pace_mut()
    }

    /// Returns the pace of the incomplete message if it has more than `bytes`.
    pub(crate) fn pace_beyond(&self, bytes: usize) -> Option<ReceiveProgress> {
        self.websocket()?.pace_beyond(bytes)
    }

    /// Returns the bytes of memory of its own decompressor.
    pub(crate) fn context_bytes(&self) -> usize {
        self.websocket().map_or(0, Connection::context_bytes)
    }

    #[inline]
    const fn websocket(&self) -> Option<&Connection> {
        match self {
            Self::WebSocket(connection) => Some(connection),
            Self::Response(_) | Self::Detached => None,
        }
    }

    #[inline]
    const fn websocket_mut(&mut self) -> Option<&mut Connection> {
        match self {
            Self::WebSocket(connection) => Some(connection),
            Self::Response(_) | Self::Detached => None,
        }
    }
}
