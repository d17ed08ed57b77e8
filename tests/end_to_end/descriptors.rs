//! A server that has no descriptor left: it serves those who are connected, says so once a second
//! at most, and accepts again as soon as there is a descriptor.

use std::io::Read;
use std::time::Instant;

use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
use stentor_tests::Adapter;
use stentor_tests::process::SOON;

use crate::raw::{RawSocket, get, upgrade};
use crate::server::{Metrics, ServerProcess, eventually};
use crate::witnesses::Witnesses;

stentor_tests::for_each_adapter! {
    without_descriptors_those_who_are_connected_are_served_and_others_later,
}

const ERRORS: &str = "stentor_accept_errors_total";

/// Lets the server open descriptors below this number; without one, as many as before.
fn limit_descriptors(server: &ServerProcess, current: Option<u64>) {
    let limit = getrlimit(Resource::Nofile);
    let current = current.or(limit.maximum);
    let limit = Rlimit { current, ..limit };
    prlimit(Some(server.pid()), Resource::Nofile, limit).expect("it runs");
}

/// The lowest number of a descriptor that the server has not, once those of the latest scrape are
/// closed.
fn lowest_free(server: &ServerProcess) -> u64 {
    server.descriptors();
    let is_free = |n: &u64| {
        let path = format!("/proc/{}/fd/{n}", server.pid().as_raw_nonzero());
        std::fs::symlink_metadata(path).is_err()
    };
    (0..).find(is_free).expect("one")
}

fn without_descriptors_those_who_are_connected_are_served_and_others_later(adapter: Adapter) {
    for is_none_allowed in [false, true] {
        let mut server = ServerProcess::start(adapter, "--shards 2 --admin-listen 127.0.0.1:0");
        let line = server.log().wait_for("admin pages on");
        let admin = line.text("address").parse().expect("an address");
        let mut witnesses = Witnesses::of(&server);
        let mut connected = RawSocket::connect(server.address());
        server.await_metrics("it is there", |metrics| metrics.get("stentor_sockets") == 4);
        let begin = Instant::now();
        let limit = if is_none_allowed {
            0
        } else {
            lowest_free(&server)
        };
        limit_descriptors(&server, Some(limit));
        let mut waiting: Vec<RawSocket> = (0..20)
            .map(|_| RawSocket::connect(server.address()))
            .collect();
        for raw in &mut waiting {
            raw.send(&upgrade(&[]));
        }
        let mut waiting_admin = RawSocket::connect(admin);
        waiting_admin.send(&get("/connections"));

        eventually("it is tried again and again", || {
            witnesses.talk("meanwhile");
            server.log().count("accept error") >= 3
        });
        let lines: Vec<_> = server.log().all("accept error").collect();
        let most = begin.elapsed().as_secs() + 1;
        assert!(
            lines.len() as u64 <= most,
            "{} lines, not {most}",
            lines.len()
        );
        let held_back = lines.iter().map(|line| line.number("held_back"));
        assert!(held_back.sum::<u64>() > 0, "{lines:?}");
        assert!(!lines[0].text("error").is_empty());
        for raw in [&waiting[0], &waiting_admin] {
            let mut stream = raw.stream();
            stream.set_nonblocking(true).expect("an option");
            assert!(stream.read(&mut [0]).is_err(), "not accepted yet");
            stream.set_nonblocking(false).expect("an option");
        }
        // Whoever watches may have been connected, too.
        connected.send(&get("/metrics"));
        let page = Metrics::parse(&connected.response().body);
        assert!(page.get(ERRORS) >= lines.len() as u64);

        limit_descriptors(&server, None);
        for raw in &mut waiting {
            raw.expect_upgrade();
            raw.say("here");
            raw.expect("echo:here");
        }
        assert_eq!(waiting_admin.response().status, 200);
        witnesses.talk("afterwards");
        let errors = server.metrics().get(ERRORS);
        let lines = server.log().all("accept error");
        let said: u64 = lines.map(|line| 1 + line.number("held_back")).sum();
        assert!(said <= errors, "{said} of {errors}");
        drop((witnesses, waiting));
        server.terminate();
        assert_eq!(server.exit_within(SOON).code(), Some(0));
    }
}
