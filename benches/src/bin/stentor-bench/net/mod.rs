//! Owns the generator's end of connections: opening them, and moving bytes on
//! one thread. What is said on them is for `load`.

mod clients;
mod connection;
mod decoder;
mod endpoint;

pub(crate) use clients::{Clients, Connections, Traffic, raise_open_files};
pub(crate) use connection::Connection;
pub(crate) use endpoint::Endpoint;
