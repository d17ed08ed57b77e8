//! Table of accepted tasks, and one queue for each ordering key.
//!
//! A task keeps its slot until its end has been reported. Each task in a queue knows the next.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry as MapEntry;

use crate::id::{ConnId, WorkerId};
use crate::tasks::job::TaskCounts;
use crate::tasks::options::{TaskOptions, TaskOrder};
use crate::tasks::shared::Cell;
use crate::time::Timestamp;

/// A task and its state.
#[derive(Debug)]
pub(super) struct Entry<T> {
    /// Empty once the task has ended, and in a free slot.
    pub(super) task: Cell<T>,
    pub(super) conn: ConnId,
    /// Whether its connection is notified of its end.
    pub(super) notify: bool,
    pub(super) options: TaskOptions,
    /// The number of attempts that have begun.
    pub(super) attempt: u16,
    pub(super) state: TaskState,
    /// The time at which the running attempt counts as failed.
    pub(super) deadline: Timestamp,
    /// Whether the deadline has been extended.
    pub(super) extended: bool,
    /// The number of the task in the order of submission.
    pub(super) number: u64,
    /// The next task in its queue; in a free slot, the next free slot.
    next: u32,
}

/// The state of an accepted task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TaskState {
    /// Its delay has not ended; it is in no queue.
    Delayed,
    /// In a queue; ready for a worker if it is the head.
    Waiting,
    Running(WorkerId),
    /// The head of its queue, until its next attempt.
    BackingOff,
    /// The head of its queue, until its end has been reported.
    Ended,
}

/// The accepted tasks.
#[derive(Debug)]
pub(super) struct Tasks<T> {
    entries: Vec<Entry<T>>,
    free: u32,
    /// The tail of each queue. The head is ready, running, backing off or ended.
    tails: HashMap<OrderingKey, u32, FixedState>,
    ready: VecDeque<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum OrderingKey {
    Connection(ConnId),
    Number(u64),
}

impl<T> Tasks<T> {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            entries: Vec::new(),
            free: NO_SLOT,
            tails: HashMap::with_hasher(FixedState::with_seed(seed)),
            ready: VecDeque::new(),
        }
    }

    /// Adds a task with an empty cell, in no queue yet, and returns its slot.
    pub(super) fn insert(
        &mut self,
        number: u64,
        conn: ConnId,
        options: TaskOptions,
        notify: bool,
    ) -> u32 {
        let entry = Entry {
            task: Cell::EMPTY,
            conn,
            notify,
            options,
            attempt: 0,
            state: TaskState::Delayed,
            deadline: Timestamp::ORIGIN,
            extended: false,
            number,
            next: NO_SLOT,
        };
        if self.free == NO_SLOT {
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

    /// Appends a task to the queue of its key. It is ready if the queue was empty.
    pub(super) fn enqueue(&mut self, at: u32) {
        self[at].state = TaskState::Waiting;
        let key = self[at].ordering_key();
        match key.map(|key| self.tails.entry(key)) {
            Some(MapEntry::Occupied(mut last)) => {
                let last = core::mem::replace(last.get_mut(), at);
                self[last].next = at;
            }
            Some(MapEntry::Vacant(vacant)) => {
                vacant.insert(at);
                self.ready.push_back(at);
            }
            None => self.ready.push_back(at),
        }
    }

    /// Makes the head of a queue ready again.
    pub(super) fn make_ready(&mut self, at: u32) {
        self[at].state = TaskState::Waiting;
        self.ready.push_back(at);
    }

    /// Removes and returns the task that has been ready for longest.
    pub(super) fn take_ready(&mut self) -> Option<u32> {
        self.ready.pop_front()
    }

    /// Removes the head of a queue, whose end has been reported, and makes the next one ready.
    pub(super) fn remove(&mut self, at: u32) {
        let next = self[at].next;
        if next != NO_SLOT {
            self.ready.push_back(next);
        } else if let Some(key) = self[at].ordering_key() {
            self.tails.remove(&key);
        }
        self[at].next = self.free;
        self.free = at;
    }

    /// Counts the tasks of a connection in these slots, and returns the number of slots.
    pub(super) fn count_of(&self, conn: ConnId, slots: Range<usize>) -> (TaskCounts, usize) {
        let mut counts = TaskCounts::default();
        let len = self.entries.len();
        let slots = slots.start.min(len)..slots.end.min(len);
        let is_of_conn = |entry: &&Entry<T>| entry.conn == conn;
        for entry in self.entries[slots].iter().filter(is_of_conn) {
            match entry.state {
                TaskState::Waiting => counts.waiting += 1,
                TaskState::Delayed | TaskState::BackingOff => counts.delayed += 1,
                TaskState::Running(_) => counts.running += 1,
                TaskState::Ended => {}
            }
        }
        (counts, len)
    }

    /// Returns the number of tasks that are ready.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Removes and returns every slot, free ones included.
    pub(super) fn take(&mut self) -> Vec<Entry<T>> {
        self.free = NO_SLOT;
        self.tails.clear();
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
    const fn ordering_key(&self) -> Option<OrderingKey> {
        match self.options.order {
            TaskOrder::Connection => Some(OrderingKey::Connection(self.conn)),
            TaskOrder::Key(key) => Some(OrderingKey::Number(key)),
            TaskOrder::Any => None,
        }
    }
}

/// No slot; there are fewer tasks than this.
const NO_SLOT: u32 = u32::MAX;
