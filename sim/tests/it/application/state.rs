//! State that an application keeps for each connection.

use std::cell::RefCell;
use std::rc::Rc;

use stentor_core::{
    CloseCause, Config, ConnId, Context, Decision, Handler, HttpRequest, Message, MessageType,
    SendOptions,
};
use stentor_sim::simulator::{Network, Sim};

/// Answers with the number of messages of the connection, and keeps it after the end.
#[derive(Clone, Default)]
struct Counter {
    ended: Rc<RefCell<Vec<(ConnId, u32)>>>,
}

impl Handler for Counter {
    type State = u32;
    type Task = ();
    type Outcome = ();

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(100)
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, _: Message<'_>) {
        let count = ctx.state();
        *count += 1;
        let text = count.to_string();
        ctx.reply(MessageType::Text, SendOptions::new(1), text.as_bytes());
    }

    fn on_close(&mut self, ctx: &mut Context<'_, Self>, _: CloseCause) {
        let ended = (ctx.id(), *ctx.state());
        self.ended.borrow_mut().push(ended);
    }
}

#[test]
fn each_connection_has_its_own_state_until_its_end() {
    let counter = Counter::default();
    let config = Config::builder().shards(2).build().expect("in range");
    let (nothing, handler) = (Box::new(|_, (): &()| ()), counter.clone());
    let mut sim = Sim::new(Network::smooth(1), &config, 0, 0, nothing, move |_| {
        handler.clone()
    });
    let clients = [sim.connect(0), sim.connect(0), sim.connect(1)];
    sim.settle();
    let ids = clients.map(|client| sim.id_of(client));
    for (client, texts) in clients.into_iter().zip([3, 1, 2]) {
        (0..texts).for_each(|_| sim.say(client, "one more"));
    }
    sim.settle();
    assert_eq!(sim.take_texts(clients[0]), ["101", "102", "103"]);
    assert_eq!(sim.take_texts(clients[1]), ["101"]);
    assert_eq!(sim.take_texts(clients[2]), ["101", "102"]);

    for client in clients {
        sim.close(client, Some(1000));
        sim.settle();
    }
    let expected = [(ids[0], 103), (ids[1], 101), (ids[2], 102)];
    assert_eq!(*counter.ended.borrow(), expected);
}
