//! What delivery counts.

use crate::delivery::drops::Drops;
use crate::stats::{Delivery, Priorities, Sent};

/// What delivery counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DeliveryCounts {
    pub(crate) delivery: Delivery,
    pub(crate) priorities: Priorities,
    pub(crate) sent: Sent,
    /// Members that were offered a publication.
    pub(crate) members_offered: u64,
    /// Publications that were copied into frames.
    pub(crate) copied: u64,
    /// Messages that were encoded for a codec.
    pub(crate) codec_encoded: u64,
    /// Of those, how many codecs panicked.
    pub(crate) codec_panics: u64,
}

impl DeliveryCounts {
    /// Counts messages of a priority that left the queue of a connection unwritten because nobody is to
    /// get them any more.
    pub(super) fn add_discarded(
        &mut self,
        of_conn: &mut Drops,
        priority: Option<u8>,
        messages: u64,
    ) {
        self.delivery.discarded += messages;
        self.priorities.of(priority).discarded += messages;
        of_conn.discarded += messages;
    }
}
