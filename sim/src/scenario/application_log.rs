//! Log of what the application has seen, in the total order of the simulation: requests,
//! periods of membership, and reports. What clients receive is checked against it.

use std::collections::HashMap;

use stentor_core::{ConnId, DeliveryReport};

use super::words::{self, NONE};

/// A moment in the log. Later ones are greater.
pub(super) type Moment = u64;
/// No moment so far.
pub(super) const NOT_YET: Moment = Moment::MAX;

/// Everything that the application has seen.
#[derive(Debug, Default)]
pub(super) struct ApplicationLog {
    now: Moment,
    /// By its number, what was said.
    pub(super) said: HashMap<u32, SentMessage>,
    pub(super) conns: HashMap<ConnId, Conn>,
    /// Memberships by channel.
    pub(super) memberships: HashMap<u8, Vec<MembershipPeriod>>,
    /// For each stream, who was heard to say what next.
    pub(super) asked: HashMap<(ConnId, OrderedStream), u32>,
    /// That one message of a stream comes before another.
    pub(super) order: Vec<(u32, u32)>,
    /// Ends of tasks that connections were told of.
    pub(super) ends_told: u64,
    pub(super) receipts_told: u64,
}

/// A message that the application was asked to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentMessage {
    pub(super) by: ConnId,
    pub(super) what: What,
    pub(super) size: u32,
    pub(super) born: Moment,
    /// When it was told that it has been delivered.
    pub(super) done: Moment,
    pub(super) outcome: Option<DeliveryReport>,
}

/// What kind of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    /// To a room or to everyone; with `exclude` not to the sender.
    Publication {
        stream: OrderedStream,
        exclude: bool,
    },
    /// To the sender.
    Reply { stream: OrderedStream },
    /// A task, whose end is told to the sender; whether it is in its line.
    Task {
        in_line: bool,
        end: Option<TaskResult>,
    },
}

/// How a task ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TaskResult {
    Done,
    Refused,
}

/// What keeps its order: what is said where, how urgently, about what.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) struct OrderedStream {
    /// [`NONE`] for everyone; of no meaning for replies.
    pub(super) room: u8,
    pub(super) priority: u8,
    /// [`NONE`] for nothing in particular.
    pub(super) key: u8,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Conn {
    /// When it first said something.
    pub(super) heard: Moment,
    pub(super) closed: Moment,
    last: Option<u32>,
    /// Channels whose memberships are updated once all its earlier messages are handled.
    unsettled: Vec<u8>,
    pub(super) tasks_asked: u64,
    pub(super) tasks_told: u64,
    pub(super) receipts_asked: u64,
    pub(super) receipts_told: u64,
}

/// A membership, from when it was asked for to when it was surely over.
#[derive(Clone, Copy, Debug)]
pub(super) struct MembershipPeriod {
    pub(super) conn: ConnId,
    pub(super) asked: Moment,
    /// When it had surely begun.
    sure: Moment,
    /// When it was asked to end.
    leaving: Moment,
    pub(super) gone: Moment,
}

impl MembershipPeriod {
    /// Returns whether it may have seen something of a time.
    pub(super) const fn touches(&self, from: Moment, until: Moment) -> bool {
        self.asked < until && self.gone > from
    }

    /// Returns whether it saw all of a time.
    const fn spans(&self, from: Moment, until: Moment) -> bool {
        self.sure < from && self.leaving > until
    }
}

impl ApplicationLog {
    /// A connection was there and has not said anything.
    pub(super) fn meet(&mut self, id: ConnId) {
        let conn = Conn {
            heard: NOT_YET,
            closed: NOT_YET,
            last: None,
            unsettled: Vec::new(),
            tasks_asked: 0,
            tasks_told: 0,
            receipts_asked: 0,
            receipts_told: 0,
        };
        let before = self.conns.insert(id, conn);
        assert!(before.is_none(), "{id} is the name of two connections");
    }

    pub(super) fn conn(&mut self, id: ConnId) -> &mut Conn {
        self.conns.get_mut(&id).expect("somebody who is known")
    }

    fn tick(&mut self) -> Moment {
        self.now += 1;
        self.now
    }

    /// A connection says something, so all that it said before is done.
    pub(super) fn hear(&mut self, id: ConnId) -> Moment {
        let now = self.tick();
        let conn = self.conn(id);
        assert_eq!(conn.closed, NOT_YET, "{id} speaks after its end");
        conn.heard = conn.heard.min(now);
        for room in core::mem::take(&mut conn.unsettled) {
            for stay in self.memberships.entry(room).or_default() {
                if stay.conn == id && stay.gone == NOT_YET {
                    stay.sure = stay.sure.min(now);
                    if stay.leaving != NOT_YET {
                        stay.gone = now;
                    }
                }
            }
        }
        now
    }

    /// What a connection says has this number: greater than all before, since
    /// the server reads what was sent once and in order.
    pub(super) fn number(&mut self, id: ConnId, n: u32) {
        let last = self.conn(id).last.replace(n);
        assert!(
            last.is_none_or(|last| last < n),
            "{id} is heard to say {n} after {last:?}"
        );
    }

    pub(super) fn join(&mut self, id: ConnId, room: u8) {
        let now = self.now;
        let memberships = self.memberships.entry(room).or_default();
        let is_member = memberships
            .iter()
            .any(|stay| stay.conn == id && stay.leaving == NOT_YET);
        if !is_member {
            memberships.push(MembershipPeriod {
                conn: id,
                asked: now,
                sure: NOT_YET,
                leaving: NOT_YET,
                gone: NOT_YET,
            });
        }
        self.conn(id).unsettled.push(room);
    }

    pub(super) fn leave(&mut self, id: ConnId, room: u8) {
        let now = self.now;
        for stay in self.memberships.entry(room).or_default() {
            if stay.conn == id {
                stay.leaving = stay.leaving.min(now);
            }
        }
        self.conn(id).unsettled.push(room);
    }

    pub(super) fn say(&mut self, by: ConnId, n: u32, what: What, payload: &[u8]) {
        assert!(
            words::is_payload(n, payload),
            "{n} of {by} has changed on its way to the server"
        );
        let said = SentMessage {
            by,
            what,
            size: payload.len() as u32,
            born: self.now,
            done: NOT_YET,
            outcome: None,
        };
        let before = self.said.insert(n, said);
        assert!(before.is_none(), "{n} of {by} was heard twice");
        if let What::Publication { stream, .. } = what
            && let Some(before) = self.asked.insert((by, stream), n)
        {
            self.order.push((before, n));
        }
    }

    /// A publisher is told what became of its publication.
    pub(super) fn publish_done(&mut self, by: ConnId, n: u32, outcome: DeliveryReport) {
        let now = self.tick();
        self.receipts_told += 1;
        self.conn(by).receipts_told += 1;
        let said = self.said.get_mut(&n).expect("of something said");
        assert_eq!(said.by, by, "{n}: told to another");
        assert_eq!(said.done, NOT_YET, "{n}: told twice");
        said.done = now;
        said.outcome = Some(outcome);
        let said = *said;
        assert_eq!(
            outcome.members,
            outcome.queued + outcome.refused,
            "{n}: {outcome:?}"
        );
        let What::Publication { stream, exclude } = said.what else {
            panic!("{n} is no publication");
        };
        let (least, most) = self.audience(&said, stream.room, exclude);
        assert!(
            (least..=most).contains(&outcome.members),
            "{n}: {least} to {most} members: {outcome:?}"
        );
    }

    /// Returns how many it was for, at least and at most.
    fn audience(&self, said: &SentMessage, room: u8, exclude: bool) -> (u64, u64) {
        let (from, until) = (said.born, said.done);
        let (mut least, mut most) = (0, 0);
        if room == NONE {
            for (&id, conn) in &self.conns {
                let left_out = exclude && id == said.by;
                least += u64::from(!left_out && conn.heard < from && conn.closed > until);
                most += u64::from(!left_out && conn.closed > from);
            }
            return (least, most);
        }
        for stay in self.memberships.get(&room).into_iter().flatten() {
            let left_out = exclude && stay.conn == said.by;
            least += u64::from(!left_out && stay.spans(from, until));
            most += u64::from(!left_out && stay.touches(from, until));
        }
        (least, most)
    }

    /// A connection is told of the end of a task; of one that failed it is not known which.
    pub(super) fn end_task(&mut self, by: ConnId, ended: Option<(u32, TaskResult)>) {
        self.tick();
        self.ends_told += 1;
        let conn = self.conn(by);
        conn.tasks_told += 1;
        assert!(
            conn.tasks_told <= conn.tasks_asked,
            "{by} is told of more tasks than it asked for"
        );
        if let Some((n, now)) = ended {
            let said = self.said.get_mut(&n).expect("a task that was asked for");
            assert_eq!(said.by, by, "the end of task {n} is told to another");
            let What::Task { end, .. } = &mut said.what else {
                panic!("{n} is no task");
            };
            let before = end.replace(now);
            assert_eq!(before, None, "the end of task {n} is told twice");
        }
    }

    pub(super) fn close(&mut self, id: ConnId) {
        let now = self.tick();
        let conn = self.conn(id);
        assert_eq!(conn.closed, NOT_YET, "{id} is closed twice");
        conn.closed = now;
        for memberships in self.memberships.values_mut() {
            for stay in memberships.iter_mut().filter(|stay| stay.conn == id) {
                stay.leaving = stay.leaving.min(now);
                stay.gone = stay.gone.min(now);
            }
        }
    }
}
