//! Owns the keeping of idle connections for somebody else, who may want more of
//! them than one process can have: opens them, says so, keeps them until its
//! standard input ends, and closes each with the closing handshake.

use std::io::{Read, stdin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use super::arguments::{Target, at_least_one};
use super::timed_run::TIMEOUT;
use crate::error::Error;
use crate::net::{Clients, Traffic, raise_open_files};

/// Idle connections that are kept for `million`
#[derive(Clone, Debug, Args)]
pub(crate) struct Hold {
    /// Connections
    #[arg(short, long, value_parser = at_least_one)]
    pub(crate) connections: usize,
    /// How many others have, so that source addresses are not used twice
    #[arg(long, default_value_t = 0)]
    pub(crate) others: usize,
}

impl Hold {
    pub(crate) fn run(&self, target: &Target) -> Result<(), Error> {
        raise_open_files(self.connections)?;
        let endpoint = target.endpoint.clone().after(self.others);
        let mut clients = Clients::new(&endpoint)?;
        clients.open(self.connections, TIMEOUT)?;
        println!("{OPEN}");
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        thread::spawn(move || {
            // Whatever it is that ends it.
            let _ = stdin().read_to_end(&mut Vec::new());
            ends.store(true, Ordering::Relaxed);
        });
        while !is_over.load(Ordering::Relaxed) {
            clients.poll_once(&mut NoTraffic, POLL_INTERVAL)?;
        }
        let begin = Instant::now();
        let mut open = clients.start_closing()?;
        while open > 0 && begin.elapsed() < TIMEOUT {
            open -= clients.poll_closing(POLL_INTERVAL)?;
        }
        if open > 0 {
            return Err(Error::Timeout(TIMEOUT.as_secs()));
        }
        println!("{CLOSED}");
        Ok(())
    }
}

/// What is to be said on idle connections.
struct NoTraffic;

impl Traffic for NoTraffic {
    fn on_payload(&mut self, index: usize, _: &[u8], _: Instant) -> Result<(), Error> {
        Err(Error::unexpected(index, "a message that nobody sent"))
    }
}

/// What it says once all are open.
pub(crate) const OPEN: &str = "open";
/// What it says once all are closed.
pub(crate) const CLOSED: &str = "closed";
const POLL_INTERVAL: Duration = Duration::from_millis(100);
