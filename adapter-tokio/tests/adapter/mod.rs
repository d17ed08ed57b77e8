//! Owns what `tests/in_process` has to know of this adapter: what its server is
//! called, how it is told to end, and how it has a task done.

use stentor_core::{Failure, Handler, WorkerId};
use tokio::sync::oneshot;

pub(crate) use stentor_tokio::{Server, ServerHandle, ShutdownReport};

use crate::running::Job;

/// Dropped, it tells the server to end.
pub(crate) type Stop = oneshot::Sender<()>;

pub(crate) fn until_dropped() -> (Stop, impl Future<Output = ()> + Send) {
    let (stop, stopped) = oneshot::channel();
    let until = async {
        let _ = stopped.await;
    };
    (stop, until)
}

/// The work of a server that has this job.
pub(crate) struct Work<J>(pub(crate) J);

impl<H: Handler<Task: Sync>, J: Job<H>> stentor_tokio::Work<H> for Work<J> {
    async fn run(&self, worker: WorkerId, task: &H::Task) -> Result<H::Outcome, Failure> {
        self.0.run(worker, task)
    }
}
