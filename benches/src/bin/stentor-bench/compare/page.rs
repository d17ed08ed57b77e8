//! Owns how a comparison is written down: a page of Markdown with the machine in
//! its head.

use std::fmt::{self, Write};

use super::figures::{Figure, Median, Of, Passes, TurnsWithin, median, ratio};
use super::record::{Column, Record};
use crate::measure::{Identity, Latency};

/// A record, for people.
pub(super) struct Page<'a>(pub(super) &'a Record);

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        for table in &self.0.tables {
            writeln!(f, "\n## {}\n", table.title)?;
            let columns = table.columns.as_slice();
            let figures = columns.iter().flat_map(|column| &column.of);
            if figures.flatten().flatten().any(is_idle) {
                columns
                    .iter()
                    .try_for_each(|column| self.idle(f, &column.of))?;
                continue;
            }
            writeln!(f, "CPU microseconds a message:\n")?;
            self.table(f, columns, cost)?;
            writeln!(
                f,
                "\nMessages a second; p50 / p99 / p99.9 of latency in milliseconds:\n"
            )?;
            self.table(f, columns, |passes, _| speed(passes))?;
            writeln!(
                f,
                "\nTurns of a shard: within which time half of them, 99 %, and all were:\n"
            )?;
            self.table(f, columns, |passes, _| turns(passes))?;
        }
        Ok(())
    }
}

impl Page<'_> {
    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.0;
        let Identity {
            cpu,
            cores,
            memory_gib,
            kernel,
            rustc,
        } = &record.machine;
        writeln!(f, "# Measured on {}\n", record.date)?;
        writeln!(f, "| | |\n|---|---|")?;
        writeln!(f, "| machine | {cpu}, {cores} cores, {memory_gib:.1} GiB |")?;
        writeln!(f, "| system | Linux {kernel} |")?;
        writeln!(f, "| compiler | {rustc} |")?;
        writeln!(f, "| commit | {} |", record.commit)?;
        if !record.peers.is_empty() {
            writeln!(f, "| peers | {} |", record.peers.join(", "))?;
        }
        writeln!(
            f,
            "| passes | {} of {} s each, every contender in turn |",
            record.passes, record.seconds
        )?;
        let figures = || {
            let columns = record.tables.iter().flat_map(|table| &table.columns);
            columns.flat_map(|column| &column.of).flatten().flatten()
        };
        let noisy = figures().filter(|figure| figure.is_noisy).count();
        let most = figures().map(|figure| figure.others).fold(0.0, f64::max);
        writeln!(
            f,
            "| others | {noisy} of {} measurements disturbed; at most {:.0} % of a core |",
            figures().count(),
            most * 100.0
        )?;
        writeln!(
            f,
            "\n`stentor-bench compare` over loopback, without TLS: each server has one shard, and one \
             core to itself; the generator has another, on which it never sleeps, so that nobody \
             pays for waking it. Figures are medians of undisturbed passes; \
             in brackets is the ratio to `raw`, a bare epoll loop without WebSocket, as the median of \
             ratios within a pass. `~`: no pass was undisturbed. `^`: the generator was the \
             bottleneck. `native`: built with `target-cpu=native`. Compare ratios: times change with the machine's mood."
        )
    }

    fn table(
        &self,
        f: &mut fmt::Formatter<'_>,
        columns: &[Column],
        cell: impl Fn(&Passes, Option<&Passes>) -> Option<String>,
    ) -> fmt::Result {
        let titles: Vec<_> = columns.iter().map(|it| it.title.as_str()).collect();
        writeln!(f, "| | {} |", titles.join(" | "))?;
        writeln!(f, "|---{}|", "|---".repeat(titles.len()))?;
        for (line, name) in self.0.contenders.iter().enumerate() {
            let of = |column: &Column| {
                let limit = column.of.first().filter(|_| line > 0);
                cell(column.of.get(line)?, limit)
            };
            let cells: Vec<_> = columns.iter().map(of).collect();
            if cells.iter().any(Option::is_some) {
                let cells = cells
                    .into_iter()
                    .map(|cell| cell.unwrap_or_else(|| "-".into()));
                writeln!(f, "| {name} | {} |", cells.collect::<Vec<_>>().join(" | "))?;
            }
        }
        Ok(())
    }

    fn idle(&self, f: &mut fmt::Formatter<'_>, column: &[Passes]) -> fmt::Result {
        writeln!(
            f,
            "| | memory in a room, B each | after a message, B each | CPU us to open | threads |"
        )?;
        writeln!(f, "|---|---|---|---|---|")?;
        for (line, (name, passes)) in self.0.contenders.iter().zip(column).enumerate() {
            let value = |of: fn(&Figure) -> f64| {
                let median = median(passes, of);
                median.map_or("-".into(), |median| format!("{:.0}", median.value))
            };
            let limit = column.first().filter(|_| line > 0);
            writeln!(
                f,
                "| {name} | {} | {} | {} | {} |",
                value(|figure| idle_of(figure).map_or(0.0, |idle| idle.0)),
                value(|figure| idle_of(figure).map_or(0.0, |idle| idle.1)),
                cost(passes, limit).unwrap_or_else(|| "-".into()),
                value(|figure| idle_of(figure).map_or(0.0, |idle| idle.2 as f64)),
            )?;
        }
        Ok(())
    }
}

/// What a message costs, and the ratio to what it costs the limit.
fn cost(passes: &Passes, limit: Option<&Passes>) -> Option<String> {
    let Median { value, is_doubtful } = median(passes, |figure| figure.micros)?;
    let digits = if value < 1.0 { 3 } else { 2 };
    let mut text = format!("{value:.digits$}");
    let ratio = limit.and_then(|limit| ratio(passes, limit));
    if let Some(ratio) = ratio {
        write!(text, " ({:.2})", ratio.value).ok()?;
    }
    if is_doubtful || ratio.is_some_and(|ratio| ratio.is_doubtful) {
        text.push('~');
    }
    let bottleneck = |figure: &Figure| {
        let Of::Flow {
            generator_was_the_bottleneck,
            ..
        } = figure.of
        else {
            return false;
        };
        generator_was_the_bottleneck
    };
    if passes.iter().flatten().any(bottleneck) {
        text.push('^');
    }
    Some(text)
}

fn speed(passes: &Passes) -> Option<String> {
    let rate = median(passes, |figure| match figure.of {
        Of::Flow {
            messages_a_second, ..
        } => messages_a_second,
        Of::Idle { .. } => 0.0,
    })?;
    let millis = |get: fn(&Latency) -> f64| {
        let median = median(passes, |figure| match &figure.of {
            Of::Flow { latency_micros, .. } => get(latency_micros) / 1e3,
            Of::Idle { .. } => 0.0,
        });
        median.map(|median| median.value)
    };
    let rate = match rate.value {
        rate if rate >= 1e6 => format!("{:.2} M", rate / 1e6),
        rate => format!("{:.0} k", rate / 1e3),
    };
    Some(format!(
        "{rate}; {:.2} / {:.2} / {:.2}",
        millis(|latency| latency.p50)?,
        millis(|latency| latency.p99)?,
        millis(|latency| latency.p999)?,
    ))
}

/// Of the last pass: histograms have no median.
fn turns(passes: &Passes) -> Option<String> {
    let of = |figure: &Figure| match figure.of {
        Of::Flow { turns, .. } => turns,
        Of::Idle { .. } => None,
    };
    let TurnsWithin { half, p99, all } = passes.iter().flatten().rev().find_map(of)?;
    let [half, p99, all] = [half, p99, all]
        .map(|bound| bound.map_or_else(|| "more".into(), |bound| format!("{bound:.0}")));
    Some(format!("{half} / {p99} / {all} us"))
}

fn idle_of(figure: &Figure) -> Option<(f64, f64, u64)> {
    match figure.of {
        Of::Idle {
            in_room,
            after_a_message,
            threads,
        } => Some((in_room, after_a_message, threads)),
        Of::Flow { .. } => None,
    }
}

fn is_idle(figure: &Figure) -> bool {
    idle_of(figure).is_some()
}

#[cfg(test)]
mod tests {
    use super::super::record::Table;
    use super::*;

    fn flow(micros: f64, is_noisy: bool, bottleneck: bool) -> Option<Figure> {
        Some(Figure {
            micros,
            of: Of::Flow {
                messages_a_second: 231_400.0,
                latency_micros: Latency {
                    p50: 200.0,
                    p99: 450.0,
                    p999: 800.0,
                    max: 900.0,
                },
                generator_was_the_bottleneck: bottleneck,
                turns: None,
            },
            is_noisy,
            others: 0.0,
        })
    }

    #[test]
    fn a_cell_has_the_cost_the_ratio_and_its_doubts() {
        let limit = vec![flow(4.0, false, false)];
        let text = |figure, limit| cost(&vec![figure], limit).expect("there is a pass");
        assert_eq!(text(flow(4.0, false, false), None), "4.00");
        assert_eq!(text(flow(5.0, false, false), Some(&limit)), "5.00 (1.25)");
        assert_eq!(text(flow(0.25, true, false), Some(&limit)), "0.250 (0.06)~");
        assert_eq!(text(flow(5.0, false, true), Some(&limit)), "5.00 (1.25)^");
        assert_eq!(cost(&vec![None], Some(&limit)), None);
        assert_eq!(speed(&limit).as_deref(), Some("231 k; 0.20 / 0.45 / 0.80"));
    }

    #[test]
    fn a_page_has_a_line_for_each_that_was_measured() {
        let column = Column {
            title: "128 B".into(),
            in_chart: true,
            of: vec![
                vec![flow(4.0, false, false)],
                vec![flow(5.0, false, false)],
                vec![None],
            ],
        };
        let record = Record {
            date: "2001-02-03".into(),
            commit: "abc".into(),
            machine: Identity {
                cpu: "one".into(),
                cores: 2,
                memory_gib: 24.0,
                kernel: "6".into(),
                rustc: "1".into(),
            },
            peers: vec!["yawc 1.0".into()],
            passes: 1,
            seconds: 1.0,
            contenders: ["raw", "stentor", "absent"].map(String::from).into(),
            tables: vec![Table {
                title: "Echo".into(),
                columns: vec![column],
            }],
        };
        // As it is after it was kept.
        let json = serde_json::to_string(&record).expect("it can be written");
        let record = serde_json::from_str(&json).expect("and read");
        let page = Page(&record);
        let text = page.to_string();
        assert!(text.starts_with("# Measured on 2001-02-03\n"), "{text}");
        assert!(text.contains("| others | 0 of 2 measurements disturbed; at most 0 % of a core |"));
        assert!(
            text.contains("\n| | 128 B |\n|---|---|\n| raw | 4.00 |\n| stentor | 5.00 (1.25) |\n")
        );
        assert!(text.contains("| peers | yawc 1.0 |"), "{text}");
        assert!(!text.contains("absent"), "{text}");
    }
}
