//! Lines of connections that wait for a credit of an owner shard or for one more task. Does not
//! contain the number of credits.

use alloc::collections::VecDeque;

use crate::delivery::shrink;
use crate::id::ConnId;

/// Connections, in the order in which they came. Who is first stays so until it has
/// what it waits for, so nobody comes before it. Who has ended stays until it would
/// be first: to look for it would cost as much as the line is long.
#[derive(Debug, Default)]
pub(crate) struct Waiters(VecDeque<ConnId>);

impl Waiters {
    /// Bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        self.0.capacity() * size_of::<ConnId>()
    }

    /// Gives memory back, for there are no more connections than that.
    pub(crate) fn shrink(&mut self, connections: usize) {
        shrink(&mut self.0, connections);
    }

    pub(crate) fn first(&self) -> Option<ConnId> {
        self.0.front().copied()
    }

    /// Whether it may go on, if somebody may.
    pub(crate) fn is_turn_of(&self, conn: ConnId) -> bool {
        self.first().is_none_or(|first| first == conn)
    }

    /// Puts it at the end, unless it is first already; says whether it did.
    pub(crate) fn line_up(&mut self, conn: ConnId) -> bool {
        let is_new = self.first() != Some(conn);
        if is_new {
            self.0.push_back(conn);
        }
        is_new
    }

    /// Lets it leave, if it is first; says whether it was.
    pub(crate) fn leave(&mut self, conn: ConnId) -> bool {
        let is_first = self.first() == Some(conn);
        if is_first {
            self.0.pop_front();
        }
        is_first
    }
}
