//! Queries about connections. The answers are made in `engine::inspect`.

use alloc::vec::Vec;

use crate::inspect::Readiness;
use crate::inspect::connection_info::Lookup;
use crate::inspect::connection_list::{ConnectionList, ConnectionQuery};

use crate::app::{Handler, Isolation, Metric};
use crate::id::ConnId;
use crate::inspect::closed::{ClosedConnection, SampledConnection};
use crate::session::phase::Phase;
use crate::shard::Shard;
use crate::time::Timestamp;

impl<H: Handler, I: Isolation> Shard<H, I> {
    /// What is the matter with a connection, or was with one that has gone;
    /// `None` if it was never here, or has been forgotten since. Looks at what
    /// waits for it, or at those that have gone: for somebody who asks, not for
    /// a loop.
    pub fn explain(&self, now: Timestamp, id: ConnId) -> Option<Lookup> {
        let engine = &self.engine;
        let at = engine.slots.find(id);
        let here = || {
            let at = at?;
            let mut info = engine.explain(now, at);
            if let Some(state) = &engine.slots[at].state {
                let described = I::run(|| self.handler.describe(state));
                info.application = described.unwrap_or_default();
            }
            Some(Lookup::Here(info))
        };
        if at.is_some_and(|at| engine.slots[at].phase() != Phase::Gone) {
            return here();
        }
        let connection = engine.closed.gone().find(|gone| gone.id == id);
        connection.cloned().map(Lookup::Gone).or_else(here)
    }

    /// Returns whether it takes traffic. Frees what is kept for reuse if memory is short.
    pub fn readiness(&mut self) -> Readiness {
        self.engine.readiness()
    }

    /// Returns the connection of the oldest [`Event::Sampled`](crate::Event::Sampled) that was not taken.
    pub fn take_sampled(&mut self) -> Option<SampledConnection> {
        self.engine.closed.take_sampled()
    }

    /// Returns the metrics of the application: none if it panics.
    pub fn app_metrics(&self) -> Vec<Metric> {
        I::run(|| self.handler.metrics()).unwrap_or_default()
    }

    /// Connections that have gone, the latest first, as far as they are
    /// remembered: [`Config::gone_connections`](crate::Config::gone_connections).
    pub fn gone(&self) -> impl Iterator<Item = &ClosedConnection> {
        self.engine.closed.gone()
    }
}

impl<H: Handler, I: Isolation> Shard<H, I> {
    /// The sockets it holds that are wanted, explained. Looks at all of them, or
    /// at the members of the channel, and explains at most [`ConnectionQuery::MOST`]: for
    /// somebody who asks, not for a loop.
    pub fn connections(&self, now: Timestamp, filter: &ConnectionQuery) -> ConnectionList {
        self.engine.connections(now, filter)
    }
}
