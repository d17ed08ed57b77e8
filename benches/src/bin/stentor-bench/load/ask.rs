//! Owns one question on every connection, and the waiting for its answer.

use std::ops::Range;
use std::time::Instant;

use super::stream::Stream;
use super::sustain::PATIENCE;
use crate::fault::Fault;
use crate::net::{Fleet, Links, Traffic};

/// Sends these bytes on every connection, and waits until each has got a message
/// with this payload.
pub(super) fn ask(fleet: &mut Fleet, frame: &[u8], answer: &[u8]) -> Result<(), Fault> {
    let everyone = 0..fleet.len();
    ask_from(everyone, fleet, the_same(frame, answer))
}

/// Sends these bytes on the last connection only, and waits until each has got a
/// message with this payload: then the server knows of all of them, for it hears
/// of connections in their order.
pub(super) fn ask_from_last(fleet: &mut Fleet, frame: &[u8], answer: &[u8]) -> Result<(), Fault> {
    let last = fleet.len() - 1..fleet.len();
    ask_from(last, fleet, the_same(frame, answer))
}

/// The same with a question and an answer for each: `write` appends them.
pub(super) fn ask_each(
    fleet: &mut Fleet,
    write: impl FnMut(usize, &mut Vec<u8>, &mut Vec<u8>),
) -> Result<(), Fault> {
    let everyone = 0..fleet.len();
    ask_from(everyone, fleet, write)
}

fn the_same(frame: &[u8], answer: &[u8]) -> impl FnMut(usize, &mut Vec<u8>, &mut Vec<u8>) {
    |_, to_send, to_come| {
        to_send.extend_from_slice(frame);
        to_come.extend_from_slice(answer);
    }
}

fn ask_from(
    from: Range<usize>,
    fleet: &mut Fleet,
    write: impl FnMut(usize, &mut Vec<u8>, &mut Vec<u8>),
) -> Result<(), Fault> {
    let mut asked = Asked {
        from,
        write,
        streams: vec![Stream::default(); fleet.len()],
        missing: fleet.len(),
        frame: Vec::new(),
        answer: Vec::new(),
    };
    fleet.begin(&mut asked)?;
    let (mut heard, mut missing) = (Instant::now(), asked.missing);
    while asked.missing > 0 {
        fleet.turn(&mut asked, PATIENCE / 10)?;
        if asked.missing != missing {
            (heard, missing) = (Instant::now(), asked.missing);
        } else if heard.elapsed() > PATIENCE {
            return Err(Fault::Stalled(PATIENCE.as_secs()));
        }
    }
    Ok(())
}

struct Asked<W> {
    from: Range<usize>,
    write: W,
    streams: Vec<Stream>,
    missing: usize,
    /// Of the connection that is looked at.
    frame: Vec<u8>,
    answer: Vec<u8>,
}

impl<W: FnMut(usize, &mut Vec<u8>, &mut Vec<u8>)> Asked<W> {
    fn look_at(&mut self, who: usize) {
        self.frame.clear();
        self.answer.clear();
        (self.write)(who, &mut self.frame, &mut self.answer);
    }
}

impl<W: FnMut(usize, &mut Vec<u8>, &mut Vec<u8>)> Traffic for Asked<W> {
    fn begin(&mut self, links: &mut Links<'_>, _: Instant) -> Result<(), Fault> {
        for who in self.from.clone() {
            self.look_at(who);
            links.send(who, &self.frame)?;
        }
        Ok(())
    }

    fn payload(&mut self, who: usize, mut part: &[u8], _: Instant) -> Result<(), Fault> {
        self.look_at(who);
        let stream = &mut self.streams[who];
        let (at, taken, ends) = stream.take(&mut part, self.answer.len());
        if stream.done > 1 || self.answer[at..at + taken.len()] != *taken || !part.is_empty() {
            let wanted = String::from_utf8_lossy(&self.answer);
            let is = String::from_utf8_lossy(taken);
            return Err(Fault::wrong(who, format!("{is:?} instead of {wanted:?}")));
        }
        self.missing -= usize::from(ends);
        Ok(())
    }
}
