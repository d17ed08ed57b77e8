//! Input that waits for room in a queue from which all is discarded.

use super::Pair;
use crate::delivery::MessagePayload;
use crate::session::app_types::Backpressure;
use crate::{Config, Context, Decision, Handler, HttpRequest, Message, MessageType, SendOptions};

/// Returns every message, and does not read on before there is room for that.
struct Patient;

impl Handler for Patient {
    type State = ();
    type Task = ();
    type Outcome = ();

    const OVERFLOW: Backpressure = Backpressure::PauseReads;

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        ctx.reply(message.kind, 1, message.payload);
    }
}

const STREAM: u32 = 7;

impl Pair<Patient> {
    /// Queues publications of a stream for the connection.
    fn publish(&mut self, count: usize) {
        let (at, out) = (self.id.slot() as u32, &mut self.shard.engine.out);
        for _ in 0..count {
            let options = SendOptions::new(5);
            let mut meta = options.meta(|| 0, super::NOW);
            meta.stream = Some(STREAM);
            let payload = MessagePayload::Borrowed(b"of the stream");
            let mut variants =
                out.variants(meta, options.overflow, None, MessageType::Text, payload);
            out.send_variant(at, &mut variants);
            out.release_variants(variants.into_frames());
        }
    }
}

#[test]
fn what_waits_for_room_goes_on_when_all_is_discarded_of_a_full_queue() {
    for is_tried in [false, true] {
        let config = Config::builder().queue_messages(4).build();
        let mut pair = Pair::with(Patient, &config.expect("in range"), 0, None);
        pair.publish(4);
        if is_tried {
            pair.turn(0);
        }
        pair.say("a");
        pair.deliver();
        let at = pair.id.slot() as u32;
        pair.shard.engine.out.discard_channel(at, STREAM);
        pair.turn(usize::MAX);
        pair.turn(usize::MAX);
        assert_eq!(pair.received, ["a"], "{is_tried}");
        let stats = pair.shard.stats();
        assert_eq!((stats.delivery.discarded, stats.waiting.queue), (4, 0));
    }
}
