//! HTTP/1.1 heads (RFC 9112): requests, their fields and targets, and responses.

mod authority;
mod error;
mod fields;
mod hosts;
mod pages;
mod request;
pub mod response;
mod target;
mod token;

pub(crate) use authority::{Authority, consists_of};
pub use error::HandshakeError;
pub use fields::{Fields, HeadLimits};
pub(crate) use fields::{Lines, MAX_HEADERS, bare_lf};
pub use hosts::{HostPattern, Hosts, NotAHostPattern};
pub use pages::{Content, IndexPage, Page, Pages};
pub use request::Request;
pub use token::is_token;
pub(crate) use token::is_token_byte;
