//! Metrics of tasks, workers and dead letters.

use stentor_core::stats::{DispatchStats, Stats};

use super::exposition::Exposition;

pub(super) fn tasks(page: &mut Exposition, Stats { links, .. }: &Stats, dispatch: &DispatchStats) {
    let help = "Tasks accepted by the task queue.";
    page.counter("ws_tasks_submitted_total", help, dispatch.submitted);
    let help = "Tasks refused by the task queue.";
    let refused = dispatch
        .refused_full
        .wrapping_add(dispatch.refused_draining);
    page.counter("ws_tasks_dropped_total", help, refused);
    page.gauge(
        "ws_worker_queue_length",
        "Tasks that wait for a worker or for another task of their connection.",
        dispatch.waiting,
    );
    let reasons = [
        ("full", dispatch.refused_full),
        ("draining", dispatch.refused_draining),
    ];
    page.counters(
        "stentor_tasks_refused_total",
        "Tasks refused, by reason.",
        "reason",
        reasons,
    );
    let help = "Tasks ended, by result.";
    let results = [
        ("done", dispatch.done),
        ("failed", dispatch.failed),
        ("abandoned_waiting", dispatch.abandoned_waiting),
        ("abandoned_running", dispatch.abandoned_running),
    ];
    page.counters("stentor_tasks_ended_total", help, "result", results);
    page.gauge(
        "stentor_tasks_running",
        "Tasks that are running.",
        dispatch.running,
    );
    let help = "Tasks that wait for their delay or for their next attempt.";
    page.gauge("stentor_tasks_delayed", help, dispatch.delayed);
    attempts(page, dispatch);
    dead_letters(page, dispatch);
    let help = "Tasks submitted by shards whose result is pending.";
    page.gauge("stentor_tasks_pending", help, links.tasks_pending);
    let help = "Waits of connections for a free task slot.";
    page.counter("stentor_task_waits_total", help, links.task_waits);
    let help = "Task results whose connection had closed.";
    page.counter(
        "stentor_task_outcomes_gone_total",
        help,
        links.outcomes_gone,
    );
}

fn attempts(page: &mut Exposition, dispatch: &DispatchStats) {
    let help = "Failed task attempts, by cause.";
    let causes = [
        ("failed", dispatch.attempts_failed),
        ("panicked", dispatch.panicked),
        ("timed_out", dispatch.timed_out),
    ];
    page.counters("stentor_task_attempts_failed_total", help, "cause", causes);
    let help = "Failed task attempts that were retried.";
    page.counter("stentor_tasks_retried_total", help, dispatch.retried);
    let help = "Task attempts that ended after they had timed out.";
    page.counter("stentor_task_attempts_late_total", help, dispatch.late);
    let help = "Workers that run an attempt that has timed out.";
    page.gauge("stentor_workers_overdue", help, dispatch.overdue);
    let help = "Workers that ended unexpectedly and were restarted.";
    page.counter(
        "stentor_workers_restarted_total",
        help,
        dispatch.workers_restarted,
    );
    let help = "Tasks and task results whose destructor panicked.";
    page.counter(
        "stentor_task_drop_panics_total",
        help,
        dispatch.drops_panicked,
    );
}

fn dead_letters(page: &mut Exposition, dispatch: &DispatchStats) {
    let help = "Dead letters: tasks that failed permanently and are kept.";
    page.gauge("stentor_dead_letters", help, dispatch.dead_letters);
    let help = "Dead letters that were not kept or were displaced by newer ones.";
    page.counter(
        "stentor_dead_letters_dropped_total",
        help,
        dispatch.dead_dropped,
    );
    let help = "Dead letters removed through the admin API.";
    page.counter(
        "stentor_dead_letters_taken_total",
        help,
        dispatch.dead_taken,
    );
    let help = "Dead letters submitted again.";
    page.counter(
        "stentor_tasks_resubmitted_total",
        help,
        dispatch.resubmitted,
    );
}
