//! Tests that the binary takes its settings from flags, environment and file, in that order of
//! precedence, and reports errors in them.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

use stentor_tests::Adapter;
use stentor_tests::log::Log;

use crate::server::{Metrics, ServerProcess, eventually};

stentor_tests::for_each_adapter! {
    a_wrong_value_ends_it_with_code_two_and_names_key_value_and_range,
    an_address_in_use_is_told,
    a_shard_that_cannot_start_is_told,
    flags_go_before_the_environment_and_that_before_the_file,
    help_and_version_are_pages,
    a_name_or_a_port_alone_is_listened_on_wherever_it_stands_for,
    an_address_that_is_taken_is_told_with_who_asked_for_it,
    every_address_that_is_named_is_listened_on,
}

fn refused(adapter: Adapter, set: impl FnOnce(&mut Command) -> &mut Command) -> String {
    let mut command = adapter.command();
    let Output { status, stderr, .. } = set(&mut command).output().expect("it runs");
    let text = String::from_utf8(stderr).expect("text");
    assert_eq!(status.code(), Some(2), "{text}");
    text
}

fn a_wrong_value_ends_it_with_code_two_and_names_key_value_and_range(adapter: Adapter) {
    for (key, value, range) in [
        ("max-message", "0", "1 to 1GiB"),
        ("max-message", "1GiB1", "1 to 1GiB"),
        ("shards", "0", "1 to 1024"),
        ("shutdown-timeout", "2h", "0s to 1h"),
        ("handler", "rome", "gateway, rooms, echo"),
        ("tasks.workers", "many", "1 to 1024"),
    ] {
        let text = refused(adapter, |command| {
            command.args([&format!("--{key}"), value])
        });
        assert!(text.contains(&format!("--{key}")), "{text}");
        assert!(text.contains(&format!("`{value}`")), "{text}");
        assert!(text.contains(range), "{range} in {text}");
    }
    let text = refused(adapter, |command| {
        command.env("STENTOR_QUEUE_MESSAGES", "0")
    });
    assert!(
        text.contains("STENTOR_QUEUE_MESSAGES") && text.contains("`0`"),
        "{text}"
    );
    refused(adapter, |command| command.arg("--no-such-flag"));
}

fn an_address_in_use_is_told(adapter: Adapter) {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = adapter
        .command()
        .args(["--listen", &address])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains(&address), "{text}");
}

/// Shards need descriptors of their own; one that gets none would leave the
/// sockets that it is given waiting for ever.
fn a_shard_that_cannot_start_is_told(adapter: Adapter) {
    if !adapter.shards_need_descriptors() {
        // So few leave room for a listener and some peers, whatever the number of shards.
        let listens = "ulimit -n 100; exec $0 --listen 127.0.0.1:0 --shards 32 --log-format json";
        let mut child = Command::new("sh")
            .args(["-c", listens])
            .arg(adapter.command().get_program())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let log = Log::read(child.stderr.take().expect("piped"));
        log.wait_for("listening on");
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        return;
    }
    let binary = adapter.command().get_program().to_owned();
    for descriptors in ["80", "100", "120"] {
        let output = Command::new("sh")
            .args([
                "-c",
                "ulimit -n $1; exec $0 --listen 127.0.0.1:0 --shards 32",
            ])
            .arg(&binary)
            .arg(descriptors)
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{descriptors}: {text}");
        assert!(text.contains("open files"), "{text}");
        assert!(!text.contains("listening on"), "{text}");
    }
}

fn flags_go_before_the_environment_and_that_before_the_file(adapter: Adapter) {
    let file = tempfile::Builder::new().suffix(".toml").tempfile();
    let mut file = file.expect("a file");
    file.write_all(b"server = { listen = \"127.0.0.1:0\", shutdown_timeout = \"13s\" }\nlog.format = \"text\"\n[tasks]\nworkers = 11\nqueue = 12\n")
        .expect("written");
    let mut child = adapter
        .command()
        .arg("--config")
        .arg(file.path())
        .args(["--tasks.workers", "31"])
        .env("STENTOR_TASKS_WORKERS", "21")
        .env("STENTOR_TASKS_QUEUE", "22")
        .env("STENTOR_LOG_FORMAT", "json")
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let log = Log::read(child.stderr.take().expect("piped"));
    let pool = log.wait_for("worker pool started");
    let listening = log.wait_for("listening on");
    let metrics = listening.text("address").parse().map(Metrics::scrape);
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(pool.number("size"), 31, "the flag");
    assert_eq!(pool.number("queue"), 22, "the environment");
    let metrics = metrics.expect("an address");
    assert_eq!(
        metrics.get("stentor_limit{name=\"server.shutdown_timeout_seconds\"}"),
        13,
        "the file"
    );
}

fn help_and_version_are_pages(adapter: Adapter) {
    for (flag, expected) in [
        ("--help", "--queue.messages"),
        ("--version", env!("CARGO_PKG_VERSION")),
    ] {
        let output = adapter.command().arg(flag).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&output.stdout).contains(expected));
    }
}

fn a_name_or_a_port_alone_is_listened_on_wherever_it_stands_for(adapter: Adapter) {
    for (listen, is_loopback) in [("localhost:0", true), (":0", false), ("0", false)] {
        let flags = format!("--metrics.public --admin-listen {listen}");
        let server = ServerProcess::start_at(adapter, listen, &flags);
        eventually("all are told", || server.log().count("admin pages on") > 0);
        let all = ["listening on", "admin pages on"].map(|event| {
            let lines = server.log().all(event);
            let addresses = lines.map(|line| line.text("address").parse().expect("an address"));
            addresses.collect::<Vec<SocketAddr>>()
        });
        for addresses in &all {
            // As many as the machine has families, with one port.
            assert!(matches!(addresses.len(), 1 | 2), "{addresses:?}");
            for address in addresses {
                assert_eq!(address.ip().is_loopback(), is_loopback, "{address}");
                assert_eq!(address.port(), addresses[0].port());
                let here: SocketAddr = match address.is_ipv4() {
                    true => ([127, 0, 0, 1], address.port()).into(),
                    false => ([0, 0, 0, 0, 0, 0, 0, 1], address.port()).into(),
                };
                Metrics::scrape(here);
            }
        }
        assert!(all[0][0].is_ipv4() && all[1][0].is_ipv4());
    }
}

fn an_address_that_is_taken_is_told_with_who_asked_for_it(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "");
    let taken = server.address().to_string();
    for flag in ["--listen", "--admin-listen"] {
        let mut command = adapter.command();
        if flag == "--admin-listen" {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let output = command.args([flag, &taken]).output().expect("it runs");
        assert!(!output.status.success());
        let text = String::from_utf8_lossy(&output.stderr);
        let told = format!("{flag}: `{taken}` from the flag {flag}");
        assert!(text.contains(&told), "{text}");
    }
}

fn every_address_that_is_named_is_listened_on(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--listen [::1]:0");
    eventually("both are told", || server.log().count("listening on") == 2);
    let addresses: Vec<SocketAddr> = server
        .log()
        .all("listening on")
        .map(|line| line.text("address").parse().expect("an address"))
        .collect();
    assert!(
        addresses[0].is_ipv4() && addresses[1].is_ipv6(),
        "{addresses:?}"
    );
    for address in addresses {
        let metrics = Metrics::scrape(address);
        assert_eq!(metrics.get("stentor_limit{name=\"tasks.workers\"}"), 8);
    }
}
