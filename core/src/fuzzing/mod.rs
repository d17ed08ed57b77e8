//! One body per fuzz target; each asserts an oracle, never only that nothing
//! panics. The targets in `fuzz/` only call them, and `tests/corpora.rs` calls
//! them with what fuzzing has found worth keeping.

mod client;
mod command;
mod decode;
mod handshake;
mod header;
mod peer;
mod queue;
mod reader;
mod rooms;
mod session;

pub use client::client;
pub use command::command;
pub use decode::decode;
pub use handshake::handshake;
pub use header::header;
pub use queue::queue;
pub use rooms::rooms;
pub use session::session;

use reader::Reader;

/// A fuzz target: its name, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every fuzz target.
pub const TARGETS: [Target; 8] = [
    ("header", header),
    ("decode", decode),
    ("handshake", handshake),
    ("command", command),
    ("client", client),
    ("queue", queue),
    ("rooms", rooms),
    ("session", session),
];
