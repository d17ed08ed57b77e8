//! Tests that a task never costs a worker, whichever part of it panics: its clone, its attempt, its
//! drop, the drop of its outcome, or of a panic payload.

use std::net::TcpStream;
use std::panic::panic_any;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

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
    after_poisonous_tasks_of_every_kind_every_worker_works,
}

/// What of a task panics, if anything does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PanicSource {
    Sound,
    Copy,
    Attempt,
    /// With something that panics when it is dropped.
    Carried,
    Drop,
    AttemptAndDrop,
    OutcomeDrop,
    /// Waits until as many do as there are workers.
    Meet,
}

struct Poison(PanicSource);

impl Clone for Poison {
    fn clone(&self) -> Self {
        assert_ne!(self.0, PanicSource::Copy, "as asked");
        Self(self.0)
    }
}

impl Drop for Poison {
    fn drop(&mut self) {
        // One that did while another unwinds would end the process.
        let panics = matches!(self.0, PanicSource::Drop | PanicSource::AttemptAndDrop);
        assert!(!panics || thread::panicking(), "as asked");
    }
}

struct Product(bool);

impl Drop for Product {
    fn drop(&mut self) {
        assert!(!self.0, "as asked");
    }
}

struct Carried;

impl Drop for Carried {
    fn drop(&mut self) {
        assert!(thread::panicking(), "as asked");
    }
}

/// Submits what it is asked for, each in a line of its own, and says how it ended.
struct PoisonApp;

impl Handler for PoisonApp {
    type State = ();
    type Task = Poison;
    type Outcome = Product;

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Received<'_>) {
        let kind = match message.payload {
            b"copy" => PanicSource::Copy,
            b"attempt" => PanicSource::Attempt,
            b"carried" => PanicSource::Carried,
            b"drop" => PanicSource::Drop,
            b"attempt and drop" => PanicSource::AttemptAndDrop,
            b"outcome" => PanicSource::OutcomeDrop,
            b"meet" => PanicSource::Meet,
            _ => PanicSource::Sound,
        };
        ctx.submit_with(Poison(kind), TaskOptions::new().order(TaskOrder::Any));
        if message.payload == b"outcome" {
            // Nobody is there any more when it comes.
            ctx.close(stentor_core::CloseCode::NORMAL);
        }
    }

    fn on_task(&mut self, ctx: &mut Context<'_, Self>, end: TaskEnd<Self>) {
        let said = match end {
            TaskEnd::Done(_) => "done".into(),
            TaskEnd::Failed { cause, attempts } => format!("{cause} after {attempts}"),
            end => format!("{end:?}"),
        };
        ctx.reply(MessageType::Text, 0, said.as_bytes());
    }
}

/// Does what the task says.
struct PoisonWorker {
    workers: usize,
    met: Mutex<usize>,
    all: Condvar,
}

impl TaskRunner<PoisonApp> for Arc<PoisonWorker> {
    fn run(&self, _: WorkerId, task: &Poison) -> Result<Product, Failure> {
        match task.0 {
            PanicSource::Attempt | PanicSource::AttemptAndDrop => panic!("as asked"),
            PanicSource::Carried => panic_any(Carried),
            PanicSource::Meet => {
                let mut met = self.met.lock().expect("no panic");
                *met += 1;
                self.all.notify_all();
                let waited = self
                    .all
                    .wait_timeout_while(met, LONG, |met| *met < self.workers);
                let (met, _) = waited.expect("no panic");
                assert!(*met >= self.workers, "only {met} workers are left");
            }
            _ => {}
        }
        Ok(Product(task.0 == PanicSource::OutcomeDrop))
    }
}

fn open(server: &Running) -> WebSocket<MaybeTlsStream<TcpStream>> {
    let (socket, _) = connect(format!("ws://{}/ws", server.addresses[0])).expect("an upgrade");
    socket
}

fn say(socket: &mut WebSocket<MaybeTlsStream<TcpStream>>, text: &str) {
    socket.send(Message::text(text)).expect("open");
}

/// More poisonous tasks of each kind than there are workers, then as many sound ones at once as
/// there are workers.
fn after_poisonous_tasks_of_every_kind_every_worker_works(adapter: Adapter) {
    // Those that meet block, and tokio has as many threads for them as there are cores.
    let workers = thread::available_parallelism().map_or(1, |cores| cores.get().min(4));
    let worker = Arc::new(PoisonWorker {
        workers,
        met: Mutex::new(0),
        all: Condvar::new(),
    });
    let flags = [
        &format!("--tasks.workers={workers}")[..],
        "--shards=2",
        "--tasks.attempts=2",
        "--tasks.backoff=1ms",
        "--tasks.dead-letters=1",
    ];
    let server = Running::start(adapter, &flags, |_| PoisonApp, worker);
    let mut socket = open(&server);
    let expected = [
        ("copy", "panicked after 2"),
        ("attempt", "panicked after 2"),
        ("carried", "panicked after 2"),
        ("drop", "done"),
        ("attempt and drop", "panicked after 2"),
        ("sound", "done"),
    ];
    let each = workers + 1;
    for (said, heard) in expected {
        for _ in 0..each {
            say(&mut socket, said);
        }
        for _ in 0..each {
            let answer = socket.read().expect("an answer");
            assert_eq!(answer, Message::text(heard), "{said}");
        }
    }
    for _ in 0..each {
        let mut going = open(&server);
        say(&mut going, "outcome");
        while going.read().is_ok() {}
    }
    for _ in 0..workers {
        say(&mut socket, "meet");
    }
    for _ in 0..workers {
        assert_eq!(socket.read().expect("an answer"), Message::text("done"));
    }
    let ending = server.stop();
    while socket.read().is_ok() {}
    let report = ending.report();
    let (dispatch, each) = (report.dispatch, each as u64);
    let failed = 4 * each;
    assert_eq!((dispatch.panicked, dispatch.failed), (2 * failed, failed));
    assert_eq!(
        dispatch.failed,
        dispatch.dead_letters + dispatch.dead_dropped
    );
    let balance = dispatch.done + dispatch.failed;
    assert_eq!(dispatch.submitted, balance);
    assert_eq!(dispatch.workers_restarted, 0);
    assert!(dispatch.drops_panicked >= 2 * each, "{dispatch:?}");
    assert_eq!(
        report.stats.closed[stentor_core::CloseCause::Panic as usize],
        0
    );
}

const LONG: Duration = Duration::from_secs(30);
