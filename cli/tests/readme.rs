//! Owns the agreement between the README and the server: its table of flags says what
//! `--help` says, flag by flag.

use std::collections::BTreeMap;

use stentor_cli::{Settings, SettingsError};

const README: &str = include_str!("../../README.md");

/// Default and range of each flag, by its name.
type Facts = BTreeMap<String, (String, String)>;

#[test]
fn the_table_of_flags_says_what_the_help_says() {
    let mut help = facts_of_the_help();
    assert!(help.len() > 25, "the help is read wrongly: {help:?}");
    help.insert("--config".into(), ("none".into(), "a path".into()));
    let table = facts_of_the_table();
    for (flag, facts) in &help {
        let told = table.get(flag);
        assert_eq!(told, Some(facts), "README.md, {flag}: (default, range)");
    }
    for flag in table.keys() {
        assert!(help.contains_key(flag), "README.md: there is no {flag}");
    }
}

/// Reads lines such as `--drain <TIME>  How long ... [0s to 1h; default: 10s]`.
fn facts_of_the_help() -> Facts {
    let error = Settings::parse(["stentor", "--help"], |_| None, |_| Ok(String::new()));
    let Err(SettingsError::Page(help)) = error else {
        panic!("no help: {error:?}")
    };
    let mut facts = Facts::new();
    for entry in help.split("\n      --").skip(1) {
        let name = entry.split([' ', '[']).next().unwrap_or_default();
        let words = entry.split_whitespace().collect::<Vec<_>>().join(" ");
        let Some((before, default)) = words.split_once("default: ") else {
            continue;
        };
        // What follows the last one of a group is the name of the next group.
        let default = default.split("] ").next().unwrap_or_default();
        let default = default.strip_suffix(']').unwrap_or(default);
        let range = match name {
            "allow-origin" => "scheme://host[:port], null, or * for any", // has brackets itself
            _ => before.rsplit(" [").next().unwrap_or_default(),
        };
        let range = range.trim_end_matches("; ");
        facts.insert(format!("--{name}"), (default.into(), range.into()));
    }
    facts
}

fn facts_of_the_table() -> Facts {
    let rows = README.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `--")?.split(" | ");
        let name = cells.next()?.trim_end_matches('`');
        Some((
            format!("--{name}"),
            (cells.next()?.into(), cells.next()?.into()),
        ))
    });
    rows.collect()
}
