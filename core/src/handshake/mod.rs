//! The opening handshake: an HTTP/1.1 head in, a 101, a page or a refusal out
//! (RFC 6455 §4, RFC 9110, RFC 9112). One request a connection: what is not
//! upgraded is answered and closed. Knows no socket and no time.
//!
//! [`Request::parse`] reads the head, [`decide`] says what it gets, and
//! [`response`] writes that down. The pages are in [`Page`]; the index
//! page is the application's, the text of the metrics page the adapter's, which adds the shards up.

mod accept;
mod authority;
pub mod extension;
mod fields;
mod hosts;
mod key;
mod origin;
mod pages;
mod request;
pub mod response;
mod subprotocol;
mod target;
#[cfg(test)]
mod tests;
mod token;

pub use accept::{HeadAction, Upgrade, decide};
pub(crate) use authority::{Authority, is_written_of};
pub use fields::Fields;
pub(crate) use fields::{Lines, bare_lf};
pub use hosts::{HostPattern, NotAHostPattern};
pub use key::accept_key;
pub(crate) use key::{ACCEPT_LEN, KEY_LEN, encode_key};
pub use origin::{NotAnOrigin, Origin};
pub use pages::{Content, IndexPage, Page};
pub use request::Request;
pub use token::is_token;
