//! Reader of the citations in source files: a comment that names a section and the words of one
//! requirement in it, which the code next to it meets.
//!
//! ```text
//! //= rfc6455#section-5.5.2 "It SHOULD respond with Pong frame as soon as is practical."
//! //= rfc6455#section-5.5.1 "If an endpoint receives a Close frame and did not..."
//! ```

use std::fmt;
use std::fs;
use std::path::Path;

/// A section of a specification.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Section {
    /// `rfc6455`
    pub(crate) document: String,
    /// `5.1`
    pub(crate) section: String,
}

impl Section {
    /// Parses the URL of a section.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let name = url.strip_prefix(BASE);
        name.and_then(Self::parse_name)
            .ok_or_else(|| format!("`{url}` is not {BASE}…#section-…"))
    }

    /// Parses the end of such a URL, which citations use: `rfc6455#section-5.1`.
    fn parse_name(name: &str) -> Option<Self> {
        let (document, section) = name.split_once("#section-")?;
        Some(Self {
            document: document.into(),
            section: section.into(),
        })
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} §{}", self.document, self.section)
    }
}

/// A place that cites a requirement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Citation {
    pub(crate) target: Section,
    /// The words of the requirement. `...` at an end stands for those left out there.
    pub(crate) words: String,
    /// File and line, from the root of the workspace.
    pub(crate) place: String,
    /// Whether it is in a test. A test shows that a requirement is met, but does not meet it.
    pub(crate) in_test: bool,
}

impl Citation {
    /// Returns whether these are words of that quote, to the letter.
    pub(crate) fn is_of(&self, target: &Section, quote: &str) -> bool {
        let words = &self.words[..];
        self.target == *target
            && match (words.strip_prefix(GAP), words.strip_suffix(GAP)) {
                (None, None) => quote == words,
                (None, Some(start)) => quote.starts_with(start),
                (Some(end), None) => quote.ends_with(end),
                (Some(_), Some(start)) => quote.contains(&start[GAP.len()..]),
            }
    }
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
    let mut citations = Vec::new();
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        let place = format!("{}:{number}", path.display());
        in_test |= line == "#[cfg(test)]";
        let Some(citation) = line.strip_prefix("//= ") else {
            continue;
        };
        let parts = citation
            .strip_suffix('"')
            .and_then(|citation| citation.split_once(" \""))
            .and_then(|(name, words)| Some((Section::parse_name(name)?, words)));
        let Some((target, words)) = parts else {
            return Err(format!(
                "{place}: `{citation}` is not rfc…#section-… \"words\""
            ));
        };
        let has_gap = words.starts_with(GAP) || words.ends_with(GAP);
        if has_gap && words.split(' ').count() < MIN_WORDS {
            return Err(format!("{place}: fewer than {MIN_WORDS} words: {words}"));
        }
        citations.push(Citation {
            target,
            words: words.into(),
            place,
            in_test,
        });
    }
    Ok(citations)
}

/// Marks words that are left out.
const GAP: &str = "...";
/// The least number of words of an abridged citation.
const MIN_WORDS: usize = 4;
const BASE: &str = "https://www.rfc-editor.org/rfc/";

#[test]
fn citations_are_read_with_their_places() {
    let source = "fn a() {\n    //= rfc1#section-2.3 \"a b\"\n}\n#[cfg(test)]\n//= rfc1#section-2.3 \"D \"d\".\"\n";
    let found = read(source, Path::new("a/src/b.rs")).expect("well-formed");
    let seen: Vec<_> = found
        .iter()
        .map(|c| (c.words.as_str(), c.place.as_str(), c.in_test))
        .collect();
    assert_eq!(
        seen,
        [
            ("a b", "a/src/b.rs:2", false),
            ("D \"d\".", "a/src/b.rs:5", true)
        ]
    );
    assert_eq!(found[0].target.to_string(), "rfc1 §2.3");
    let elsewhere = read(source, Path::new("a/tests/b.rs")).expect("well-formed");
    assert!(elsewhere.iter().all(|citation| citation.in_test));
    for broken in [
        "//= rfc1\n",
        "//= rfc1#section-1\n",
        "//= rfc1#section-1 a\n",
        "//= rfc1 \"a\"\n",
        "//= rfc1#section-1 \"a b c...\"\n",
        "//= rfc1#section-1 \"...\"\n",
    ] {
        assert!(read(broken, Path::new("a.rs")).is_err(), "{broken}");
    }
}

#[test]
fn a_citation_is_the_whole_requirement_or_an_excerpt_to_the_letter() {
    let target = Section::parse_name("rfc1#section-1").expect("a section");
    let is_of = |words: &str| {
        let citation = Citation {
            target: target.clone(),
            words: words.into(),
            place: String::new(),
            in_test: false,
        };
        citation.is_of(&target, "A peer MUST knock.")
    };
    for words in [
        "A peer MUST knock.",
        "A peer MUST...",
        "...peer MUST knock.",
        "...peer MUST...",
    ] {
        assert!(is_of(words), "{words}");
    }
    for words in [
        "A peer MUST",
        "peer MUST...",
        "...peer MUST",
        "A peer may...",
    ] {
        assert!(!is_of(words), "{words}");
    }
    let other = Section::parse_name("rfc1#section-2").expect("a section");
    let [citation] = &read("//= rfc1#section-1 \"a\"", Path::new("a.rs")).expect("one")[..] else {
        panic!("one citation");
    };
    assert!(citation.is_of(&target, "a") && !citation.is_of(&other, "a"));
}
