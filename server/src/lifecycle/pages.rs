//! The threads that serve the admin pages and the metrics while a server runs.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;

use stentor_core::ConnId;

use crate::Settings;
use crate::admin::{Admin, Serving};
use crate::host::{Host, ShardInput};
use crate::metrics::{self, Collector};

/// The pages. Dropping this ends their threads.
pub(super) struct Pages<N: Host> {
    host: Arc<N>,
    _admin: Option<Serving>,
}

impl<N: Host> Pages<N> {
    pub(super) fn start(
        host: &Arc<N>,
        admin: Option<Admin>,
        settings: &Arc<Settings>,
        scrapes: Receiver<Option<ConnId>>,
    ) -> io::Result<Self> {
        let collector = Arc::new(Collector::new(settings));
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

impl<N: Host> Drop for Pages<N> {
    fn drop(&mut self) {
        self.host.node().end_scrapes();
    }
}
