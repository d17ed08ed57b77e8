//! Tests of the dispatcher behind its lock: wake-ups, refusals, ends and dead letters.

use stentor_core::{
    Admission, Config, Context, Decision, FailureCause, Handler, HttpRequest, Message, Shard,
    ShardId, TaskEnd, WorkerId,
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
    match dispatcher.lock().next(WORKER) {
        (Next::Job(job), calls) => (*job.task, calls),
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
fn a_sleeping_worker_is_woken_and_the_timer_only_for_an_earlier_deadline() {
    let (dispatcher, conn) = dispatcher();
    assert!(matches!(
        dispatcher.lock().next(WORKER),
        (Next::Sleep, NONE)
    ));
    let submit = |options| submit(&dispatcher, conn, 1, options);
    let worker = Wakeups { workers: 1, ..NONE };
    let timer = Wakeups {
        timer: true,
        ..NONE
    };
    assert_eq!(submit(TaskOptions::new()), worker);
    assert_eq!(next(&dispatcher), (1, timer), "its attempt may time out");
    let (wakeups, end) = dispatcher.finish::<App>(WORKER, conn, Attempt::Ended(Ok(2)));
    assert!(matches!(end, Some(TaskEnd::Done(2))));
    assert_eq!(wakeups, NONE);
    // Later than the deadline that the timer waits for, and then earlier.
    let _ = submit(TaskOptions::new());
    assert_eq!(next(&dispatcher), (1, NONE));
    let soon = TaskOptions::new().delay(std::time::Duration::from_secs(9));
    assert_eq!(submit(soon), timer);
    let due = dispatcher.lock().tick().expect("it goes on");
    assert!(due.until.is_some() && due.is_empty());
    assert_eq!(dispatcher.cancel_delays(), NONE, "no worker sleeps");
    dispatcher.drain();
    assert!(dispatcher.lock().tick().is_none());
}

#[test]
fn a_task_that_finds_no_room_is_returned() {
    let (dispatcher, conn) = dispatcher();
    let options = TaskOptions::new();
    let most = 3u8;
    let submission = |task| Submission {
        conn,
        task,
        options,
    };
    let mut tasks: Vec<_> = (0..most + 2).map(submission).collect();
    let (wakeups, refused) = dispatcher.submit_all(&mut tasks);
    assert_eq!((wakeups, tasks.len()), (NONE, 0));
    assert_eq!(refused, [(conn, most), (conn, most + 1)]);
    assert_eq!(dispatcher.stats().waiting, u64::from(most));
    assert_eq!(dispatcher.submit_all(&mut tasks), (NONE, Vec::new()));
}

#[test]
fn an_end_is_reported_before_the_next_task_of_its_order_begins() {
    let (dispatcher, conn) = dispatcher();
    let other = WorkerId(1);
    for task in [1, 2] {
        let _ = submit(&dispatcher, conn, task, TaskOptions::new());
    }
    assert_eq!(next(&dispatcher).0, 1);
    let is_asleep = |next| matches!(next, (Next::Sleep, NONE));
    assert!(
        is_asleep(dispatcher.lock().next(other)),
        "they have one ordering key"
    );
    let mut reported = None;
    let done = Attempt::Ended(Ok(3));
    let report = |end: TaskEnd<App>| reported = Some((end, dispatcher.state.try_lock().is_err()));
    let (next, wakeups) = dispatcher.exchange(WORKER, conn, done, report);
    assert!(matches!(reported, Some((TaskEnd::Done(3), true))));
    assert!(matches!(next, Next::Job(job) if *job.task == 2));
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
    assert!(matches!(dispatcher.lock().next(WORKER), (Next::End, NONE)));
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
