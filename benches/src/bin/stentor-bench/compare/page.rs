//! Owns how a comparison is written down: a page of Markdown with the machine in
//! its head.

use std::fmt::{self, Write};

use super::figures::{Figure, Median, Of, Passes, median, ratio};
use super::plan::Table;
use crate::measure::Identity;

/// Everything on the page.
pub(super) struct Page<'a> {
    pub(super) date: &'a str,
    pub(super) commit: &'a str,
    pub(super) machine: &'a Identity,
    pub(super) passes: usize,
    pub(super) seconds: f64,
    pub(super) contenders: Vec<&'a str>,
    /// The tables with what was measured, by column and contender.
    pub(super) tables: Vec<(Table, Vec<Vec<Passes>>)>,
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        for (table, columns) in &self.tables {
            writeln!(f, "\n## {}\n", table.title)?;
            let titles: Vec<_> = table.columns.iter().map(|it| it.title.as_str()).collect();
            let is_idle = columns.iter().flatten().flatten().flatten().any(is_idle);
            if is_idle {
                self.idle(f, &columns[0])?;
                continue;
            }
            writeln!(f, "CPU microseconds a message:\n")?;
            self.table(f, &titles, columns, cost)?;
            writeln!(f, "\nMessages a second / p99 of latency in milliseconds:\n")?;
            self.table(f, &titles, columns, |passes, _| speed(passes))?;
            writeln!(
                f,
                "\nTurns of a shard: within which time half of them, 99 %, and all were:\n"
            )?;
            self.table(f, &titles, columns, |passes, _| turns(passes))?;
        }
        Ok(())
    }
}

impl Page<'_> {
    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Identity {
            cpu,
            cores,
            memory_gib,
            kernel,
            rustc,
        } = self.machine;
        writeln!(f, "# Measured on {}\n", self.date)?;
        writeln!(f, "| | |\n|---|---|")?;
        writeln!(f, "| machine | {cpu}, {cores} cores, {memory_gib:.1} GiB |")?;
        writeln!(f, "| system | Linux {kernel} |")?;
        writeln!(f, "| compiler | {rustc} |")?;
        writeln!(f, "| commit | {} |", self.commit)?;
        writeln!(
            f,
            "| passes | {} of {} s each, every contender in turn |",
            self.passes, self.seconds
        )?;
        let figures = || {
            let columns = self.tables.iter().flat_map(|(_, columns)| columns);
            columns.flatten().flatten().flatten()
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
             core to itself; the generator has another. Figures are medians of undisturbed passes; \
             in brackets is the ratio to `raw`, a bare epoll loop without WebSocket, as the median of \
             ratios within a pass. `~`: no pass was undisturbed. `^`: the generator was the \
             bottleneck. Compare ratios: times change with the machine's mood."
        )
    }

    fn table(
        &self,
        f: &mut fmt::Formatter<'_>,
        titles: &[&str],
        columns: &[Vec<Passes>],
        cell: impl Fn(&Passes, Option<&Passes>) -> Option<String>,
    ) -> fmt::Result {
        writeln!(f, "| | {} |", titles.join(" | "))?;
        writeln!(f, "|---{}|", "|---".repeat(titles.len()))?;
        for (line, name) in self.contenders.iter().enumerate() {
            let of = |column: &Vec<Passes>| {
                // The first is the limit.
                let limit = (line > 0).then(|| &column[0]);
                cell(&column[line], limit)
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
        for (line, (name, passes)) in self.contenders.iter().zip(column).enumerate() {
            let value = |of: fn(&Figure) -> f64| {
                let median = median(passes, of);
                median.map_or("-".into(), |median| format!("{:.0}", median.value))
            };
            let limit = (line > 0).then(|| &column[0]);
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
    let p99 = median(passes, |figure| match figure.of {
        Of::Flow { p99_micros, .. } => p99_micros,
        Of::Idle { .. } => 0.0,
    })?;
    let rate = match rate.value {
        rate if rate >= 1e6 => format!("{:.2} M", rate / 1e6),
        rate => format!("{:.0} k", rate / 1e3),
    };
    Some(format!("{rate} / {:.2}", p99.value / 1e3))
}

/// Of the last pass: histograms have no median.
fn turns(passes: &Passes) -> Option<String> {
    let of = |figure: &Figure| match &figure.of {
        Of::Flow { turns, .. } => turns.clone(),
        Of::Idle { .. } => None,
    };
    let turns = passes.iter().flatten().rev().find_map(of)?;
    let within = |share| match turns.within(share) {
        bound if bound.is_finite() => format!("{bound:.0}"),
        _ => "more".into(),
    };
    Some(format!(
        "{} / {} / {} us",
        within(0.5),
        within(0.99),
        within(1.0)
    ))
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
    use super::*;

    fn flow(micros: f64, is_noisy: bool, bottleneck: bool) -> Option<Figure> {
        Some(Figure {
            micros,
            of: Of::Flow {
                messages_a_second: 231_400.0,
                p99_micros: 450.0,
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
        assert_eq!(speed(&limit).as_deref(), Some("231 k / 0.45"));
    }

    #[test]
    fn a_page_has_a_line_for_each_that_was_measured() {
        let machine = Identity {
            cpu: "one".into(),
            cores: 2,
            memory_gib: 24.0,
            kernel: "6".into(),
            rustc: "1".into(),
        };
        let mut table = super::super::plan::quick().remove(0);
        table.columns.truncate(1);
        let measured = vec![vec![
            vec![flow(4.0, false, false)],
            vec![flow(5.0, false, false)],
            vec![None],
        ]];
        let page = Page {
            date: "2001-02-03",
            commit: "abc",
            machine: &machine,
            passes: 1,
            seconds: 1.0,
            contenders: vec!["raw", "stentor", "absent"],
            tables: vec![(table, measured)],
        };
        let text = page.to_string();
        assert!(text.starts_with("# Measured on 2001-02-03\n"), "{text}");
        assert!(text.contains("| others | 0 of 2 measurements disturbed; at most 0 % of a core |"));
        assert!(
            text.contains("\n| | 128 B |\n|---|---|\n| raw | 4.00 |\n| stentor | 5.00 (1.25) |\n")
        );
        assert!(!text.contains("absent"), "{text}");
    }
}
