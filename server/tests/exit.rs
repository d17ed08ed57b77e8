//! `Settings::from_args` in a process: output, exit codes, limit of open files; and the end of a
//! process by a panic.
//!
//! Its child is this binary, whose command line is what is tested, so it has no test harness.

use std::io::Read as _;
use std::process::{Command, Output, Stdio};

use stentor_server::{EndOnPanic, Settings};

const CHILD: &str = "EXIT_TEST_CHILD";
const PANICKING_CHILD: &str = "EXIT_TEST_PANICKING_CHILD";

fn main() {
    if std::env::var_os(PANICKING_CHILD).is_some() {
        let settings = Settings::from_args("stentor");
        let _log = stentor_server::log::init(&settings).expect("a log");
        let _end = EndOnPanic;
        panic!("the shard has a bug");
    }
    if std::env::var_os(CHILD).is_some() {
        if std::env::args().nth(1).is_some() {
            // Waits until the parent has closed its ends of the output.
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
        }
        let settings = Settings::from_args("stentor");
        println!(
            "{} workers, {:?} connections",
            settings.options.workers, settings.options.max_connections
        );
        return;
    }
    settings_are_returned();
    pages_go_to_standard_output_and_exit_with_0();
    a_page_without_a_reader_is_not_a_failure();
    errors_go_to_standard_error_and_exit_with_2();
    more_connections_than_descriptors_are_refused();
    #[cfg(unix)]
    a_panic_of_a_shard_ends_the_process_with_a_report();
    println!("exit: ok");
}

fn run(args: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let program = std::env::current_exe().expect("a path");
    let mut command = Command::new(program);
    command
        .env_clear()
        .env(CHILD, "1")
        .envs(env.iter().copied())
        .args(args);
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("a child");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

fn settings_are_returned() {
    let (code, out, err) = run(
        &["--max-connections", "7"],
        &[("STENTOR_TASKS_WORKERS", "3")],
    );
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (Some(0), "3 workers, Some(7) connections\n", "")
    );
    let (code, out, _) = run(&[], &[]);
    assert!(code == Some(0) && !out.contains("None"), "{out}");
}

fn pages_go_to_standard_output_and_exit_with_0() {
    let (code, out, err) = run(&["--help"], &[]);
    assert!(
        code == Some(0) && out.contains("Usage: stentor [OPTIONS]") && err.is_empty(),
        "{out}{err}"
    );
    let (code, out, err) = run(&["--version"], &[]);
    assert_eq!(
        (code, out, err),
        (
            Some(0),
            format!("stentor {}\n", env!("CARGO_PKG_VERSION")),
            String::new()
        )
    );
}

/// As with `stentor --help | true`.
fn a_page_without_a_reader_is_not_a_failure() {
    for (args, code) in [(["--help"], 0), (["--no-such-flag"], 2)] {
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .env_clear()
            .env(CHILD, "1")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a child");
        drop((child.stdout.take(), child.stderr.take()));
        // The child waits for this.
        drop(child.stdin.take());
        assert_eq!(child.wait().expect("an end").code(), Some(code));
    }
}

/// By SIGABRT, so that a supervisor restarts it and a core dump can be had.
#[cfg(unix)]
fn a_panic_of_a_shard_ends_the_process_with_a_report() {
    use std::os::unix::process::ExitStatusExt as _;
    let program = std::env::current_exe().expect("a path");
    let mut command = Command::new(program);
    let Output { status, stderr, .. } = command
        .env_clear()
        .env(PANICKING_CHILD, "1")
        .output()
        .expect("a child");
    let err = String::from_utf8(stderr).expect("UTF-8");
    assert_eq!(status.signal(), Some(6), "{err}");
    assert!(err.contains("the shard has a bug"), "{err}");
    assert!(
        err.contains("the process ends") && err.contains("a shard has panicked"),
        "{err}"
    );
}

fn errors_go_to_standard_error_and_exit_with_2() {
    let missing = "/nonexistent/stentor.toml";
    for (args, env, expected) in [
        (
            vec!["--tasks.workers", "0"],
            vec![],
            "error: --tasks.workers: `0` from the flag --tasks.workers is not allowed",
        ),
        (
            vec!["--tasks.workers", "-1"],
            vec![],
            "error: --tasks.workers: `-1` from the flag --tasks.workers is not allowed",
        ),
        (
            vec![],
            vec![("STENTOR_LOG_LEVEL", "loud")],
            "error: --log: `loud` from the environment variable STENTOR_LOG_LEVEL",
        ),
        (
            vec!["--config", missing],
            vec![],
            "error: the file /nonexistent/stentor.toml (from the flag --config): ",
        ),
        (
            vec!["--no-such-flag"],
            vec![],
            "error: `--no-such-flag` from the flag --no-such-flag is not a setting; ",
        ),
        (
            vec!["--tasks.workers"],
            vec![],
            "error: a value is required for '--tasks.workers <N>'",
        ),
    ] {
        let (code, out, err) = run(&args, &env);
        assert!(
            code == Some(2) && out.is_empty() && err.starts_with(expected),
            "{code:?} {out} {err}"
        );
    }
}

fn more_connections_than_descriptors_are_refused() {
    let (code, _, err) = run(&["--max-connections", "4294967295"], &[]);
    if cfg!(unix) {
        assert_eq!(code, Some(2), "{err}");
        assert!(
            err.contains("`4294967295`")
                && err.contains("it takes 1 to ")
                && err.contains("open files"),
            "{err}"
        );
    }
}
