//! Links with a transport: what waits for a connection is sealed as one stretch a write, and stays
//! in flight until the last byte of that is out. What was sealed cannot be taken back.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;

use crate::delivery::Outbound;
use crate::delivery::conn::{Seal, Written};
use crate::delivery::frame::Chunks;
use crate::proto::transport::{Opened, Transport, TransportError};

/// The transport of a link, and the bytes on both sides of it.
#[derive(Debug)]
pub(super) struct Sealed {
    transport: Box<dyn Transport>,
    /// Received bytes that are not opened yet, such as a part of a record.
    unopened: Vec<u8>,
    /// Sealed bytes, of which so many are written.
    bytes: Vec<u8>,
    written: usize,
    /// How many the adapter has been offered. More may have come since.
    offered: usize,
    /// How many bytes of frames are in them.
    plain: usize,
    /// The peer has broken the protocol: nothing is opened or sealed any more.
    has_failed: bool,
    /// The peer has been told that nothing more is sealed.
    has_closed: bool,
    /// A step of the handshake waits for the next turn.
    waits_for_turn: bool,
}

/// What came of opening received bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct OpenedInput {
    /// The peer has said that nothing more comes.
    pub(crate) is_over: bool,
    /// The handshake is done with that.
    pub(crate) has_agreed: bool,
}

impl Sealed {
    /// Returns whether sealed bytes wait.
    const fn state(&self) -> Seal {
        if self.written == self.bytes.len() {
            Seal::Empty
        } else {
            Seal::Waits
        }
    }

    pub(super) fn memory(&self) -> usize {
        self.unopened.capacity() + self.bytes.capacity() + self.transport.memory()
    }

    /// Returns whether the peer has said that nothing more comes.
    fn open(&mut self, input: &mut [u8], plain: &mut Vec<u8>) -> Result<bool, TransportError> {
        if self.has_failed {
            return Ok(false);
        }
        let opened = if self.unopened.is_empty() {
            let opened = self.transport.open(input, plain, &mut self.bytes);
            if let Ok(Opened { consumed, .. }) = opened {
                self.unopened.extend_from_slice(&input[consumed..]);
            }
            opened
        } else {
            self.unopened.extend_from_slice(input);
            let opened = self
                .transport
                .open(&mut self.unopened, plain, &mut self.bytes);
            if let Ok(Opened { consumed, .. }) = opened {
                self.unopened.drain(..consumed);
            }
            opened
        };
        if self.unopened.is_empty() || opened.is_err() {
            self.unopened = Vec::new();
        }
        self.has_failed = opened.is_err();
        opened.map(|opened| opened.is_over)
    }

    /// Says to the peer that nothing more is sealed. Returns whether that is to be written.
    fn close(&mut self) -> bool {
        if !self.has_failed && !self.has_closed {
            self.has_closed = true;
            self.transport.close(&mut self.bytes);
        }
        self.state() == Seal::Waits
    }
}

impl Outbound {
    /// Gives the link of a new socket a transport.
    pub(crate) fn set_transport(&mut self, at: u32, transport: Box<dyn Transport>) {
        let link = Self::link(&mut self.conns[at].link, &mut self.link_bytes);
        let before = link.memory();
        link.sealed = Some(Sealed {
            transport,
            unopened: Vec::new(),
            bytes: Vec::new(),
            written: 0,
            offered: 0,
            plain: 0,
            has_failed: false,
            has_closed: false,
            waits_for_turn: false,
        });
        self.link_bytes += link.memory() - before;
        self.conns[at].seal = Seal::Empty;
        self.sealed_links += 1;
    }

    /// Returns whether the link of a connection has a transport.
    #[inline]
    pub(crate) fn is_sealed(&self, at: u32) -> bool {
        // The first costs less, and is all that servers without transports pay.
        self.sealed_links > 0 && self.conns[at].seal != Seal::None
    }

    /// Opens received bytes, and appends them to `plain`. A step of a handshake takes much time, and
    /// counts as much as many messages.
    ///
    /// # Errors
    /// The peer broke the protocol of the transport. Nothing that waits can be sent any more but
    /// what is sealed.
    pub(crate) fn open_sealed(
        &mut self,
        at: u32,
        input: &mut [u8],
        plain: &mut Vec<u8>,
    ) -> Result<OpenedInput, TransportError> {
        let is_step = self.is_handshaking(at);
        let mut spare = match is_step {
            true => self.buffers.take(0),
            false => Vec::new(),
        };
        let opened = self.with_sealed(at, |sealed| {
            sealed.waits_for_turn = false;
            let takes_spare = sealed.bytes.capacity() == 0;
            if takes_spare {
                mem::swap(&mut sealed.bytes, &mut spare);
            }
            let opened = sealed.open(input, plain);
            if takes_spare && sealed.bytes.is_empty() {
                mem::swap(&mut sealed.bytes, &mut spare);
            }
            opened
        });
        self.buffers.give(spare);
        if is_step {
            self.charge_turn(STEPS_PER_TURN);
        }
        if self.has_sealed_bytes(at) {
            self.schedule(at);
        }
        let is_over = opened.unwrap_or(Ok(false))?;
        Ok(OpenedInput {
            is_over,
            has_agreed: is_step && !self.is_handshaking(at),
        })
    }

    /// Returns the certificate of the peer of a link, if it has one.
    pub(crate) fn peer_certificate(&self, at: u32) -> Option<&[u8]> {
        if !self.is_sealed(at) {
            return None;
        }
        let sealed = self.conns[at].link.as_ref()?.sealed.as_ref()?;
        sealed.transport.peer_certificate()
    }

    fn is_handshaking(&self, at: u32) -> bool {
        let sealed = self.conns[at].link.as_ref();
        let sealed = sealed.and_then(|link| link.sealed.as_ref());
        sealed.is_some_and(|sealed| !sealed.has_failed && sealed.transport.is_handshaking())
    }

    /// Keeps received bytes for the next turn, if they are a step of a handshake and this turn is
    /// over. Returns whether they are.
    pub(crate) fn keep_for_next_turn(&mut self, at: u32, input: &[u8]) -> bool {
        let waits = self.is_turn_over() && self.is_handshaking(at);
        if waits {
            self.with_sealed(at, |sealed| {
                sealed.unopened.extend_from_slice(input);
                sealed.waits_for_turn = true;
            });
        }
        waits
    }

    /// Returns whether a step of a handshake waits for the next turn.
    pub(crate) fn waits_for_turn(&self, at: u32) -> bool {
        let link = self.conns[at].link.as_ref();
        self.is_sealed(at)
            && link
                .and_then(|link| link.sealed.as_ref())
                .is_some_and(|sealed| sealed.waits_for_turn)
    }

    /// Calls something with the transport of a link, and takes note of its memory.
    fn with_sealed<R>(&mut self, at: u32, call: impl FnOnce(&mut Sealed) -> R) -> Option<R> {
        let conn = &mut self.conns[at];
        let sealed = conn.link.as_mut()?.sealed.as_mut()?;
        let before = sealed.memory();
        let result = call(sealed);
        self.link_bytes = self.link_bytes - before + sealed.memory();
        conn.seal = sealed.state();
        Some(result)
    }

    fn has_sealed_bytes(&self, at: u32) -> bool {
        self.conns[at].seal == Seal::Waits
    }

    /// Returns whether sealed bytes wait that have frames in them.
    fn has_sealed_frames(&self, at: u32) -> bool {
        let link = self.conns[at].link.as_ref();
        let sealed = link.and_then(|link| link.sealed.as_ref());
        self.has_sealed_bytes(at) && sealed.is_some_and(|sealed| sealed.plain > 0)
    }

    /// Seals what is to be written next, unless sealed bytes wait, and offers that.
    #[inline(never)]
    pub(super) fn offer_sealed<'a>(&'a mut self, at: u32, chunks: &mut Chunks<'a>) {
        // Behind what the transport says by itself, such as a ticket, so that both are one write.
        if !self.has_sealed_frames(at) {
            self.seal(at);
        }
        let conn = &mut self.conns[at];
        conn.offered = true;
        if let Some(sealed) = conn.link.as_mut().and_then(|link| link.sealed.as_mut()) {
            sealed.offered = sealed.bytes.len() - sealed.written;
            chunks.push(&sealed.bytes[sealed.written..]);
        }
    }

    fn seal(&mut self, at: u32) {
        let link = self.conns[at].link.as_mut();
        let Some(mut sealed) = link.and_then(|link| link.sealed.take()) else {
            return;
        };
        let before = sealed.memory();
        if !sealed.has_failed && !sealed.has_closed {
            if sealed.bytes.capacity() == 0 {
                sealed.bytes = self.buffers.take(0);
            }
            let mut joined = self.buffers.take(0);
            let mut plain = Chunks::new();
            self.offer_plain(at, &mut plain);
            sealed.plain = plain.len();
            match plain.as_slices() {
                [] => {}
                [one] => sealed.transport.seal(one, &mut sealed.bytes),
                parts => {
                    // As few records as can be.
                    for part in parts {
                        joined.extend_from_slice(part);
                    }
                    sealed.transport.seal(&joined, &mut sealed.bytes);
                }
            }
            drop(plain);
            joined.clear();
            self.buffers.give(joined);
            if sealed.bytes.is_empty() {
                self.buffers.give(mem::take(&mut sealed.bytes));
            }
        }
        self.link_bytes = self.link_bytes - before + sealed.memory();
        let conn = &mut self.conns[at];
        conn.seal = sealed.state();
        if let Some(link) = &mut conn.link {
            link.sealed = Some(sealed);
        }
    }

    /// Takes note that `n` sealed bytes were written. The frames in them are written with the last.
    #[inline(never)]
    pub(crate) fn transmitted_sealed(&mut self, at: u32, n: usize) -> Written {
        self.counts.sent.bytes += n as u64;
        let mut is_full = false;
        let done = self.with_sealed(at, |sealed| {
            sealed.written += n;
            is_full = n < sealed.offered;
            let is_done = sealed.state() == Seal::Empty;
            is_done.then(|| {
                sealed.written = 0;
                let mut bytes = mem::take(&mut sealed.bytes);
                bytes.clear();
                (mem::take(&mut sealed.plain), bytes)
            })
        });
        if let Some(Some((plain, bytes))) = done {
            self.buffers.give(bytes);
            let written = self.advance(at, plain);
            return Written {
                was_offered: true,
                ..written
            };
        }
        self.release_expired();
        self.conns[at].offered = false;
        if self.replies.owner() == Some(at) {
            // They are a part of what is sealed, so they stay in flight.
            self.spill_replies(0);
        }
        let written = self.after_write(at, n, true, is_full);
        // Where the socket has taken all it was offered, more has been sealed meanwhile.
        self.schedule(at);
        Written {
            is_empty: false,
            ..written
        }
    }

    /// Tells the peer that nothing more is sealed, unless it has been told. Returns whether
    /// something is to be written for that first.
    pub(crate) fn close_transport(&mut self, at: u32) -> bool {
        let is_to_be_written = self.is_sealed(at)
            && self.with_sealed(at, Sealed::close) == Some(true)
            && !self.conns[at].stop.is_blocked();
        if is_to_be_written {
            self.schedule(at);
        }
        is_to_be_written
    }

    /// Discards what can no longer be sealed, because the peer broke the protocol. Returns whether
    /// sealed bytes are still to be written.
    pub(crate) fn fail_transport(&mut self, at: u32) -> bool {
        self.discard_replies(at);
        self.discard(at, false);
        self.with_sealed(at, |sealed| sealed.plain = 0);
        self.has_sealed_bytes(at)
    }
}

/// How many steps of handshakes, of about 0.1 ms each, make up a turn.
const STEPS_PER_TURN: u64 = 8;
