//! Reader of `core/specs/*/*.toml`: one entry for each requirement of a specification, with the
//! status of this code.

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::citation::Section;
use super::document::{RequirementLevel, flow};

/// Something that a specification demands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Requirement {
    pub(crate) target: Section,
    pub(crate) level: RequirementLevel,
    pub(crate) quote: String,
    pub(crate) standing: Standing,
}

/// How this code stands to an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// Code obeys it, and cites it where it does.
    Cited,
    /// It is for us and not obeyed, for this reason.
    Exception(String),
    /// It is for somebody else: for whom.
    Binds(String),
}

/// Every entry under `directory`, or what is wrong with its files.
pub(crate) fn read_all(directory: &Path) -> Result<Vec<Requirement>, String> {
    let mut entries = Vec::new();
    for document in children(directory)?.iter().filter(|path| path.is_dir()) {
        for file in children(document)? {
            let text = fs::read_to_string(&file).map_err(|error| at(&file, error))?;
            let read = read(&text).map_err(|problem| at(&file, problem))?;
            for entry in &read {
                let Section { document, section } = &entry.target;
                let place = format!("{document}/{section}.toml");
                if !file.ends_with(&place) {
                    return Err(at(&file, format!("belongs into {place}")));
                }
            }
            entries.extend(read);
        }
    }
    Ok(entries)
}

fn children(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let listing = fs::read_dir(directory).map_err(|error| at(directory, error))?;
    let mut paths = listing
        .map(|child| child.map(|child| child.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| at(directory, error))?;
    paths.sort();
    Ok(paths)
}

fn at(path: &Path, problem: impl std::fmt::Display) -> String {
    format!("{}: {problem}", path.display())
}

/// The entries of one file: a target, and what is demanded there.
fn read(text: &str) -> Result<Vec<Requirement>, String> {
    let mut file: Table = text
        .parse()
        .map_err(|error: toml::de::Error| error.to_string())?;
    let target = Section::parse(&string(&mut file, "target")?.unwrap_or_default())?;
    let Some(Value::Array(requirements)) = file.remove("requirement") else {
        return Err("has no [[requirement]]".into());
    };
    nothing_left(&file)?;
    requirements
        .into_iter()
        .map(|requirement| match requirement {
            Value::Table(table) => entry(&target, table),
            other => Err(format!("no requirement: {other:?}")),
        })
        .collect()
}

fn entry(target: &Section, mut table: Table) -> Result<Requirement, String> {
    let quote = flow(string(&mut table, "quote")?.unwrap_or_default().lines());
    let word = string(&mut table, "level")?.unwrap_or_default();
    let level =
        RequirementLevel::of_word(&word).ok_or_else(|| format!("no level `{word}`: {quote}"))?;
    let said = [
        string(&mut table, "exception")?.map(Standing::Exception),
        string(&mut table, "binds")?.map(Standing::Binds),
    ];
    nothing_left(&table)?;
    let mut said = said.into_iter().flatten();
    let standing = said.next().unwrap_or(Standing::Cited);
    if said.next().is_some() {
        return Err(format!("more than one standing: {quote}"));
    }
    Ok(Requirement {
        target: target.clone(),
        level,
        quote,
        standing,
    })
}

fn string(table: &mut Table, key: &str) -> Result<Option<String>, String> {
    match table.remove(key) {
        None => Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text)),
        Some(other) => Err(format!("`{key}` must be a text: {other:?}")),
    }
}

fn nothing_left(table: &Table) -> Result<(), String> {
    match table.keys().next() {
        None => Ok(()),
        Some(key) => Err(format!("unknown key `{key}`")),
    }
}

#[test]
fn an_entry_says_how_the_code_stands_to_it() {
    let file = |rest: &str| {
        let target = "https://www.rfc-editor.org/rfc/rfc1#section-2";
        format!("target = \"{target}\"\n[[requirement]]\nlevel = \"MUST\"\n{rest}")
    };
    let standing = |rest: &str| read(&file(rest)).map(|entries| entries[0].standing.clone());
    let quoted = |rest: &str| standing(&format!("quote = \"\"\"\na\nb\"\"\"\n{rest}"));
    assert_eq!(
        read(&file("quote = \"\"\"\na\nb\"\"\"")).expect("one")[0].quote,
        "a b"
    );
    assert_eq!(quoted(""), Ok(Standing::Cited));
    assert_eq!(
        quoted("exception = 'x'"),
        Ok(Standing::Exception("x".into()))
    );
    assert_eq!(quoted("binds = 'x'"), Ok(Standing::Binds("x".into())));
    assert!(quoted("exception = 'x'\nbinds = 'x'").is_err());
    assert!(quoted("exception = ''").is_err());
    assert!(quoted("reason = 'x'").is_err());
    assert!(read(&file("quote = 'a'").replace("MUST", "must")).is_err());
    assert!(read(&file("quote = 'a'").replace("rfc1#", "rfc1")).is_err());
}
