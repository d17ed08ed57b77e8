//! Log lines about tasks, outside the lock of the dispatcher.

use std::sync::{Mutex, PoisonError};

use stentor_core::id::WorkerId;
use stentor_core::tasks::{AttemptEnd, AttemptResult, FailedTask};
use stentor_core::{ConnId, Timestamp};
use tracing::{debug, error, warn};

use crate::Throttle;

/// Limits of the log lines that tasks can cause.
#[derive(Debug)]
pub(super) struct TaskLog {
    failures: Mutex<Throttle>,
    panics: Mutex<Throttle>,
}

impl TaskLog {
    pub(super) const fn new() -> Self {
        Self {
            failures: Mutex::new(Throttle::new(FAILURE_BURST, FAILURE_RATE)),
            panics: Mutex::new(Throttle::new(FAILURE_BURST, FAILURE_RATE)),
        }
    }

    /// Logs the end of an attempt, if it is worth a line.
    pub(super) fn write_end(
        &self,
        now: Timestamp,
        (worker, conn): (WorkerId, ConnId),
        end: AttemptEnd,
        result: &AttemptResult,
    ) {
        if end == AttemptEnd::Panicked
            && let Some(held_back) = admit(&self.panics, now)
        {
            error!(%worker, %conn, held_back, "a task panicked");
        }
        match result {
            AttemptResult::Done { .. } | AttemptResult::Late => {}
            AttemptResult::Retry => debug!(%worker, %conn, ?end, "a task is retried"),
            AttemptResult::Failed(task) => self.write_failure(now, task),
        }
    }

    pub(super) fn write_failure(&self, now: Timestamp, task: &FailedTask) {
        if let Some(held_back) = admit(&self.failures, now) {
            let (conn, cause, attempts) = (task.conn, task.cause, task.attempts);
            warn!(%conn, %cause, attempts, held_back, "a task failed");
        }
    }

    pub(super) fn write_restart(&self, now: Timestamp, worker: WorkerId) {
        if let Some(held_back) = admit(&self.panics, now) {
            error!(%worker, held_back, "a worker ended unexpectedly and is restarted");
        }
    }
}

fn admit(lines: &Mutex<Throttle>, now: Timestamp) -> Option<u64> {
    let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    lines.admit(now)
}

/// Log lines about failed tasks, and about attempts that panicked, at once and per second.
const FAILURE_BURST: u32 = 10;
const FAILURE_RATE: u32 = 5;
