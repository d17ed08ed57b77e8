//! Tests of the commands that call a running server: what they print, and their exit codes.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use stentor_tests::Adapter;

use crate::server::ServerProcess;

stentor_tests::for_each_adapter! {
    a_program_publishes_and_asks,
    a_program_prints_what_is_published,
}

const FLAGS: &str = "--shards 2 --http-api.key=key --channel.without-namespace.presence=true \
    --channel.without-namespace.history-size=10 --channel.without-namespace.history-ttl=300s";

fn command(adapter: Adapter, server: &ServerProcess, line: &str) -> Command {
    let mut command = adapter.command();
    command
        .args(line.split(' '))
        .env("STENTOR_URL", format!("http://{}", server.address()))
        .env("STENTOR_HTTP_API_KEY", "key");
    command
}

fn run(adapter: Adapter, server: &ServerProcess, line: &str) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command(adapter, server, line).output().expect("it runs");
    let printed = [stdout, stderr].concat();
    (
        status.code(),
        String::from_utf8(printed).expect("text").trim().into(),
    )
}

fn a_program_publishes_and_asks(adapter: Adapter) {
    let server = ServerProcess::start(adapter, FLAGS);
    let published = run(adapter, &server, r#"pub news {"n":1.50} --tag a=b"#);
    assert_eq!(published.0, Some(0));
    assert!(
        published.1.starts_with(r#"{"offset":1,"epoch":""#),
        "{}",
        published.1
    );
    assert_eq!(
        run(adapter, &server, "pub news hello --text --skip-history").1,
        "{}"
    );
    let history = run(adapter, &server, "history news").1;
    let publications = r#"{"publications":[{"data":{"n":1.50},"offset":1,"tags":{"a":"b"}}],"#;
    assert!(history.starts_with(publications), "{history}");
    let stats = r#"{"num_clients":0,"num_users":0}"#;
    assert_eq!(run(adapter, &server, "presence news --stats").1, stats);
    assert_eq!(
        run(adapter, &server, "presence news").1,
        r#"{"presence":{}}"#
    );
    for (line, code, reason) in [
        ("pub no:a 1", 1, "unknown channel (102)"),
        ("pub news 1 --key=other", 1, "401"),
        ("pub news 1 --url http://127.0.0.1:1", 1, "cannot connect"),
        ("pub news {", 1, "no JSON"),
        ("pub news", 2, "<JSON>"),
        ("sub no:a", 1, "no:a: unknown channel (102)"),
        ("sub a --token x", 1, "3500"),
    ] {
        let (exit, printed) = run(adapter, &server, line);
        assert_eq!(exit, Some(code), "{line}: {printed}");
        assert!(printed.contains(reason), "{line}: {printed}");
    }
}

fn a_program_prints_what_is_published(adapter: Adapter) {
    let server = ServerProcess::start(adapter, FLAGS);
    let mut subscriber = command(adapter, &server, "sub a b")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut lines = BufReader::new(subscriber.stdout.take().expect("a pipe")).lines();
    server.await_metric("stentor_room_members", 2);
    run(adapter, &server, "pub a [1,2]");
    run(adapter, &server, "pub b null --skip-history");
    let mut next = || lines.next().expect("a line").expect("text");
    let line = next();
    let begin = r#"{"channel":"a","pub":{"data":[1,2],"offset":1"#;
    assert!(line.starts_with(begin), "{line}");
    assert_eq!(next(), r#"{"channel":"b","pub":{"data":null}}"#);
    drop(server);
    let output = subscriber.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
}
