//! Owns the table of accepted tasks, and the lines that they wait in. A task keeps its place in
//! the table until its end has been told; each of its neighbours in line knows the next.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry as Seat;

use crate::id::{ConnId, WorkerId};
use crate::tasks::job::TaskCounts;
use crate::tasks::options::{TaskOptions, TaskOrder};
use crate::tasks::shared::Cell;
use crate::time::Timestamp;

/// A task with what is known of it.
#[derive(Debug)]
pub(super) struct Entry<T> {
    /// Empty once it is over, and where nobody is.
    pub(super) task: Cell<T>,
    pub(super) conn: ConnId,
    /// Whether its connection waits for its end.
    pub(super) tell: bool,
    pub(super) options: TaskOptions,
    /// Attempts that have begun.
    pub(super) attempt: u16,
    pub(super) state: State,
    /// When the attempt that runs counts as failed.
    pub(super) deadline: Timestamp,
    /// Whether that has been put off, because nobody looked when it was due.
    pub(super) extended: bool,
    /// When it was taken, in the order of all tasks.
    pub(super) number: u64,
    /// Who is behind it in its line; or, where nobody is, the next such place.
    next: u32,
}

/// Where an accepted task stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// Its delay is not over; it is in no line.
    Delayed,
    /// In line, ready for a worker if it is the first there.
    Waiting,
    Running(WorkerId),
    /// The first of its line, until it is tried again.
    BackingOff,
    /// The first of its line, until its end has been told.
    Over,
}

/// Every accepted task.
#[derive(Debug)]
pub(super) struct Tasks<T> {
    entries: Vec<Entry<T>>,
    free: u32,
    /// The last of each line; the first is at a worker, ready, backing off or over.
    lines: HashMap<Line, u32, FixedState>,
    ready: VecDeque<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Line {
    Of(ConnId),
    Named(u64),
}

impl<T> Tasks<T> {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            entries: Vec::new(),
            free: NOBODY,
            lines: HashMap::with_hasher(FixedState::with_seed(seed)),
            ready: VecDeque::new(),
        }
    }

    /// A task gets its place, not yet one in line, and is to be put in the cell there.
    pub(super) fn insert(
        &mut self,
        number: u64,
        conn: ConnId,
        options: TaskOptions,
        tell: bool,
    ) -> u32 {
        let entry = Entry {
            task: Cell::EMPTY,
            conn,
            tell,
            options,
            attempt: 0,
            state: State::Delayed,
            deadline: Timestamp::ORIGIN,
            extended: false,
            number,
            next: NOBODY,
        };
        if self.free == NOBODY {
            self.entries.push(entry);
            self.entries.len() as u32 - 1
        } else {
            let at = self.free;
            self.free = self[at].next;
            let task = core::mem::replace(&mut self[at].task, Cell::EMPTY);
            self[at] = Entry { task, ..entry };
            at
        }
    }

    /// A task joins its line. It is ready if nobody is there.
    pub(super) fn line_up(&mut self, at: u32) {
        self[at].state = State::Waiting;
        let line = self[at].line();
        match line.map(|line| self.lines.entry(line)) {
            Some(Seat::Occupied(mut last)) => {
                let last = core::mem::replace(last.get_mut(), at);
                self[last].next = at;
            }
            Some(Seat::Vacant(seat)) => {
                seat.insert(at);
                self.ready.push_back(at);
            }
            None => self.ready.push_back(at),
        }
    }

    /// The first of a line is ready again.
    pub(super) fn make_ready(&mut self, at: u32) {
        self[at].state = State::Waiting;
        self.ready.push_back(at);
    }

    /// The task that has been ready for longest.
    pub(super) fn take_ready(&mut self) -> Option<u32> {
        self.ready.pop_front()
    }

    /// The first of a line, whose end has been told, makes room for the next.
    pub(super) fn remove(&mut self, at: u32) {
        let next = self[at].next;
        if next != NOBODY {
            self.ready.push_back(next);
        } else if let Some(line) = self[at].line() {
            self.lines.remove(&line);
        }
        self[at].next = self.free;
        self.free = at;
    }

    /// Those of a connection, of the tasks at some places; and how many places there are.
    pub(super) fn of(&self, conn: ConnId, places: Range<usize>) -> (TaskCounts, usize) {
        let mut counts = TaskCounts::default();
        let all = self.entries.len();
        let places = places.start.min(all)..places.end.min(all);
        let is_its = |entry: &&Entry<T>| entry.conn == conn;
        for entry in self.entries[places].iter().filter(is_its) {
            match entry.state {
                State::Waiting => counts.waiting += 1,
                State::Delayed | State::BackingOff => counts.delayed += 1,
                State::Running(_) => counts.running += 1,
                State::Over => {}
            }
        }
        (counts, all)
    }

    /// How many are ready.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Every place, and whoever is there.
    pub(super) fn take(&mut self) -> Vec<Entry<T>> {
        self.free = NOBODY;
        self.lines.clear();
        self.ready.clear();
        core::mem::take(&mut self.entries)
    }
}

impl<T> core::ops::Index<u32> for Tasks<T> {
    type Output = Entry<T>;

    fn index(&self, at: u32) -> &Entry<T> {
        &self.entries[at as usize]
    }
}

impl<T> core::ops::IndexMut<u32> for Tasks<T> {
    fn index_mut(&mut self, at: u32) -> &mut Entry<T> {
        &mut self.entries[at as usize]
    }
}

impl<T> Entry<T> {
    const fn line(&self) -> Option<Line> {
        match self.options.order {
            TaskOrder::Connection => Some(Line::Of(self.conn)),
            TaskOrder::Key(key) => Some(Line::Named(key)),
            TaskOrder::Any => None,
        }
    }
}

/// There are fewer tasks than this.
const NOBODY: u32 = u32::MAX;
