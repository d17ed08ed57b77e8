//! Scripted socket without an operating system behind it. The model holds the peer's end and
//! decides how many bytes the socket accepts and when it ends.

use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::sync::{Arc, PoisonError};

use stentor_core::shard::Direction;

use crate::primitive::{Condvar, Mutex, MutexGuard};
use crate::stream::Stream;

/// The server's end.
#[derive(Debug)]
pub(super) struct Scripted(Arc<ScriptedWire>);

/// The other end.
#[derive(Clone, Debug)]
pub(super) struct Peer(Arc<ScriptedWire>);

#[derive(Debug)]
struct ScriptedWire {
    state: Mutex<WireState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct WireState {
    said: VecDeque<u8>,
    heard: Vec<u8>,
    /// How much more the socket takes.
    room: usize,
    /// A thread is sending.
    busy: bool,
    reads_no_more: bool,
    writes_no_more: bool,
    broken: bool,
    closed: bool,
}

/// A socket that takes nothing yet.
pub(super) fn pair() -> (Scripted, Peer) {
    let wire = Arc::new(ScriptedWire {
        state: Mutex::new(WireState::default()),
        changed: Condvar::new(),
    });
    (Scripted(wire.clone()), Peer(wire))
}

impl ScriptedWire {
    fn state(&self) -> MutexGuard<'_, WireState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut WireState)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn wait_until(&self, holds: impl Fn(&WireState) -> bool) -> MutexGuard<'_, WireState> {
        let mut state = self.state();
        while !holds(&state) {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state
    }
}

impl WireState {
    fn hand_over(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.broken {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let n = self.said.len().min(buffer.len());
        for (to, byte) in buffer.iter_mut().zip(self.said.drain(..n)) {
            *to = byte;
        }
        Ok(n)
    }
}

impl Stream for Scripted {
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self
            .0
            .wait_until(|state| !state.said.is_empty() || state.reads_no_more);
        state.hand_over(buffer)
    }

    fn receive_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.state();
        if state.said.is_empty() && !state.reads_no_more {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.hand_over(buffer)
    }

    fn is_ready(&self, direction: Direction) -> bool {
        let state = self.0.state();
        match direction {
            Direction::Read => !state.said.is_empty() || state.reads_no_more,
            Direction::Write => state.room > 0 || state.writes_no_more,
        }
    }

    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        let before = std::mem::replace(&mut self.0.state().busy, true);
        assert!(!before, "two threads send for one connection");
        // In between others may try.
        let mut state = self.0.state();
        state.busy = false;
        if state.writes_no_more {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let n = state.room.min(bytes.len());
        if n == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.room -= n;
        state.heard.extend_from_slice(&bytes[..n]);
        drop(state);
        self.0.changed.notify_all();
        Ok(n)
    }

    fn limit_unsent(&self, _: u32) {}

    fn await_room(&self) {
        drop(
            self.0
                .wait_until(|state| state.room > 0 || state.writes_no_more),
        );
    }

    fn shut(&self, how: Shutdown) {
        self.0.change(|state| {
            state.writes_no_more = true;
            state.reads_no_more |= how == Shutdown::Both;
        });
    }

    fn try_clone(&self) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.0.change(|state| state.closed = true);
    }
}

impl Peer {
    /// Sends bytes to the server.
    pub(super) fn say(&self, bytes: &[u8]) {
        self.0.change(|state| state.said.extend(bytes));
    }

    /// Lets the socket take so much more.
    pub(super) fn make_room(&self, bytes: usize) {
        self.0.change(|state| state.room += bytes);
    }

    /// Lets the socket take nothing more.
    pub(super) fn fill_up(&self) {
        self.0.change(|state| state.room = 0);
    }

    /// Lets the socket fail, whatever is done with it.
    pub(super) fn break_off(&self) {
        self.0.change(|state| {
            state.broken = true;
            state.reads_no_more = true;
            state.writes_no_more = true;
        });
    }

    /// What has come, which is forgotten.
    pub(super) fn take_heard(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.state().heard)
    }

    /// Waits until so many bytes have come.
    pub(super) fn await_bytes(&self, len: usize) -> Vec<u8> {
        self.0
            .wait_until(|state| state.heard.len() >= len)
            .heard
            .clone()
    }

    /// Waits until the server has let go of the socket, all threads of it.
    pub(super) fn await_close(&self) {
        drop(self.0.wait_until(|state| state.closed));
    }
}
