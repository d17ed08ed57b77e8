//! Tests that a task is retried as its work requests, that a task can be delayed and have an
//! ordering key of its own, and that a worker that does not return does not block what can proceed
//! without it.

use std::collections::HashMap;
use std::net::TcpStream;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use stentor_core::id::WorkerId;
use stentor_core::tasks::TaskOrder;
use stentor_core::{
    Context, Decision, Failure, Handler, HttpRequest, Message as Received, MessageType, TaskEnd,
    TaskOptions,
};
use stentor_tests::Adapter;
use stentor_tests::running::{Running, TaskRunner};
use tokio_tungstenite::tungstenite::stream::MaybeTlsStream;
use tokio_tungstenite::tungstenite::{Message, WebSocket, connect};

stentor_tests::for_each_adapter! {
    work_is_tried_again_as_it_asks_and_its_line_waits,
    what_is_to_be_done_later_lets_others_pass,
    hung_workers_do_not_keep_anybody_from_being_told,
}

/// Submits what is said to it, and says what became of that.
struct RetryApp;

impl Handler for RetryApp {
    type State = ();
    type Task = String;
    type Outcome = String;

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Received<'_>) {
        let task = String::from_utf8_lossy(message.payload).into_owned();
        let options = match &*task {
            "later" => TaskOptions::new().delay(Duration::from_millis(300)),
            "hangs" => TaskOptions::new()
                .order(TaskOrder::Any)
                .timeout(Duration::from_millis(50))
                .attempts(1),
            _ => TaskOptions::new(),
        };
        ctx.submit_with(task, options);
    }

    fn on_task(&mut self, ctx: &mut Context<'_, Self>, end: TaskEnd<Self>) {
        let said = match end {
            TaskEnd::Done(outcome) => outcome,
            TaskEnd::Failed { cause, attempts } => format!("{cause} after {attempts}"),
            end => format!("{end:?}"),
        };
        ctx.reply(MessageType::Text, 0, said.as_bytes());
    }
}

/// Fails as the task says; counts attempts.
#[derive(Default)]
struct Moody(Mutex<HashMap<String, u32>>);

impl TaskRunner<RetryApp> for Moody {
    fn run(&self, _: WorkerId, task: &String) -> Result<String, Failure> {
        let mut attempts = self.0.lock().expect("no panic");
        let attempt = attempts.entry(task.clone()).or_default();
        *attempt += 1;
        let attempt = *attempt;
        drop(attempts);
        match &**task {
            "third" if attempt < 3 => Err(Failure::Retry),
            "never" => Err(Failure::Retry),
            "fatal" => Err(Failure::Fatal),
            "hangs" => {
                thread::sleep(HANG);
                Ok("too late".into())
            }
            _ => Ok(format!("{task}, attempt {attempt}")),
        }
    }
}

fn open(server: &Running) -> WebSocket<MaybeTlsStream<TcpStream>> {
    let (socket, _) = connect(format!("ws://{}/ws", server.addresses[0])).expect("an upgrade");
    socket
}

fn start(adapter: Adapter, workers: &str) -> Running {
    let flags = ["--shards=2", "--tasks.attempts=4", "--tasks.backoff=20ms"];
    let workers = format!("--tasks.workers={workers}");
    Running::start(
        adapter,
        &[&flags[..], &[&workers]].concat(),
        |_| RetryApp,
        Moody::default(),
    )
}

fn converse(adapter: Adapter, said: &[&str], heard: &[&str]) -> Duration {
    let server = start(adapter, "3");
    let mut socket = open(&server);
    let begin = Instant::now();
    for said in said {
        socket.send(Message::text(*said)).expect("open");
    }
    for heard in heard {
        assert_eq!(socket.read().expect("an answer"), Message::text(*heard));
    }
    let elapsed = begin.elapsed();
    let ending = server.stop();
    while socket.read().is_ok() {}
    let dispatch = ending.report().dispatch;
    assert_eq!(dispatch.submitted, dispatch.done + dispatch.failed);
    assert_eq!(dispatch.retried, 2 + 3);
    elapsed
}

fn work_is_tried_again_as_it_asks_and_its_line_waits(adapter: Adapter) {
    converse(
        adapter,
        &["third", "never", "plain", "fatal", "plain"],
        &[
            "third, attempt 3",
            "failed after 4",
            "plain, attempt 1",
            "fatal after 1",
            "plain, attempt 2",
        ],
    );
}

fn what_is_to_be_done_later_lets_others_pass(adapter: Adapter) {
    let elapsed = converse(
        adapter,
        &["later", "third", "never"],
        &["third, attempt 3", "failed after 4", "later, attempt 1"],
    );
    assert!(elapsed >= Duration::from_millis(300), "{elapsed:?}");
}

/// All workers hang, and on tokio all threads under them; the clock goes on.
fn hung_workers_do_not_keep_anybody_from_being_told(adapter: Adapter) {
    let server = start(adapter, "2");
    let mut socket = open(&server);
    let begin = Instant::now();
    for said in ["hangs", "hangs", "plain"] {
        socket.send(Message::text(said)).expect("open");
    }
    let mut hear = || socket.read().expect("an answer");
    for _ in 0..2 {
        assert_eq!(hear(), Message::text("timed_out after 1"));
    }
    assert!(begin.elapsed() < HANG, "{:?}", begin.elapsed());
    assert_eq!(hear(), Message::text("plain, attempt 1"));
    assert!(begin.elapsed() >= HANG, "there was nobody for it before");
    let ending = server.stop();
    while socket.read().is_ok() {}
    let dispatch = ending.report().dispatch;
    assert_eq!((dispatch.done, dispatch.timed_out), (1, 2));
    // One has come back and done the third; the other may be a little late at that.
    assert!(dispatch.late >= 1, "{dispatch:?}");
    assert_eq!(dispatch.late + dispatch.overdue, 2);
}

const HANG: Duration = Duration::from_secs(1);
