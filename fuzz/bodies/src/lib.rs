//! Bodies of the fuzz targets.
//!
//! Each compares with an oracle, and does not only look for panics. The targets in
//! `fuzz/fuzz_targets` call them, and `tests/corpora.rs` replays the committed corpora. They are
//! a package of the main workspace, apart from the targets, because a target links only with
//! libFuzzer and the tests of the workspace must build without it.

mod api;
mod block;
mod channels;
mod client;
mod client_json;
mod client_protobuf;
mod command;
mod decode;
mod differential;
mod extensions;
mod fossil;
mod handshake;
mod header;
mod http;
mod inflate;
mod jwt;
mod msgpack;
mod pack;
mod peer;
mod protocol;
mod proxy;
mod queue;
mod reader;
mod saved;
mod session;
mod stream;

pub use api::api;
pub use channels::channels;
pub use client::client;
pub use client_json::client_json;
pub use client_protobuf::client_protobuf;
pub use command::command;
pub use decode::decode;
pub use differential::differential;
pub use fossil::fossil;
pub use handshake::handshake;
pub use header::header;
pub use http::http;
pub use jwt::jwt;
pub use msgpack::msgpack;
pub use proxy::proxy;
pub use queue::queue;
pub use saved::saved;
pub use session::session;

use reader::InputReader;

/// A fuzz target: its name, and its body.
pub type FuzzTarget = (&'static str, fn(&[u8]));

/// Every fuzz target.
pub const TARGETS: [FuzzTarget; 18] = [
    ("header", header),
    ("decode", decode),
    ("differential", differential),
    ("handshake", handshake),
    ("http", http),
    ("command", command),
    ("client", client),
    ("queue", queue),
    ("channels", channels),
    ("session", session),
    ("client_json", client_json),
    ("client_protobuf", client_protobuf),
    ("jwt", jwt),
    ("api", api),
    ("fossil", fossil),
    ("msgpack", msgpack),
    ("proxy", proxy),
    ("saved", saved),
];
