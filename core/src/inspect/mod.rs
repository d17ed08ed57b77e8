//! Inspection: counters, and what is known of single connections.

pub(crate) mod closed;
pub(crate) mod connection_info;
pub(crate) mod connection_list;
