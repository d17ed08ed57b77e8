//! The header of a proxy in front of a connection (PROXY protocol). What follows it is handled as if
//! it had come alone.

use core::ops::Range;

use crate::app::{Handler, Isolation};
use crate::engine::Engine;
use crate::engine::output::Event;
use crate::id::ConnId;
use crate::proto::proxy::{ProxyError, ProxyHeader};
use crate::session::app_types::AppTypes;
use crate::session::peer::PeerAddr;
use crate::session::phase::{Phase, PhaseStep};
use crate::shard::Shard;
use crate::time::Timestamp;

impl<H: Handler, I: Isolation> Shard<H, I> {
    /// Has a socket that was just accepted begin with a header of the PROXY protocol. Its peer must be
    /// one of the trusted [proxies](crate::Config::proxies); the address in the header takes the place
    /// of the peer's. A connection without a valid header is closed, and counted.
    pub fn expect_proxy_header(&mut self, now: Timestamp, id: ConnId) {
        self.engine.set_time(now);
        let Some(at) = self.engine.slots.find(id) else {
            return;
        };
        let slot = &mut self.engine.slots[at];
        debug_assert!(slot.phase() == Phase::Head && slot.deferred.is_none());
        slot.expect_proxy();
        let peer = slot.peer.get().map(|peer| peer.ip());
        if !self.engine.config.proxies.trusts(peer) {
            self.engine.refuse_proxy(at, ProxyError::Untrusted);
        }
        self.settle();
    }

    /// Handles bytes in the scratch that are not to be read as those of a session: those of a header,
    /// or none that anybody wants.
    #[cold]
    pub(crate) fn handle_proxy_read(&mut self, id: ConnId, range: Range<usize>) {
        if self.waits_for_header(id).is_none() {
            return;
        }
        let mut scratch = self.engine.out.lend_scratch();
        let mut bytes = scratch[range].to_vec();
        self.engine
            .out
            .return_scratch(core::mem::take(&mut scratch));
        self.handle_proxy_input(id, &mut bytes);
    }

    /// The same for bytes in a buffer of the caller's.
    #[cold]
    pub(crate) fn handle_proxy_input(&mut self, id: ConnId, bytes: &mut [u8]) {
        let Some(at) = self.waits_for_header(id) else {
            return;
        };
        if self.engine.buffered_len(at) == 0 {
            if let Some(len) = self.read_header(at, bytes) {
                return self.handle_behind_header(at, &mut bytes[len..]);
            }
            if self.engine.slots[at].phase() == Phase::Proxy {
                self.engine.buffer_input(at, bytes);
            }
            return self.after_input(at);
        }
        self.engine.buffer_input(at, bytes);
        let Some(deferred) = &mut self.engine.slots[at].deferred else {
            return;
        };
        let mut buffered = core::mem::take(&mut deferred.buffered);
        match self.read_header(at, &buffered) {
            Some(len) => {
                self.engine.drop_empty_deferred(at);
                self.handle_behind_header(at, &mut buffered[len..]);
                self.engine.decode_buffers.buffers.take_back(buffered);
            }
            None => {
                let is_unfinished = self.engine.slots[at].phase() == Phase::Proxy;
                let begin = if is_unfinished { 0 } else { buffered.len() };
                self.engine.return_buffered(at, buffered, begin);
                self.after_input(at);
            }
        }
    }

    fn waits_for_header(&self, id: ConnId) -> Option<u32> {
        let at = self.engine.slots.find(id)?;
        (self.engine.slots[at].phase() == Phase::Proxy).then_some(at)
    }

    /// Reads the header, if it is whole, and returns its length.
    fn read_header(&mut self, at: u32, input: &[u8]) -> Option<usize> {
        let engine = &mut self.engine;
        match ProxyHeader::parse(input, engine.config.max_head) {
            Ok(None) => None,
            Ok(Some((header, len))) => {
                engine.slots[at].advance(PhaseStep::NextRequest);
                engine.counts.links.proxy_headers += 1;
                if let Some(client) = header.client {
                    engine.set_client(at, PeerAddr::new(client));
                }
                Some(len)
            }
            Err(error) => {
                engine.refuse_proxy(at, error);
                None
            }
        }
    }

    fn handle_behind_header(&mut self, at: u32, bytes: &mut [u8]) {
        match bytes.is_empty() {
            true => self.after_input(at),
            false => self.handle_wire_bytes(at, bytes),
        }
    }
}

impl<A: AppTypes> Engine<A> {
    /// Closes a connection that has no valid header. There is no protocol in which to say why.
    pub(crate) fn refuse_proxy(&mut self, at: u32, error: ProxyError) {
        let which = ProxyError::ALL.iter().position(|&other| other == error);
        self.counts.proxy_refused[which.unwrap_or_default()] += 1;
        let id = self.slots.id(at);
        self.emit(Event::ProxyRefused(id, error));
        self.close_socket(at);
    }
}
