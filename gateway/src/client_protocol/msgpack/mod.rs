//! MessagePack codec. Its messages are those of JSON in another notation: what a client sends becomes
//! lines of JSON (`decode`), and the JSON of a reply or push becomes MessagePack (`encode`). So a payload
//! is JSON on the server, whoever published it, and is translated once for all its receivers.
//!
//! Markers and numbers are those of the crate `rmp`. Its sister `rmp-serde` needs std, and a length of
//! each map before the map is read.

mod decode;
mod encode;

pub use decode::to_lines;
pub(super) use encode::encode;

/// How deep maps and arrays of a client may be, the command included. It leaves room for what stands
/// around a payload in a reply, since serde_json reads no more than 128 levels.
const MAX_DEPTH: usize = 100;

#[cfg(test)]
mod tests;
