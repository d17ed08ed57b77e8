//! Both servers from outside: processes with flags, signals and exit codes, spoken to over real
//! sockets by clients that share no code with them. How a process is run is in `stentor_tests`, and
//! what is asked of it in `server`; its clients are `guest` (of another make) and `raw` (bytes,
//! well-formed or not).

mod admin;
mod api;
mod calls;
mod churn;
mod compression;
mod conformance;
mod crowd;
mod descriptors;
mod drain;
mod echo;
mod edge;
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
mod polling;
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
