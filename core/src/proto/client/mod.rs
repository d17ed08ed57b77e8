//! Client end of a WebSocket (RFC 6455) for any byte stream: opening handshake, frames, closing
//! handshake.
//!
//! Has no socket, no clock and no randomness of its own: deadlines and the random seed are the
//! caller's.
//!
//! [`Client`] is the state machine. [`read_buffer`](Client::read_buffer) and
//! [`handle_read`](Client::handle_read) take received bytes, [`poll_event`](Client::poll_event)
//! returns events, and [`poll_transmit`](Client::poll_transmit) returns the bytes to write. The
//! example `client.rs` is a complete program.
//!
//! ```
//! use stentor_core::MessageType;
//! use stentor_core::proto::client::{Client, ClientConfig, ClientEvent, ClientRequest, Uri};
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! # let seed = [7; 32];
//! let uri = Uri::parse("ws://localhost:8080/ws")?;
//! let request = ClientRequest::new(&uri).subprotocol("chat")?;
//! // The seed is 32 bytes from the operating system: see `Client::new`.
//! let mut client = Client::new(request, ClientConfig::default(), seed);
//!
//! // After connecting to `uri.host()`, `uri.port()`: write the queued bytes, ...
//! let n = client.poll_transmit().len();
//! client.handle_transmitted(n);
//! // ... read the response, ...
//! let response = b"HTTP/1.1 403 Forbidden\r\n\r\n";
//! client.read_buffer()[..response.len()].copy_from_slice(response);
//! client.handle_read(response.len());
//! // ... and handle the events.
//! while let Some(event) = client.poll_event() {
//!     match event {
//!         ClientEvent::Message { kind: MessageType::Text, payload } => println!("{payload:?}"),
//!         ClientEvent::Refused { status, .. } => println!("refused: {status}"),
//!         other => println!("{other:?}"),
//!     }
//! }
//! assert!(client.is_finished());
//! # Ok(())
//! # }
//! ```

mod config;
mod error;
mod event;
mod handshake;
mod machine;
mod read_buffer;
mod request;
mod response;
mod rng;
mod sender;
#[cfg(test)]
mod tests;
mod uri;

pub use config::ClientConfig;
pub use error::{ClientError, RequestError, ResponseError, SendError};
pub use event::ClientEvent;
pub use machine::Client;
pub use request::ClientRequest;
pub use response::Response;
pub use uri::Uri;
