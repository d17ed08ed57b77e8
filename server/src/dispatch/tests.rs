//! Tests of the dispatcher behind its lock: order of ends and jobs, dead letters.

use stentor_core::id::WorkerId;
use stentor_core::shard::Admission;
use stentor_core::tasks::{Attempt, FailureCause, Submission, Wakeups, WorkerStep};
use stentor_core::{
    Config, ConnId, Context, Decision, Failure, Handler, HttpRequest, Message, Shard, ShardId,
    TaskEnd, TaskOptions, Timestamp,
};

use super::*;

struct App;

impl Handler for App {
    type State = ();
    type Task = u8;
    type Outcome = u8;

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(())
    }

    fn on_message(&mut self, _: &mut Context<'_, Self>, _: Message<'_>) {}
}

const WORKER: WorkerId = WorkerId(0);
const NONE: Wakeups = Wakeups {
    workers: 0,
    timer: false,
};

fn dispatcher() -> (SharedDispatcher<u8>, ConnId) {
    let config = Config::builder().task_attempts(1).build().expect("valid");
    let mut shard = Shard::new(ShardId(0), &config, App);
    let conn = shard.accept(Timestamp::ORIGIN, Admission::Normal);
    (SharedDispatcher::new(&config, 2, 3), conn)
}

fn next(dispatcher: &SharedDispatcher<u8>) -> (u8, Wakeups) {
    match dispatcher.next(WORKER) {
        (WorkerStep::Run(job), calls) => (*job.task, calls),
        (other, _) => panic!("no job: {other:?}"),
    }
}

fn submit(
    dispatcher: &SharedDispatcher<u8>,
    conn: ConnId,
    task: u8,
    options: TaskOptions,
) -> Wakeups {
    let mut tasks = vec![Submission {
        conn,
        task,
        options,
    }];
    let (wakeups, refused) = dispatcher.submit_all(&mut tasks);
    assert!(tasks.is_empty() && refused.is_empty(), "room");
    wakeups
}

#[test]
fn an_end_is_reported_before_the_next_task_of_its_order_begins() {
    let (dispatcher, conn) = dispatcher();
    let other = WorkerId(1);
    for task in [1, 2] {
        let _ = submit(&dispatcher, conn, task, TaskOptions::new());
    }
    assert_eq!(next(&dispatcher).0, 1);
    let is_asleep = |next| matches!(next, (WorkerStep::Sleep, NONE));
    assert!(
        is_asleep(dispatcher.next(other)),
        "they have one ordering key"
    );
    let mut reported = None;
    let done = Attempt::Ended(Ok(3));
    let report = |end: TaskEnd<App>| reported = Some((end, dispatcher.state.try_lock().is_err()));
    let (next, wakeups) = dispatcher.exchange(WORKER, conn, done, report);
    assert!(matches!(reported, Some((TaskEnd::Done(3), true))));
    assert!(matches!(next, WorkerStep::Run(job) if *job.task == 2));
    assert_eq!(wakeups, NONE, "the timer still waits for the first");
    // That was the last attempt, nothing is left, and then the server ends.
    let failed = Attempt::Ended(Err(Failure::Retry));
    let mut reported = None;
    let next = dispatcher.exchange::<App>(WORKER, conn, failed, |end| reported = Some(end));
    assert!(is_asleep(next));
    assert!(matches!(
        reported,
        Some(TaskEnd::Failed { attempts: 1, .. })
    ));
    dispatcher.drain();
    assert!(matches!(dispatcher.next(WORKER), (WorkerStep::End, NONE)));
}

#[test]
fn a_failed_task_can_be_resubmitted_and_is_reported_once() {
    let (dispatcher, conn) = dispatcher();
    for task in [1, 2, 3] {
        let wakeups = submit(&dispatcher, conn, task, TaskOptions::new());
        assert_eq!(wakeups, NONE);
        assert_eq!(next(&dispatcher).0, task);
        let attempt = Attempt::Ended(Err(Failure::Retry));
        let (_, end) = dispatcher.finish::<App>(WORKER, conn, attempt);
        let cause = FailureCause::Failed;
        assert!(matches!(end, Some(TaskEnd::Failed { cause: of, attempts: 1 }) if of == cause));
    }
    let (letters, all) = dispatcher.dead_letters(2);
    assert_eq!((letters.len(), all), (2, 3));
    assert_eq!(dispatcher.resubmit(letters[1].id), Ok(Some(NONE)));
    assert_eq!(dispatcher.resubmit(letters[1].id), Ok(None));
    assert!(dispatcher.discard(letters[0].id) && !dispatcher.discard(letters[0].id));
    assert_eq!(dispatcher.resubmit_all(), (1, NONE));
    for task in [2, 3] {
        assert_eq!(next(&dispatcher).0, task);
        let (_, end) = dispatcher.finish::<App>(WORKER, conn, Attempt::Ended(Ok(task)));
        assert!(end.is_none());
    }
    assert_eq!(dispatcher.dead_letters(2), (Vec::new(), 0));
}
