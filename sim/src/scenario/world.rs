//! One run of a scenario: the server, the connected clients, and the steps of the plan.

use core::cell::{Cell, RefCell};
use core::time::Duration;
use std::rc::Rc;

use stentor_core::ConnId;
use stentor_core::id::WorkerId;

use super::application_log::ApplicationLog;
use super::client_observer::ClientObserver;
use super::driver::{ScenarioDriver, ScenarioTask};
use super::plan::{Act, PlanStep, ScenarioPlan};
use super::setup::ScenarioSetup;
use super::{Coverage, RunReport};
use crate::simulator::{Rng, Sim};

/// A server, and those who use it.
pub(super) struct World<const WAITS: bool> {
    pub(super) sim: Sim<ScenarioDriver<WAITS>>,
    pub(super) setup: ScenarioSetup,
    pub(super) rng: Rng,
    pub(super) log: Rc<RefCell<ApplicationLog>>,
    /// The client of each number in the plan, while it is connected.
    pub(super) connected: Vec<Option<usize>>,
    /// For each client of the simulation, what it has heard.
    pub(super) observers: Vec<ClientObserver>,
    /// What publications were heard by whom.
    pub(super) heard: Vec<(ConnId, u32)>,
    pub(super) coverage: Coverage,
    /// Tasks that were submitted again, which nobody is told of any more.
    pub(super) resubmitted: u64,
}

impl<const WAITS: bool> World<WAITS> {
    pub(super) fn new(plan: &ScenarioPlan) -> Self {
        let setup = plan.setup.clone();
        let log = Rc::new(RefCell::new(ApplicationLog::default()));
        let driver = ScenarioDriver(Rc::clone(&log));
        let (workers, tasks) = setup.workers;
        let work = Box::new(|_: WorkerId, task: &ScenarioTask| *task);
        let mut sim = Sim::new(
            setup.network,
            &setup.config,
            workers,
            tasks,
            work,
            move |_| driver.clone(),
        );
        sim.audit_every(AUDIT_EVERY);
        sim.limit_connections(setup.max_connections);
        let clients = plan.steps.iter().map(|step| step.who);
        Self {
            sim,
            setup,
            rng: Rng::new(plan.seed ^ 0x00FF_1CE5),
            log,
            connected: vec![None; clients.max().map_or(0, |most| usize::from(most) + 1)],
            observers: Vec::new(),
            heard: Vec::new(),
            coverage: Coverage::default(),
            resubmitted: 0,
        }
    }

    /// Lives through the plan; `steps` says how far it has come.
    pub(super) fn run(mut self, plan: &ScenarioPlan, steps: &Cell<usize>) -> RunReport {
        let mut is_enough = false;
        for (at, step) in plan.steps.iter().enumerate() {
            steps.set(at);
            let now = self.sim.time().as_micros();
            if step.at > now {
                self.sim.pass(Duration::from_micros(step.at - now));
            }
            self.perform(step);
            if at % HEAR_EVERY == 0 {
                self.hear();
                self.check_dispatcher();
                // Somewhat later, so that whatever interrupts it finds it at work.
                if is_enough {
                    break;
                }
                is_enough = self.received() >= plan.messages;
            }
        }
        steps.set(plan.steps.len());
        if !is_enough {
            self.catch_up(plan.messages);
        }
        self.end()
    }

    /// Messages that the server has received.
    fn received(&self) -> u64 {
        let received = self.sim.stats().received;
        received.text + received.binary
    }

    /// Lets the server receive so many messages, as long as some come. For a while
    /// none may: whoever waits for the end of a task is not read.
    fn catch_up(&mut self, messages: u64) {
        let (mut before, mut idle) = (self.received(), 0);
        while before < messages && idle < 20 {
            self.sim.pass(Duration::from_millis(100));
            idle = if self.received() == before {
                idle + 1
            } else {
                0
            };
            before = self.received();
        }
    }

    /// Takes what clients have heard.
    pub(super) fn hear(&mut self) {
        let mut log = self.log.borrow_mut();
        for (client, observer) in self.observers.iter_mut().enumerate() {
            let heard = self.sim.take_heard(client);
            if !heard.is_empty() {
                observer.take(heard, &mut log, &mut self.heard);
            }
        }
    }

    /// Every task is somewhere, once, and no more wait than may.
    pub(super) fn check_dispatcher(&self) {
        let stats = self.sim.dispatch_stats();
        let over = stats.done + stats.failed + stats.abandoned_waiting + stats.abandoned_running;
        let here = stats.waiting + stats.delayed + stats.running;
        assert_eq!(stats.submitted, over + here, "tasks: {stats:?}");
        let dead = stats.dead_letters + stats.dead_dropped + stats.dead_taken;
        assert_eq!(stats.failed, dead, "dead letters: {stats:?}");
        let (workers, tasks) = self.setup.workers;
        let most = tasks as u64 + u64::from(workers);
        assert!(stats.waiting + stats.delayed <= most, "tasks: {stats:?}");
        assert!(stats.running + stats.overdue <= workers.into(), "{stats:?}");
        assert!(stats.dead_letters <= self.setup.config.dead_letters() as u64);
        let (handed, _) = self.sim.tasks();
        let refused = stats.refused_full + stats.refused_draining;
        assert_eq!(
            handed,
            stats.submitted - stats.resubmitted + refused,
            "tasks handed in: {stats:?}"
        );
    }

    fn perform(&mut self, step: &PlanStep) {
        self.coverage.acts(step.act);
        match step.act {
            Act::Visit { how } => return self.visit(how),
            Act::Resubmit => return self.resubmit(),
            _ => {}
        }
        let Some(client) = self.connected_client(step.who.into()) else {
            return;
        };
        self.act(client, step);
        if self.sim.client(client).is_over() || step.act.ends() {
            self.connected[usize::from(step.who)] = None;
        }
    }

    fn resubmit(&mut self) {
        self.resubmitted += self.sim.resubmit_all() as u64;
    }
}

/// After how many turns of a shard it is looked into.
const AUDIT_EVERY: u32 = 41;
/// After how many steps it is looked at what clients have heard.
const HEAR_EVERY: usize = 512;
