//! Owns what `tests/in_process` has to know of this adapter: what its server is
//! called, how it is told to end, and how it has a task done.

use std::sync::mpsc::{Sender, channel};

use stentor_core::{Failure, Handler, WorkerId};

pub(crate) use stentor_std::{Server, ServerHandle, ShutdownReport};

use crate::running::Job;

/// Dropped, it tells the server to end.
pub(crate) type Stop = Sender<()>;

pub(crate) fn until_dropped() -> (Stop, impl FnOnce() + Send + 'static) {
    let (stop, stopped) = channel();
    let until = move || {
        let _ = stopped.recv();
    };
    (stop, until)
}

/// The work of a server that has this job.
pub(crate) struct Work<J>(pub(crate) J);

impl<H: Handler, J: Job<H>> stentor_std::Work<H> for Work<J> {
    fn run(&self, worker: WorkerId, task: &H::Task) -> Result<H::Outcome, Failure> {
        self.0.run(worker, task)
    }
}
