//! The HTTP/1.1 parser of the core against two of another make: h11 (Python) and Node's.
//!
//! All read the same requests, valid and hostile. Where another parser differs, `differences.txt`
//! says how, and which section of an RFC we follow.
//!
//! `STENTOR_H11` names a Python that has h11, `STENTOR_NODE` a Node that is not on the path. A
//! parser that is not there is left out; with `STENTOR_PARSERS=require` the test fails, and with
//! `STENTOR_PARSERS=skip` both are left out.

mod cases;
mod foreign;
mod ours;

use std::collections::HashSet;
use std::path::Path;
use std::{env, fs};

use cases::{Case, cases, differences};
use foreign::PARSERS;
use ours::Seen;

#[test]
fn each_case_has_its_outcome_in_any_pieces() {
    let cases = cases();
    assert!(cases.len() >= 150);
    let mut names = HashSet::new();
    for Case {
        name,
        outcome,
        bytes,
    } in &cases
    {
        assert!(names.insert(name), "{name} is there twice");
        let seen = ours::serve(bytes, bytes.len());
        assert_eq!(seen.outcome(), *outcome, "{name}: {seen:?}");
        for piece in [1, 2, 3, 7, 64, 1_000] {
            assert_eq!(ours::serve(bytes, piece), seen, "{name} by {piece}");
        }
    }
}

#[test]
fn other_parsers_read_the_same_requests_or_the_difference_is_known() {
    let (cases, differences) = (cases(), differences());
    let mut faults = Vec::new();
    for difference in &differences {
        if !cases.iter().any(|case| case.name == difference.case)
            || !PARSERS
                .iter()
                .any(|parser| parser.name == difference.parser)
            || !difference.reason.starts_with("RFC ")
        {
            faults.push(format!("of nothing, or without a reason: {difference:?}"));
        }
    }
    for parser in PARSERS {
        let Some(all) = parser.read(&cases) else {
            continue;
        };
        let mut agreed = 0;
        for (case, theirs) in cases.iter().zip(all) {
            let known = differences
                .iter()
                .filter(|known| known.case == case.name && known.parser == parser.name)
                .map(|known| known.theirs);
            let found = difference(case, &theirs);
            agreed += usize::from(found.is_none());
            if found.iter().map(String::as_str).ne(known) {
                let (name, parser) = (case.name, parser.name);
                let found = found.unwrap_or_else(|| "no difference".into());
                faults.push(format!("{name} | {parser} | {found} | {theirs:?}"));
            }
        }
        println!(
            "{} agrees in {agreed} of {} cases",
            parser.name,
            cases.len()
        );
    }
    let count = faults.len();
    assert!(faults.is_empty(), "{count} faults:\n{}", faults.join("\n"));
}

/// Returns what they say of a case, if it is not what we say.
fn difference(case: &Case, theirs: &Seen) -> Option<String> {
    let ours = ours::serve(&case.bytes, case.bytes.len()).without_status();
    if ours == *theirs {
        return None;
    }
    let other = match ours.outcome() == theirs.outcome() {
        true => " other",
        false => "",
    };
    Some(format!("{}{other}", theirs.outcome()))
}

/// With `STENTOR_WRITE` the files are written.
#[test]
fn each_case_is_a_seed_of_the_fuzz_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/http");
    let writes = env::var_os("STENTOR_WRITE").is_some();
    if writes {
        fs::create_dir_all(&corpus).expect("writable");
    }
    for case in cases() {
        let file = corpus.join(case.name);
        if writes {
            fs::write(&file, &case.bytes).expect("writable");
        }
        let seed = fs::read(&file).unwrap_or_default();
        assert_eq!(
            seed,
            case.bytes,
            "STENTOR_WRITE=1 writes {}",
            file.display()
        );
    }
}
