//! Log lines of the servers: each is documented, and each that a client can cause repeatedly has a
//! rate limit and states how many lines were suppressed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use std::{fs, io};

use stentor_core::Event;
use stentor_server::{Clock, EventLog, ServerCounters};

const PAGE: &str = include_str!("../../../docs/operations.md");

/// Lines without a rate limit: once per process, or once per signal, setting or request of an operator.
const ONCE: [&str; 34] = [
    "a connection has ended", // as often as a setting says
    "the log level has changed for a time",
    "the log level is the configured one again",
    "a setting has changed",
    "a setting has changed that counts from the next start",
    "the settings are read again",
    "the settings cannot be used; nothing changes",
    "a listener has failed",
    "a part of the server has ended",
    "a shard has ended",
    "a shard hangs and is left behind",
    "admin pages on",
    "fewer connections than asked for…",
    "listening on",
    "log lines were dropped", // once a second at most
    "no key for tokens: clients are refused until one is set",
    "no key for tokens: open to everyone on this machine, for development only",
    "not listening",
    "removing a socket that nobody listens on",
    "server error",
    "the service manager cannot be told",
    "shutdown complete",
    "shutdown: stopping server and worker pool...",
    "shutdown: forced, closing at once",
    "streams are restored from the state file",
    "streams are saved in the state file",
    "new certificates",
    "new certificates cannot be used",
    "the state file is not used",
    "the state file is not written",
    "tasks were not finished",
    "admin pages are open to other machines",
    "worker pool started",
    "the process ends",
];

/// Level, and whether `held_back` is a field, by message.
type LinesByMessage = BTreeMap<String, (String, bool)>;

#[test]
fn every_line_is_documented_and_bounded() {
    let written = lines_of_the_sources();
    assert!(
        written.len() > 15,
        "the sources are read wrongly: {written:?}"
    );
    let documented = lines_of_the_page();
    assert_eq!(written, documented, "the sources, and docs/operations.md");
    for (message, (_, has_bound)) in &written {
        let is_rare = ONCE.contains(&message.as_str());
        assert!(
            *has_bound != is_rare,
            "`{message}` needs a `Throttle`, or is rare"
        );
    }
}

#[test]
fn lines_about_accept_errors_and_panics_of_a_shard_are_limited() {
    static LINES: AtomicU64 = AtomicU64::new(0);
    let count = || {
        LINES.fetch_add(1, Ordering::Relaxed);
        io::sink()
    };
    let (counters, mut log, clock) = (ServerCounters::new(), EventLog::new(), Clock::start());
    let subscriber = tracing_subscriber::fmt().with_writer(count).finish();
    tracing::subscriber::with_default(subscriber, || {
        let begin = Instant::now();
        let error = io::Error::from(io::ErrorKind::OutOfMemory);
        for _ in 0..1_000 {
            counters.count_accept_error(clock.now(), &error);
        }
        let lines = LINES.swap(0, Ordering::Relaxed);
        assert!(
            (1..=1 + begin.elapsed().as_secs()).contains(&lines),
            "{lines}"
        );
        let now = clock.now();
        let panicked = Event::Panicked("0.0#0".parse().expect("the name of a connection"));
        for _ in 0..1_000 {
            log.write(now, panicked, || None);
        }
        assert_eq!(LINES.swap(0, Ordering::Relaxed), 5);
    });
    assert_eq!(counters.counts().accept_errors, 1_000);
}

fn lines_of_the_sources() -> LinesByMessage {
    let mut lines = LinesByMessage::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a workspace");
    for package in ["adapter-std", "adapter-tokio", "core", "server"] {
        for path in sources(&root.join(package).join("src")) {
            let text = fs::read_to_string(&path).expect("text");
            let text = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .expect("a part");
            for level in ["error", "warn", "info"] {
                let mut rest = text;
                while let Some((before, after)) = rest.split_once(&format!("{level}!(")) {
                    let call = &after[..end_of_call(after)];
                    rest = &after[call.len()..];
                    if before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                        continue;
                    }
                    let message = call.rsplit_once('"').expect("a message").0;
                    let message = message.rsplit_once('"').expect("a message").1;
                    let message = message
                        .split_once(": each")
                        .map_or(message.into(), |(m, _)| format!("{m}…"));
                    lines.insert(message, (level.into(), call.contains("held_back")));
                }
            }
        }
    }
    lines
}

/// Returns the end of the parenthesis that is open at the beginning.
fn end_of_call(text: &str) -> usize {
    let mut open = 1;
    let mut in_text = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => in_text = !in_text,
            '(' if !in_text => open += 1,
            ')' if !in_text => open -= 1,
            _ => {}
        }
        if open == 0 {
            return at;
        }
    }
    panic!("no end: {text}")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            all.push(path);
        }
    }
    all
}

fn lines_of_the_page() -> LinesByMessage {
    let table = PAGE
        .split_once("| event | level | fields |\n")
        .expect("a table")
        .1;
    let rows = table
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'));
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        // The name of the server may follow.
        let message = cells[1].split('`').nth(1).expect("a message");
        let line = (cells[2].into(), cells[3].contains("`held_back`"));
        (message.into(), line)
    };
    rows.map(row).collect()
}
