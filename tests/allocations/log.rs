//! Cost of a blocked log: an event that does not fit is not formatted and allocates nothing.
//!
//! The test starts itself a second time, with a standard error that is not read, and counts in that
//! process.

use std::io::Read as _;
use std::process::{Command, Stdio};

use stentor_server::{Settings, log};
use stentor_tests::counting_allocator::CountingAllocator;

use crate::ALONE;

const NAME: &str = "log::an_event_that_does_not_fit_allocates_nothing";
const CHILD: &str = "LOG_TEST_FORMAT";
const EVENTS: u64 = 10_000;

#[test]
fn an_event_that_does_not_fit_allocates_nothing() {
    if let Ok(format) = std::env::var(CHILD) {
        return fill_and_count(&format);
    }
    let _alone = ALONE.lock();
    for format in ["text", "json"] {
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .args(["--exact", NAME, "--nocapture", "--test-threads=1"])
            .env(CHILD, format)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a second run");
        let mut output = String::new();
        let mut stdout = child.stdout.take().expect("piped");
        stdout.read_to_string(&mut output).expect("text");
        assert!(child.wait().expect("an end").success());
        assert!(
            output.contains("allocations: 0, dropped: 10000\n"),
            "{format}: {output}"
        );
    }
}

fn fill_and_count(format: &str) {
    let args = ["stentor", "--log-format", format];
    let settings = Settings::parse(args, |_| None, |_| Ok(String::new())).expect("valid settings");
    let _log = log::init(&settings).expect("a log");
    // Until the pipe and the queue are full, so that no further event is queued.
    let mut since = 0;
    let mut dropped = 0;
    while since < EVENTS {
        tracing::info!(text = "some text", "an event");
        since += 1;
        let now = log::dropped_lines();
        if now != dropped + since {
            (dropped, since) = (now, 0);
        }
    }
    let before = (CountingAllocator::allocations(), log::dropped_lines());
    for _ in 0..EVENTS {
        tracing::info!(text = "some text", "an event");
    }
    let allocations = CountingAllocator::allocations() - before.0;
    let dropped = log::dropped_lines() - before.1;
    println!("allocations: {allocations}, dropped: {dropped}");
    std::process::exit(0);
}
