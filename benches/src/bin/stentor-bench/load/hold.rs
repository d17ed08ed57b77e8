//! Owns the keeping of idle connections for somebody else, who may want more of
//! them than one process can have: opens them, says so, keeps them until its
//! standard input ends, and closes each with the closing handshake.

use std::io::{Read, stdin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use super::sustain::PATIENCE;
use super::{Place, at_least_one};
use crate::fault::Fault;
use crate::net::{Fleet, Traffic, raise_open_files};

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
    pub(crate) fn run(&self, place: &Place) -> Result<(), Fault> {
        raise_open_files(self.connections)?;
        let target = place.target.clone().after(self.others);
        let mut fleet = Fleet::new(&target)?;
        fleet.open(self.connections, PATIENCE)?;
        println!("{OPEN}");
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        thread::spawn(move || {
            // Whatever it is that ends it.
            let _ = stdin().read_to_end(&mut Vec::new());
            ends.store(true, Ordering::Relaxed);
        });
        while !is_over.load(Ordering::Relaxed) {
            fleet.turn(&mut Silence, POLL)?;
        }
        let begin = Instant::now();
        let mut open = fleet.begin_close()?;
        while open > 0 && begin.elapsed() < PATIENCE {
            open -= fleet.go_on_closing(POLL)?;
        }
        if open > 0 {
            return Err(Fault::Stalled(PATIENCE.as_secs()));
        }
        println!("{CLOSED}");
        Ok(())
    }
}

/// What is to be said on idle connections.
struct Silence;

impl Traffic for Silence {
    fn payload(&mut self, who: usize, _: &[u8], _: Instant) -> Result<(), Fault> {
        Err(Fault::wrong(who, "a message that nobody has sent"))
    }
}

/// What it says once all are open.
pub(crate) const OPEN: &str = "open";
/// What it says once all are closed.
pub(crate) const CLOSED: &str = "closed";
const POLL: Duration = Duration::from_millis(100);
