//! Command `hold`, a part of `million`: opens idle connections, keeps them open until its standard
//! input ends, and closes them with the closing handshake.

use std::io::{Read, stdin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use super::arguments::{LoadTarget, at_least_one};
use crate::error::Error;
use crate::net::{Clients, Traffic};
use crate::watchdog::TIMEOUT;

/// Keeps idle connections open for `million`
#[derive(Clone, Debug, Args)]
pub(crate) struct Hold {
    /// Connections
    #[arg(short, long, value_parser = at_least_one)]
    pub(crate) connections: usize,
    /// Connections of other processes, whose source addresses are skipped
    #[arg(long, default_value_t = 0)]
    pub(crate) others: usize,
}

impl Hold {
    pub(crate) fn run(&self, target: &LoadTarget) -> Result<(), Error> {
        let endpoint = target.endpoint.clone().after(self.others);
        let mut clients = Clients::new(&endpoint)?;
        clients.open(self.connections)?;
        println!("{OPEN}");
        let is_finished = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_finished);
        thread::spawn(move || {
            // Both the end of the input and an error end the command.
            let _ = stdin().read_to_end(&mut Vec::new());
            stop.store(true, Ordering::Relaxed);
        });
        while !is_finished.load(Ordering::Relaxed) {
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

/// The traffic of idle connections: none.
struct NoTraffic;

impl Traffic for NoTraffic {
    fn on_payload(&mut self, index: usize, _: &[u8], _: Instant) -> Result<(), Error> {
        Err(Error::unexpected(index, "a message that nobody sent"))
    }
}

/// Printed when all connections are open.
pub(crate) const OPEN: &str = "open";
/// Printed when all connections are closed.
pub(crate) const CLOSED: &str = "closed";
const POLL_INTERVAL: Duration = Duration::from_millis(100);
