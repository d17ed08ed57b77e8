//! Client connections: opening them, and sending and receiving on one thread.

mod clients;
mod connection;
mod decoder;
mod endpoint;

pub(crate) use clients::{Clients, Connections, Traffic, raise_open_files};
pub(crate) use connection::ClientConnection;
pub(crate) use endpoint::ServerAddress;
