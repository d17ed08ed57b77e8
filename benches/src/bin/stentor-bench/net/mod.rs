//! Owns the generator's end of connections: opening them, and moving bytes on
//! one thread. What is said on them is for `load`.

mod decoder;
mod fleet;
mod link;
mod target;

pub(crate) use fleet::{Fleet, Links, Traffic, raise_open_files};
pub(crate) use link::Link;
pub(crate) use target::Target;
