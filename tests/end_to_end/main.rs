//! A server's binary from outside: as a process with flags, signals and exit
//! codes, spoken to over real sockets by clients that share no code with it.
//! Each package with a server has this as a test of its own; what differs by a
//! server's nature is named in `server`, and nothing else does.
//! How the process is run is in `process`, and what is asked of it in `server`; who speaks to it in `guest` (a client
//! of another make) and `raw` (bytes, well-formed or not).

mod admin;
mod churn;
mod compression;
mod crowd;
mod descriptors;
mod drain;
mod echo;
mod fan_out;
mod floods;
mod frames;
mod guest;
mod hosts;
mod lifecycle;
mod limits;
mod memory;
mod order;
mod origins;
mod pages;
#[path = "../process/mod.rs"]
mod process;
mod protocol;
mod queues;
mod rates;
mod raw;
mod requests;
mod seed_defects;
mod server;
mod settings;
mod signals;
mod stops;
mod subprotocols;
mod tasks;
mod unread_log;
mod witnesses;
