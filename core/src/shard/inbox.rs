//! Owns what a shard does with a letter from another.

use crate::app::Handler;
use crate::channels::message::ShardMessage;
use crate::shard::Shard;
use crate::time::Timestamp;

impl<H: Handler> Shard<H> {
    /// Takes a letter. What it says is done when the shard is polled, with what others
    /// say that came along, or before a task or an end that comes later; letters keep
    /// their order.
    pub fn handle_message(&mut self, now: Timestamp, letter: ShardMessage) {
        self.engine.set_time(now);
        self.engine.command_bytes += letter.command_bytes();
        self.engine.backlog.push_back(letter);
        self.engine.has_mail = true;
    }
}
