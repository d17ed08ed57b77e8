//! The admin listener of a Stentor server: sockets and a few blocking threads of its own, so that
//! every adapter can have it and none is slowed down by it. What its pages say, and what they ask
//! of a server, is in `stentor_cli::admin`; the adapter brings the [`AdminBackend`].
//!
//! Bounded in everything: so many connections are served at a time and the others wait to be
//! accepted; a connection has one request, of which the head is as long as the core allows by
//! default and content there is none; each step of it must be done in time.
#![forbid(unsafe_code)]

mod exchange;
mod listener;
mod socket;

pub use listener::{Admin, Serving};
pub use stentor_cli::admin::{AdminBackend, AdminQuery, Answer, PATIENCE};
