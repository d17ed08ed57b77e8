//! Tests that the code complies with its specifications as recorded in `core/specs/`: every
//! requirement of their texts has an entry, every entry is cited where code obeys it or gives a
//! reason why not, and every citation quotes one entry verbatim. The format of the entries is
//! described in `core/specs/README.md`.

mod check;
mod citation;
mod document;
mod entry;

use std::path::Path;

use citation::Citation;
use document::{Document, RequirementLevel};
use entry::{Requirement, Standing};

/// The specifications that are covered as wholes, with their texts. Of others
/// (RFC 9110, RFC 9112) there are entries for what is cited.
const WHOLE: [(&str, &str); 2] = [
    ("rfc6455", include_str!("../../../specs/rfc6455.txt")),
    ("rfc7692", include_str!("../../../specs/rfc7692.txt")),
];

fn entries() -> Vec<Requirement> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs");
    entry::read_all(&directory).expect("entries")
}

fn citations() -> Vec<Citation> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    citation::read_all(root.expect("a workspace")).expect("citations")
}

#[track_caller]
fn none(faults: &[String]) {
    assert!(
        faults.is_empty(),
        "faults: {}\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// What is searched for demands is the whole text: each section that its
/// contents announce, and not a line of a page's head or foot.
#[test]
fn the_texts_are_read_as_they_are_written() {
    for (name, text) in WHOLE {
        let document = Document::parse(text);
        let announced: Vec<_> = text
            .lines()
            .skip_while(|line| *line != "Table of Contents")
            .take_while(|line| !line.starts_with("1. "))
            .filter_map(|line| line.split_whitespace().next()?.strip_suffix('.'))
            .filter(|number| number.starts_with(|c: char| c.is_ascii_digit()))
            .collect();
        assert!(announced.len() > 20, "{name}: {announced:?}");
        for number in announced {
            assert!(document.section(number).is_some(), "{name} §{number}");
        }
        for (number, section) in document.normative() {
            assert!(!section.contains("[Page "), "{name} §{number}");
            assert!(!section.contains("Standards Track"), "{name} §{number}");
        }
    }
}

#[test]
fn every_demand_of_a_text_has_an_entry_and_every_entry_quotes_one() {
    let entries = entries();
    let mut faults = check::entries(&entries);
    for (name, text) in WHOLE {
        faults.extend(check::text(name, &Document::parse(text), &entries));
    }
    none(&faults);
}

#[test]
fn every_entry_is_obeyed_where_it_is_cited_or_says_why_not() {
    let entries = entries();
    show(&entries);
    none(&check::citations(&entries, &citations()));
}

/// Counts the entries of each standing, and lists those that are not obeyed; for
/// the reader of `--nocapture`.
fn show(entries: &[Requirement]) {
    for level in [
        RequirementLevel::Must,
        RequirementLevel::Should,
        RequirementLevel::May,
    ] {
        let count = |is: fn(&Standing) -> bool| {
            let of_it = entries.iter().filter(|entry| entry.level == level);
            of_it.filter(|entry| is(&entry.standing)).count()
        };
        println!(
            "{level:?}: {} cited, {} excepted, {} for others",
            count(|standing| matches!(standing, Standing::Cited)),
            count(|standing| matches!(standing, Standing::Exception(_))),
            count(|standing| matches!(standing, Standing::Binds(_))),
        );
    }
    for entry in entries {
        if let Standing::Exception(why) = &entry.standing {
            println!(
                "excepted: {}: {} «{}»",
                entry.target,
                entry.quote,
                why.trim()
            );
        }
    }
}
