//! Application of a scenario: it does what clients ask for, and records what it has seen.

use core::cell::RefCell;
use core::time::Duration;
use std::rc::Rc;

use stentor_core::app::Backpressure;
use stentor_core::tasks::TaskOrder;
use stentor_core::{
    CloseCause, CloseCode, Context, Decision, DeliveryReport, Handler, HttpRequest, Message,
    OverflowPolicy, SendOptions, TaskEnd, TaskOptions,
};

use super::application_log::{ApplicationLog, OrderedStream, TaskResult, What};
use super::words::{self, NONE, Spoken};
use crate::simulator::crash;

/// The application. With `WAITS`, its answers wait for room.
#[derive(Clone, Debug)]
pub(super) struct ScenarioDriver<const WAITS: bool>(pub(super) Rc<RefCell<ApplicationLog>>);

/// A task: the number of the message, and its size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ScenarioTask {
    pub(super) n: u32,
    pub(super) size: usize,
}

impl<const WAITS: bool> Handler for ScenarioDriver<WAITS> {
    type State = ();
    type Task = ScenarioTask;
    type Outcome = ScenarioTask;

    const OVERFLOW: Backpressure = if WAITS {
        Backpressure::PauseReads
    } else {
        Backpressure::Drop
    };

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        let mut log = self.0.borrow_mut();
        let id = ctx.id();
        log.hear(id);
        let said = Spoken::parse(message.payload);
        let n = said.n();
        if said.verb != b'M' {
            log.number(id, n);
            assert_eq!(message.kind, words::kind(n), "{n}: its kind");
        }
        match said.verb {
            b'M' => {}
            b'J' => {
                let room = said.number(1) as u8;
                log.join(id, room);
                ctx.subscribe(name(room).as_bytes());
            }
            b'L' => {
                let room = said.number(1) as u8;
                log.leave(id, room);
                ctx.unsubscribe(name(room).as_bytes());
            }
            b'P' => {
                let room = said.number(1) as u8;
                let (receipt, exclude) = (said.number(2) == 1, said.number(3) == 1);
                let (mut options, stream) = terms(&said, 4, room);
                if receipt {
                    options = options.receipt(n.into());
                    log.conn(id).receipts_asked += 1;
                }
                log.say(id, n, What::Publication { stream, exclude }, said.payload);
                if exclude {
                    options = options.exclude_sender();
                }
                if room == NONE {
                    ctx.broadcast(message.kind, options, said.payload);
                } else {
                    let room = name(room);
                    ctx.publish(room.as_bytes(), message.kind, options, said.payload);
                }
            }
            b'R' => {
                let (options, stream) = terms(&said, 1, NONE);
                log.say(id, n, What::Reply { stream }, said.payload);
                ctx.reply(message.kind, options, said.payload);
            }
            b'T' => {
                let (line, delay, attempts) = (said.number(1), said.number(2), said.number(3));
                let in_line = line == 0 && delay == 0;
                let what = What::Task { in_line, end: None };
                log.say(id, n, what, said.payload);
                log.conn(id).tasks_asked += 1;
                let order = match line {
                    0 => TaskOrder::Connection,
                    1 => TaskOrder::Any,
                    key => TaskOrder::Key(key.into()),
                };
                let mut options = TaskOptions::new()
                    .order(order)
                    .delay(Duration::from_millis(delay.into()));
                if attempts > 0 {
                    options = options.attempts(attempts as u16);
                }
                let size = said.payload.len();
                ctx.submit_with(ScenarioTask { n, size }, options);
            }
            b'C' => ctx.close(CloseCode::new(said.number(1) as u16).expect("a code")),
            b'X' => {
                drop(log);
                crash();
            }
            verb => panic!("nobody says {verb}"),
        }
    }

    fn on_subscribe_refused(&mut self, ctx: &mut Context<'_, Self>, room: &[u8]) {
        // For want of memory: as if it had left at once.
        let room = room
            .strip_prefix(b"room ")
            .and_then(|n| str::from_utf8(n).ok());
        let room = room.and_then(|n| n.parse().ok()).expect("a room of ours");
        self.0.borrow_mut().leave(ctx.id(), room);
    }

    fn on_close(&mut self, ctx: &mut Context<'_, Self>, _: CloseCause) {
        self.0.borrow_mut().close(ctx.id());
    }

    fn on_task(&mut self, ctx: &mut Context<'_, Self>, end: TaskEnd<Self>) {
        let mut log = self.0.borrow_mut();
        let ended = match end {
            TaskEnd::Done(task) => {
                let payload = words::payload(task.n, task.size);
                ctx.reply(words::kind(task.n), TASK, &payload);
                Some((task.n, TaskResult::Done))
            }
            TaskEnd::Refused(task) => Some((task.n, TaskResult::Refused)),
            TaskEnd::Failed { .. } => None,
            _ => unreachable!("a new end of a task"),
        };
        log.end_task(ctx.id(), ended);
    }

    fn on_published(&mut self, ctx: &mut Context<'_, Self>, ticket: u64, outcome: DeliveryReport) {
        let mut log = self.0.borrow_mut();
        log.publish_done(ctx.id(), ticket as u32, outcome);
    }
}

fn name(room: u8) -> String {
    format!("room {room}")
}

/// Returns how the message is to be treated, as its words from `at` on say.
fn terms(said: &Spoken<'_>, at: usize, room: u8) -> (SendOptions, OrderedStream) {
    let [priority, ttl, key, overflow] = [at, at + 1, at + 2, at + 3].map(|at| said.number(at));
    let (priority, key) = (priority as u8, key as u8);
    let all = [
        OverflowPolicy::EvictLower,
        OverflowPolicy::DropNew,
        OverflowPolicy::DropOldest,
        OverflowPolicy::Conflate,
        OverflowPolicy::Disconnect,
    ];
    let mut options = SendOptions::new(priority).overflow(all[overflow as usize]);
    if ttl > 0 {
        options = options.ttl(Duration::from_millis(ttl.into()));
    }
    if key != NONE {
        options = options.key(key.into());
    }
    let stream = OrderedStream {
        room,
        priority,
        key,
    };
    (options, stream)
}

/// The priority of what is told of a task.
const TASK: u8 = 7;
