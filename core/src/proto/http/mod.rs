//! HTTP/1.1 of a server (RFC 9112, RFC 9110): heads of requests, their fields and targets, their
//! content, responses, and the connection that carries one request after the other.

mod authority;
mod chunked;
mod connection;
mod content;
pub(crate) mod encode;
mod error;
mod event;
mod exchange;
mod fields;
mod framing;
mod hosts;
mod pages;
mod request;
pub mod response;
mod target;
mod token;

pub(crate) use authority::{Authority, consists_of};
pub use connection::{HttpConnection, HttpState};
pub use encode::AnswerError;
pub(crate) use encode::{check_fields, field, status_line};
pub use error::HandshakeError;
pub use event::{HttpEvent, HttpLimits, HttpStep, RequestHead};
pub use fields::{Fields, HeadLimits};
pub(crate) use fields::{Lines, MAX_HEADERS, bare_lf};
pub(crate) use framing::Framing;
pub use hosts::{HostPattern, Hosts, NotAHostPattern};
pub(crate) use pages::PageContent;
pub use pages::{Page, PageId, PageIndex, Pages};
pub use request::Request;
pub use token::is_token;
pub(crate) use token::is_token_byte;
