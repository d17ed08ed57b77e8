//! HTTP/1.1 heads (RFC 9112): requests, their fields and targets, and responses.

mod authority;
mod fields;
mod pages;
mod request;
pub mod response;
mod target;
mod token;

pub(crate) use authority::{Authority, is_written_of};
pub use fields::Fields;
pub(crate) use fields::{Lines, bare_lf};
pub use pages::{Content, IndexPage, Page};
pub use request::Request;
pub use token::is_token;
pub(crate) use token::is_token_byte;
