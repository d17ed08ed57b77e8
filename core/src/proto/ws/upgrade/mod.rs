//! Opening handshake (RFC 6455 §4) of a server: the decision on a request, and its checks.

mod accept;
pub mod extension;
mod key;
mod origin;
mod origin_pattern;
mod policy;
mod response;
mod subprotocol;
#[cfg(test)]
mod tests;

pub use accept::{HeadAction, Upgrade, decide, is_origin_allowed};
pub use key::accept_key;
pub(crate) use key::{ACCEPT_LEN, KEY_LEN, encode_key};
pub use origin::{NotAnOrigin, Origin, Origins};
pub use policy::Policy;
pub use response::switching_protocols;
