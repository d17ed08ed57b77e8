//! Report of a run: as text, as JSON, and with warnings about unreliable figures.

use std::fmt;

use serde::Serialize;

use crate::load::{
    ConnectResult, GatewayResult, IdleResult, LaggardsResult, PriorityResult, TrafficResult,
};
use crate::measure::{CpuUsage, Latency};
use crate::million::MillionResult;

/// The result of a command.
#[derive(Debug, Serialize)]
#[serde(tag = "bench", rename_all = "kebab-case")]
pub(crate) enum Report {
    Echo(TrafficResult),
    FanOut(TrafficResult),
    Idle(IdleResult),
    Connect(ConnectResult),
    Mixed {
        #[serde(flatten)]
        traffic: TrafficResult,
        by_priority: Vec<PriorityResult>,
    },
    Tasks(TrafficResult),
    Urgent(TrafficResult),
    Gateway(GatewayResult),
    Laggards(Box<LaggardsResult>),
    Million(MillionResult),
}

impl Report {
    /// Returns reasons why the figures may be unreliable.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let usages = match self {
            Self::Echo(traffic)
            | Self::FanOut(traffic)
            | Self::Tasks(traffic)
            | Self::Urgent(traffic)
            | Self::Mixed { traffic, .. } => vec![traffic.usage],
            Self::Connect(result) => vec![result.usage],
            Self::Idle(result) => {
                let stages = [
                    Some(result.open),
                    result.in_room,
                    Some(result.after_a_message),
                ];
                stages
                    .into_iter()
                    .flatten()
                    .map(|stage| stage.usage)
                    .collect()
            }
            Self::Gateway(result) => {
                let pushes = result.pushes.as_ref().map(|traffic| traffic.usage);
                [Some(result.online.usage), pushes]
                    .into_iter()
                    .flatten()
                    .collect()
            }
            Self::Laggards(result) => vec![result.without.usage, result.with.usage],
            Self::Million(_) => Vec::new(),
        };
        usages.iter().flat_map(usage_warnings).collect()
    }
}

/// Returns reasons why the figures of one time window may be unreliable.
fn usage_warnings(usage: &CpuUsage) -> Vec<String> {
    let mut warnings = Vec::new();
    if usage.generator_was_the_bottleneck() {
        warnings.push(format!(
            "the generator used {:.0} % of its core: it was the bottleneck, the server can do more",
            usage.generator_cpu_share * 100.0
        ));
    }
    if usage.is_noisy() {
        warnings.push(format!(
            "others on this machine used {:.0} % of a core, others on its hardware {:.0} %",
            usage.others_cpu_share * 100.0,
            usage.stolen_cpu_share * 100.0
        ));
    }
    warnings
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Echo(traffic) => write!(f, "echo {}", TrafficLine(traffic, "messages")),
            Self::FanOut(traffic) => write!(f, "fan-out {}", TrafficLine(traffic, "deliveries")),
            Self::Tasks(traffic) => write!(f, "tasks {}", TrafficLine(traffic, "tasks")),
            Self::Urgent(traffic) => write!(f, "urgent {}", TrafficLine(traffic, "messages")),
            Self::Idle(result) => idle(f, result),
            Self::Connect(result) => connect(f, result),
            Self::Mixed {
                traffic,
                by_priority,
            } => {
                write!(f, "mixed {}", TrafficLine(traffic, "messages"))?;
                for result in by_priority {
                    let PriorityResult {
                        priority,
                        what,
                        messages,
                        latency_micros,
                        most_bytes_before,
                    } = result;
                    write!(f, "\n  priority {priority:>3}, {what}: {messages} messages")?;
                    latency(f, *latency_micros)?;
                    write!(f, ", at most {} KiB before it", most_bytes_before >> 10)?;
                }
                Ok(())
            }
            Self::Gateway(result) => gateway(f, result),
            Self::Laggards(result) => laggards(f, result),
            Self::Million(result) => million(f, result),
        }
    }
}

/// Formats a result as one line; the text names what was counted.
struct TrafficLine<'a>(&'a TrafficResult, &'a str);

impl fmt::Display for TrafficLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(traffic, what) = self;
        write!(
            f,
            "C={} D={} {} B: {:.0} {what}/s",
            traffic.connections, traffic.in_flight, traffic.bytes, traffic.messages_per_second
        )?;
        if let Some(micros) = traffic.server_micros_each {
            write!(f, ", server {micros:.3} us CPU each")?;
        }
        if let Some(micros) = traffic.server_user_micros_each {
            write!(f, ", {micros:.3} of them user time")?;
        }
        latency(f, traffic.latency_micros)?;
        if let Some(bytes) = traffic.server_memory_bytes {
            write!(f, ", server {:.1} MiB", bytes as f64 / f64::from(1 << 20))?;
        }
        shares(f, &traffic.usage)?;
        if let Some(turns) = &traffic.turns {
            write!(
                f,
                ", {} turns of shards: p50 <= {:.0} us, p99 <= {:.0} us, all <= {:.0} us",
                turns.count(),
                turns.within(0.5),
                turns.within(0.99),
                turns.within(1.0)
            )?;
        }
        write!(f, ", {} verified", traffic.verified)
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

fn shares(f: &mut fmt::Formatter<'_>, usage: &CpuUsage) -> fmt::Result {
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

fn idle(f: &mut fmt::Formatter<'_>, result: &IdleResult) -> fmt::Result {
    write!(f, "idle C={}", result.connections)?;
    let stages = [
        ("open", Some(result.open)),
        ("in a room", result.in_room),
        ("after a message each", Some(result.after_a_message)),
    ];
    for (name, stage) in stages {
        if let Some(stage) = stage {
            let (bytes, micros) = (stage.memory_bytes_each, stage.micros_each);
            write!(f, ", {name}: {bytes:.0} B each, {micros:.1} us CPU each")?;
        }
    }
    write!(f, ", {} threads", result.server_threads)
}

fn connect(f: &mut fmt::Formatter<'_>, result: &ConnectResult) -> fmt::Result {
    write!(
        f,
        "connect C={}: {:.0} connections/s",
        result.at_once, result.connections_per_second
    )?;
    if let Some(micros) = result.server_micros_each {
        write!(f, ", server {micros:.1} us CPU each")?;
    }
    latency(f, result.latency_micros)?;
    shares(f, &result.usage)
}

fn gateway(f: &mut fmt::Formatter<'_>, result: &GatewayResult) -> fmt::Result {
    let online = &result.online;
    write!(
        f,
        "gateway {} users online at {:.0}/s",
        result.users, online.users_per_second
    )?;
    if let Some(micros) = online.server_micros_each {
        write!(f, ", server {micros:.1} us CPU each")?;
    }
    if let Some(bytes) = online.memory_bytes_each {
        write!(f, ", {bytes:.0} B each")?;
    }
    if let Some(traffic) = &result.pushes {
        write!(
            f,
            "\n  pushes {}, {} acknowledgements, {} late",
            TrafficLine(traffic, "deliveries"),
            result.acknowledgements,
            result.late
        )?;
    }
    Ok(())
}

fn million(f: &mut fmt::Formatter<'_>, result: &MillionResult) -> fmt::Result {
    let MillionResult {
        connections,
        servers,
        opening_seconds,
        closing_seconds,
        server_bytes_each,
        kernel_bytes_each,
        generator_bytes_each,
    } = result;
    write!(
        f,
        "million: {connections} connections to {servers} servers, opened in {opening_seconds:.0} s, closed in \
         {closing_seconds:.0} s\n  each: server {server_bytes_each:.0} B, kernel {kernel_bytes_each:.0} B for both \
         ends, generator {generator_bytes_each:.0} B"
    )
}

fn laggards(f: &mut fmt::Formatter<'_>, result: &LaggardsResult) -> fmt::Result {
    let LaggardsResult {
        stuck,
        maximum_rate,
        without,
        with,
        late,
        counted,
        stopped_process_exit,
    } = result;
    writeln!(
        f,
        "laggards: at most {maximum_rate:.0} messages/s to the room"
    )?;
    writeln!(
        f,
        "  none stuck: {}, {} late",
        TrafficLine(without, "deliveries"),
        late[0]
    )?;
    writeln!(
        f,
        "  {stuck} stuck: {}, {} late",
        TrafficLine(with, "deliveries"),
        late[1]
    )?;
    if let (Some(without), Some(with)) = (without.latency_micros, with.latency_micros) {
        let (p99, p999) = (with.p99 / without.p99, with.p999 / without.p999);
        writeln!(f, "  latency with them: p99 x {p99:.2}, p99.9 x {p999:.2}")?;
    }
    write!(f, "  {counted:?}")?;
    match stopped_process_exit {
        Some(how) => write!(f, "; the process that was stopped ended: {how}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: CpuUsage = CpuUsage {
        seconds: 1.0,
        server_cpu_seconds: Some(0.5),
        server_user_seconds: Some(0.1),
        server_cpu_share: Some(0.5),
        generator_cpu_share: 0.6,
        others_cpu_share: 0.01,
        stolen_cpu_share: 0.0,
    };

    fn traffic(usage: CpuUsage) -> TrafficResult {
        TrafficResult {
            connections: 64,
            in_flight: 1,
            bytes: 128,
            messages: 100_000,
            messages_per_second: 100_000.0,
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
    fn a_line_has_all_figures() {
        let line = Report::Echo(traffic(QUIET)).to_string();
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
            traffic: traffic(QUIET),
            by_priority: Vec::new(),
        };
        let json = serde_json::to_value(&report).expect("it has only numbers and texts");
        assert_eq!(json["bench"], "mixed");
        assert_eq!(json["messages"], 100_000);
        assert_eq!(json["latency_micros"]["p99"], 400.0);
        assert_eq!(json["generator_was_the_bottleneck"], false);
    }

    #[test]
    fn a_full_generator_and_busy_others_are_warnings() {
        assert!(Report::Echo(traffic(QUIET)).warnings().is_empty());
        let full = CpuUsage {
            generator_cpu_share: 0.99,
            ..QUIET
        };
        let warnings = Report::Echo(traffic(full)).warnings();
        assert!(warnings[0].contains("bottleneck"), "{warnings:?}");
        let noisy = CpuUsage {
            others_cpu_share: 0.3,
            ..QUIET
        };
        let warnings = Report::Echo(traffic(noisy)).warnings();
        assert!(warnings[0].contains("30 %"), "{warnings:?}");
    }
}
