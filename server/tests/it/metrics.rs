//! Metrics page: its format, and that every counter of the core is on it.

use std::collections::{BTreeMap, BTreeSet};

use stentor_core::proto::http::HandshakeError;
use stentor_core::proto::proxy::ProxyError;
use stentor_core::proto::ws::PeerError;
use stentor_core::stats::{DispatchStats, Stats};
use stentor_core::{CloseCause, Config, Timestamp};
use stentor_server::metrics::{self, Snapshot};
use stentor_server::{Settings, metrics::CONTENT_TYPE};

fn settings() -> Settings {
    let args = ["stentor", "--max-connections=1000", "--seed=1"];
    Settings::parse(args, |_| None, |_| Ok(String::new())).expect("valid settings")
}

fn render(shards: &[Stats], dispatch: DispatchStats) -> String {
    let settings = settings();
    let mut snapshot = Snapshot::new(&settings);
    snapshot.shards = shards.to_vec();
    snapshot.dispatch = dispatch;
    metrics::render(&snapshot)
}

/// Parses a page into its samples by series, and checks its format.
fn samples(page: &str) -> BTreeMap<String, f64> {
    let mut help = BTreeSet::new();
    let mut types = BTreeMap::new();
    let mut samples = BTreeMap::new();
    assert!(page.ends_with('\n'));
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, text) = rest.split_once(' ').expect("a help text");
            assert!(text.ends_with('.'), "{line}");
            assert!(help.insert(name), "two families of one name: {line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            types.insert(name, kind);
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a series and a value");
            let name = series.split('{').next().expect("a name");
            // The series of a histogram have further names.
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|end| name.strip_suffix(end))
                .find(|family| types.get(family) == Some(&"histogram"));
            let name = family.unwrap_or(name);
            assert!(help.contains(name) && types.contains_key(name), "{line}");
            let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(name.chars().all(letters), "{line}");
            let own = ["ws_", "stentor_", "process_"]
                .iter()
                .any(|prefix| name.starts_with(prefix));
            assert!(own, "{line}");
            let value = value.parse().expect("a number");
            assert!(
                samples.insert(series.into(), value).is_none(),
                "twice: {line}"
            );
        }
    }
    samples
}

/// Returns the fields of a `Debug` text of nested structs of numbers, as paths.
fn fields(debug: &str) -> BTreeSet<String> {
    let names = debug
        .split([' ', '{', '['])
        .filter_map(|word| word.strip_suffix(':'));
    names.map(Into::into).collect()
}

macro_rules! setters {
    ($type:ty; $($($field:ident).+,)*) => {
        [$((stringify!($($field).+), (|stats, n| stats.$($field).+ = n) as fn(&mut $type, u64)),)*]
    };
}

type Setters<T> = Vec<(&'static str, fn(&mut T, u64))>;

fn stats_setters() -> Setters<Stats> {
    setters! { Stats;
        delivery.offered, delivery.queued, delivery.refused_full, delivery.refused_closing, delivery.refused_codec, delivery.evicted,
        delivery.expired, delivery.conflated, delivery.shed, delivery.discarded, delivery.written, delivery.waiting, delivery.waiting_bytes,
        received.text, received.binary, received.payload_bytes, received.bytes, received.pings, received.pongs,
        sent.bytes, sent.pings, sent.pongs, sent.pongs_replaced, sent.closes, sent.pages,
        sent.pushes, sent.pushes_discarded, sent.pushes_waiting, sent.pushes_waiting_bytes,
        sent.unsent_limit_raised, sent.unsent_limit_reset,
        channels.count, channels.members, channels.published, channels.encoded, channels.codec_encoded, channels.copied, channels.offered, channels.shard_messages,
        channels.abandoned, channels.credit_waits, channels.home_waits, channels.joins_refused,
        channels.unfinished, channels.slices,
        channels.joins_refused_memory,
        channels.streams, channels.kept, channels.kept_bytes, channels.kept_shed, channels.repeated, channels.outdated, channels.keys_forgotten, channels.restored, channels.shown,
        channels.recovered, channels.not_recovered, channels.positions_lost, channels.questions,
        direct.sent, direct.offered, direct.undeliverable,
        links.accepted, links.held, links.opened, links.active, links.transports_agreed, links.transports_failed, links.requests_held, links.read_pauses, links.outcomes_gone,
        links.throttled, links.addresses_untracked, links.proxy_headers,
        links.tasks_pending, links.task_waits, links.charged_bytes, links.frame_bytes, links.idle_wakeups, links.too_long,
        links.panics, links.drops_panicked,
        waiting.owner, waiting.credit, waiting.queue, waiting.task, waiting.answers,
        deflate.agreed, deflate.contexts_denied, deflate.context_bytes, deflate.incompressible,
        deflate.deflated, deflate.deflated_from_bytes, deflate.deflated_to_bytes,
        deflate.inflated, deflate.inflated_from_bytes, deflate.inflated_to_bytes,
    }
    .to_vec()
}

fn dispatch_setters() -> Setters<DispatchStats> {
    setters! { DispatchStats;
        submitted, refused_full, refused_draining, done, failed, abandoned_waiting, abandoned_running,
        waiting, delayed, running, retried, attempts_failed, panicked, timed_out, late, overdue,
        dead_letters, dead_dropped, dead_taken, resubmitted, workers_restarted, drops_panicked,
    }
    .to_vec()
}

/// Returns the series that differ between two pages, without those of the process.
fn changed(before: &str, after: &str) -> Vec<String> {
    let (before, after) = (samples(before), samples(after));
    let differ = after
        .iter()
        .filter(|(series, value)| before.get(*series) != Some(value));
    differ
        .map(|(series, _)| series.clone())
        .filter(|series| !series.starts_with("process_"))
        .collect()
}

#[test]
fn every_counter_of_a_shard_is_on_the_page() {
    let setters = stats_setters();
    // A new field of the core is in its `Debug` text, and is then missing here.
    let Stats {
        delivery,
        received,
        sent,
        channels,
        direct,
        links,
        waiting,
        deflate,
        closed,
        peer_errors,
        refused,
        proxy_refused,
        ..
    } = Stats::default();
    for (group, debug) in [
        ("delivery", format!("{delivery:?}")),
        ("received", format!("{received:?}")),
        ("sent", format!("{sent:?}")),
        ("channels", format!("{channels:?}")),
        ("direct", format!("{direct:?}")),
        ("links", format!("{links:?}")),
        ("waiting", format!("{waiting:?}")),
        ("deflate", format!("{deflate:?}")),
    ] {
        let known = setters.iter().filter_map(|(path, _)| path.split_once('.'));
        let known: BTreeSet<_> = known
            .filter(|(of, _)| *of == group)
            .map(|(_, field)| field.trim().into())
            .collect();
        assert_eq!(known, fields(&debug), "{group}");
    }
    let tables = [
        closed.len(),
        peer_errors.len(),
        refused.len(),
        proxy_refused.len(),
    ];
    assert_eq!(
        tables,
        [
            CloseCause::ALL.len(),
            PeerError::ALL.len(),
            HandshakeError::COUNT,
            ProxyError::ALL.len(),
        ]
    );
    let top = format!("{:?}", Stats::default());
    for group in [
        "delivery",
        "priorities",
        "received",
        "sent",
        "channels",
        "direct",
        "links",
        "waiting",
        "deflate",
        "closed",
        "peer_errors",
        "refused",
        "proxy_refused",
    ] {
        assert!(top.contains(&format!("{group}: ")));
    }
    let groups = top.matches(": ").count() - setters.len();
    assert_eq!(groups, 13, "a group of counters that nobody shows");

    let before = render(&[Stats::default()], DispatchStats::default());
    for (path, set) in setters {
        let mut stats = Stats::default();
        set(&mut stats, 7_919);
        let after = render(&[stats], DispatchStats::default());
        assert!(
            !changed(&before, &after).is_empty(),
            "{path} is not on the page"
        );
        assert!(after.contains(" 7919\n"), "{path}");
    }
}

#[test]
fn every_counter_of_the_dispatcher_is_on_the_page() {
    let known: BTreeSet<_> = dispatch_setters()
        .iter()
        .map(|(path, _)| String::from(*path))
        .collect();
    assert_eq!(known, fields(&format!("{:?}", DispatchStats::default())));
    let before = render(&[], DispatchStats::default());
    for (path, set) in dispatch_setters() {
        let mut dispatch = DispatchStats::default();
        set(&mut dispatch, 7_919);
        assert!(
            !changed(&before, &render(&[], dispatch)).is_empty(),
            "{path} is not on the page"
        );
    }
}

#[test]
fn every_cause_has_its_own_series() {
    let before = render(&[Stats::default()], DispatchStats::default());
    let check = |stats: Stats, series: String| {
        assert_eq!(
            changed(&before, &render(&[stats], DispatchStats::default())),
            [series]
        );
    };
    for (at, cause) in CloseCause::ALL.into_iter().enumerate() {
        let mut stats = Stats::default();
        stats.closed[at] = 3;
        check(
            stats,
            format!(
                "stentor_connections_closed_total{{cause=\"{}\"}}",
                cause.label()
            ),
        );
    }
    for (at, error) in PeerError::ALL.into_iter().enumerate() {
        let mut stats = Stats::default();
        stats.peer_errors[at] = 3;
        check(
            stats,
            format!("stentor_peer_errors_total{{error=\"{}\"}}", error.label()),
        );
    }
    for (at, error) in ProxyError::ALL.into_iter().enumerate() {
        let mut stats = Stats::default();
        stats.proxy_refused[at] = 3;
        let label = error.label();
        check(
            stats,
            format!("stentor_proxy_headers_refused_total{{cause=\"{label}\"}}"),
        );
    }
    for (at, cause) in HandshakeError::LABELS.into_iter().enumerate() {
        let mut stats = Stats::default();
        stats.refused[at] = 3;
        check(
            stats,
            format!("stentor_handshakes_refused_total{{cause=\"{cause}\"}}"),
        );
    }
}

#[test]
fn the_seven_ws_metrics_have_no_labels_and_add_shards_up() {
    let mut one = Stats::default();
    one.links.active = 1;
    one.delivery.written = 2;
    one.delivery.refused_full = 3;
    one.delivery.evicted = 4;
    one.delivery.discarded = 1_000;
    one.delivery.refused_closing = 1_000;
    one.delivery.waiting = 5;
    let mut dispatch = DispatchStats::default();
    dispatch.submitted = 6;
    dispatch.refused_full = 7;
    dispatch.refused_draining = 8;
    dispatch.waiting = 9;
    let page = render(&[one, one], dispatch);
    let samples = samples(&page);
    for (name, kind, value) in [
        ("ws_active_connections", "gauge", 2.0),
        ("ws_messages_sent_total", "counter", 4.0),
        ("ws_messages_dropped_total", "counter", 14.0),
        ("ws_send_queue_length", "gauge", 10.0),
        ("ws_tasks_submitted_total", "counter", 6.0),
        ("ws_tasks_dropped_total", "counter", 15.0),
        ("ws_worker_queue_length", "gauge", 9.0),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name}");
        assert!(page.contains(&format!("# TYPE {name} {kind}\n")), "{name}");
    }
    assert_eq!(
        samples
            .keys()
            .filter(|series| series.starts_with("ws_"))
            .count(),
        7
    );
    assert_eq!(
        samples.get("stentor_shard_connections{shard=\"1\"}"),
        Some(&1.0)
    );
}

#[test]
fn limits_are_gauges_in_base_units() {
    let samples = samples(&render(&[], DispatchStats::default()));
    let limit = |name: &str| {
        samples
            .get(&format!("stentor_limit{{name=\"{name}\"}}"))
            .copied()
    };
    assert_eq!(limit("queue.bytes"), Some(f64::from(4 << 20)));
    assert_eq!(limit("websocket.pong_wait_seconds"), Some(60.0));
    assert_eq!(limit("server.max_connections"), Some(1_000.0));
    assert_eq!(limit("tasks.queue"), Some(1_024.0));
    let all = samples
        .keys()
        .filter(|series| series.starts_with("stentor_limit{"))
        .count();
    assert_eq!(all, Config::RANGES.len() + 30);
}

#[test]
fn counters_of_the_server_are_on_the_page() {
    let settings = settings();
    let mut snapshot = Snapshot::new(&settings);
    let before = metrics::render(&snapshot);
    snapshot.refused = 1;
    snapshot.counts.accept_errors = 2;
    snapshot.counts.accept_delays = 3;
    snapshot.remote.given = 4;
    snapshot.remote.full = 5;
    snapshot.remote.under_way = 6;
    assert_eq!(changed(&before, &metrics::render(&snapshot)).len(), 6);
}

#[test]
fn every_drop_reason_of_a_priority_has_its_own_series() {
    let before = render(&[Stats::default()], DispatchStats::default());
    assert!(!before.contains("priority="), "none is in use");
    let mut stats = Stats::default();
    let fates = stats.priorities.of(Some(17));
    fates.refused = 11;
    fates.evicted = 12;
    fates.expired = 13;
    fates.conflated = 14;
    fates.discarded = 15;
    fates.written.record(100, 2);
    stats.priorities.of(None).discarded = 16;
    let page = render(&[stats, stats], DispatchStats::default());
    let samples = samples(&page);
    let dropped = |priority: &str, reason: &str| {
        let name = "stentor_priority_dropped_total";
        let series = format!("{name}{{priority=\"{priority}\",reason=\"{reason}\"}}");
        samples.get(&series).copied()
    };
    for (reason, count) in [
        ("refused_full", 22.0),
        ("evicted", 24.0),
        ("expired", 26.0),
        ("conflated", 28.0),
        ("discarded", 30.0),
    ] {
        assert_eq!(dropped("17", reason), Some(count), "{reason}");
    }
    assert_eq!(dropped("other", "discarded"), Some(32.0));
    let delivery = |series: &str| {
        let series = format!("stentor_delivery_seconds_{series}");
        samples.get(&series).copied()
    };
    let bucket = |le: &str| delivery(&format!("bucket{{priority=\"17\",le=\"{le}\"}}"));
    assert_eq!(
        (bucket("0.000064"), bucket("0.000256")),
        (Some(0.0), Some(4.0))
    );
    assert_eq!(delivery("count{priority=\"17\"}"), Some(4.0));
    assert_eq!(delivery("sum{priority=\"17\"}"), Some(0.0004));
}

#[test]
fn turns_are_a_histogram() {
    let settings = settings();
    let mut snapshot = Snapshot::new(&settings);
    for micros in [3, 150, 150, 3_000_000] {
        let began = Timestamp::from_micros(11);
        let ended = Timestamp::from_micros(11 + micros);
        snapshot.turns.record(began, ended);
    }
    let page = metrics::render(&snapshot);
    assert!(page.contains("# TYPE stentor_shard_turn_seconds histogram\n"));
    let samples = samples(&page);
    let bucket = |bound: &str| {
        let series = format!("stentor_shard_turn_seconds_bucket{{le=\"{bound}\"}}");
        samples.get(&series).copied()
    };
    assert_eq!(bucket("0.000005"), Some(1.0));
    assert_eq!(bucket("0.0001"), Some(1.0));
    assert_eq!(bucket("0.0002"), Some(3.0));
    assert_eq!(bucket("1"), Some(3.0));
    assert_eq!(bucket("+Inf"), Some(4.0));
    assert_eq!(samples.get("stentor_shard_turn_seconds_count"), Some(&4.0));
    let sum = samples.get("stentor_shard_turn_seconds_sum").copied();
    assert!(
        sum.is_some_and(|sum| (sum - 3.000_303).abs() < 1e-9),
        "{sum:?}"
    );
}

#[test]
fn large_counters_do_not_panic() {
    let mut stats = Stats::default();
    stats.delivery.waiting = u64::MAX;
    stats.delivery.written = u64::MAX;
    stats.delivery.refused_full = u64::MAX;
    stats.delivery.evicted = 1;
    samples(&render(&[stats], DispatchStats::default()));
}

#[test]
fn the_content_type_is_that_of_the_text_format() {
    assert_eq!(CONTENT_TYPE, "text/plain; version=0.0.4");
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_is_on_the_page() {
    let samples = samples(&render(&[], DispatchStats::default()));
    for name in [
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_start_time_seconds",
    ] {
        assert!(
            samples.get(name).is_some_and(|value| *value > 0.0),
            "{name}"
        );
    }
}
