//! Owns how a result is told: to people in a line or a few, to programs as JSON,
//! and what makes it doubtful.

use std::fmt;

use serde::Serialize;

use crate::load::{Connected, Flow, Idled, Lagged, Pushed, Urgency};
use crate::measure::{Latency, Usage};
use crate::million::Held;

/// A result.
#[derive(Debug, Serialize)]
#[serde(tag = "bench", rename_all = "kebab-case")]
pub(crate) enum Report {
    Echo(Flow),
    FanOut(Flow),
    Idle(Idled),
    Connect(Connected),
    Mixed {
        #[serde(flatten)]
        flow: Flow,
        by_priority: Vec<Urgency>,
    },
    Tasks(Flow),
    Urgent(Flow),
    Gateway(Pushed),
    Laggards(Box<Lagged>),
    Million(Held),
}

impl Report {
    /// What speaks against the figures.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let usages = match self {
            Self::Echo(flow)
            | Self::FanOut(flow)
            | Self::Tasks(flow)
            | Self::Urgent(flow)
            | Self::Mixed { flow, .. } => vec![flow.usage],
            Self::Connect(connected) => vec![connected.usage],
            Self::Idle(idled) => {
                let stages = [Some(idled.open), idled.in_room, Some(idled.after_a_message)];
                stages
                    .into_iter()
                    .flatten()
                    .map(|stage| stage.usage)
                    .collect()
            }
            Self::Gateway(pushed) => {
                let pushes = pushed.pushes.as_ref().map(|flow| flow.usage);
                [Some(pushed.online.usage), pushes]
                    .into_iter()
                    .flatten()
                    .collect()
            }
            Self::Laggards(lagged) => vec![lagged.without.usage, lagged.with.usage],
            Self::Million(_) => Vec::new(),
        };
        usages.iter().flat_map(doubts).collect()
    }
}

/// What in a window makes its figures doubtful.
fn doubts(usage: &Usage) -> Vec<String> {
    let mut doubts = Vec::new();
    if usage.generator_was_the_bottleneck() {
        doubts.push(format!(
            "the generator used {:.0} % of its core: it was the bottleneck, the server can do more",
            usage.generator_cpu_share * 100.0
        ));
    }
    if usage.is_noisy() {
        doubts.push(format!(
            "others on this machine used {:.0} % of a core, others on its hardware {:.0} %",
            usage.others_cpu_share * 100.0,
            usage.stolen_cpu_share * 100.0
        ));
    }
    doubts
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Echo(flow) => write!(f, "echo {}", Line(flow, "messages")),
            Self::FanOut(flow) => write!(f, "fan-out {}", Line(flow, "deliveries")),
            Self::Tasks(flow) => write!(f, "tasks {}", Line(flow, "tasks")),
            Self::Urgent(flow) => write!(f, "urgent {}", Line(flow, "messages")),
            Self::Idle(idled) => idle(f, idled),
            Self::Connect(connected) => connect(f, connected),
            Self::Mixed { flow, by_priority } => {
                write!(f, "mixed {}", Line(flow, "messages"))?;
                for urgency in by_priority {
                    let Urgency {
                        priority,
                        what,
                        messages,
                        latency_micros,
                        most_bytes_before,
                    } = urgency;
                    write!(f, "\n  priority {priority:>3}, {what}: {messages} messages")?;
                    latency(f, *latency_micros)?;
                    write!(f, ", at most {} KiB before it", most_bytes_before >> 10)?;
                }
                Ok(())
            }
            Self::Gateway(pushed) => gateway(f, pushed),
            Self::Laggards(lagged) => laggards(f, lagged),
            Self::Million(held) => million(f, held),
        }
    }
}

/// A flow in a line, and what it consists of.
struct Line<'a>(&'a Flow, &'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(flow, what) = self;
        write!(
            f,
            "C={} D={} {} B: {:.0} {what}/s",
            flow.connections, flow.in_flight, flow.bytes, flow.messages_a_second
        )?;
        if let Some(micros) = flow.server_micros_each {
            write!(f, ", server {micros:.3} us CPU each")?;
        }
        if let Some(micros) = flow.server_user_micros_each {
            write!(f, ", {micros:.3} of them user time")?;
        }
        latency(f, flow.latency_micros)?;
        if let Some(bytes) = flow.server_memory_bytes {
            write!(f, ", server {:.1} MiB", bytes as f64 / f64::from(1 << 20))?;
        }
        shares(f, &flow.usage)?;
        if let Some(turns) = &flow.turns {
            write!(
                f,
                ", {} turns of shards: p50 <= {:.0} us, p99 <= {:.0} us, all <= {:.0} us",
                turns.count(),
                turns.within(0.5),
                turns.within(0.99),
                turns.within(1.0)
            )?;
        }
        write!(f, ", {} verified", flow.verified)
    }
}

fn latency(f: &mut fmt::Formatter<'_>, latency: Option<Latency>) -> fmt::Result {
    let Some(Latency { p50, p99, p999, .. }) = latency else {
        return Ok(());
    };
    write!(
        f,
        ", latency p50 {p50:.0} us, p99 {p99:.0} us, p99.9 {p999:.0} us"
    )
}

fn shares(f: &mut fmt::Formatter<'_>, usage: &Usage) -> fmt::Result {
    let percent = |share: f64| share * 100.0;
    write!(f, ", CPU")?;
    if let Some(server) = usage.server_cpu_share {
        write!(f, " server {:.0} %", percent(server))?;
    }
    write!(
        f,
        " generator {:.0} % others {:.0} %",
        percent(usage.generator_cpu_share),
        percent(usage.others_cpu_share)
    )
}

fn idle(f: &mut fmt::Formatter<'_>, idled: &Idled) -> fmt::Result {
    write!(f, "idle C={}", idled.connections)?;
    let stages = [
        ("open", Some(idled.open)),
        ("in a room", idled.in_room),
        ("after a message each", Some(idled.after_a_message)),
    ];
    for (name, stage) in stages {
        if let Some(stage) = stage {
            let (bytes, micros) = (stage.memory_bytes_each, stage.micros_each);
            write!(f, ", {name}: {bytes:.0} B each, {micros:.1} us CPU each")?;
        }
    }
    write!(f, ", {} threads", idled.server_threads)
}

fn connect(f: &mut fmt::Formatter<'_>, connected: &Connected) -> fmt::Result {
    write!(
        f,
        "connect C={}: {:.0} connections/s",
        connected.at_once, connected.connections_a_second
    )?;
    if let Some(micros) = connected.server_micros_each {
        write!(f, ", server {micros:.1} us CPU each")?;
    }
    latency(f, connected.latency_micros)?;
    shares(f, &connected.usage)
}

fn gateway(f: &mut fmt::Formatter<'_>, pushed: &Pushed) -> fmt::Result {
    let online = &pushed.online;
    write!(
        f,
        "gateway {} users online at {:.0}/s",
        pushed.users, online.users_a_second
    )?;
    if let Some(micros) = online.server_micros_each {
        write!(f, ", server {micros:.1} us CPU each")?;
    }
    if let Some(bytes) = online.memory_bytes_each {
        write!(f, ", {bytes:.0} B each")?;
    }
    if let Some(flow) = &pushed.pushes {
        write!(
            f,
            "\n  pushes {}, {} acknowledgements, {} late",
            Line(flow, "deliveries"),
            pushed.acknowledgements,
            pushed.late
        )?;
    }
    Ok(())
}

fn million(f: &mut fmt::Formatter<'_>, held: &Held) -> fmt::Result {
    let Held {
        connections,
        servers,
        opening_seconds,
        closing_seconds,
        server_bytes_each,
        kernel_bytes_each,
        keeper_bytes_each,
    } = held;
    write!(
        f,
        "million: {connections} connections to {servers} servers, opened in {opening_seconds:.0} s, closed in \
         {closing_seconds:.0} s\n  each: server {server_bytes_each:.0} B, kernel {kernel_bytes_each:.0} B for both \
         ends, generator {keeper_bytes_each:.0} B"
    )
}

fn laggards(f: &mut fmt::Formatter<'_>, lagged: &Lagged) -> fmt::Result {
    let Lagged {
        stuck,
        saturated,
        without,
        with,
        late,
        counted,
        woken,
    } = lagged;
    writeln!(f, "laggards: at most {saturated:.0} messages/s to the room")?;
    writeln!(
        f,
        "  none stuck: {}, {} late",
        Line(without, "deliveries"),
        late[0]
    )?;
    writeln!(
        f,
        "  {stuck} stuck: {}, {} late",
        Line(with, "deliveries"),
        late[1]
    )?;
    if let (Some(without), Some(with)) = (without.latency_micros, with.latency_micros) {
        let (p99, p999) = (with.p99 / without.p99, with.p999 / without.p999);
        writeln!(f, "  latency with them: p99 x {p99:.2}, p99.9 x {p999:.2}")?;
    }
    write!(f, "  {counted:?}")?;
    match woken {
        Some(how) => write!(f, "; the process that was stopped ended: {how}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Usage = Usage {
        seconds: 1.0,
        server_cpu_seconds: Some(0.5),
        server_user_seconds: Some(0.1),
        server_cpu_share: Some(0.5),
        generator_cpu_share: 0.6,
        others_cpu_share: 0.01,
        stolen_cpu_share: 0.0,
    };

    fn flow(usage: Usage) -> Flow {
        Flow {
            connections: 64,
            in_flight: 1,
            bytes: 128,
            messages: 100_000,
            messages_a_second: 100_000.0,
            server_micros_each: usage.server_micros_each(100_000),
            server_user_micros_each: usage.server_user_micros_each(100_000),
            latency_micros: Some(Latency {
                p50: 300.0,
                p99: 400.0,
                p999: 500.0,
                max: 600.0,
            }),
            verified: 1_640,
            usage,
            generator_was_the_bottleneck: usage.generator_was_the_bottleneck(),
            server_memory_bytes: Some(5 << 20),
            server_threads: Some(3),
            turns: None,
        }
    }

    #[test]
    fn a_line_has_what_was_asked_for() {
        let line = Report::Echo(flow(QUIET)).to_string();
        assert_eq!(
            line,
            "echo C=64 D=1 128 B: 100000 messages/s, server 5.000 us CPU each, 1.000 of them user time, latency p50 300 us, \
             p99 400 us, p99.9 500 us, server 5.0 MiB, CPU server 50 % generator 60 % others 1 %, \
             1640 verified"
        );
    }

    #[test]
    fn json_names_the_bench_and_keeps_the_figures() {
        let report = Report::Mixed {
            flow: flow(QUIET),
            by_priority: Vec::new(),
        };
        let json = serde_json::to_value(&report).expect("it has only numbers and texts");
        assert_eq!(json["bench"], "mixed");
        assert_eq!(json["messages"], 100_000);
        assert_eq!(json["latency_micros"]["p99"], 400.0);
        assert_eq!(json["generator_was_the_bottleneck"], false);
    }

    #[test]
    fn a_full_generator_and_busy_others_are_told_of() {
        assert!(Report::Echo(flow(QUIET)).warnings().is_empty());
        let full = Usage {
            generator_cpu_share: 0.99,
            ..QUIET
        };
        let warnings = Report::Echo(flow(full)).warnings();
        assert!(warnings[0].contains("bottleneck"), "{warnings:?}");
        let noisy = Usage {
            others_cpu_share: 0.3,
            ..QUIET
        };
        let warnings = Report::Echo(flow(noisy)).warnings();
        assert!(warnings[0].contains("30 %"), "{warnings:?}");
    }
}
