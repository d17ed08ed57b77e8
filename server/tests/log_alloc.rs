//! Cost of a blocked log: an event that does not fit is not formatted and allocates nothing.
//!
//! It needs a process of its own, since it counts the allocations of the whole process. It starts
//! itself with a standard error that is not read.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use stentor_server::{Settings, log};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[expect(unsafe_code, reason = "an allocator that counts")]
// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CHILD: &str = "LOG_TEST_FORMAT";
const EVENTS: u64 = 10_000;

#[test]
fn an_event_that_does_not_fit_allocates_nothing() {
    if let Ok(format) = std::env::var(CHILD) {
        return fill_and_count(&format);
    }
    for format in ["text", "json"] {
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .args(["--nocapture", "--test-threads=1"])
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
    let before = (ALLOCATIONS.load(Ordering::Relaxed), log::dropped_lines());
    for _ in 0..EVENTS {
        tracing::info!(text = "some text", "an event");
    }
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before.0;
    let dropped = log::dropped_lines() - before.1;
    println!("allocations: {allocations}, dropped: {dropped}");
    std::process::exit(0);
}
