//! A real browser against both servers: headless Chromium runs the example client from a page of
//! another origin, and people talk on the page at `/`, also through proxies that let less and less
//! through: no upgrades, no streams.
//!
//! Without a Chromium the tests say so and pass; with `STENTOR_BROWSER=require`
//! they fail, and with `STENTOR_BROWSER=skip` they are left out.
//! `STENTOR_CHROMIUM` names the program where it is not on the path.

mod chromium;
mod devtools;
mod elsewhere;
mod proxy;

use std::env;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use stentor_tests::Adapter;
use stentor_tests::process::{Process, SOON};

use chromium::{Chromium, Tab};
use elsewhere::Elsewhere;
use proxy::Proxy;

stentor_tests::for_each_adapter! {
    the_client_lines_run_from_a_page_of_another_origin,
    two_people_talk_on_the_page,
    the_page_finds_a_transport_that_the_network_lets_through,
}

/// What a newcomer types into the console, to the letter.
const CLIENT: &str = "\
const socket = new WebSocket('ws://localhost:8080/ws');
socket.onopen = function() {
socket.send('join:roomA');
socket.send('task:hello');
};
socket.onmessage = function(e) { console.log('recv:', e.data); };
socket.onclose = function() { console.log('connection closed'); };
";

fn the_client_lines_run_from_a_page_of_another_origin(adapter: Adapter) {
    let Some(program) = program() else { return };
    let (mut server, _port) = on_the_usual_port(adapter);
    let client = CLIENT.replace("8080", &server.address().port().to_string());
    let page = Elsewhere::serve(format!(
        "<!DOCTYPE html><link rel=icon href=data:,><script>\n{client}</script>"
    ));
    assert_ne!(
        page.port(),
        server.address().port(),
        "another port is another origin"
    );

    let mut chromium = Chromium::start(&program);
    let tab = chromium.open(&format!("http://127.0.0.1:{}/", page.port()));
    chromium.wait_for_lines(&tab, 3);
    // The lines do not show the code of the close; one more listener does.
    chromium.evaluate(
        &tab,
        "socket.addEventListener('close', (e) => console.log('code', e.code, e.wasClean)); \
         socket.send('msg:all of you'); socket.send('leave:')",
    );
    chromium.wait_for_lines(&tab, 5);
    let worker = processed_by(&heard(&mut chromium, &tab)[1], "recv: ", "hello");
    assert!(worker < 8, "a worker of the eight");
    server.terminate();
    assert!(server.exit_within(SOON).success(), "exit code 0");
    chromium.wait_for_lines(&tab, 7);
    assert_eq!(
        heard(&mut chromium, &tab),
        [
            "recv: joined:roomA",
            &format!("recv: processed_by_{worker}:hello"),
            "recv: room_broadcast:hello",
            // More urgent than the farewell from the room, and asked for before it.
            "recv: all of you",
            "recv: left:roomA",
            "connection closed",
            "code 1001 true",
        ]
    );
    assert_eq!(chromium.complaints(&tab), [""; 0]);
    chromium.quit();
}

fn two_people_talk_on_the_page(adapter: Adapter) {
    let Some(program) = program() else { return };
    let mut server = start(adapter, &["--listen", "127.0.0.1:0", "--shards", "2"]);
    let url = format!("http://localhost:{}/#rooms", server.address().port());
    let mut chromium = Chromium::start(&program);
    let (ann, bob) = (chromium.open(&url), chromium.open(&url));
    for tab in [&ann, &bob] {
        chromium.wait_for_text(tab, "#state", "connected");
        assert_eq!(
            chromium.disabled(tab),
            ["leave"],
            "there is no room to leave"
        );
        chromium.write(tab, "#room", "den");
        chromium.press_enter(tab);
        logged(&mut chromium, tab, "received", "joined:den");
        chromium.wait_for_text(tab, "#state", "connected, in room den");
        assert_eq!(chromium.disabled(tab), [""; 0]);
    }

    chromium.write(&ann, "#text", "h\u{e9}llo <b>Bob</b>");
    chromium.click(&ann, "#send");
    logged(&mut chromium, &ann, "sent", "msg:h\u{e9}llo <b>Bob</b>");
    for tab in [&ann, &bob] {
        logged(&mut chromium, tab, "received", "h\u{e9}llo <b>Bob</b>");
    }
    chromium.write(&bob, "#text", "hi, Ann");
    chromium.press_enter(&bob);
    logged(&mut chromium, &ann, "received", "hi, Ann");

    chromium.write(&ann, "#text", "sum");
    chromium.click(&ann, "#task");
    for tab in [&ann, &bob] {
        logged(&mut chromium, tab, "received", "room_broadcast:sum");
    }
    let processed = |line: &&String| line.starts_with("received processed_by_");
    let lines = log(&mut chromium, &ann);
    let line = lines.iter().find(processed).expect("the sender is told");
    processed_by(line, "received ", "sum");
    assert!(
        !log(&mut chromium, &bob).iter().any(|line| processed(&line)),
        "only the sender is told"
    );

    chromium.click(&ann, "#leave");
    logged(&mut chromium, &ann, "received", "left:den");
    chromium.wait_for_text(&ann, "#state", "connected");
    chromium.write(&bob, "#text", "alone");
    chromium.press_enter(&bob);
    logged(&mut chromium, &bob, "received", "alone");
    // An answer that comes later proves that nothing else was on its way.
    chromium.write(&ann, "#room", "elsewhere");
    chromium.click(&ann, "#join");
    logged(&mut chromium, &ann, "received", "joined:elsewhere");
    assert!(!log(&mut chromium, &ann).contains(&"received alone".into()));

    // The client's lines can be pasted into the console of the page.
    chromium.evaluate(
        &bob,
        &CLIENT.replace("8080", &server.address().port().to_string()),
    );
    chromium.wait_for_lines(&bob, 3);
    let told = heard(&mut chromium, &bob);
    assert_eq!(told[0], "recv: joined:roomA");
    processed_by(&told[1], "recv: ", "hello");
    assert_eq!(told[2..], ["recv: room_broadcast:hello"]);

    for tab in [&ann, &bob] {
        assert_eq!(chromium.complaints(tab), [""; 0], "no policy is broken");
    }
    server.terminate();
    assert!(server.exit_within(SOON).success(), "exit code 0");
    for tab in [&ann, &bob] {
        let told = "[...document.querySelectorAll('#log .note')]\
            .some((line) => line.textContent.startsWith('disconnected (1001'))";
        chromium.wait(tab, told);
    }
    chromium.quit();
}

fn the_page_finds_a_transport_that_the_network_lets_through(adapter: Adapter) {
    let Some(program) = program() else { return };
    let Some(nginx) = proxy::find() else {
        let is_required = env::var("STENTOR_BROWSER").is_ok_and(|wanted| wanted == "require");
        assert!(!is_required, "there is no nginx");
        return say("skipped, there is no nginx");
    };
    let mut server = start(adapter, &["--listen", "127.0.0.1:0", "--shards", "2"]);
    let port = server.address().port();
    // Each network lets less through than the one before.
    let proxy = Proxy::start(&nginx, port);
    let mut chromium = Chromium::start(&program);
    let ports = [port].into_iter().chain(proxy.ports());
    let names = ["websocket", "http_stream", "sse", "poll"];
    let tabs: Vec<_> = ports
        .zip(names)
        .map(|(port, name)| {
            let tab = chromium.open(&format!("http://localhost:{port}/"));
            chromium.wait_for_text(&tab, "#c-state", &format!("connected by {name}"));
            chromium.write(&tab, "#c-channel", "den");
            chromium.press_enter(&tab);
            chromium.wait(&tab, "!document.querySelector('#c-unsubscribe').disabled");
            tab
        })
        .collect();
    for (n, name) in names.into_iter().enumerate() {
        chromium.write(&tabs[n], "#c-text", &format!("hello by {name}"));
        chromium.press_enter(&tabs[n]);
    }
    for tab in &tabs {
        for name in names {
            let times = format!(
                "[...document.querySelectorAll('#c-log .received')]\
                 .filter((line) => line.textContent.includes('\"hello by {name}\"')).length"
            );
            chromium.wait(tab, &format!("{times} > 0"));
            assert_eq!(chromium.evaluate(tab, &times), 1, "{name}: each comes once");
        }
    }
    server.terminate();
    assert!(server.exit_within(SOON).success(), "exit code 0");
    for tab in &tabs {
        chromium.wait(
            tab,
            "document.querySelector('#c-log').textContent.includes('shutdown')",
        );
    }
    chromium.quit();
}

/// Waits for this line in the log of the page.
fn logged(chromium: &mut Chromium, tab: &Tab, kind: &str, text: &str) {
    let text = serde_json::Value::from(text);
    chromium.wait(
        tab,
        &format!(
            "[...document.querySelectorAll('#log .{kind}')].some((line) => line.textContent === {text})"
        ),
    );
}

/// The log of the page, each line behind its kind.
fn log(chromium: &mut Chromium, tab: &Tab) -> Vec<String> {
    let lines = chromium.evaluate(
        tab,
        "[...document.querySelectorAll('#log li')].map((line) => line.className + ' ' + line.textContent)",
    );
    serde_json::from_value(lines).expect("a list of lines")
}

/// What [`CLIENT`] has logged, and the answer to its join first. What comes of a task is more
/// urgent and may overtake that where they wait; the others are in their order.
fn heard(chromium: &mut Chromium, tab: &Tab) -> Vec<String> {
    let mut lines = chromium.lines(tab);
    let joined = lines.iter().position(|line| line == "recv: joined:roomA");
    let joined = joined.filter(|&at| at < 3).expect("it has joined");
    lines[..=joined].rotate_right(1);
    lines
}

/// The worker's number in a line such as `recv: processed_by_3:hello`.
fn processed_by(line: &str, before: &str, text: &str) -> u16 {
    line.strip_prefix(before)
        .and_then(|line| line.strip_prefix("processed_by_"))
        .and_then(|line| line.strip_suffix(text))
        .and_then(|line| line.strip_suffix(':'))
        .and_then(|worker| worker.parse().ok())
        .unwrap_or_else(|| panic!("no worker's answer: {line}"))
}

fn start(adapter: Adapter, flags: &[&str]) -> Process {
    Process::start(&mut adapter.command(), flags.iter().copied()).expect("the binary runs")
}

/// Starts the server without flags, if the usual port is free; otherwise on a port of the system's
/// choice. The port is the caller's as long as it has the guard.
fn on_the_usual_port(adapter: Adapter) -> (Process, Option<MutexGuard<'static, ()>>) {
    static PORT: Mutex<()> = Mutex::new(());
    let guard = PORT.try_lock().ok();
    let taken = ["127.0.0.1:8080", "[::1]:8080"]
        .into_iter()
        .find(|address| {
            TcpListener::bind(address).is_err_and(|e| e.kind() == std::io::ErrorKind::AddrInUse)
        });
    let server = match (&guard, taken) {
        (Some(_), None) => start(adapter, &[]),
        (_, taken) => {
            let by = taken.unwrap_or("another test");
            say(&format!("the client's lines get another port: {by} has it"));
            start(adapter, &["--listen", "127.0.0.1:0"])
        }
    };
    (server, guard)
}

/// The browser to use, if there is one and it is wanted.
fn program() -> Option<PathBuf> {
    let wanted = env::var("STENTOR_BROWSER").unwrap_or_default();
    if wanted == "skip" {
        say("skipped: STENTOR_BROWSER=skip");
        return None;
    }
    let found = chromium::find();
    if found.is_none() {
        assert!(wanted != "require", "there is no Chromium: {INSTALL}");
        say(&format!("skipped, there is no Chromium: {INSTALL}"));
    }
    found
}

/// Says something even if the test passes, when the harness swallows what is printed.
fn say(words: &str) {
    let _ = writeln!(std::io::stderr(), "browser test: {words}");
}

const INSTALL: &str = "install chromium, or name a program in STENTOR_CHROMIUM";
