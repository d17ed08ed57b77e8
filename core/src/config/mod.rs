//! Configuration of the core: limits with names, help texts, units, ranges and defaults.
//!
//! A [`Config`] that exists is valid. Where a value comes from (a flag, a file) is the caller's.

mod builder;
mod connection;
mod error;
mod limits;
#[cfg(test)]
mod tests;
mod values;

pub use crate::proto::http::{Hosts, Page, PageId, Pages};
pub use crate::proto::proxy::{ForwardedField, Network, Proxies};
pub use crate::proto::ws::upgrade::Origins;
pub(crate) use connection::CODECS;
pub use connection::ConnectionLimits;
pub use error::{ConfigError, Unit};
pub use limits::{Config, ConfigBuilder, Range};
