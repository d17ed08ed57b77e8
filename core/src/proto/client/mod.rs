//! The client's end of a WebSocket (RFC 6455), for any stream of bytes: its
//! opening handshake, its frames, its closing handshake. Owns no socket, no
//! clock and no chance of its own: a deadline is the caller's, and so is the
//! seed of what must not be guessed.
//!
//! [`Client`] is the machine. What was read goes in with
//! [`read_buffer`](Client::read_buffer) and [`handle_read`](Client::handle_read),
//! what it means comes out of [`poll_event`](Client::poll_event), and what is to
//! be written out of [`poll_transmit`](Client::poll_transmit). The example
//! `client.rs` is a whole program.
//!
//! ```
//! use stentor_core::MessageType;
//! use stentor_core::proto::client::{Client, ClientConfig, Event, Request, Uri};
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! # let seed = [7; 32];
//! let uri = Uri::parse("ws://localhost:8080/ws")?;
//! let request = Request::new(&uri).subprotocol("chat")?;
//! // The seed is 32 bytes from the operating system: see `Client::new`.
//! let mut client = Client::new(request, ClientConfig::default(), seed);
//!
//! // Once connected to `uri.host()`, `uri.port()`: write what there is to write, ...
//! let n = client.poll_transmit().len();
//! client.handle_transmitted(n);
//! // ... read what comes, ...
//! let answer = b"HTTP/1.1 403 Forbidden\r\n\r\n";
//! client.read_buffer()[..answer.len()].copy_from_slice(answer);
//! client.handle_read(answer.len());
//! // ... and see what it was.
//! while let Some(event) = client.poll_event() {
//!     match event {
//!         Event::Message { kind: MessageType::Text, payload } => println!("{payload:?}"),
//!         Event::Refused { status, .. } => println!("no: {status}"),
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
mod inbox;
mod keys;
mod machine;
mod request;
mod response;
mod sender;
#[cfg(test)]
mod tests;
mod uri;

pub use config::ClientConfig;
pub use error::{Failure, RequestError, ResponseError, SendError};
pub use event::Event;
pub use machine::Client;
pub use request::Request;
pub use response::Response;
pub use uri::Uri;
