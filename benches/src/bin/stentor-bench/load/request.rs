//! Requests: one on every connection, or on the last, and the wait for the answers.

use std::ops::Range;
use std::time::Instant;

use super::message_counter::MessageCounter;
use crate::error::Error;
use crate::net::{Clients, Connections, Traffic};
use crate::watchdog::{TIMEOUT, Watchdog};

/// Sends a frame on every connection, and waits until each has received a message with this
/// payload.
pub(super) fn request_all(clients: &mut Clients, frame: &[u8], answer: &[u8]) -> Result<(), Error> {
    let all = 0..clients.len();
    request_from(all, clients, same_for_all(frame, answer))
}

/// Sends a frame on the last connection, and waits until each has received a message with this
/// payload. The server accepts connections in order, so it then has all of them.
pub(super) fn request_from_last(
    clients: &mut Clients,
    frame: &[u8],
    answer: &[u8],
) -> Result<(), Error> {
    let last = clients.len() - 1..clients.len();
    request_from(last, clients, same_for_all(frame, answer))
}

/// Sends a different frame on each connection, and waits for a different payload on each; `write`
/// appends both.
pub(super) fn request_each(
    clients: &mut Clients,
    write: impl FnMut(usize, &mut Vec<u8>, &mut Vec<u8>),
) -> Result<(), Error> {
    let all = 0..clients.len();
    request_from(all, clients, write)
}

fn same_for_all(frame: &[u8], answer: &[u8]) -> impl FnMut(usize, &mut Vec<u8>, &mut Vec<u8>) {
    |_, out, expected| {
        out.extend_from_slice(frame);
        expected.extend_from_slice(answer);
    }
}

fn request_from(
    from: Range<usize>,
    clients: &mut Clients,
    write: impl FnMut(usize, &mut Vec<u8>, &mut Vec<u8>),
) -> Result<(), Error> {
    let mut request = QueuedWrite {
        from,
        write,
        counters: vec![MessageCounter::default(); clients.len()],
        missing: clients.len(),
        frame: Vec::new(),
        answer: Vec::new(),
    };
    clients.start(&mut request)?;
    let mut watchdog = Watchdog::new(request.missing as u64);
    while request.missing > 0 {
        clients.poll_once(&mut request, TIMEOUT / 10)?;
        watchdog.check(request.missing as u64)?;
    }
    Ok(())
}

struct QueuedWrite<W> {
    from: Range<usize>,
    write: W,
    counters: Vec<MessageCounter>,
    missing: usize,
    /// The frame and the answer of the current connection.
    frame: Vec<u8>,
    answer: Vec<u8>,
}

impl<W: FnMut(usize, &mut Vec<u8>, &mut Vec<u8>)> QueuedWrite<W> {
    fn prepare(&mut self, index: usize) {
        self.frame.clear();
        self.answer.clear();
        (self.write)(index, &mut self.frame, &mut self.answer);
    }
}

impl<W: FnMut(usize, &mut Vec<u8>, &mut Vec<u8>)> Traffic for QueuedWrite<W> {
    fn on_start(&mut self, connections: &mut Connections<'_>, _: Instant) -> Result<(), Error> {
        for index in self.from.clone() {
            self.prepare(index);
            connections.send(index, &self.frame)?;
        }
        Ok(())
    }

    fn on_payload(&mut self, index: usize, mut part: &[u8], _: Instant) -> Result<(), Error> {
        self.prepare(index);
        let counter = &mut self.counters[index];
        let (at, taken, ends) = counter.take(&mut part, self.answer.len());
        if counter.done > 1 || self.answer[at..at + taken.len()] != *taken || !part.is_empty() {
            let expected = String::from_utf8_lossy(&self.answer);
            let received = String::from_utf8_lossy(taken);
            return Err(Error::unexpected(
                index,
                format!("{received:?} instead of {expected:?}"),
            ));
        }
        self.missing -= usize::from(ends);
        Ok(())
    }
}
