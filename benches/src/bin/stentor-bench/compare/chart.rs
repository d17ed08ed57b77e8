//! Owns the chart of a comparison: for each load a panel, in it a bar for each
//! server, from the limit to what it costs. What that means is written beside it, so
//! nothing depends on colours, and those that there are go with a dark page and with
//! a bright one.

use std::fs;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::figures::{Median, Of, Passes, median, ratio};
use super::record::Record;
use crate::fault::Fault;

/// Draws a record into a file.
pub(super) fn write(record: &Record, path: &Path) -> Result<(), Fault> {
    let text = draw(record).map_err(|error| Fault::Program(format!("the chart: {error}")))?;
    fs::write(path, text).map_err(Fault::system(format!("{}", path.display())))
}

/// What is drawn of one load.
struct Panel {
    title: String,
    bars: Vec<Bar>,
    /// Where bars begin.
    from: f64,
    unit: &'static str,
}

struct Bar {
    name: String,
    median: Median,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw(record: &Record) -> Result<String, Box<dyn std::error::Error>> {
    let panels = panels(record);
    let most = panels.iter().map(|panel| panel.bars.len()).max();
    let rows = panels.len().div_ceil(COLUMNS).max(1);
    let row = TITLE + most.unwrap_or(0) as i32 * BAR + GAP;
    let size = (WIDTH, (HEAD + row * rows as i32) as u32);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        let (head, body) = area.split_vertically(HEAD);
        let title = "Server CPU for a message, as a multiple of a bare epoll loop's";
        let mut bars = panels.iter().flat_map(|panel| &panel.bars);
        let doubt = match bars.any(|bar| bar.median.is_doubtful) {
            true => "; ~ disturbed",
            false => "",
        };
        let machine = format!(
            "logarithmic; {}, {} cores, {}; commit {}{doubt}",
            record.machine.cpu, record.machine.cores, record.date, record.commit
        );
        head.draw(&Text::new(title, (MARGIN, 14), style(18, HPos::Left)))?;
        head.draw(&Text::new(machine, (MARGIN, 36), style(12, HPos::Left)))?;
        let highest = highest(&panels);
        for (panel, area) in panels.iter().zip(body.split_evenly((rows, COLUMNS))) {
            panel.draw(&area, highest)?;
        }
        area.present()?;
    }
    Ok(text)
}

/// Of each load that is to be drawn the ratios, and the memory where it is known.
fn panels(record: &Record) -> Vec<Panel> {
    let mut panels = Vec::new();
    for table in &record.tables {
        for column in table.columns.iter().filter(|column| column.in_chart) {
            let Some((limit, others)) = column.of.split_first() else {
                continue;
            };
            let bars = |of: &dyn Fn(&Passes) -> Option<Median>| {
                let bar = |(name, passes): (&String, &Passes)| {
                    let name = name.clone();
                    of(passes).map(|median| Bar { name, median })
                };
                let names = record.contenders.iter().skip(1);
                names.zip(others).filter_map(bar).collect::<Vec<_>>()
            };
            let is_idle = column
                .of
                .iter()
                .flatten()
                .flatten()
                .any(|figure| matches!(figure.of, Of::Idle { .. }));
            let what = if is_idle {
                "to open one"
            } else {
                &column.title
            };
            panels.push(Panel {
                title: format!("{}: {what}", table.title),
                bars: bars(&|passes| ratio(passes, limit)),
                from: 1.0,
                unit: "\u{d7}",
            });
            if is_idle {
                panels.push(Panel {
                    title: format!("{}: memory of one in a room", table.title),
                    bars: bars(&|passes| median(passes, memory)),
                    from: SMALLEST,
                    unit: " B",
                });
            }
        }
    }
    panels
}

fn memory(figure: &super::figures::Figure) -> f64 {
    match figure.of {
        Of::Idle { in_room, .. } => in_room,
        Of::Flow { .. } => 0.0,
    }
}

/// The greatest ratio that there is: panels of ratios have one scale.
fn highest(panels: &[Panel]) -> f64 {
    let ratios = panels.iter().filter(|panel| panel.from == 1.0);
    let values = ratios.flat_map(|panel| panel.bars.iter().map(|bar| bar.median.value));
    values.fold(2.0, f64::max)
}

impl Panel {
    fn draw(&self, area: &Area<'_>, highest_ratio: f64) -> Drawn {
        area.draw(&Text::new(
            self.title.clone(),
            (MARGIN, TITLE / 2),
            style(14, HPos::Left),
        ))?;
        let width = area.dim_in_pixel().0 as i32;
        let values = || self.bars.iter().map(|bar| bar.median.value);
        let end = match self.from {
            1.0 => highest_ratio,
            _ => values().fold(self.from * 10.0, f64::max),
        };
        let (left, right) = (NAMES, width - NUMBER);
        let at = |value: f64| {
            let share = (value / self.from).ln() / (end / self.from).ln();
            left + (share * f64::from(right - left)).round() as i32
        };
        let bottom = TITLE + self.bars.len() as i32 * BAR;
        for (line, bar) in self.bars.iter().enumerate() {
            let top = TITLE + line as i32 * BAR;
            let middle = top + BAR / 2;
            let Median { value, is_doubtful } = bar.median;
            // Nothing is faster than nothing: what memory there is not has no bar.
            let to = at(value.max(self.from * 0.8)).max(left - 6);
            let corners = [(left.min(to), top + 2), (left.max(to), top + BAR - 2)];
            area.draw(&Rectangle::new(corners, colour(&bar.name).filled()))?;
            let name = Text::new(bar.name.clone(), (left - 8, middle), style(12, HPos::Right));
            area.draw(&name)?;
            let digits = if self.from == 1.0 { 2 } else { 0 };
            let doubt = if is_doubtful { "~" } else { "" };
            let number = format!("{value:.digits$}{}{doubt}", self.unit);
            let beside = (left.max(to) + 5, middle);
            area.draw(&Text::new(number, beside, style(12, HPos::Left)))?;
        }
        let line = [(left, TITLE - 2), (left, bottom + 2)];
        area.draw(&PathElement::new(line, INK.stroke_width(1)))?;
        Ok(())
    }
}

/// Of so many pixels; plotters makes them smaller.
fn style(size: i32, side: HPos) -> TextStyle<'static> {
    let size = f64::from(size) * 1.24;
    TextStyle::from(("sans-serif", size).into_font())
        .color(&INK)
        .pos(Pos::new(side, VPos::Center))
}

/// Ours stand out.
fn colour(name: &str) -> RGBColor {
    match name {
        "stentor" => RGBColor(31, 111, 235),
        _ if name.starts_with("stentor-std") => RGBColor(46, 160, 132),
        _ if name.starts_with("stentor") => RGBColor(88, 150, 240),
        _ => RGBColor(160, 148, 128),
    }
}

/// As far from white as from black.
const INK: RGBColor = RGBColor(118, 124, 132);
const COLUMNS: usize = 2;
/// Everything in pixels.
const WIDTH: u32 = 960;
const HEAD: i32 = 52;
const TITLE: i32 = 30;
const BAR: i32 = 18;
const GAP: i32 = 18;
const MARGIN: i32 = 12;
/// Room for names, and for the number behind the longest bar.
const NAMES: i32 = 150;
const NUMBER: i32 = 78;
/// Bytes at which the bars of memory begin.
const SMALLEST: f64 = 10.0;

#[cfg(test)]
mod tests {
    use super::super::figures::Figure;
    use super::super::record::{Column, Table};
    use super::*;
    use crate::measure::Identity;

    fn idle(micros: f64, in_room: f64) -> Passes {
        let of = Of::Idle {
            in_room,
            after_a_message: in_room,
            threads: 1,
        };
        vec![Some(Figure {
            micros,
            of,
            is_noisy: false,
            others: 0.0,
        })]
    }

    fn record(in_chart: bool) -> Record {
        Record {
            date: "2001-02-03".into(),
            commit: "abc".into(),
            machine: Identity {
                cpu: "one".into(),
                cores: 2,
                memory_gib: 24.0,
                kernel: "6".into(),
                rustc: "1".into(),
            },
            peers: Vec::new(),
            passes: 1,
            seconds: 1.0,
            contenders: ["raw", "stentor", "a<b", "absent"].map(String::from).into(),
            tables: vec![Table {
                title: "Idle".into(),
                columns: vec![Column {
                    title: "2 connections".into(),
                    in_chart,
                    of: vec![
                        idle(10.0, 14.0),
                        idle(21.0, 257.0),
                        idle(9.0, 0.0),
                        vec![None],
                    ],
                }],
            }],
        }
    }

    #[test]
    fn a_chart_has_a_bar_with_its_number_for_each_that_was_measured() {
        let text = draw(&record(true)).expect("it is drawn");
        let lines = |what: &str| text.lines().filter(|line| line.contains(what)).count();
        assert_eq!(lines("2.10\u{d7}"), 1, "{text}");
        assert_eq!(lines("0.90\u{d7}"), 1, "{text}");
        assert_eq!(lines("257 B"), 1, "{text}");
        assert_eq!(lines("<rect"), 4, "{text}");
        assert!(text.contains("a&lt;b") && !text.contains("a<b"), "{text}");
        assert!(!text.contains("absent"), "{text}");
    }

    #[test]
    fn what_is_not_for_the_chart_is_not_in_it() {
        let text = draw(&record(false)).expect("it is drawn");
        assert!(text.contains("<svg") && !text.contains("<rect"), "{text}");
    }
}
