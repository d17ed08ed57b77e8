//! Log of a process whose standard error is closed, full, blocked or slow: it drops lines, counts them
//! and continues. The tests start themselves again with such a standard error.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use stentor_server::{Settings, log};

const CHILD: &str = "LOG_TEST_FORMAT";
const LINES: u64 = 20_000;
/// Makes a full queue exceed the capacity of a pipe.
const PADDING: &str =
    "a line of a hundred and fifty bytes or so, together with what is said before it";

const LEVEL: &str = "LOG_TEST_LEVEL";
const QUEUE: &str = "LOG_TEST_QUEUE";

/// The child: logs, panics and prints that it continues. On command it logs until a line fits. Then it
/// ends its log and prints the number of lines and of those dropped.
#[test]
fn child() {
    let Ok(format) = std::env::var(CHILD) else {
        return;
    };
    let level = std::env::var(LEVEL).unwrap_or("trace".into());
    let queue = std::env::var(QUEUE).expect("a number");
    let queue = ["--log.queue-bytes=64MiB", "--log.queue-lines", &queue];
    let args = [
        &["stentor", "--log", &level, "--log-format", &format],
        &queue[..],
    ]
    .concat();
    let settings = Settings::parse(args, |_| None, |_| Ok(String::new())).expect("valid settings");
    let guard = log::init(&settings).expect("a log");
    drop(log::init(&settings).expect("the same"));
    let mut commands = std::io::stdin().lines();
    // The first command means that standard error is set up.
    commands.next();
    for n in 0..LINES {
        tracing::info!(n, padding = PADDING, "numbered");
    }
    // The stack size of the connection threads of `stentor-std`.
    let small = thread::Builder::new().stack_size(128 << 10);
    let panics = small
        .name("fails".into())
        .spawn(|| panic!("as asked\nwith a second line"));
    assert!(panics.expect("a thread").join().is_err());
    println!("still here");
    let mut lines = LINES + 1;
    if commands
        .next()
        .is_some_and(|command| command.expect("text") == "log on")
    {
        loop {
            let dropped = log::dropped_lines();
            tracing::info!("last");
            lines += 1;
            if log::dropped_lines() == dropped {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
    drop(guard);
    println!("dropped {} of {lines}", log::dropped_lines());
    std::process::exit(0);
}

struct Second {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Second {
    fn start(format: &str, queue: u64, stderr: Stdio) -> Self {
        let binary = std::env::current_exe().expect("a path");
        Self::start_by(&mut Command::new(binary), format, queue, stderr)
    }

    fn start_by(command: &mut Command, format: &str, queue: u64, stderr: Stdio) -> Self {
        let mut child = command
            .args(["log::child", "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, format)
            .env(QUEUE, queue.to_string())
            .env("RUST_BACKTRACE", "full")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .expect("a second run");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, output }
    }

    /// Sends a command.
    fn tell(&mut self, command: &str) {
        let input = self.child.stdin.as_mut().expect("piped");
        writeln!(input, "{command}").expect("it listens");
    }

    /// Lets the child log and waits until it has.
    fn begin(&mut self) {
        self.tell("");
        self.expect("still here");
    }

    /// Returns the rest of the next line that begins with a text.
    fn expect(&mut self, begin: &str) -> String {
        loop {
            let mut line = String::new();
            let n = self.output.read_line(&mut line).expect("text");
            assert!(n > 0, "the end without `{begin}`");
            // The name of the test may be in front of it.
            if let Some((_, rest)) = line.split_once(begin) {
                return rest.trim().into();
            }
        }
    }

    /// Waits for the end of the child. Returns the number of lines dropped, and of all lines.
    fn end(&mut self, command: &str) -> (u64, u64) {
        self.tell(command);
        let line = self.expect("dropped ");
        assert!(self.child.wait().expect("an end").success());
        let (dropped, all) = line.split_once(" of ").expect("two numbers");
        (
            dropped.parse().expect("a number"),
            all.parse().expect("a number"),
        )
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn lines_that_fit_into_the_queue_are_written() {
    let mut second = Second::start("json", LINES + 2, Stdio::piped());
    let mut stderr = second.child.stderr.take().expect("piped");
    let reading = thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).map(|_| text)
    });
    second.begin();
    assert_eq!(second.end("log on").0, 0);
    let text = reading.join().expect("no panic").expect("text");
    assert_told(&text, 0, LINES + 2);
}

#[test]
fn a_closed_or_full_standard_error_only_drops_lines() {
    for format in ["text", "json"] {
        for path in [None, Some("/dev/full")] {
            let stderr = path.map(|path| File::options().write(true).open(path));
            let stderr = stderr.map_or_else(closed_pipe, |file| file.expect("opened").into());
            let mut second = Second::start(format, 1_000, stderr);
            second.begin();
            let (dropped, all) = second.end("log on");
            // So may a report of lines dropped before the first write.
            assert!(
                (all..=all + 1).contains(&dropped),
                "{format} {path:?}: {dropped} of {all}"
            );
        }
    }
}

/// Returns a pipe without a reader. A process that another test is starting has the read end as well
/// until it executes its program.
fn closed_pipe() -> Stdio {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    while writer.write(b"x").is_ok() {
        thread::sleep(Duration::from_millis(1));
    }
    writer.into()
}

#[test]
fn without_a_reader_lines_are_dropped_and_their_number_is_reported_later() {
    let mut second = Second::start("json", 1_000, Stdio::piped());
    let mut stderr = second.child.stderr.take().expect("piped");
    second.begin();
    let reading = thread::spawn(move || {
        let mut text = String::new();
        // Slowly at first, which must not block the child either.
        let mut piece = [0; 1_000];
        for _ in 0..20 {
            let n = stderr.read(&mut piece).expect("text");
            text.push_str(std::str::from_utf8(&piece[..n]).expect("text"));
            thread::sleep(Duration::from_millis(10));
        }
        stderr.read_to_string(&mut text).map(|_| text)
    });
    let (dropped, all) = second.end("log on");
    assert!(dropped > LINES / 2, "{dropped}");
    let text = reading.join().expect("no panic").expect("text");
    assert_told(&text, dropped, all);
}

/// Otherwise the thread that panics would write the message, and a full pipe would block it.
#[test]
fn with_the_log_off_a_panic_is_not_written() {
    let mut command = Command::new(std::env::current_exe().expect("a path"));
    let mut second = Second::start_by(command.env(LEVEL, "off"), "text", 1_000, Stdio::piped());
    let mut stderr = second.child.stderr.take().expect("piped");
    second.begin();
    assert_eq!(second.end("end").0, 0);
    let mut text = String::new();
    stderr.read_to_string(&mut text).expect("text");
    assert_eq!(text, "");
}

/// Checks that every line is present in order, or counted as dropped.
fn assert_told(text: &str, dropped: u64, all: u64) {
    let lines = text.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let (mut numbers, mut reported, mut others) = (BTreeSet::new(), 0, Vec::new());
    for line in &lines {
        match line["message"].as_str().expect("a message") {
            "numbered" => {
                let n = line["n"].as_u64().expect("a number");
                assert!(numbers.last().is_none_or(|last| *last < n), "in order");
                numbers.insert(n);
            }
            "log lines were dropped" => reported += line["lines"].as_u64().expect("a number"),
            other => others.push((other.to_owned(), line)),
        }
    }
    assert_eq!(reported, dropped);
    assert_eq!(numbers.len() as u64 + others.len() as u64 + dropped, all);
    let last = others.last().expect("it had room");
    assert_eq!(last.0, "last");
    if dropped == 0 {
        let (message, line) = &others[0];
        assert_eq!(message, "a thread panicked");
        assert_eq!(
            (&line["level"], &line["thread"]),
            (&"ERROR".into(), &"fails".into())
        );
        assert_eq!(line["panic"], "as asked\nwith a second line");
        let [location, backtrace] =
            ["location", "backtrace"].map(|key| line[key].as_str().expect("text"));
        assert!(
            location.contains("log.rs:") && backtrace.contains("log::child"),
            "{line}"
        );
    }
}

#[test]
fn a_process_ends_without_a_reader() {
    let mut second = Second::start("text", 1_000, Stdio::piped());
    second.begin();
    let begin = Instant::now();
    assert!(second.end("end").0 > LINES / 2);
    // There are lines to wait for, so the guard waits for its whole time limit.
    assert!(
        begin.elapsed() >= log::LogGuard::FLUSH_TIMEOUT,
        "{:?}",
        begin.elapsed()
    );
}
