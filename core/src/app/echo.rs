//! Echo application: returns every message unchanged and drops none. A connection whose peer does
//! not read is not read.

use crate::app::{Backpressure, Context, Decision, Handler, HttpRequest, Message, TaskEnd};

/// Sends every message back to its sender, unchanged and in order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

impl Handler for Echo {
    type State = ();
    type Task = core::convert::Infallible;
    type Outcome = core::convert::Infallible;

    const OVERFLOW: Backpressure = Backpressure::PauseReads;

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        ctx.reply(message.kind, PRIORITY, message.payload);
    }

    fn on_task(&mut self, _: &mut Context<'_, Self>, _: TaskEnd<Self>) {}
}

const PRIORITY: u8 = 100;
