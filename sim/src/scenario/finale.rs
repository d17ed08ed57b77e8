//! End of a run, and the properties that must hold then.

use core::time::Duration;
use std::collections::HashMap;

use stentor_core::ConnId;

use super::RunReport;
use super::application_log::{Conn, MembershipPeriod, NOT_YET, What};
use super::setup::Ending;
use super::total_order::contradiction;
use super::words::NONE;
use super::world::World;
use crate::simulator::ReadPattern;

impl<const WAITS: bool> World<WAITS> {
    /// Brings it to its end, and looks at all of it once more.
    pub(super) fn end(mut self) -> RunReport {
        let abandoned = match self.setup.ending {
            Ending::Rest => {
                self.rest();
                for client in 0..self.observers.len() {
                    if self.sim.is_held(client) && !self.observers[client].is_cut_short {
                        self.sim.close(client, Some(1000));
                    }
                }
                0
            }
            Ending::RestAndDrain => {
                self.rest();
                self.drain(Duration::from_secs(5));
                0
            }
            Ending::Drain(millis) => {
                self.drain(Duration::from_millis(millis));
                0
            }
            Ending::Abort => {
                self.sim.abort();
                self.sim.take_abandoned().len() as u64
            }
        };
        // Whoever has not gone by now is given up, and tasks come to their end.
        let config = &self.setup.config;
        let patience = config.pong_wait() + config.write_timeout() + config.handshake_timeout();
        let tasks = 40 * (config.task_timeout() + config.task_backoff_max());
        self.sim
            .pass(2 * patience + 4 * config.close_timeout() + tasks);
        self.sim.settle();
        self.hear();
        self.check_all(abandoned);
        self.report(abandoned)
    }

    fn drain(&mut self, deadline: Duration) {
        let before = self.sim.dispatch_stats();
        self.sim.shut_down(deadline);
        let stats = self.sim.dispatch_stats();
        self.coverage.note(
            "drained with tasks",
            before.submitted - before.done - before.failed,
        );
        self.check_dispatcher();
        assert!(stats.submitted >= before.submitted);
    }

    /// Lets everyone read until nothing waits any more: then everything must have arrived.
    fn rest(&mut self) {
        for (client, observer) in self.observers.iter().enumerate() {
            let client = self.sim.client_mut(client);
            client.reader = ReadPattern::Eager;
            client.pongs = !observer.is_cut_short;
        }
        // Before a timer has anything written that should have been already.
        self.sim.settle();
        self.sim.assert_written();
        let config = &self.setup.config;
        let patience = config.pong_wait() + config.write_timeout() + config.handshake_timeout();
        let patience = patience + 2 * config.close_timeout();
        // Twice, for those whose end the server cannot notice at first: it does not read them.
        for _ in 0..2 {
            self.sim.pass(patience);
            self.quieten();
        }
        self.sim.assert_still();
        self.hear();
        self.check_dispatcher();
        let log = self.log.borrow();
        for (id, conn) in &log.conns {
            if conn.closed == NOT_YET {
                assert_eq!(
                    conn.tasks_told, conn.tasks_asked,
                    "{id}: ends of tasks told, and tasks asked for"
                );
                assert_eq!(
                    conn.receipts_told, conn.receipts_asked,
                    "{id}: receipts told, and asked for"
                );
            }
        }
    }

    /// Lets everything happen, the next attempts at tasks included.
    fn quieten(&mut self) {
        for _ in 0..1_000 {
            self.sim.settle();
            if self.sim.is_quiet() {
                break;
            }
            self.sim.pass(self.setup.config.task_timeout());
        }
    }

    fn check_all(&self, abandoned: u64) {
        self.sim.compare_all();
        self.check_dispatcher();
        let (handed, ended) = self.sim.tasks();
        let left = handed - ended;
        assert!(
            left <= abandoned && left + self.resubmitted >= abandoned,
            "{left} tasks without an end, {abandoned} handed back"
        );
        self.sim.assert_bare_but(left);
        for client in 0..self.observers.len() {
            assert!(
                !self.sim.is_held(client),
                "{} is held",
                self.observers[client].id
            );
        }
        assert_eq!(self.sim.limiter().sockets(), 0, "sockets counted");
        let stats = self.sim.stats();
        let links = stats.links;
        assert_eq!(links.held + links.active, 0, "{links:?}");
        assert_eq!(
            links.opened,
            stats.closed.iter().sum::<u64>(),
            "ends of connections"
        );
        assert_eq!(stats.delivery.waiting, 0);
        let tasks = self.sim.dispatch_stats();
        assert_eq!(
            tasks.waiting + tasks.delayed + tasks.running,
            0,
            "{tasks:?}"
        );
        let log = self.log.borrow();
        assert_eq!(
            log.ends_told + links.outcomes_gone,
            ended,
            "ends of tasks told or for nobody, and handed over"
        );
        assert!(
            log.conns
                .values()
                .all(|conn| { conn.heard == NOT_YET || conn.closed != NOT_YET }),
            "the application was not told of an end"
        );
        drop(log);
        self.check_ears();
        self.check_audiences();
        let log = self.log.borrow();
        let twisted = contradiction(&log.order);
        assert_eq!(twisted, None, "heard in different orders");
    }

    /// Who has read to the end has heard all that was written.
    fn check_ears(&self) {
        for (client, observer) in self.observers.iter().enumerate() {
            let written = self.sim.written_to(client);
            assert!(
                observer.messages <= written,
                "{} hears more than that",
                observer.id
            );
            if self.sim.has_reached(client) && observer.close_code.is_none() {
                assert_eq!(
                    observer.messages, written,
                    "{}: heard, and written",
                    observer.id
                );
            }
        }
    }

    /// Members have heard what they heard, and no more of them than were told.
    fn check_audiences(&self) {
        let log = self.log.borrow();
        let mut memberships: HashMap<(ConnId, u8), Vec<MembershipPeriod>> = HashMap::new();
        for (&room, all) in &log.memberships {
            for stay in all {
                memberships
                    .entry((stay.conn, room))
                    .or_default()
                    .push(*stay);
            }
        }
        let mut times: HashMap<u32, u64> = HashMap::new();
        for &(id, n) in &self.heard {
            let said = &log.said[&n];
            let What::Publication { stream, exclude } = said.what else {
                panic!("{n} is no publication");
            };
            *times.entry(n).or_default() += 1;
            assert!(!exclude || said.by != id, "{id} hears its own {n}");
            let was_there = if stream.room == NONE {
                log.conns
                    .get(&id)
                    .is_some_and(|conn: &Conn| conn.closed > said.born)
            } else {
                let all = memberships.get(&(id, stream.room));
                all.is_some_and(|all| all.iter().any(|stay| stay.touches(said.born, said.done)))
            };
            assert!(was_there, "{id} hears {n} and was no member then");
        }
        for (n, said) in &log.said {
            if let Some(outcome) = said.outcome {
                let heard = times.get(n).copied().unwrap_or_default();
                assert!(
                    heard <= outcome.queued,
                    "{n}: heard by {heard}: {outcome:?}"
                );
            }
        }
    }

    fn report(mut self, abandoned: u64) -> RunReport {
        let stats = self.sim.stats();
        let tasks = self.sim.dispatch_stats();
        self.coverage.note("turn cut short", self.sim.turns_cut());
        self.coverage.note("run emptied", self.sim.runs_emptied());
        self.coverage.note("out of turn", self.sim.out_of_turn());
        let [joined, scattered] = self.sim.batches();
        self.coverage.note("volley", joined);
        self.coverage.note("volley scattered", scattered);
        self.coverage.note("task handed back", abandoned);
        self.coverage.count(&stats, &tasks);
        RunReport {
            received: stats.received.text + stats.received.binary,
            written: stats.delivery.written,
            digest: self.sim.digest(),
            coverage: self.coverage,
        }
    }
}
