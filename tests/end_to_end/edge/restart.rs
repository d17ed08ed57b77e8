//! Tests of a restart: closes at a pace, and streams that the next server goes on with. Clients speak
//! the JSON protocol over raw frames.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stentor_tests::Adapter;
use stentor_tests::process::SOON;

use crate::raw::{RawSocket, upgrade};
use crate::server::ServerProcess;

stentor_tests::for_each_adapter! {
    streams_outlive_a_restart,
    without_a_usable_file_there_are_new_epochs,
    a_file_is_not_used_twice,
    closes_keep_their_pace,
    who_comes_back_is_let_in_at_a_pace,
}

/// What a server needs for channels with history.
const CHANNELS: &str = "--channel.without-namespace.history-size 10 \
    --channel.without-namespace.history-ttl 10m \
    --channel.without-namespace.allow-recovery \
    --channel.without-namespace.allow-subscribe-for-client \
    --channel.without-namespace.allow-subscribe-for-anonymous \
    --channel.without-namespace.allow-publish-for-client \
    --channel.without-namespace.allow-publish-for-anonymous";

/// A client of the JSON protocol, which is connected.
struct Client {
    raw: RawSocket,
    id: u64,
}

impl Client {
    fn connect(server: &ServerProcess) -> Self {
        let mut raw = RawSocket::connect(server.address());
        let request = String::from_utf8(upgrade(&[])).expect("text");
        raw.send(request.replace("/ws", "/connection/websocket").as_bytes());
        raw.expect_upgrade();
        let mut client = Self { raw, id: 0 };
        client.ask("connect", &json!({}));
        client
    }

    /// Sends a command, and returns its result.
    fn ask(&mut self, command: &str, request: &Value) -> Value {
        self.id += 1;
        self.raw
            .say(&json!({ "id": self.id, command: request }).to_string());
        loop {
            let frame = self.raw.hear().expect("not the end");
            for line in frame.text().lines() {
                let mut reply: Value = serde_json::from_str(line).expect("JSON");
                if reply["id"] == self.id {
                    assert!(reply["error"].is_null(), "{reply}");
                    return reply[command].take();
                }
            }
        }
    }

    fn publish(&mut self, channel: &str, n: u64) {
        self.ask("publish", &json!({ "channel": channel, "data": n }));
    }

    fn recover(&mut self, channel: &str, since: &Value) -> Value {
        let request = json!({
            "channel": channel,
            "recover": true,
            "recoverable": true,
            "offset": since["offset"],
            "epoch": since["epoch"],
        });
        self.ask("subscribe", &request)
    }
}

/// The position after a subscription.
fn subscribe(client: &mut Client, channel: &str) -> Value {
    let request = json!({ "channel": channel, "recoverable": true });
    let mut position = client.ask("subscribe", &request);
    if position["offset"].is_null() {
        position["offset"] = json!(0);
    }
    position
}

fn start(adapter: Adapter, path: &std::path::Path, shards: u16) -> ServerProcess {
    let path = path.display();
    let flags = format!("{CHANNELS} --state-file {path} --server.shards {shards}");
    ServerProcess::start(adapter, &flags)
}

fn end(server: &mut ServerProcess) {
    server.terminate();
    assert!(server.exit_within(SOON).success());
}

fn numbers(publications: &Value) -> Vec<u64> {
    let all = publications.as_array().map_or(&[][..], Vec::as_slice);
    let data = all.iter().map(|publication| publication["data"].as_u64());
    data.map(|data| data.expect("a number")).collect()
}

fn streams_outlive_a_restart(adapter: Adapter) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state");
    let channels: Vec<String> = (0..20).map(|n| format!("channel{n}")).collect();
    let mut server = start(adapter, &path, 2);
    let mut client = Client::connect(&server);
    let mut positions: Vec<Value> = channels
        .iter()
        .map(|channel| subscribe(&mut client, channel))
        .collect();
    // Some of it is heard, and then the client is away.
    for n in 1..=3 {
        channels
            .iter()
            .for_each(|channel| client.publish(channel, n));
    }
    drop(client);
    for position in &mut positions {
        position["offset"] = json!(1);
    }
    for shards in [3, 1] {
        end(&mut server);
        let mode = fs::metadata(&path).expect("written").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        server = start(adapter, &path, shards);
        assert!(!path.exists(), "it is read once");
        assert_eq!(server.metrics().get("stentor_streams_restored_total"), 20);
        let mut client = Client::connect(&server);
        for (channel, position) in channels.iter().zip(&positions) {
            let result = client.recover(channel, position);
            assert_eq!(result["recovered"], true, "{result}");
            assert_eq!(result["epoch"], position["epoch"]);
            let last = if shards == 3 { 3 } else { 4 };
            let missed: Vec<u64> = (2..=last).collect();
            assert_eq!(numbers(&result["publications"]), missed);
        }
        if shards == 3 {
            // Offsets go on where they were.
            channels
                .iter()
                .for_each(|channel| client.publish(channel, 4));
        }
    }
}

fn without_a_usable_file_there_are_new_epochs(adapter: Adapter) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state");
    let mut server = start(adapter, &path, 1);
    let mut client = Client::connect(&server);
    let position = subscribe(&mut client, "news");
    client.publish("news", 1);
    end(&mut server);
    let content = fs::read(&path).expect("written");
    let mut changed = content.clone();
    changed[40] ^= 1;
    for (content, cause) in [
        (&changed[..], Some("checksum")),
        (&content[..content.len() - 1], Some("checksum")),
        (b"{}", Some("foreign")),
        (b"", Some("checksum")),
    ] {
        fs::write(&path, content).expect("a file");
        let mut server = start(adapter, &path, 1);
        if let Some(cause) = cause {
            let line = server.log().wait_for("the state file is not used");
            assert!(!line.text("error").is_empty());
            let refused = format!("stentor_state_file_refused_total{{cause=\"{cause}\"}}");
            assert_eq!(server.metrics().get(&refused), 1);
        }
        let result = Client::connect(&server).recover("news", &position);
        assert_ne!(result["recovered"], true, "{result}");
        assert_ne!(result["epoch"], position["epoch"]);
        end(&mut server);
    }
    // The one that was written is as good as ever.
    fs::write(&path, &content).expect("a file");
    let server = start(adapter, &path, 1);
    let result = Client::connect(&server).recover("news", &position);
    assert_eq!(result["recovered"], true, "{result}");
}

fn a_file_is_not_used_twice(adapter: Adapter) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state");
    let mut server = start(adapter, &path, 1);
    let mut client = Client::connect(&server);
    let position = subscribe(&mut client, "news");
    client.publish("news", 1);
    end(&mut server);
    let mut server = start(adapter, &path, 1);
    let mut client = Client::connect(&server);
    assert_eq!(client.recover("news", &position)["recovered"], true);
    client.publish("news", 2);
    // A crash: what the next server would give as the second is another publication.
    server.child.kill().expect("it runs");
    server.child.wait().expect("it has ended");
    let server = start(adapter, &path, 1);
    let result = Client::connect(&server).recover("news", &position);
    assert_ne!(result["recovered"], true, "{result}");
}

fn closes_keep_their_pace(adapter: Adapter) {
    const CLIENTS: usize = 40;
    let flags = "--server.shutdown-rate 40 --shutdown-timeout 20s --server.shards 2 \
                 --seed-protocol.enabled";
    let mut server = ServerProcess::start(adapter, flags);
    let clients: Vec<_> = (0..CLIENTS).map(|_| Client::connect(&server)).collect();
    let mut rooms = RawSocket::open(&server);
    let begin = Instant::now();
    server.terminate();
    let hear = |mut client: Client| {
        std::thread::spawn(move || {
            let code = client.raw.expect_close();
            (code, begin.elapsed())
        })
    };
    let heard: Vec<_> = clients.into_iter().map(hear).collect();
    assert_eq!(rooms.expect_close(), Some(1001));
    let mut times: Vec<Duration> = heard
        .into_iter()
        .map(|thread| {
            let (code, at) = thread.join().expect("no panic");
            assert_eq!(code, Some(3001));
            at
        })
        .collect();
    times.sort();
    // 41 at 40 a second, half a second of each shard's chance aside.
    let spread = times[CLIENTS - 1] - times[0];
    assert!(spread > Duration::from_millis(600), "{spread:?}");
    // Not in groups: no half of them comes in a quarter of that time.
    let half = times
        .windows(CLIENTS / 2)
        .map(|some| some[CLIENTS / 2 - 1] - some[0]);
    assert!(half.min().expect("some") > spread / 4, "{times:?}");
    assert!(server.exit_within(SOON).success());
    // Where the time is short, all of them are closed all the same.
    let flags = "--server.shutdown-rate 1 --shutdown-timeout 2s --seed-protocol.enabled";
    let mut server = ServerProcess::start(adapter, flags);
    let mut clients: Vec<_> = (0..10).map(|_| Client::connect(&server)).collect();
    server.terminate();
    for client in &mut clients {
        assert_eq!(client.raw.expect_close(), Some(3001));
    }
    assert!(server.exit_within(SOON).success());
}

fn who_comes_back_is_let_in_at_a_pace(adapter: Adapter) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state").display().to_string();
    let flags = format!("{CHANNELS} --state-file {path} --server.shutdown-rate 20");
    let delayed = |server: &ServerProcess| server.metrics().get("stentor_accepts_delayed_total");
    let mut server = ServerProcess::start(adapter, &flags);
    let mut client = Client::connect(&server);
    // It is the first one, so nobody comes back.
    assert_eq!(delayed(&server), 0);
    let subscribed = subscribe(&mut client, "news");
    client.publish("news", 1);
    drop(client);
    end(&mut server);
    let server = ServerProcess::start(adapter, &flags);
    let begin = Instant::now();
    // All of them are in the queue of the listener at once.
    let waiting: Vec<_> = (0..31)
        .map(|_| RawSocket::connect(server.address()))
        .collect();
    let result = Client::connect(&server).recover("news", &subscribed);
    assert_eq!(result["recovered"], true, "{result}");
    // Thirty a second, but for the first.
    assert!(
        begin.elapsed() >= Duration::from_millis(1_000),
        "{:?}",
        begin.elapsed()
    );
    drop(waiting);
    assert!(delayed(&server) > 0);
}
