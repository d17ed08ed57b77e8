//! Actions about sessions without a link: opening one, and taking out what waits for it.

use alloc::vec::Vec;

use crate::app::{Context, Handler};
use crate::delivery::codec::Codec;
use crate::id::ConnId;

impl<H: Handler, S> Context<'_, H, S> {
    /// Opens a session without a link, whose messages the application takes out and gives to its client
    /// in answers to requests: as lines, like those of [`Wire::Lines`](crate::proto::wire::Wire::Lines).
    /// [`Handler::on_open`] is called for it soon. It has the queue, the limits and the channels of any
    /// connection with this codec, and the address of this one's peer. It ends when the application
    /// [closes](Self::close) it; in [`Handler::on_close`] what waits can still be looked at.
    ///
    /// Returns its name; `None`, with the state dropped, if the server drains or memory is short.
    ///
    /// # Panics
    /// If the number of the codec is not below [`Handler::CODECS`].
    pub fn open_detached(&mut self, state: H::State, codec: Codec) -> Option<ConnId> {
        assert!(
            usize::from(codec.number()) < H::CODECS,
            "a codec of the application"
        );
        let mut opened = None;
        self.enter(|engine, at| opened = engine.open_detached(at, state, codec));
        opened
    }

    /// Has [`Handler::on_output`] called once something waits for this session without a link. Until
    /// then, and again after that, its messages wait as if they were [held](Self::hold).
    pub fn await_output(&mut self) {
        self.enter(|engine, at| engine.await_output(at));
    }

    /// Appends what waits for this session without a link, the most urgent first, up to about
    /// [`write_batch`](crate::Config::write_batch) bytes of whole messages. It stays there, and what
    /// is looked at again begins with the same bytes, until it is [taken out](Self::consume_output).
    pub fn peek_output(&mut self, out: &mut Vec<u8>) {
        self.enter(|engine, at| engine.peek_output(at, out));
    }

    /// Takes out the first bytes of what [`peek_output`](Self::peek_output) has appended, which are
    /// whole messages.
    pub fn consume_output(&mut self, bytes: usize) {
        self.enter(|engine, at| engine.consume_output(at, bytes));
    }
}
