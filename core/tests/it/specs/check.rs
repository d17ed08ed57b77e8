//! Comparison of specification texts, entries and citations. Each function returns its findings,
//! one line per fault.

use super::citation::Citation;
use super::document::{Document, demands, strongest};
use super::entry::{Requirement, Standing};

/// Entries that are not what they say, or are there twice.
pub(crate) fn entries(entries: &[Requirement]) -> Vec<String> {
    let mut faults = Vec::new();
    for (i, entry) in entries.iter().enumerate() {
        if strongest(&entry.quote).is_some_and(|level| level != entry.level) {
            faults.push(format!(
                "of another level than {:?}: {}",
                entry.level,
                said(entry)
            ));
        }
        let others = entries[..i].iter().chain(&entries[i + 1..]);
        let mut others = others.filter(|other| other.target == entry.target);
        if others.any(|other| other.quote.contains(&entry.quote)) {
            faults.push(format!("in two entries: {}", said(entry)));
        }
    }
    faults
}

/// Entries that a text does not bear out, and demands of it without an entry.
pub(crate) fn text(name: &str, document: &Document, entries: &[Requirement]) -> Vec<String> {
    let mut faults = Vec::new();
    let here = || entries.iter().filter(|entry| entry.target.document == name);
    for entry in here() {
        let section = document.section(&entry.target.section);
        if !section.is_some_and(|text| text.contains(&entry.quote)) {
            faults.push(format!("the text does not say so: {}", said(entry)));
        }
    }
    for (number, text) in document.normative() {
        let quoted: Vec<_> = here()
            .filter(|entry| entry.target.section == number)
            .flat_map(|entry| text.match_indices(&entry.quote))
            .collect();
        for demand in demands(text) {
            let is_quoted = |&(start, quote): &(usize, &str)| {
                start <= demand.start && demand.end <= start + quote.len()
            };
            if !quoted.iter().any(is_quoted) {
                let end = text.len().min(demand.end + AROUND);
                let around = text.get(demand.start.saturating_sub(AROUND)..end);
                let around = around.unwrap_or(text);
                faults.push(format!("no entry: {name} §{number}: …{around}…"));
            }
        }
    }
    faults
}

/// Citations of what no entry says, and entries that are not cited as they should be.
pub(crate) fn citations(entries: &[Requirement], citations: &[Citation]) -> Vec<String> {
    let is_of =
        |citation: &Citation, entry: &Requirement| citation.is_of(&entry.target, &entry.quote);
    let mut faults = Vec::new();
    for citation in citations {
        let Citation {
            target,
            words,
            place,
            ..
        } = citation;
        match entries
            .iter()
            .filter(|entry| is_of(citation, entry))
            .count()
        {
            1 => {}
            0 => faults.push(format!("{place}: no entry says so: {target}: {words}")),
            _ => faults.push(format!(
                "{place}: several entries say so: {target}: {words}"
            )),
        }
    }
    for entry in entries {
        let obeyed = citations
            .iter()
            .find(|citation| !citation.in_test && is_of(citation, entry));
        match (&entry.standing, obeyed) {
            (Standing::Cited, None) => {
                faults.push(format!("nothing obeys it: {}", said(entry)));
            }
            (Standing::Cited, Some(_)) | (_, None) => {}
            (Standing::Exception(why) | Standing::Binds(why), Some(Citation { place, .. })) => {
                faults.push(format!("{place}: but «{why}»: {}", said(entry)));
            }
        }
    }
    faults
}

fn said(entry: &Requirement) -> String {
    format!("{}: {}", entry.target, entry.quote)
}

/// How much of a text is shown on each side of a demand, in bytes.
const AROUND: usize = 100;

mod tests {
    use super::super::citation::Section;
    use super::super::document::RequirementLevel;
    use super::*;

    const TEXT: &str = "1.  One\n   A peer MUST knock.  It SHOULD wait, and MAY go.\n2.  Two\n   \
        _This section is non-normative._  You MUST laugh.\n";

    fn target(section: &str) -> Section {
        Section {
            document: "rfc1".into(),
            section: section.into(),
        }
    }

    fn entry(level: RequirementLevel, quote: &str, standing: Standing) -> Requirement {
        Requirement {
            target: target("1"),
            level,
            quote: quote.into(),
            standing,
        }
    }

    fn knock() -> Requirement {
        entry(
            RequirementLevel::Must,
            "A peer MUST knock.",
            Standing::Cited,
        )
    }

    fn wait() -> Requirement {
        entry(
            RequirementLevel::Should,
            "It SHOULD wait",
            Standing::Exception("hurry".into()),
        )
    }

    fn citation(words: &str, in_test: bool) -> Citation {
        Citation {
            target: target("1"),
            words: words.into(),
            place: "a.rs:1".into(),
            in_test,
        }
    }

    /// How each fault begins.
    fn starts(faults: &[String], expected: &[&str]) {
        assert_eq!(faults.len(), expected.len(), "{faults:?}");
        for (fault, start) in faults.iter().zip(expected) {
            assert!(fault.starts_with(start), "{fault}");
        }
    }

    #[test]
    fn entries_are_judged_alone() {
        starts(&entries(&[knock(), wait()]), &[]);
        starts(
            &entries(&[knock(), knock()]),
            &["in two entries", "in two entries"],
        );
        let part = entry(RequirementLevel::Must, "MUST knock", Standing::Cited);
        starts(&entries(&[knock(), part]), &["in two entries"]);
        let weak = entry(
            RequirementLevel::Should,
            "A peer MUST knock.",
            Standing::Cited,
        );
        starts(&entries(&[weak]), &["of another level than Should"]);
        // A step of an algorithm, which has the level of what introduces it.
        let step = entry(RequirementLevel::Must, "A peer", Standing::Cited);
        starts(&entries(&[step]), &[]);
    }

    #[test]
    fn entries_are_held_against_the_text() {
        let document = Document::parse(TEXT);
        let judge = |entries: &[Requirement]| text("rfc1", &document, entries);
        starts(&judge(&[knock(), wait()]), &[]);
        starts(
            &judge(&[knock()]),
            &["no entry: rfc1 §1: …A peer MUST knock. It SHOULD"],
        );
        let drifted = entry(
            RequirementLevel::Must,
            "A peer MUST knock!",
            Standing::Cited,
        );
        starts(
            &judge(&[drifted, wait()]),
            &["the text does not say so", "no entry"],
        );
        let elsewhere = Requirement {
            target: target("3"),
            ..knock()
        };
        starts(
            &judge(&[elsewhere, knock(), wait()]),
            &["the text does not say so"],
        );
        let beside = entry(RequirementLevel::Must, "knock.", Standing::Cited);
        starts(&judge(&[beside, wait()]), &["no entry"]);
    }

    #[test]
    fn citations_are_held_against_entries() {
        let all = [knock(), wait()];
        let right = citation("A peer MUST knock.", false);
        starts(&citations(&all, std::slice::from_ref(&right)), &[]);
        starts(
            &citations(&all, &[]),
            &["nothing obeys it: rfc1 §1: A peer"],
        );
        let tested = citation("A peer MUST knock.", true);
        starts(&citations(&all, &[tested]), &["nothing obeys it"]);
        let typo = citation("A peer MUST nock.", false);
        starts(
            &citations(&all, &[right.clone(), typo]),
            &["a.rs:1: no entry says so"],
        );
        let part = citation("A peer MUST...", false);
        starts(&citations(&all, std::slice::from_ref(&part)), &[]);
        let ambiguous = entry(
            RequirementLevel::Must,
            "A peer MUST leave.",
            Standing::Cited,
        );
        starts(
            &citations(&[knock(), ambiguous], &[part]),
            &["a.rs:1: several entries say so"],
        );
        let excepted = citation("It SHOULD wait", false);
        starts(
            &citations(&all, &[right.clone(), excepted.clone()]),
            &["a.rs:1: but «hurry»"],
        );
        let bound = Requirement {
            standing: Standing::Binds("them".into()),
            ..wait()
        };
        starts(
            &citations(&[bound], std::slice::from_ref(&excepted)),
            &["a.rs:1: but «them»"],
        );
    }
}
