//! Generated parts of the documentation: the tables of the settings and of the metrics.
//!
//! `STENTOR_WRITE=1 cargo test -p stentor-server --test it docs` writes them again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use stentor_core::stats::Stats;
use stentor_core::{Handler as _, ShardId};
use stentor_gateway::Gateway;
use stentor_server::Settings;
use stentor_server::metrics::{self, Snapshot};

const MARK: &str =
    "<!-- generated: STENTOR_WRITE=1 cargo test -p stentor-server --test it docs -->\n";

/// Compares what follows the mark in a page with `generated`, or writes it.
fn compare(page: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(page);
    let text = std::fs::read_to_string(&path).expect("a page");
    let (before, reference) = text.split_once(MARK).expect("the mark");
    if std::env::var_os("STENTOR_WRITE").is_some() {
        std::fs::write(&path, format!("{before}{MARK}{generated}")).expect("written");
        return;
    }
    for (written, generated) in reference.lines().zip(generated.lines()) {
        assert_eq!(written, generated, "docs/{page}");
    }
    assert_eq!(
        reference.lines().count(),
        generated.lines().count(),
        "docs/{page}"
    );
}

#[test]
fn the_reference_of_the_settings_is_the_generated_one() {
    compare("configuration.md", &Settings::reference());
}

#[test]
fn the_reference_of_the_metrics_is_the_generated_one() {
    let args = ["stentor", "--max-connections=1000", "--seed=1"];
    let settings = Settings::parse(args, |_| None, |_| Ok(String::new()));
    let settings = settings.expect("valid settings");
    let mut snapshot = Snapshot::new(&settings);
    snapshot.shards = vec![Stats::default()];
    let gateway = Gateway::new(ShardId(0), settings.gateway.clone());
    snapshot.app = gateway.metrics();
    let page = metrics::render(&snapshot);
    // One whose name the server has for itself would be left out.
    for metric in &snapshot.app {
        let (name, help) = (metric.family.name, metric.family.help);
        assert!(page.contains(&format!("# HELP {name} {help}\n")), "{name}");
    }
    compare("metrics.md", &reference(&page));
}

#[derive(Default)]
struct Family {
    kind: String,
    help: String,
    /// The values of each label, as far as they are not numbers.
    labels: BTreeMap<String, BTreeSet<String>>,
}

fn reference(page: &str) -> String {
    let mut families: Vec<(String, Family)> = Vec::new();
    for line in page.lines() {
        if let Some((name, help)) = line
            .strip_prefix("# HELP ")
            .and_then(|rest| rest.split_once(' '))
        {
            let family = Family {
                help: help.into(),
                ..Family::default()
            };
            families.push((name.into(), family));
        } else if let Some((_, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|rest| rest.split_once(' '))
        {
            families.last_mut().expect("its help").1.kind = kind.into();
        } else if let Some((_, labels)) = line.split_once('{') {
            let family = &mut families.last_mut().expect("its help").1;
            let labels = labels.split('}').next().unwrap_or_default();
            for label in labels.split("\",") {
                let (label, value) = label.split_once("=\"").expect("a label");
                let values = family.labels.entry(label.into()).or_default();
                let value = value.trim_end_matches('"');
                if value.parse::<f64>().is_err() {
                    values.insert(value.into());
                }
            }
        }
    }
    let mut text = String::from("\n| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for (name, family) in families {
        if name.starts_with("process_") {
            continue; // The system decides which there are.
        }
        let label = |(label, values): (&String, &BTreeSet<String>)| {
            if values.is_empty() || values.len() > 12 || name == "stentor_build_info" {
                return format!("`{label}`");
            }
            let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
            format!("`{label}`: {}", values.join(", "))
        };
        let labels: Vec<_> = family.labels.iter().map(label).collect();
        let Family { kind, help, .. } = family;
        text += &format!("| `{name}` | {kind} | {} | {help} |\n", labels.join("; "));
    }
    text
}
