//! Arrival of messages from other shards. Their handling is in `engine::inbox`.

use crate::app::{Handler, Isolation};
use crate::channels::message::ShardMessage;
use crate::shard::Shard;
use crate::time::Timestamp;

impl<H: Handler, I: Isolation> Shard<H, I> {
    /// Takes a message. What it says is done when the shard is polled, with what others
    /// say that came along, or before a task or an end that comes later; messages keep
    /// their order.
    pub fn handle_message(&mut self, now: Timestamp, message: ShardMessage) {
        self.engine.set_time(now);
        self.engine.command_bytes += message.command_bytes();
        self.engine.inbox.push_back(message);
        self.engine.has_new_messages = true;
    }
}
