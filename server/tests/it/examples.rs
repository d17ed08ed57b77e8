//! Configurations and commands in the documentation: each is valid.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use stentor_server::{Settings, run_command};

const PAGES: [(&str, &str); 4] = [
    (
        "configuration",
        include_str!("../../../docs/configuration.md"),
    ),
    ("tokens", include_str!("../../../docs/tokens.md")),
    ("namespaces", include_str!("../../../docs/namespaces.md")),
    ("centrifugo", include_str!("../../../docs/centrifugo.md")),
];

/// Returns the blocks of a page in this language.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    let fence = format!("\n```{language}\n");
    let blocks = page.split(&fence).skip(1);
    blocks
        .map(|block| block.split("\n```").next().unwrap_or(block))
        .collect()
}

/// A directory with the files that the pages name.
fn read(path: &Path, settings: &str) -> io::Result<String> {
    let is_settings = path
        .to_str()
        .is_some_and(|path| path.starts_with("stentor."));
    let is_key = path.extension().is_some_and(|extension| extension == "key");
    if path == Path::new("public.pem") {
        return Ok(crate::public_keys::vectors::ED.into());
    }
    match (is_settings, is_key) {
        (true, _) => Ok(settings.into()),
        (_, true) => Ok("2f0e4c7d1f3b4a06a1c5b8f3d92e7741\n".into()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

#[test]
fn every_configuration_is_valid() {
    let mut tried = 0;
    for (name, page) in PAGES {
        for language in ["toml", "json"] {
            for block in blocks(page, language) {
                let file = format!("stentor.{language}");
                let args = ["stentor", "--config", &file];
                let parsed = Settings::parse(args, |_| None, |path| read(path, block));
                assert!(parsed.is_ok(), "{name}: {block}\n{:?}", parsed.err());
                tried += 1;
            }
        }
    }
    assert!(tried > 9, "{tried}");
}

#[test]
fn every_command_works() {
    let settings = "client.token.hmac_secret_key_file = \"token.key\"";
    let mut tried = 0;
    for (name, page) in PAGES {
        for line in blocks(page, "sh").iter().flat_map(|block| block.lines()) {
            let Some(command) = line.strip_prefix("stentor ") else {
                continue;
            };
            let args: Vec<OsString> = words(command).into_iter().map(Into::into).collect();
            let args = [vec!["stentor".into()], args].concat();
            let read = |path: &Path| read(path, settings);
            let printed = run_command(&args, |_| None, read, 1_600_000_000, |_| ());
            let printed = printed.unwrap_or_else(|| panic!("{name}: no command: {line}"));
            assert!(printed.is_ok(), "{name}: {line}\n{:?}", printed.err());
            tried += 1;
        }
    }
    assert!(tried > 7, "{tried}");
}

/// Splits a line of a shell, without its comment.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (c, quote) {
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(open)) if c == open => quote = None,
            ('#', None) if word.is_none() => break,
            (' ', None) => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
