//! Sessions without a link: their queue is that of any connection, and the application takes out what
//! waits.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use stentor_core::app::{ShardContext, ShardRequest, ShardTarget};
use stentor_core::config::ConnectionLimits;
use stentor_core::delivery::Codec;
use stentor_core::proto::wire::Wire;
use stentor_core::testing::wire::Opcode;
use stentor_core::{
    Acceptance, CloseCause, CloseCode, Config, ConnId, Context, Decision, Handler, HttpRequest,
    HttpResponse, Message, MessageType, OverflowPolicy, SendOptions,
};

use crate::net::{Net, request};

/// What tests look at and say beside the connections.
#[derive(Default)]
struct Desk {
    opened: Option<ConnId>,
    /// Sessions for which something waits.
    told: Vec<ConnId>,
    closed: Vec<(ConnId, CloseCause)>,
    /// What was left at the end.
    last: Vec<u8>,
}

/// A request opens a session in a room, whose name is the query; a WebSocket speaks there, or says
/// what is to be done with the session.
struct Opener(Rc<RefCell<Desk>>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Request,
    Session,
}

impl Handler for Opener {
    type State = State;
    type Task = ();
    type Outcome = ();

    const CODECS: usize = 2;

    fn encode_close(_: Codec, code: CloseCode, _: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("closed {}", code.get()).as_bytes());
    }

    fn on_request(&mut self, request: &HttpRequest<'_>) -> Decision<Self> {
        match request.path() {
            "/ws" => Decision::accept(State::Request),
            "/lines" => Decision::Accept(Acceptance::new(State::Request).wire(Wire::Lines)),
            _ => Decision::Hold(State::Request),
        }
    }

    fn on_held(&mut self, ctx: &mut Context<'_, Self>, _: &HttpRequest<'_>) {
        let opened = ctx.open_detached(State::Session, Codec::new(1));
        self.0.borrow_mut().opened = opened;
        let status = if opened.is_some() { 204 } else { 503 };
        ctx.respond(HttpResponse::new(status));
    }

    fn on_open(&mut self, ctx: &mut Context<'_, Self>) {
        ctx.subscribe(b"room");
        ctx.reply(MessageType::Text, 1, b"welcome");
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        let options = SendOptions::new(10).overflow(OverflowPolicy::DropNew);
        match message.payload {
            [b'!', text @ ..] => ctx.publish(b"room", message.kind, 0, text),
            [b'-', name @ ..] => {
                let conn = String::from_utf8_lossy(name).parse().expect("a name");
                ctx.disconnect(conn, CloseCode::TRY_LATER, "");
            }
            [b'?', text @ ..] => {
                let target = ShardTarget::All;
                ctx.ask(0, target, text.to_vec().into());
            }
            text => ctx.publish(b"room", message.kind, options, text),
        }
    }

    fn on_shard_request(&mut self, shard: &mut ShardContext<'_, Self>, request: ShardRequest) {
        let opened = self.0.borrow().opened;
        let here = opened.filter(|id| id.shard() == shard.shard());
        let refused = match here {
            Some(id) => shard.forward(id, request).err(),
            None => Some(request),
        };
        if let Some(request) = refused {
            shard.answer(request, bytes::Bytes::new());
        }
    }

    /// `await`, `peek`, or a number of bytes to take out.
    fn on_forwarded(&mut self, ctx: &mut Context<'_, Self>, request: ShardRequest) {
        let mut out = Vec::new();
        match request.payload().as_ref() {
            b"await" => ctx.await_output(),
            b"peek" => ctx.peek_output(&mut out),
            number => {
                let number = String::from_utf8_lossy(number);
                ctx.consume_output(number.parse().expect("a number"));
            }
        }
        ctx.answer(request, out.into());
    }

    fn on_shard_answers(
        &mut self,
        ctx: &mut Context<'_, Self>,
        _: u64,
        answers: Vec<(stentor_core::ShardId, bytes::Bytes)>,
    ) {
        for (_, answer) in answers {
            if !answer.is_empty() {
                ctx.reply(MessageType::Text, 0, &answer);
            }
        }
    }

    fn on_output(&mut self, ctx: &mut Context<'_, Self>) {
        assert!(*ctx.state() == State::Session, "only of one without a link");
        self.0.borrow_mut().told.push(ctx.id());
    }

    fn on_close(&mut self, ctx: &mut Context<'_, Self>, cause: CloseCause) {
        if *ctx.state() == State::Session {
            let mut desk = self.0.borrow_mut();
            desk.closed.push((ctx.id(), cause));
            ctx.peek_output(&mut desk.last);
        }
    }
}

struct World {
    net: Net<Opener>,
    desk: Rc<RefCell<Desk>>,
    socket: ConnId,
    session: ConnId,
}

fn world(shards: u16) -> World {
    let limits = ConnectionLimits {
        max_message: 1 << 10,
        queue_messages: 8,
        queue_bytes: 4 << 10,
    };
    // The socket answers no pings.
    let config = Config::builder()
        .codec_limits(Codec::new(1), limits)
        .ping_interval(Duration::from_secs(3_600))
        .pong_wait(Duration::from_secs(3_601));
    let desk = Rc::new(RefCell::new(Desk::default()));
    let mut net = Net::new(shards, config, || Opener(Rc::clone(&desk)));
    let opener = net.accept(0, None);
    net.send(opener, b"POST /open HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(net.take(opener).starts_with(b"HTTP/1.1 204 "));
    let session = desk.borrow().opened.expect("a session");
    let socket = net.accept(usize::from(shards) - 1, None);
    net.send(socket, request("/ws").as_bytes());
    net.take(socket);
    World {
        net,
        desk,
        socket,
        session,
    }
}

impl World {
    fn say(&mut self, text: &str) {
        self.net.say(self.socket, Opcode::Text, text.as_bytes());
    }

    /// Asks the session for something, and returns what it answers.
    fn ask(&mut self, text: &str) -> String {
        self.net.take(self.socket);
        self.say(&format!("?{text}"));
        let frame = self.net.take(self.socket);
        let skip = match frame.get(1) {
            None => return String::new(),
            Some(126) => 4,
            Some(_) => 2,
        };
        String::from_utf8(frame[skip..].to_vec()).expect("text")
    }
}

#[test]
fn what_waits_is_looked_at_until_it_is_taken_out() {
    for shards in [1, 3] {
        let mut world = world(shards);
        assert_eq!(world.ask("peek"), "welcome\n");
        world.say("one");
        assert_eq!(world.ask("peek"), "welcome\none\n");
        world.say("!urgent");
        // What was looked at keeps its place.
        assert_eq!(world.ask("peek"), "welcome\none\nurgent\n");
        world.ask("8");
        assert_eq!(world.net.stats().delivery.waiting, 2);
        // What was not taken out may be overtaken.
        world.say("!more");
        let left = world.ask("peek");
        assert_eq!(left.len(), "one\nurgent\nmore\n".len());
        assert!(left.contains("one\n") && left.ends_with("more\n") || left.starts_with("urgent"));
        world.ask(&left.len().to_string());
        assert_eq!(world.ask("peek"), "");
        let delivery = world.net.stats().delivery;
        assert_eq!((delivery.waiting, delivery.queued), (0, delivery.written));
    }
}

#[test]
fn the_application_is_told_once_each_time_it_asks() {
    let mut world = world(2);
    assert!(world.desk.borrow().told.is_empty(), "it has not asked");
    world.ask("await");
    assert_eq!(world.desk.borrow().told, [world.session]);
    world.say("one");
    assert_eq!(world.desk.borrow().told.len(), 1);
    let waiting = world.ask("peek").len();
    world.ask(&waiting.to_string());
    world.ask("await");
    assert_eq!(world.desk.borrow().told.len(), 1, "nothing waits");
    world.say("two");
    world.say("three");
    assert_eq!(world.desk.borrow().told.len(), 2);
}

#[test]
fn its_queue_has_the_limits_of_its_codec_and_holds_nobody_up() {
    let mut world = world(1);
    let lines = world.net.accept(0, None);
    world
        .net
        .send(lines, b"GET /lines HTTP/1.1\r\nHost: a\r\n\r\n");
    world.net.take(lines);
    for n in 0..100 {
        world.say(&format!("message {n}"));
        assert_eq!(world.net.take(lines), format!("message {n}\n").as_bytes());
    }
    let delivery = world.net.stats().delivery;
    assert_eq!((delivery.waiting, delivery.refused_full), (8, 93));
    // No time is too long.
    for _ in 0..100 {
        world.net.now = world.net.now.after(Duration::from_secs(10));
        world.net.shards[0].handle_timeout(world.net.now);
        world.net.settle();
    }
    assert!(world.desk.borrow().closed.is_empty());
    assert_eq!(world.ask("peek").lines().count(), 8);
    // Nor once something was looked at.
    for _ in 0..100 {
        world.net.now = world.net.now.after(Duration::from_secs(10));
        world.net.shards[0].handle_timeout(world.net.now);
        world.net.settle();
    }
    assert!(world.desk.borrow().closed.is_empty());
}

#[test]
fn its_end_is_told_with_what_is_left_and_its_place_is_free() {
    for shards in [1, 2] {
        for is_awaited in [false, true] {
            let mut world = world(shards);
            let all = world.ask("peek").len();
            world.ask(&all.to_string());
            if is_awaited {
                world.ask("await");
            }
            let (links, name) = (world.net.stats().links, world.session);
            world.say(&format!("-{name}"));
            let desk = world.desk.borrow();
            assert_eq!(desk.closed, [(world.session, CloseCause::Handler)]);
            assert_eq!(desk.last, b"closed 1013\n");
            assert!(world.net.closed.is_empty(), "there is no socket");
            let after = world.net.stats().links;
            assert_eq!((after.active, after.held), (links.active - 1, links.held));
            drop(desk);
            assert_eq!(world.ask("peek"), "");
            let again = world.net.accept(0, None);
            assert_eq!(again.slot(), world.session.slot());
        }
    }
}

#[test]
fn a_shutdown_ends_it_and_no_other_is_opened() {
    let mut world = world(1);
    let now = world.net.now;
    world.net.shards[0].handle_close_all(now, CloseCode::GOING_AWAY);
    world.net.settle();
    assert_eq!(
        world.desk.borrow().closed,
        [(world.session, CloseCause::Drain)]
    );
    world.net.shards[0].handle_abort(now);
    world.net.settle();
    assert!(world.net.shards[0].is_empty());
}
