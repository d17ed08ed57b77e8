//! The threads that serve the admin pages and the metrics while a server runs, and their queries.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;

use stentor_core::channels::RemoteStats;
use stentor_core::node::{ConnectionLimiter, Deadline};
use stentor_core::tasks::Wakeups;
use stentor_core::{ConnId, ShardId};

use crate::admin::{Admin, Serving};
use crate::host::{Host, ShardInput, TaskOf};
use crate::inspect::{AdminBackend, AdminQuery, QUERY_TIMEOUT, ShardAnswer};
use crate::metrics::{self, Collector};
use crate::remote::{AcceptError, IncomingSocket, RemoteHost};
use crate::{ServerCounters, Settings, SharedDispatcher};

/// The pages. Dropping this ends their threads.
pub(super) struct PageThreads<N: Host> {
    host: Arc<N>,
    _admin: Option<Serving>,
}

impl<N: Host> PageThreads<N> {
    pub(super) fn start(
        host: &Arc<N>,
        admin: Option<Admin>,
        settings: Settings,
        scrapes: Receiver<Option<ConnId>>,
    ) -> io::Result<Self> {
        let collector = Arc::new(Collector::new(&Arc::new(settings)));
        let (asked, pages) = (host.clone(), collector.clone());
        let serve = move || {
            metrics::serve(&scrapes, &*asked, &pages, |id, page| {
                let text = page.clone();
                asked.post(id.shard(), ShardInput::Metrics { id, text });
            });
        };
        // It is not joined: it may wait for a shard that hangs, and ends soon after.
        let builder = thread::Builder::new().name("metrics".into());
        builder.spawn(serve)?;
        // Ends that thread, also if the admin pages cannot be served.
        let mut pages = Self {
            host: host.clone(),
            _admin: None,
        };
        pages._admin = admin
            .map(|admin| admin.serve(host.clone(), collector))
            .transpose()?;
        Ok(pages)
    }
}

impl<N: Host> Drop for PageThreads<N> {
    fn drop(&mut self) {
        self.host.state().end_scrapes();
    }
}

impl<N: Host> AdminBackend for N {
    type Task = TaskOf<N>;

    fn ask(&self, shards: &[ShardId], query: &Arc<AdminQuery>) -> Vec<(ShardId, ShardAnswer)> {
        let (reply, answers) = channel();
        for &shard in shards {
            if let Some(query) = self.state().queries().query(shard, query, &reply) {
                self.post(shard, ShardInput::Query(query));
            }
        }
        // Only the senders of the pending queries are left.
        drop(reply);
        let clock = self.state().clock();
        let (mut deadline, mut given) = (Deadline::new(clock.now(), QUERY_TIMEOUT), Vec::new());
        loop {
            let left = deadline.at().since(clock.now());
            match answers.recv_timeout(left) {
                Ok(answer) => given.push(answer),
                Err(RecvTimeoutError::Timeout) if !deadline.is_over(clock.now()) => {}
                Err(_) => return given,
            }
        }
    }

    fn dispatcher(&self) -> &SharedDispatcher<TaskOf<N>> {
        &self.state().dispatcher
    }

    fn wake(&self, wakeups: Wakeups) {
        self.perform(wakeups);
    }

    fn limiter(&self) -> &ConnectionLimiter {
        &self.state().limiter
    }

    fn counters(&self) -> &ServerCounters {
        &self.state().counters
    }

    fn accept(self: Arc<Self>, socket: IncomingSocket) -> Result<(), AcceptError> {
        RemoteHost::accept(self, socket)
    }

    fn remote_stats(&self) -> RemoteStats {
        self.state().remote.stats()
    }
}
