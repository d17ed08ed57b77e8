//! Callbacks that panic: what they had asked for stands, their connection closes with 1011, and
//! nobody else notices.

use std::cell::RefCell;
use std::rc::Rc;

use stentor_core::app::AfterPanic;
use stentor_core::channels::{ChannelAnswer, ChannelQuery};
use stentor_core::testing::wire::Opcode;
use stentor_core::{
    CloseCause, CloseCode, Config, ConnId, Context, Decision, DeliveryReport, Event, Handler,
    HttpRequest, Message, MessageType, SendOptions, TaskEnd,
};
use stentor_sim::simulator::{Network, Sim, crash};

/// An application in which a callback panics when it is about what a client has named.
#[derive(Clone, Default)]
struct Fragile(Rc<RefCell<Seen>>);

#[derive(Default)]
struct Seen {
    /// The callback of which connection panics next.
    armed: Option<(ConnId, &'static str)>,
    /// Whether every `on_open` panics.
    no_opening: bool,
    /// Whether every `on_request` panics.
    no_request: bool,
    opened: Vec<ConnId>,
    closed: Vec<(ConnId, CloseCause)>,
    after_panic: u32,
}

impl Fragile {
    /// If this callback is armed, says something to the connection and to everybody in the channel, and
    /// panics.
    fn pass(&self, ctx: &mut Context<'_, Self>, callback: &'static str) {
        let is_armed = self.0.borrow().armed == Some((ctx.id(), callback));
        if is_armed {
            self.0.borrow_mut().armed = None;
            let text = format!("last words in {callback}");
            ctx.reply(MessageType::Text, 10, text.as_bytes());
            let others = SendOptions::new(10).exclude_sender();
            ctx.publish(CHANNEL, MessageType::Text, others, text.as_bytes());
            crash();
        }
    }
}

impl Handler for Fragile {
    type State = Vec<u8>;
    type Task = ();
    type Outcome = ();

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        if self.0.borrow().no_request {
            crash();
        }
        Decision::accept(Vec::new())
    }

    fn on_open(&mut self, ctx: &mut Context<'_, Self>) {
        ctx.reply(MessageType::Text, 1, b"welcome");
        ctx.subscribe(CHANNEL);
        self.0.borrow_mut().opened.push(ctx.id());
        if self.0.borrow().no_opening {
            crash();
        }
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        ctx.state().extend_from_slice(message.payload);
        self.pass(ctx, "on_message");
        match message.payload {
            b"task" => ctx.submit(()),
            b"count" => ctx.query(CHANNEL, 1, ChannelQuery::MemberCount),
            b"full" => ctx.subscribe(b"one too many"),
            b"receipt" => {
                let options = SendOptions::new(10).receipt(1);
                ctx.publish(CHANNEL, MessageType::Text, options, b"to all");
            }
            text => ctx.publish(CHANNEL, MessageType::Text, 10, text),
        }
    }

    fn on_pong(&mut self, ctx: &mut Context<'_, Self>, _: &[u8]) {
        self.pass(ctx, "on_pong");
    }

    fn on_task(&mut self, ctx: &mut Context<'_, Self>, _: TaskEnd<Self>) {
        self.pass(ctx, "on_task");
    }

    fn on_published(&mut self, ctx: &mut Context<'_, Self>, _: u64, _: DeliveryReport) {
        self.pass(ctx, "on_published");
    }

    fn on_channel_answer(&mut self, ctx: &mut Context<'_, Self>, _: u64, _: ChannelAnswer) {
        self.pass(ctx, "on_channel_answer");
    }

    fn on_subscribe_refused(&mut self, ctx: &mut Context<'_, Self>, _: &[u8]) {
        self.pass(ctx, "on_subscribe_refused");
    }

    fn on_close(&mut self, ctx: &mut Context<'_, Self>, cause: CloseCause) {
        let channels: Vec<_> = ctx.channels().cloned().collect();
        assert!(
            channels.iter().all(|channel| channel == CHANNEL),
            "{channels:?}"
        );
        self.0.borrow_mut().closed.push((ctx.id(), cause));
        self.pass(ctx, "on_close");
        for channel in channels {
            let text = [b"gone after ", &ctx.state()[..]].concat();
            ctx.publish(&channel, MessageType::Text, 10, &text);
        }
    }

    fn after_panic(&mut self) -> AfterPanic {
        self.0.borrow_mut().after_panic += 1;
        AfterPanic::Continue
    }
}

const CHANNEL: &[u8] = b"channel";

fn server(shards: u16, seed: u64) -> (Sim<Fragile>, Fragile) {
    let config = Config::builder().shards(shards).seed(seed);
    let config = config.channels_per_connection(1).credit_messages(1);
    let config = config.build().expect("in range");
    let app = Fragile::default();
    let handler = app.clone();
    let network = Network::rough(seed);
    let sim = Sim::new(network, &config, 1, 8, Box::new(|_, ()| ()), move |_| {
        handler.clone()
    });
    (sim, app)
}

/// For each callback, with connections on one shard and on several, over a network that cuts and
/// delays everything.
#[test]
fn a_callback_that_panics_closes_its_connection_and_nobody_else_loses_anything() {
    let callbacks = [
        ("on_message", "hello"),
        ("on_pong", ""),
        ("on_task", "task"),
        ("on_published", "receipt"),
        ("on_channel_answer", "count"),
        ("on_subscribe_refused", "full"),
    ];
    for (callback, trigger) in callbacks {
        for (shards, seed) in [(1, 1), (3, 2), (3, 3), (3, 4)] {
            let (mut sim, app) = server(shards, seed);
            let clients: Vec<usize> = (0..6)
                .map(|n| sim.connect(n % usize::from(shards)))
                .collect();
            sim.settle();
            for &client in &clients {
                assert_eq!(sim.take_texts(client), ["welcome"]);
            }
            let [victim, others @ ..] = &clients[..] else {
                unreachable!("there are six");
            };
            let id = sim.id_of(*victim);
            app.0.borrow_mut().armed = Some((id, callback));
            match trigger {
                "" => sim.send_frame(*victim, Opcode::Pong, true, b""),
                text => sim.say(*victim, text),
            }
            for &other in others {
                sim.say(other, "still here");
            }
            sim.settle();
            assert_eq!(app.0.borrow().armed, None, "{callback} was called");
            assert_eq!(sim.client(*victim).close_code(), Some(Some(1011)));
            let words = format!("last words in {callback}");
            let told = sim.take_texts(*victim);
            assert!(told.contains(&words), "it stands: {told:?}");
            for &other in others {
                let mut heard = sim.take_texts(other);
                heard.sort_unstable();
                let mut expected = vec!["still here".to_owned(); others.len()];
                expected.push(words.clone());
                expected.push(format!("gone after {trigger}"));
                expected.extend((trigger == "receipt").then(|| "to all".to_owned()));
                expected.sort_unstable();
                assert_eq!(heard, expected, "{callback}, {shards} shards");
            }
            assert_eq!(app.0.borrow().closed, [(id, CloseCause::Panic)]);
            assert_eq!(app.0.borrow().after_panic, 1);
            assert!(sim.events().contains(&Event::Panicked(id)));
            let links = sim.stats().links;
            assert_eq!((links.panics, links.active), (1, 5), "{callback}");
            for &other in others {
                sim.close(other, None);
            }
            sim.settle();
            sim.assert_bare();
            assert_eq!(app.0.borrow().closed.len(), 6);
        }
    }
}

#[test]
fn on_close_that_panics_is_not_called_again_and_what_it_asked_for_is_done() {
    for (shards, seed) in [(1, 1), (3, 2), (3, 3)] {
        let (mut sim, app) = server(shards, seed);
        let last = usize::from(shards) - 1;
        let (victim, other) = (sim.connect(0), sim.connect(last));
        sim.settle();
        let id = sim.id_of(victim);
        app.0.borrow_mut().armed = Some((id, "on_close"));
        sim.close(victim, Some(1000));
        sim.settle();
        assert_eq!(sim.client(victim).close_code(), Some(Some(1000)));
        assert_eq!(sim.take_texts(other), ["welcome", "last words in on_close"]);
        assert_eq!(app.0.borrow().closed, [(id, CloseCause::Peer)]);
        assert_eq!(sim.stats().links.panics, 1);
        sim.close(other, None);
        sim.settle();
        sim.assert_bare();
    }
}

#[test]
fn a_panic_in_on_open_closes_behind_what_it_said() {
    let (mut sim, app) = server(2, 1);
    app.0.borrow_mut().no_opening = true;
    let client = sim.connect(0);
    sim.settle();
    assert_eq!(sim.take_texts(client), ["welcome"]);
    assert_eq!(sim.client(client).close_code(), Some(Some(1011)));
    let seen = app.0.borrow();
    assert_eq!((seen.opened.len(), seen.closed.len()), (1, 1));
    sim.assert_bare();
}

#[test]
fn a_panic_in_on_request_is_answered_with_500() {
    let (mut sim, app) = server(1, 1);
    app.0.borrow_mut().no_request = true;
    let client = sim.connect(0);
    sim.settle();
    assert!(!sim.client(client).is_upgraded());
    assert_eq!(sim.stats().links.panics, 1);
    assert_eq!(app.0.borrow().closed.len(), 0, "it was never open");
    app.0.borrow_mut().no_request = false;
    let client = sim.connect(0);
    sim.settle();
    assert!(sim.client(client).is_upgraded());
}

/// Each connection that has ended says so to the others, also to those on other shards, for which
/// it has to wait for credits; it is closed all the same, and its slot is free in the end.
#[test]
fn what_connections_ask_for_when_they_end_is_done_whatever_it_waits_for() {
    for seed in 0..20 {
        let (mut sim, app) = server(3, seed);
        let clients: Vec<usize> = (0..9).map(|n| sim.connect(n % 3)).collect();
        sim.settle();
        let (witness, leavers) = clients.split_first().expect("nine");
        sim.take_texts(*witness);
        for &client in leavers {
            match client % 3 {
                0 => sim.close(client, Some(1000)),
                1 => sim.reset(client),
                _ => sim.shut(client),
            }
        }
        sim.settle();
        let told = sim.take_texts(*witness);
        assert_eq!(told, vec!["gone after "; leavers.len()], "{seed}");
        assert_eq!(app.0.borrow().closed.len(), leavers.len());
        sim.close_all(CloseCode::GOING_AWAY);
        sim.settle();
        sim.assert_bare();
    }
}
