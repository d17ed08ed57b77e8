//! Integration tests of the server crate. Those that need a process of their own are separate.

mod admin;
mod docs;
mod edges;
mod examples;
mod file;
mod log;
mod log_lines;
mod metrics;
mod public_keys;
mod settings;
