//! Writes to sockets: the bytes that are offered, and the number of bytes written.

use crate::app::{Handler, Isolation};
use crate::delivery::frame::Chunks;
use crate::id::ConnId;
use crate::session::http_exchange::AnswerSource;
use crate::shard::Shard;
use crate::time::Timestamp;

impl<H: Handler, I: Isolation> Shard<H, I> {
    /// The connection whose replies stand in the reply buffer. Flushing it before
    /// the next [`read_buffer`](Self::read_buffer) saves them a copy, and asking
    /// again after that until there is none saves one of what was read and waits
    /// for the flush; not doing so costs only that.
    pub fn poll_reply(&mut self) -> Option<ConnId> {
        while self.engine.out.replies_owner().is_none()
            && !self.engine.must_wait()
            && let Some((at, range)) = self.engine.rest.take()
        {
            self.resume_in_scratch(at, range);
        }
        Some(self.engine.slots.id(self.engine.out.replies_owner()?))
    }

    /// What is to be written to this connection next, up to about
    /// [`Config::write_batch`](crate::Config::write_batch) bytes. Say how much
    /// of it was written with [`handle_transmitted`](Self::handle_transmitted)
    /// before asking again. Until then the shard keeps what it offered as it was:
    /// other calls may come between, if the adapter has copied the bytes.
    //= rfc6455#section-6.1 "The frame(s) that have been formed MUST be transmitted over the..."
    pub fn poll_transmit<'a>(&'a mut self, id: ConnId, chunks: &mut Chunks<'a>) {
        let Some(at) = self.engine.slots.find(id) else {
            return;
        };
        self.engine.out.offer(at, chunks);
    }

    /// Takes note that the first `n` bytes of what
    /// [`poll_transmit`](Self::poll_transmit) offered were written. Less than
    /// all means that the socket takes no more for now: it is offered nothing
    /// until [`handle_writable`](Self::handle_writable).
    pub fn handle_transmitted(&mut self, now: Timestamp, id: ConnId, n: usize) {
        self.engine.set_time(now);
        if let Some(at) = self.engine.slots.find(id) {
            self.engine.transmitted(at, n);
        }
        self.settle();
    }

    /// Takes note that the socket takes bytes again.
    pub fn handle_writable(&mut self, now: Timestamp, id: ConnId) {
        self.engine.set_time(now);
        if let Some(at) = self.engine.slots.find(id) {
            self.engine.out.writable(at);
        }
    }

    /// Takes the answer to an [`Output::Page`](crate::Output::Page). It has the fields of the page
    /// besides its media type.
    pub fn handle_answer(
        &mut self,
        now: Timestamp,
        id: ConnId,
        status: u16,
        content_type: &str,
        body: &[u8],
    ) {
        self.engine.set_time(now);
        if let Some(at) = self.engine.slots.find(id)
            && let Some(exchange) = self.engine.exchange(at)
            && let AnswerSource::Adapter(page) = exchange.waits_for
            && let Some(exchange) = self.engine.take_exchange(at)
        {
            let connection = exchange.connection;
            self.engine
                .write_page(at, connection, page, status, Some(content_type), body);
        }
        self.settle();
    }
}
