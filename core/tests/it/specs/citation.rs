//! Owns reading citations out of source files: a comment that names a section,
//! and behind it what the section says and the code next to it obeys.
//!
//! ```text
//! //= https://www.rfc-editor.org/rfc/rfc6455#section-5.5.2
//! //# It SHOULD respond with Pong frame as soon as is practical.
//! ```

use std::fmt;
use std::fs;
use std::path::Path;

use super::document::flow;

/// A section of a specification.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Target {
    /// `rfc6455`
    pub(crate) document: String,
    /// `5.1`
    pub(crate) section: String,
}

impl Target {
    /// Reads the address of a section.
    pub(crate) fn parse(address: &str) -> Result<Self, String> {
        address
            .strip_prefix(BASE)
            .and_then(|rest| rest.split_once("#section-"))
            .map(|(document, section)| Self {
                document: document.into(),
                section: section.into(),
            })
            .ok_or_else(|| format!("`{address}` is not {BASE}…#section-…"))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} §{}", self.document, self.section)
    }
}

/// A place that cites a specification.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Citation {
    pub(crate) target: Target,
    pub(crate) quote: String,
    /// File and line, from the root of the workspace.
    pub(crate) place: String,
    /// Whether it stands in a test. A test shows that something is obeyed, but
    /// it does not obey.
    pub(crate) in_test: bool,
}

/// Every citation in the Rust files under `root`, or what is wrong with them.
pub(crate) fn read_all(root: &Path) -> Result<Vec<Citation>, String> {
    let mut citations = Vec::new();
    walk(root, root, &mut citations)?;
    Ok(citations)
}

fn walk(root: &Path, directory: &Path, citations: &mut Vec<Citation>) -> Result<(), String> {
    let problem = |path: &Path, error| format!("{}: {error}", path.display());
    for child in fs::read_dir(directory).map_err(|error| problem(directory, error))? {
        let path = child.map_err(|error| problem(directory, error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            // Neither what was built nor what version control keeps.
            if !name.starts_with("target") && !name.starts_with('.') {
                walk(root, &path, citations)?;
            }
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).map_err(|error| problem(&path, error))?;
            let within = path.strip_prefix(root).unwrap_or(&path);
            citations.extend(read(&text, within)?);
        }
    }
    Ok(())
}

fn read(text: &str, path: &Path) -> Result<Vec<Citation>, String> {
    let tests = ["tests", "sim", "fuzz", "benches", "tests.rs", "testing.rs"];
    let mut in_test = path
        .iter()
        .any(|part| tests.iter().any(|&test| part == test));
    let mut lines = text.lines().map(str::trim).zip(1..).peekable();
    let mut citations = Vec::new();
    while let Some((line, number)) = lines.next() {
        let place = format!("{}:{number}", path.display());
        in_test |= line == "#[cfg(test)]";
        if line.starts_with("//#") {
            return Err(format!("{place}: a quote without a section before it"));
        }
        let Some(address) = line.strip_prefix("//= ") else {
            continue;
        };
        let target = Target::parse(address).map_err(|problem| format!("{place}: {problem}"))?;
        let mut quote = Vec::new();
        while let Some((line, _)) = lines.next_if(|(line, _)| line.starts_with("//#")) {
            quote.push(&line[3..]);
        }
        if quote.is_empty() {
            return Err(format!("{place}: a section without a quote behind it"));
        }
        citations.push(Citation {
            target,
            quote: flow(quote),
            place,
            in_test,
        });
    }
    Ok(citations)
}

const BASE: &str = "https://www.rfc-editor.org/rfc/";

#[test]
fn citations_are_read_with_their_places() {
    let address = "https://www.rfc-editor.org/rfc/rfc1#section-2.3";
    let source = format!(
        "fn a() {{\n    //= {address}\n    //# A b-\n    //# c.\n}}\n#[cfg(test)]\n//= {address}\n//# D.\n"
    );
    let found = read(&source, Path::new("a/src/b.rs")).expect("well-formed");
    let seen: Vec<_> = found
        .iter()
        .map(|c| (c.quote.as_str(), c.place.as_str(), c.in_test))
        .collect();
    assert_eq!(
        seen,
        [
            ("A b-c.", "a/src/b.rs:2", false),
            ("D.", "a/src/b.rs:7", true)
        ]
    );
    assert_eq!(found[0].target.to_string(), "rfc1 §2.3");
    let elsewhere = read(&source, Path::new("a/tests/b.rs")).expect("well-formed");
    assert!(elsewhere.iter().all(|citation| citation.in_test));
    for broken in [
        "//# alone\n",
        "//= rfc1\n//# a\n",
        &format!("//= {address}\n"),
    ] {
        assert!(read(broken, Path::new("a.rs")).is_err(), "{broken}");
    }
}
