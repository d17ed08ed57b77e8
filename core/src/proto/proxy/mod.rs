//! Addresses of clients behind proxies: the header of the PROXY protocol in front of a connection,
//! the fields of a forwarded request, and which proxies are trusted to say either.

mod error;
mod forwarded;
mod header;
mod networks;
#[cfg(test)]
mod tests;

pub use error::ProxyError;
pub use forwarded::NotForwarded;
pub(crate) use forwarded::client_of;
pub use header::{ProxyHeader, V1_MAX};
pub(crate) use networks::mapped;
pub use networks::{ForwardedField, Network, NotANetwork, Proxies};
