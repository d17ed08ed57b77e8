//! Owns what the page says of tasks.

use stentor_core::{DispatchStats, Stats};

use super::page::Page;

pub(super) fn tasks(page: &mut Page, Stats { links, .. }: &Stats, dispatch: &DispatchStats) {
    let help = "Tasks taken into the queue of the workers.";
    page.counter("ws_tasks_submitted_total", help, dispatch.submitted);
    let help = "Tasks refused by the queue of the workers.";
    let refused = dispatch
        .refused_full
        .wrapping_add(dispatch.refused_draining);
    page.counter("ws_tasks_dropped_total", help, refused);
    page.gauge(
        "ws_worker_queue_length",
        "Tasks that wait for a worker, or for another of their connection.",
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
    let help = "Tasks that ended, by how.";
    let results = [
        ("done", dispatch.done),
        ("failed", dispatch.failed),
        ("abandoned_waiting", dispatch.abandoned_waiting),
        ("abandoned_running", dispatch.abandoned_running),
    ];
    page.counters("stentor_tasks_ended_total", help, "result", results);
    page.gauge(
        "stentor_tasks_running",
        "Tasks at a worker.",
        dispatch.running,
    );
    let help = "Tasks that wait for their delay to end, or for their next attempt.";
    page.gauge("stentor_tasks_delayed", help, dispatch.delayed);
    attempts(page, dispatch);
    dead_letters(page, dispatch);
    let help = "Tasks handed out by shards whose outcome has not come back.";
    page.gauge("stentor_tasks_pending", help, links.tasks_pending);
    let help = "Times a connection had to wait before one more of its tasks could be under way.";
    page.counter("stentor_task_waits_total", help, links.task_waits);
    let help = "Outcomes of tasks whose connection had gone.";
    page.counter(
        "stentor_task_outcomes_gone_total",
        help,
        links.outcomes_gone,
    );
}

fn attempts(page: &mut Page, dispatch: &DispatchStats) {
    let help = "Attempts at tasks that failed, by how.";
    let causes = [
        ("failed", dispatch.attempts_failed),
        ("panicked", dispatch.panicked),
        ("timed_out", dispatch.timed_out),
    ];
    page.counters("stentor_task_attempts_failed_total", help, "cause", causes);
    let help = "Attempts at tasks that failed and were not the last.";
    page.counter("stentor_tasks_retried_total", help, dispatch.retried);
    let help = "Attempts at tasks that came to an end after they had timed out.";
    page.counter("stentor_task_attempts_late_total", help, dispatch.late);
    let help = "Workers at an attempt that has timed out.";
    page.gauge("stentor_workers_overdue", help, dispatch.overdue);
    let help = "Workers that ended without a report, and began anew.";
    page.counter(
        "stentor_workers_restarted_total",
        help,
        dispatch.workers_restarted,
    );
    let help = "Tasks and outcomes of theirs whose drop panicked.";
    page.counter(
        "stentor_task_drop_panics_total",
        help,
        dispatch.drops_panicked,
    );
}

fn dead_letters(page: &mut Page, dispatch: &DispatchStats) {
    let help = "Tasks that failed for good and are kept.";
    page.gauge("stentor_dead_letters", help, dispatch.dead_letters);
    let help = "Tasks that failed for good and were not kept, or made room for others.";
    page.counter(
        "stentor_dead_letters_dropped_total",
        help,
        dispatch.dead_dropped,
    );
    let help = "Tasks that failed for good and were taken out by somebody.";
    page.counter(
        "stentor_dead_letters_taken_total",
        help,
        dispatch.dead_taken,
    );
    let help = "Tasks that failed for good and were submitted again.";
    page.counter(
        "stentor_tasks_resubmitted_total",
        help,
        dispatch.resubmitted,
    );
}
