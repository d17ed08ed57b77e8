//! The application of the Stentor servers: rooms, tasks, and a page to try them; and messages,
//! tokens and namespaces of the Centrifugo client protocol.
//!
//! [`Rooms`] is a [`Handler`](stentor_core::Handler) of the core. Clients send text or binary
//! messages such as `join:lobby`, `msg:hello` and `task:resize`; [`command`] parses them and has the
//! texts and priorities of the answers. `docs/protocol.md` of the repository describes the protocol.
//!
//! [`Gateway`] is the handler of the product: it serves those commands and the Centrifugo client
//! protocol on the same channels, and the server API to backends. [`client_protocol`], [`token`] and [`namespaces`] are the data types
//! and rules of that.
//!
//! Like the core, this crate has no I/O, clock, thread or `unsafe` code.
//!
//! ```
//! use stentor_core::config::Page;
//! use stentor_core::{Config, Shard, ShardId};
//! use stentor_gateway::{INDEX_PAGE, INDEX_POLICY, NoRoomPolicy, Rooms};
//!
//! let page = Page::fixed("/", "text/html; charset=utf-8", INDEX_PAGE)
//!     .field("Content-Security-Policy", INDEX_POLICY);
//! let config = Config::builder().page(page).build()?;
//! let rooms = Rooms {
//!     no_room: NoRoomPolicy::Everyone,
//!     ..Rooms::default()
//! };
//! let shard = Shard::new(ShardId(0), &config, rooms);
//! # let _ = shard;
//! # Ok::<(), stentor_core::config::ConfigError>(())
//! ```
//!
//! # Features
//! - `std` (on by default): enables the feature of the same name of the core.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod admission;
mod annotation;
mod api;
mod bans;
mod client_id;
pub mod client_protocol;
pub mod command;
mod emulation;
pub mod fossil;
mod gateway;
mod gateway_rooms;
mod glob;
mod index_page;
mod metrics;
mod namespace_stats;
pub mod namespaces;
mod publication_encoding;
mod questions;
mod rooms;
mod session;
mod settings;
mod stats;
mod tag_filter;
pub mod token;
mod transport;
mod user_connections;
mod users;

pub use api::{ApiKeys, ApiMethod, ApiSettings};
pub use emulation::SessionKey;
pub use gateway::{ConnectionState, Gateway};
pub use index_page::{INDEX_PAGE, INDEX_POLICY};
pub use namespace_stats::NamespaceCounts;
pub use rooms::{NoRoomPolicy, RoomOutcome, RoomTask, Rooms};
pub use settings::{
    Access, ClientSettings, GatewaySettings, Secret, SeedProtocol, SettingsUpdates,
    TransportSettings, UserConnectionPolicy,
};
pub use stats::{ApiStats, GatewayStats};
