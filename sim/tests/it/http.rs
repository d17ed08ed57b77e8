//! Requests to the application over kept connections: pages, content, requests that wait for a
//! task, and upgrades on any path.

mod held;
mod pages;
mod waiting;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use stentor_core::app::{ShardContext, ShardRequest, ShardTarget};
use stentor_core::channels::{Position, Publication};
use stentor_core::config::{ConfigBuilder, Page, PageId};
use stentor_core::delivery::Chunks;
use stentor_core::shard::Admission;
use stentor_core::{
    Acceptance, CloseCause, Config, ConnId, Context, Decision, Handler, HttpRequest, HttpResponse,
    Message, MessageType, Output, Shard, ShardId, TaskEnd, TaskOptions, Timestamp,
};
use stentor_sim::simulator::{CatchCrashes, crash, masked};

use stentor_core::testing::wire::Opcode;

/// Answers requests by their path, and keeps what it has seen.
#[derive(Clone, Default)]
pub(crate) struct Site(Rc<RefCell<Vec<String>>>);

impl Handler for Site {
    type State = String;
    type Task = String;
    type Outcome = u16;

    fn on_request(&mut self, request: &HttpRequest<'_>) -> Decision<Self> {
        let body = String::from_utf8_lossy(request.body()).into_owned();
        let (method, path) = (request.method(), request.path());
        let peer = request.peer().map(|peer| peer.to_string());
        let peer = peer.unwrap_or_default();
        self.0
            .borrow_mut()
            .push(format!("{method} {path} {body:?}"));
        match path {
            "/page" => {
                let page = HttpResponse::new(200).field("X-Peer", peer);
                Decision::Respond(page.body("text/plain", format!("{method} {body}")))
            }
            "/forbidden" => Decision::reject(403),
            "/teapot" => {
                let page = HttpResponse::new(418).field("Retry-After", "9");
                Decision::Reject(page.body("application/json", "{}"))
            }
            "/odd" => Decision::Respond(HttpResponse::new(200).field("Bad Name", "x")),
            "/wait" => Decision::wait(body),
            "/chat" => {
                let accepted = Acceptance::new(peer).field("Set-Cookie", "a=b");
                Decision::Accept(accepted)
            }
            "/hold" => Decision::Hold(body),
            "/later" => Decision::Wait("later".into(), TaskOptions::new()),
            _ => Decision::reject(404),
        }
    }

    fn on_request_task(&mut self, request: &HttpRequest<'_>, end: TaskEnd<Self>) -> Decision<Self> {
        match end {
            TaskEnd::Done(200) if request.path() == "/later" => Decision::accept("late".into()),
            TaskEnd::Done(status) => {
                let body = [request.path().as_bytes(), request.body()].concat();
                Decision::Respond(HttpResponse::new(status).body("text/plain", body))
            }
            TaskEnd::Refused(task) => {
                Decision::Respond(HttpResponse::new(503).body("text/plain", task))
            }
            _ => Decision::reject(500),
        }
    }

    fn on_held(&mut self, ctx: &mut Context<'_, Self>, request: &HttpRequest<'_>) {
        assert_eq!(request.body(), ctx.state().as_bytes());
        // Nobody is there to take these.
        ctx.reply(MessageType::Text, 1, b"lost");
        ctx.push(MessageType::Text, b"lost");
        ctx.subscribe(b"room");
        match &**ctx.state() {
            "at once" => answer(ctx, "at once"),
            "twice" => {
                answer(ctx, "first");
                answer(ctx, "second");
            }
            "task" => ctx.submit("job".into()),
            "timer" => ctx.set_timer(Duration::from_millis(100)),
            "publish" => {
                let publication = Publication::new(MessageType::Text, 1, b"news").acknowledge(7);
                ctx.publish_with(b"room", publication);
            }
            "ask" => {
                ctx.ask(1, ShardTarget::All, "who".into());
                ctx.ask(2, ShardTarget::One(ShardId(9)), "nobody".into());
                answer(ctx, "behind the answers");
            }
            "longer" => ctx.respond_within(Duration::from_secs(30)),
            "panic" => crash(),
            _ => {}
        }
    }

    fn on_task(&mut self, ctx: &mut Context<'_, Self>, end: TaskEnd<Self>) {
        answer(ctx, &format!("{end:?}"));
    }

    fn on_accepted(&mut self, ctx: &mut Context<'_, Self>, ticket: u64, _: Option<Position>) {
        answer(ctx, &format!("accepted {ticket}"));
    }

    fn on_shard_request(&mut self, shard: &mut ShardContext<'_, Self>, request: ShardRequest) {
        let seen = format!("asked {:?}", request.payload());
        self.0.borrow_mut().push(seen);
        shard.answer(request, "me".into());
    }

    fn on_shard_answers(
        &mut self,
        _: &mut Context<'_, Self>,
        ticket: u64,
        answers: Vec<(ShardId, Bytes)>,
    ) {
        self.0.borrow_mut().push(format!("{ticket}: {answers:?}"));
    }

    fn on_close(&mut self, ctx: &mut Context<'_, Self>, cause: CloseCause) {
        let closed = format!("closed {} {}", ctx.state(), cause.label());
        self.0.borrow_mut().push(closed);
    }

    fn on_open(&mut self, ctx: &mut Context<'_, Self>) {
        let greeting = format!("hello {}", ctx.state());
        ctx.reply(MessageType::Text, 1, greeting.as_bytes());
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        match message.payload {
            b"time" => {
                let text = format!("{} {}", ctx.now().as_micros(), ctx.unix_time().as_secs());
                ctx.reply(MessageType::Text, 1, text.as_bytes());
            }
            b"stop" => ctx.cancel_timer(),
            millis => {
                let millis = String::from_utf8_lossy(millis).parse().expect("a number");
                ctx.set_timer(Duration::from_millis(millis));
            }
        }
    }

    fn on_timer(&mut self, ctx: &mut Context<'_, Self>) {
        answer(ctx, "timer");
        ctx.reply(MessageType::Text, 1, b"ring");
    }
}

/// Answers the request that is held, if there is one.
fn answer(ctx: &mut Context<'_, Site>, text: &str) {
    let text = text.to_owned();
    ctx.respond(HttpResponse::new(200).body("text/plain", text));
}

/// Returns a configuration with pages of a server.
pub(crate) fn config() -> ConfigBuilder {
    let health = Page::fixed("/healthz", "text/plain", "ok\n").field("Cache-Control", "no-store");
    let table = Page::rendered("/table", TABLE).field("X-Content-Type-Options", "nosniff");
    Config::builder().page(health).page(table)
}

const TABLE: PageId = PageId(5);

/// One shard with one connection, and what it has been asked for.
pub(crate) struct One {
    pub(crate) shard: Shard<Site, CatchCrashes>,
    site: Site,
    pub(crate) id: ConnId,
    pub(crate) now: Timestamp,
    pub(crate) tasks: Vec<String>,
    pages: Vec<PageId>,
    pub(crate) is_shut: bool,
    is_closed: bool,
}

impl One {
    pub(crate) fn new(config: ConfigBuilder) -> Self {
        Self::with(config, |shard, now, peer| {
            shard.accept_from(now, Admission::Normal, peer)
        })
    }

    /// Has the shard take the connection with this function.
    pub(crate) fn with(
        config: ConfigBuilder,
        accept: impl FnOnce(&mut Shard<Site, CatchCrashes>, Timestamp, SocketAddr) -> ConnId,
    ) -> Self {
        let site = Site::default();
        let config = config.build().expect("in range");
        let mut shard = Shard::isolated(ShardId(0), &config, site.clone());
        let now = Timestamp::from_micros(1);
        let peer: SocketAddr = "192.0.2.7:9".parse().expect("an address");
        let id = accept(&mut shard, now, peer);
        Self {
            shard,
            site,
            id,
            now,
            tasks: Vec::new(),
            pages: Vec::new(),
            is_shut: false,
            is_closed: false,
        }
    }

    /// Hands in bytes, and returns what is written.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> String {
        self.shard
            .handle_input(self.now, self.id, &mut bytes.to_vec());
        self.turn()
    }

    pub(crate) fn turn(&mut self) -> String {
        let mut written = Vec::new();
        while let Some(output) = self.shard.poll_output().work() {
            match output {
                Output::Flush(id) => {
                    let mut chunks = Chunks::new();
                    self.shard.poll_transmit(id, &mut chunks);
                    let bytes = chunks.as_slices().concat();
                    let n = bytes.len();
                    drop(chunks);
                    written.extend(bytes);
                    self.shard.handle_transmitted(self.now, id, n);
                }
                Output::Submit(_, task, _) => self.tasks.push(task),
                Output::Page { id, page } => {
                    assert_eq!(id, self.id);
                    self.pages.push(page);
                }
                Output::Shut(_) => self.is_shut = true,
                Output::Disconnect(_) => self.is_closed = true,
                _ => {}
            }
        }
        self.shard.audit();
        String::from_utf8_lossy(&written).into_owned()
    }

    fn pass(&mut self, delay: Duration) -> String {
        self.now = self.now.after(delay);
        self.shard.handle_timeout(self.now);
        self.turn()
    }

    fn seen(&self) -> Vec<String> {
        self.site.0.borrow().clone()
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")
}

pub(crate) fn upgrade(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// Returns the status and the content of each response.
fn responses(mut text: &str) -> Vec<(u16, String)> {
    let mut all = Vec::new();
    while let Some((head, rest)) = text.split_once("\r\n\r\n") {
        let status = head[9..12].parse().expect("a status");
        let length = head
            .split("\r\n")
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let length = length.map_or(0, |length| length.parse().expect("a length"));
        all.push((status, rest[..length].to_owned()));
        text = &rest[length..];
    }
    assert_eq!(text, "", "nothing behind the last response");
    all
}

fn answered(status: u16, body: &str) -> (u16, String) {
    (status, body.to_owned())
}

#[test]
fn a_connection_is_kept_from_page_to_page_and_then_upgraded() {
    let mut one = One::new(config());
    for _ in 0..3 {
        let page = one.send(get("/page").as_bytes());
        assert!(page.contains("X-Peer: 192.0.2.7:9\r\n"), "{page}");
        assert_eq!(responses(&page), [answered(200, "GET ")]);
    }
    assert_eq!(
        responses(&one.send(get("/healthz").as_bytes())),
        [answered(200, "ok\n")]
    );
    let opened = one.send(upgrade("/chat").as_bytes());
    assert!(opened.starts_with("HTTP/1.1 101 "), "{opened}");
    assert!(opened.contains("Set-Cookie: a=b\r\n"), "{opened}");
    assert!(opened.ends_with("hello 192.0.2.7:9"), "{opened}");
    assert_eq!(one.shard.stats().links.opened, 1);
}

#[test]
fn requests_in_one_piece_or_byte_by_byte_are_answered_in_their_order() {
    let post = "POST /page HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
    let chunked = "PUT /page HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
        3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let head = "HEAD /page HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let all = [&get("/page"), post, chunked, head].concat();
    let expected = [
        answered(200, "GET "),
        answered(200, "POST hello"),
        answered(200, "PUT abcde"),
    ];
    for piece in [1, 2, 7, 64, all.len()] {
        let mut one = One::new(config());
        let mut written = String::new();
        for part in all.as_bytes().chunks(piece) {
            written += &one.send(part);
        }
        let (before, last) = written.rsplit_once("HTTP/1.1 ").expect("four");
        assert_eq!(responses(before), expected, "{piece}");
        assert!(last.starts_with("200 ") && last.contains("Content-Length: 5\r\n"));
        assert!(last.ends_with("\r\n\r\n"), "HEAD has no content: {last}");
        assert!(one.is_shut, "{piece}: the last asked for that");
        let seen = [
            "GET /page \"\"",
            "POST /page \"hello\"",
            "PUT /page \"abcde\"",
            "HEAD /page \"\"",
        ];
        assert_eq!(one.seen(), seen, "{piece}");
    }
}

#[test]
fn a_client_that_waits_for_it_is_told_to_send_its_content() {
    let mut one = One::new(config());
    let head =
        "POST /page HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(one.send(head.as_bytes()), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(responses(&one.send(b"ok")), [answered(200, "POST ok")]);
}

#[test]
fn content_beyond_the_limit_is_refused_before_it_is_read() {
    let mut one = One::new(config().max_body(4));
    let head = "POST /page HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n";
    let refused = one.send(head.as_bytes());
    assert!(refused.starts_with("HTTP/1.1 413 "), "{refused}");
    assert!(one.is_shut && one.seen().is_empty());
    let mut one = One::new(config().max_body(4));
    let exact = head.replace('5', "4") + "1234";
    assert_eq!(
        responses(&one.send(exact.as_bytes())),
        [answered(200, "POST 1234")]
    );
}

#[test]
fn content_for_which_there_is_no_memory_is_refused() {
    let budget = 4 << 20;
    let config = config().memory_budget(budget).max_body(budget);
    let mut one = One::new(config);
    let head = format!("POST /page HTTP/1.1\r\nHost: h\r\nContent-Length: {budget}\r\n\r\n");
    assert_eq!(one.send(head.as_bytes()), "");
    let mut refused = String::new();
    for _ in 0..budget >> 16 {
        refused += &one.send(&[b'x'; 1 << 16]);
    }
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(one.is_shut && one.seen().is_empty());
    assert!(one.shard.stats().links.charged_bytes < budget as u64 / 2);
}

#[test]
fn refusals_of_the_application_have_what_it_says_and_end_the_connection() {
    let mut one = One::new(config());
    let refused = one.send(get("/forbidden").as_bytes());
    assert!(
        refused.starts_with("HTTP/1.1 403 ") && one.is_shut,
        "{refused}"
    );
    let mut one = One::new(config());
    let refused = one.send(get("/teapot").as_bytes());
    assert!(
        refused.starts_with("HTTP/1.1 418 ") && one.is_shut,
        "{refused}"
    );
    assert!(
        refused.contains("Retry-After: 9\r\n") && refused.ends_with("{}"),
        "{refused}"
    );
    let mut one = One::new(config());
    let refused = one.send(get("/chat").as_bytes());
    assert!(
        refused.starts_with("HTTP/1.1 426 ") && one.is_shut,
        "{refused}"
    );
    let mut one = One::new(config());
    let broken = one.send(get("/odd").as_bytes());
    assert_eq!(responses(&broken), [answered(500, "")]);
    assert_eq!(one.shard.stats().refused.iter().sum::<u64>(), 0);
}

#[test]
fn a_kept_connection_without_a_request_is_closed_without_a_word() {
    let mut one = One::new(config());
    one.send(get("/page").as_bytes());
    let timeout = Config::default().handshake_timeout();
    // In steps: whoever looks too late gives the peer more time.
    for step in 0..16 {
        assert!(!one.is_closed, "{step}");
        assert_eq!(one.pass(timeout / 16), "");
    }
    assert_eq!(one.pass(timeout / 8), "");
    assert!(one.is_closed);
    assert_eq!(one.shard.stats().refused.iter().sum::<u64>(), 0);
    one.shard.assert_bare();
}

#[test]
fn a_timer_of_a_connection_fires_once_at_its_time_unless_it_is_set_again() {
    let mut one = One::new(config());
    one.send(upgrade("/chat").as_bytes());
    let millis = Duration::from_millis;
    let say = |one: &mut One, text: &str| {
        let frame = masked(Opcode::Text, true, [0; 4], text.as_bytes());
        one.send(&frame)
    };
    say(&mut one, "20");
    say(&mut one, "30");
    let (due, _) = one.shard.poll_timeout().expect("a timer");
    assert_eq!(due, one.now.after(millis(30)));
    assert_eq!(one.pass(millis(29)), "");
    assert!(one.pass(millis(1)).ends_with("ring"));
    assert_eq!(one.pass(millis(100)), "", "once");
    say(&mut one, "20");
    say(&mut one, "stop");
    assert_eq!(one.pass(millis(100)), "");
    say(&mut one, "20");
    one.shard.handle_disconnect(one.now, one.id);
    one.turn();
    assert_eq!(one.pass(millis(100)), "", "it ended with its connection");
    one.shard.assert_bare();
}
