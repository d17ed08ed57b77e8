//! Owns the test that a log nobody reads does not end the server. It runs itself a second time,
//! with a standard error that is closed at the other end.

use std::process::{Command, Stdio};

use stentor_cli::{Settings, log};

const CHILD: &str = "LOG_TEST_FORMAT";

#[test]
fn a_closed_standard_error_loses_lines_and_nothing_else() {
    if let Ok(format) = std::env::var(CHILD) {
        return chatter(&format);
    }
    for format in ["text", "json"] {
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .args(["--nocapture", "--test-threads=1"])
            .env(CHILD, format)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a second run");
        drop(child.stderr.take());
        drop(child.stdin.take()); // says that standard error is closed now
        let output = child.wait_with_output().expect("an end");
        assert!(
            output.status.success(),
            "{format}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
        assert!(String::from_utf8_lossy(&output.stdout).contains("still here"));
    }
}

fn chatter(format: &str) {
    let _ = std::io::stdin().read_line(&mut String::new());
    let args = ["stentor", "--log=trace", "--log-format", format];
    let settings = Settings::parse(args, |_| None, |_| Ok(String::new())).expect("valid settings");
    log::init(&settings);
    log::init(&settings);
    for n in 0..1_000 {
        tracing::info!(n, "nobody reads this");
    }
    println!("still here");
}
