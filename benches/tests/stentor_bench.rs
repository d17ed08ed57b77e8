//! End-to-end tests of `stentor-bench`: every command once, with small loads, against the real
//! server.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use serde_json::Value;

/// A running server. Dropping the value kills it.
struct BenchedServer {
    child: Child,
    address: String,
}

impl BenchedServer {
    fn start(program: &Path, args: &str) -> Self {
        let address = stentor_benches::free_address().expect("a port").to_string();
        let mut child = Command::new(program)
            .args(args.replace("{address}", &address).split(' '))
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let begin = Instant::now();
        while TcpStream::connect(&address).is_err() {
            assert_eq!(child.try_wait().expect("a child"), None, "it ended");
            assert!(begin.elapsed() < TIMEOUT, "it does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { child, address }
    }

    fn stentor(handler: &str) -> Self {
        let args = format!("--listen {{address}} --shards 1 --log off --handler {handler}");
        Self::start(&server("stentor"), &args)
    }

    fn raw(more: &str) -> Self {
        Self::start(Path::new(BENCH), &format!("raw --listen {{address}}{more}"))
    }

    /// Runs a command against the server, with its pid.
    fn bench(&self, scheme: &str, args: &str) -> Output {
        let path = if scheme == "ws" { "/ws" } else { "" };
        let url = format!("{scheme}://{}{path}", self.address);
        Command::new(BENCH)
            .args(args.split(' '))
            .args(["--json", "--quiet", "--url", &url])
            .args(["--pid", &self.child.id().to_string()])
            .output()
            .expect("it runs")
    }

    /// Runs a command that has to succeed, and returns its report.
    fn report(&self, scheme: &str, args: &str) -> Value {
        let output = self.bench(scheme, args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args}: {stderr}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

impl Drop for BenchedServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the path of a server program. Tests of the whole workspace find that of
/// `stentor-tests` built; for this package alone it is built here.
fn server(name: &str) -> PathBuf {
    static ONCE: Once = Once::new();
    let directory = Path::new(BENCH).parent().expect("a directory");
    let of_tests = directory.join(format!("{name}-under-test"));
    if of_tests.exists() {
        return of_tests;
    }
    let path = directory.join(name);
    ONCE.call_once(|| {
        if path.exists() {
            return;
        }
        let profile = match directory.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(other) => other,
        };
        let status = Command::new(env!("CARGO"))
            .args(["build", "--locked", "-p", "stentor-tokio"])
            .args(["--profile", profile, "--target-dir"])
            .arg(directory.parent().expect("the target directory"))
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .status();
        assert!(status.expect("cargo runs").success());
    });
    path
}

/// Checks what every successful traffic report contains.
fn assert_traffic(report: &Value, bench: &str) {
    assert_eq!(report["bench"], bench);
    let number = |name: &str| report[name].as_f64().unwrap_or_default();
    for name in [
        "messages",
        "messages_per_second",
        "server_micros_each",
        "verified",
    ] {
        assert!(number(name) > 0.0, "{name} in {report}");
    }
    assert!(number("verified") <= number("messages"), "{report}");
    let latency = |name: &str| report["latency_micros"][name].as_f64().unwrap_or_default();
    let (p50, p99, p999) = (latency("p50"), latency("p99"), latency("p999"));
    assert!(0.0 < p50 && p50 <= p99 && p99 <= p999, "{report}");
    let usage = |name: &str| report["usage"][name].as_f64().unwrap_or_default();
    let cpu = usage("server_cpu_seconds") * 1e6 / number("messages");
    assert!(
        (cpu / number("server_micros_each") - 1.0).abs() < 1e-6,
        "{report}"
    );
    assert!(usage("generator_cpu_share") > 0.0, "{report}");
    assert!(
        report["server_memory_bytes"].as_u64() > Some(1 << 20),
        "{report}"
    );
}

#[test]
fn echoes_return_from_the_server_and_the_bare_loop() {
    let stentor = BenchedServer::stentor("echo");
    let brief = "--seconds 0.3 --warm-up 0.1";
    let report = stentor.report("ws", &format!("echo -c 8 -d 4 -s 300 {brief} --metrics"));
    assert_traffic(&report, "echo");
    assert_eq!(report["connections"], 8);
    assert!(
        !report["turns"]["buckets"]
            .as_array()
            .expect("turns")
            .is_empty()
    );
    let report = stentor.report("ws", &format!("echo -c 2 -d 3 -s 70000 --binary {brief}"));
    assert_traffic(&report, "echo");
    let raw = BenchedServer::raw("");
    assert_traffic(
        &raw.report("raw", &format!("echo -c 8 -d 4 {brief}")),
        "echo",
    );
    let report = raw.report("raw", &format!("echo -c 2 -d 3 -s 300000 {brief}"));
    assert_traffic(&report, "echo");
}

#[test]
fn tasks_return_results() {
    let stentor = BenchedServer::stentor("rooms");
    let load = "tasks -c 4 -d 3 -s 200 --seconds 0.3 --warm-up 0.1";
    let report = stentor.report("ws", load);
    assert_traffic(&report, "tasks");
    assert_eq!(report["verified"], report["messages"]);
    assert!(
        report["server_user_micros_each"].as_f64() <= report["server_micros_each"].as_f64(),
        "{report}"
    );
}

#[test]
fn room_members_receive_everything_from_the_server_and_the_bare_loop() {
    let stentor = BenchedServer::stentor("rooms");
    let load = "fan-out -m 40 -d 4 --seconds 0.3 --warm-up 0.1";
    let report = stentor.report("ws", &format!("{load} --metrics"));
    assert_traffic(&report, "fan-out");
    let last = report["turns"]["buckets"]
        .as_array()
        .and_then(|all| all.last());
    assert!(last.expect("buckets")[1].as_u64() > Some(0), "{report}");
    let raw = BenchedServer::raw(" --fan-out");
    assert_traffic(&raw.report("raw", load), "fan-out");
}

#[test]
fn idle_and_new_connections_are_measured() {
    let stentor = BenchedServer::stentor("rooms");
    let report = stentor.report("ws", "idle -c 300");
    assert_eq!(report["connections"], 300);
    for stage in ["open", "in_room", "after_a_message"] {
        let stage = &report[stage];
        assert!(stage["micros_each"].as_f64() > Some(1.0), "{report}");
        let memory = stage["memory_bytes_each"].as_f64().expect("a number");
        assert!((0.0..100_000.0).contains(&memory), "{report}");
    }
    let report = stentor.report("ws", "connect -c 8 --seconds 0.3 --warm-up 0.1");
    assert_eq!(report["bench"], "connect");
    assert!(report["connections"].as_u64() > Some(10), "{report}");
    let raw = BenchedServer::raw("");
    let report = raw.report("raw", "idle -c 100");
    assert!(report["in_room"].is_null(), "{report}");
    assert!(
        !raw.bench("raw", "connect").status.success(),
        "no handshake"
    );
}

#[test]
fn latency_is_reported_by_priority() {
    let stentor = BenchedServer::stentor("rooms");
    let load = "mixed -c 2 -d 8 -s 4096 --seconds 0.5 --warm-up 0.1";
    let report = stentor.report("ws", load);
    assert_traffic(&report, "mixed");
    let kinds = report["by_priority"].as_array().expect("a list");
    let priorities: Vec<_> = kinds.iter().map(|kind| kind["priority"].as_u64()).collect();
    assert_eq!(priorities, [5, 10, 20, 50, 100].map(Some));
    for kind in kinds {
        assert!(kind["messages"].as_u64() > Some(0), "{report}");
    }
}

#[test]
fn a_gateway_pushes_to_all_users_in_each_scenario() {
    let stentor = BenchedServer::stentor("rooms");
    let report = stentor.report("ws", "gateway online -u 50");
    assert!(
        report["online"]["users_per_second"].as_f64() > Some(1.0),
        "{report}"
    );
    assert!(report["pushes"].is_null(), "{report}");
    let load = "-u 50 --every 50 --seconds 0.4 --warm-up 0.1";
    for scenario in ["acknowledged", "pushed", "often"] {
        let report = stentor.report("ws", &format!("gateway {scenario} {load}"));
        let deliveries = report["pushes"]["messages"].as_u64().expect("a number");
        assert!(deliveries >= 50, "{report}");
        let acknowledged = report["acknowledgements"].as_u64();
        let expected = if scenario == "acknowledged" {
            deliveries
        } else {
            0
        };
        assert_eq!(acknowledged, Some(expected), "{report}");
    }
}

#[test]
fn an_urgent_request_is_answered_during_a_broadcast() {
    let stentor = BenchedServer::stentor("rooms");
    let load = "fan-out -m 30 -d 64 --rate 50 --seconds 1 --warm-up 0.2";
    std::thread::scope(|scope| {
        let broadcast = scope.spawn(|| stentor.report("ws", load));
        let probe = "urgent --member --seconds 0.5 --warm-up 0.1";
        assert_traffic(&stentor.report("ws", probe), "urgent");
        let broadcast = broadcast.join().expect("no panic");
        let deliveries = broadcast["messages"].as_u64().expect("a number");
        // Fifty per second to thirty members, with a margin for slow machines.
        assert!((300..=1_600).contains(&deliveries), "{broadcast}");
    });
}

#[test]
fn idle_connections_of_many_processes_are_opened_counted_and_closed() {
    let path = server("stentor");
    let output = Command::new(BENCH)
        .args(["million", "-c", "250", "--each", "100", "--json", "--quiet"])
        .arg("--server")
        .arg(path)
        .output()
        .expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&report["connections"], &report["servers"]),
        (&250.into(), &3.into())
    );
    let kernel = report["kernel_bytes_each"].as_f64();
    assert!(kernel.is_some_and(|bytes| bytes >= 0.0), "{report}");
}

#[test]
fn members_that_do_not_read_do_not_disturb_others() {
    let stentor = BenchedServer::stentor("rooms");
    let load = "laggards -m 20 --stuck 5 --misfits --seconds 0.5 --warm-up 0.1";
    let report = stentor.report("ws", load);
    assert_eq!(report["bench"], "laggards");
    let (without, with) = (&report["without"], &report["with"]);
    for flow in [without, with] {
        assert!(flow["messages"].as_u64() > Some(20), "{report}");
    }
    let counted = |name: &str| report["counted"][name].as_u64().expect("a number");
    // Five members do not read; each of the three others may be disconnected.
    assert!(counted("offered") >= 25 * counted("published"), "{report}");
    assert!(counted("written") >= 20 * counted("published"), "{report}");
}

#[test]
fn wrong_answers_are_errors() {
    let stentor = BenchedServer::stentor("rooms");
    // The default handler answers `echo:` and the message.
    let output = stentor.bench("ws", "echo -c 2 --seconds 0.2");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("differs from"), "{stderr}");
    assert_eq!(output.status.code(), Some(1));
    let right = "echo -c 2 --prefix echo: --seconds 0.2 --warm-up 0";
    assert_traffic(&stentor.report("ws", right), "echo");
    let output = Command::new(BENCH)
        .args(["echo", "--url", &format!("ws://{}/", stentor.address)])
        .output()
        .expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("refused the handshake"), "{stderr}");
}

const BENCH: &str = env!("CARGO_BIN_EXE_stentor-bench");
const TIMEOUT: Duration = Duration::from_secs(20);
