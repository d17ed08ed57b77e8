//! Tests of the gateway through its public interface.

mod json_commands;
mod namespaces;
mod permissions;
mod protobuf_commands;
mod replies;
mod session;
mod tokens;
