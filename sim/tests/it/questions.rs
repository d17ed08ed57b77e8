//! Questions of connections to the application on other shards.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use stentor_core::app::{ShardContext, ShardRequest, ShardTarget};
use stentor_core::{
    Config, ConnId, Context, Decision, Handler, HttpRequest, Message, MessageType, ShardId,
};
use stentor_sim::simulator::{Network, Sim, crash};

/// Asks what its clients say, and answers for the shard.
#[derive(Default)]
struct Curious {
    /// Questions that are answered with the next message.
    unanswered: VecDeque<ShardRequest>,
    connections: Vec<ConnId>,
}

impl Handler for Curious {
    type State = u32;
    type Task = ();
    type Outcome = ();

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(0)
    }

    fn on_open(&mut self, ctx: &mut Context<'_, Self>) {
        self.connections.push(ctx.id());
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        *ctx.state() += 1;
        while let Some(request) = self.unanswered.pop_front() {
            ctx.answer(request, "late".into());
        }
        match message.payload {
            b"nothing" => {}
            b"one" => ctx.ask(1, ShardTarget::One(ShardId(1)), "shard".into()),
            question => {
                ctx.ask(2, ShardTarget::All, Bytes::copy_from_slice(question));
                ctx.reply(MessageType::Text, 1, b"behind");
            }
        }
    }

    fn on_shard_request(&mut self, shard: &mut ShardContext<'_, Self>, request: ShardRequest) {
        match &request.payload()[..] {
            b"later" if shard.shard() != request.from().shard() => {
                self.unanswered.push_back(request);
            }
            b"count" => {
                let mut counts = Vec::new();
                for &id in &self.connections {
                    let count = shard.with_connection(id, |ctx| {
                        ctx.reply(MessageType::Text, 1, b"counted");
                        *ctx.state()
                    });
                    counts.extend(count);
                }
                shard.answer(request, format!("{counts:?}").into());
            }
            b"panic" if shard.shard() == ShardId(1) => {
                let id = self.connections[0];
                shard.with_connection(id, |_| crash());
            }
            b"channels" => {
                let mut channels: Vec<_> = shard
                    .channels()
                    .map(|(name, members)| format!("{name:?} {members}"))
                    .collect();
                channels.sort();
                shard.answer(request, channels.join(" ").into());
            }
            _ => shard.answer(request, "now".into()),
        }
    }

    fn on_shard_answers(
        &mut self,
        ctx: &mut Context<'_, Self>,
        ticket: u64,
        answers: Vec<(ShardId, Bytes)>,
    ) {
        let answers: Vec<_> = answers
            .iter()
            .map(|(shard, payload)| format!("{}={}", shard.0, String::from_utf8_lossy(payload)))
            .collect();
        let text = format!("{ticket}: {}", answers.join(","));
        ctx.reply(MessageType::Text, 1, text.as_bytes());
    }
}

fn server() -> Sim<Curious> {
    let config = Config::builder().shards(3).build().expect("in range");
    Sim::new(
        Network::smooth(1),
        &config,
        0,
        0,
        Box::new(|_, ()| ()),
        |_| Curious::default(),
    )
}

#[test]
fn answers_come_in_the_order_of_the_shards_and_before_what_follows() {
    let mut sim = server();
    let client = sim.connect(2);
    sim.say(client, "what");
    sim.say(client, "one");
    sim.settle();
    assert_eq!(
        sim.take_texts(client),
        ["2: 0=now,1=now,2=now", "behind", "1: 1=now"]
    );
    assert_eq!(sim.stats().channels.questions, 2);
}

#[test]
fn an_answer_may_be_given_in_a_later_callback() {
    let mut sim = server();
    let clients: Vec<_> = (0..3).map(|shard| sim.connect(shard)).collect();
    sim.say(clients[0], "later");
    // It is not read while it waits.
    sim.say(clients[0], "nothing");
    sim.settle();
    assert_eq!(sim.take_texts(clients[0]), [""; 0]);
    assert_eq!(sim.stats().waiting.answers, 1);
    sim.say(clients[1], "nothing");
    sim.settle();
    assert_eq!(sim.take_texts(clients[0]), [""; 0]);
    sim.say(clients[2], "nothing");
    sim.settle();
    assert_eq!(
        sim.take_texts(clients[0]),
        ["2: 0=now,1=late,2=late", "behind"]
    );
    assert_eq!(sim.stats().waiting.answers, 0);
}

#[test]
fn whoever_is_asked_can_act_for_connections_of_its_shard() {
    let mut sim = server();
    let (asker, other) = (sim.connect(0), sim.connect(1));
    let gone = sim.connect(1);
    sim.say(other, "nothing");
    sim.close(gone, Some(1000));
    sim.settle();
    sim.say(asker, "count");
    sim.settle();
    assert_eq!(sim.take_texts(other), ["counted"]);
    assert_eq!(
        sim.take_texts(asker),
        ["2: 0=[1],1=[1],2=[]", "behind", "counted"],
        "what is said to it meanwhile waits as well"
    );
}

#[test]
fn a_connection_that_goes_meanwhile_waits_for_nothing() {
    let mut sim = server();
    let clients: Vec<_> = (0..3).map(|shard| sim.connect(shard)).collect();
    sim.say(clients[0], "later");
    sim.settle();
    sim.reset(clients[0]);
    sim.settle();
    assert_eq!(sim.stats().waiting.answers, 0);
    let next = sim.connect(0);
    for client in &clients[1..] {
        sim.say(*client, "nothing");
    }
    sim.settle();
    assert_eq!(sim.take_texts(next), [""; 0]);
    for client in [next, clients[1], clients[2]] {
        sim.reset(client);
    }
    sim.settle();
    sim.assert_bare();
}

#[test]
fn a_panic_of_whoever_is_asked_leaves_nobody_waiting() {
    let mut sim = server();
    let (asker, harmed) = (sim.connect(0), sim.connect(1));
    sim.say(asker, "panic");
    sim.settle();
    assert_eq!(sim.take_texts(asker), ["2: 0=now,1=,2=now", "behind"]);
    assert_eq!(sim.client(harmed).close_code(), Some(Some(1011)));
    assert_eq!(sim.stats().links.panics, 1);
    sim.pass(Duration::from_secs(10));
}
