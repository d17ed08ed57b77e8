//! The binary `stentor` from outside: as a process with flags, signals and exit
//! codes, spoken to over real sockets by clients that share no code with it.
//! How the process is run is in `server`; who speaks to it in `guest` (a client
//! of another make) and `raw` (bytes, well-formed or not).

mod churn;
mod drain;
mod echo;
mod floods;
mod frames;
mod guest;
mod lifecycle;
mod limits;
mod order;
mod origins;
mod pages;
mod protocol;
mod queues;
mod raw;
mod requests;
mod seed_defects;
mod server;
mod settings;
mod tasks;
mod witnesses;
