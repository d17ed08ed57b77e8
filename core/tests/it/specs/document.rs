//! Text of a specification, split into sections of continuous text, and the requirement keywords in
//! it.

use std::collections::BTreeMap;
use std::ops::Range;

/// How much a specification insists (RFC 2119).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum RequirementLevel {
    Must,
    Should,
    May,
}

impl RequirementLevel {
    /// The level that a word stands for, written the way only key words are.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        match word {
            "MUST" | "SHALL" | "REQUIRED" => Some(Self::Must),
            "SHOULD" | "RECOMMENDED" => Some(Self::Should),
            "MAY" | "OPTIONAL" => Some(Self::May),
            _ => None,
        }
    }
}

/// The sections of a specification by their numbers.
pub(crate) struct Document {
    sections: BTreeMap<String, String>,
}

impl Document {
    /// Reads the plain text that the RFC Editor publishes.
    pub(crate) fn parse(text: &str) -> Self {
        let mut sections = BTreeMap::<_, Vec<_>>::new();
        let mut current = None;
        for line in text.lines().filter(|line| !is_of_the_page(line)) {
            if let Some(number) = heading(line) {
                current = Some(number);
            } else if let Some(number) = current {
                sections.entry(number).or_default().push(line);
            }
        }
        let flowing = sections
            .into_iter()
            .map(|(number, lines)| (number.to_owned(), flow(lines)));
        Self {
            sections: flowing.collect(),
        }
    }

    /// The text of a section without that of those below it.
    pub(crate) fn section(&self, number: &str) -> Option<&str> {
        self.sections.get(number).map(String::as_str)
    }

    /// Each section with its number, but not those that say that they demand nothing.
    pub(crate) fn normative(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sections
            .iter()
            .map(|(number, text)| (number.as_str(), text.as_str()))
            .filter(|(_, text)| !text.starts_with("_This section is non-normative._"))
    }
}

/// Where a text says MUST or SHOULD, or a word of the same meaning.
pub(crate) fn demands(text: &str) -> Vec<Range<usize>> {
    words(text)
        .filter(|(_, level)| *level <= RequirementLevel::Should)
        .map(|(range, _)| range)
        .collect()
}

/// The level of the strongest key word in a text.
pub(crate) fn strongest(text: &str) -> Option<RequirementLevel> {
    words(text).map(|(_, level)| level).min()
}

fn words(text: &str) -> impl Iterator<Item = (Range<usize>, RequirementLevel)> {
    let mut from = 0;
    text.split(|c: char| !c.is_ascii_alphabetic())
        .filter_map(move |word| {
            let start = from;
            from += word.len() + 1; // all that separates words here is ASCII
            RequirementLevel::of_word(word).map(|level| (start..start + word.len(), level))
        })
}

/// Lines to one text, in which it no longer shows where they ended. A hyphen
/// at the end of a line is one of the word's own: RFCs divide at no other place.
pub(crate) fn flow<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::new();
    for line in lines {
        for (i, word) in line.split_whitespace().enumerate() {
            let goes_on = i == 0 && out.ends_with('-');
            if !out.is_empty() && !goes_on {
                out.push(' ');
            }
            out.push_str(word);
        }
    }
    out
}

/// The number in the heading of a section: at the margin, with a dot and two
/// spaces behind it. The table of contents is indented.
fn heading(line: &str) -> Option<&str> {
    let (number, title) = line.split_once(".  ")?;
    let is_number = number
        .split('.')
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    (is_number && !title.is_empty()).then_some(number)
}

/// Whether a line belongs to the page and not to the text: its foot, its head.
fn is_of_the_page(line: &str) -> bool {
    let foot = line.ends_with(']') && line.contains("[Page ") && !line.starts_with(' ');
    let head = line.starts_with("RFC ") && line.split("  ").count() > 2;
    foot || head
}

#[test]
fn a_text_flows_over_lines_and_pages() {
    let page = "Contents\n   1.  One . . . . 4\n1.  One\n\n   A  server-\n   side\n\n\
        Fette & Melnikov             Standards Track                    [Page 1]\n\u{c}\n\
        RFC 6455                 The WebSocket Protocol            December 2011\n\n   \
        thing - MUST not\n   end.\n1.1.  Two\n   The end.\n";
    let document = Document::parse(page);
    assert_eq!(
        document.section("1"),
        Some("A server-side thing - MUST not end.")
    );
    assert_eq!(document.section("1.1"), Some("The end."));
    assert_eq!(document.section("4"), None);
}

#[test]
fn key_words_are_found_where_they_stand() {
    let text = "It MUST, \"SHOULD\" or may; MUSTARD MAY.";
    let found: Vec<_> = demands(text).into_iter().map(|at| &text[at]).collect();
    assert_eq!(found, ["MUST", "SHOULD"]);
    assert_eq!(strongest(text), Some(RequirementLevel::Must));
    assert_eq!(strongest("you MAY"), Some(RequirementLevel::May));
    assert_eq!(strongest("you must"), None);
}
