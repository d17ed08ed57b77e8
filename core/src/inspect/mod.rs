//! Inspection: the data of answers about single connections.

pub(crate) mod closed;
pub(crate) mod connection_info;
pub(crate) mod connection_list;
