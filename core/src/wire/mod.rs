//! Bytes to values and back, stateless per frame (RFC 6455 §5, §7.4, §8.1).
//! Knows nothing of messages, connections or order.

pub mod close;
pub mod header;
pub mod mask;
pub mod opcode;
pub mod utf8;

#[cfg(test)]
mod tests;
