//! Owns precedence: flag over environment over file over default. It knows for each value where it
//! came from, so that whatever is wrong with it can be told with its source.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use stentor_core::handshake::{HostPattern, Origin};

use super::endpoint::{self, Endpoint, Problem};
use super::error::{SettingsError, Source};
use super::flag::{self, FLAGS, Flag, FlagKind};
use super::value::{self, Allowed};
use super::{file, page};

/// What the operator said: for each flag the text of the source that goes first.
#[derive(Debug)]
pub(super) struct RawSettings(BTreeMap<&'static str, RawValue>);

#[derive(Debug)]
struct RawValue {
    source: Source,
    texts: Vec<String>,
}

impl RawSettings {
    pub(super) fn collect(
        args: impl Iterator<Item = OsString>,
        env: impl Fn(&str) -> Option<OsString>,
        read_file: impl Fn(&Path) -> io::Result<String>,
    ) -> Result<Self, SettingsError> {
        let matches = page::matches(args)?;
        let env = |name: &str| variable(&env, name);
        let config = match matches.get_one::<String>(page::CONFIG) {
            Some(path) => Some((PathBuf::from(path), Source::Flag("--config".into()))),
            None => {
                let name = flag::variable(page::CONFIG);
                env(page::CONFIG)?.map(|path| (PathBuf::from(path), Source::Environment(name)))
            }
        };
        let mut said = BTreeMap::new();
        if let Some((path, source)) = config {
            let text = read_file(&path).map_err(|error| SettingsError::File {
                path: path.clone(),
                source: source.clone(),
                problem: error.to_string(),
            })?;
            for (name, texts) in file::read(&text, &path, &source)? {
                said.insert(
                    name,
                    RawValue {
                        source: Source::File(path.clone()),
                        texts,
                    },
                );
            }
        }
        for flag in FLAGS {
            if let Some(texts) = matches.get_many::<String>(flag.name) {
                let source = Source::Flag(format!("--{}", flag.name));
                said.insert(
                    flag.name,
                    RawValue {
                        source,
                        texts: texts.cloned().collect(),
                    },
                );
            } else if let Some(text) = env(flag.name)? {
                let texts = if flag.is_list() {
                    text.split(',').map(Into::into).collect()
                } else {
                    vec![text]
                };
                said.insert(
                    flag.name,
                    RawValue {
                        source: Source::Environment(flag.variable()),
                        texts,
                    },
                );
            }
        }
        Ok(Self(said))
    }

    /// Where the value of the flag comes from.
    pub(super) fn source(&self, name: &str) -> Source {
        self.0
            .get(name)
            .map_or(Source::Default, |said| said.source.clone())
    }

    /// The text of the flag, if anybody said it.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.texts.first().map(String::as_str)
    }

    /// The number that somebody said.
    pub(super) fn number_given(&self, name: &str) -> Result<Option<u64>, SettingsError> {
        let flag = Flag::named(name);
        let bounds = flag.bounds().expect("a numeric flag");
        let parse = |text| bounds.parse(text).ok_or_else(|| self.refuse(flag, text));
        self.text(name).map(parse).transpose()
    }

    /// The number that somebody said, or the default from the table.
    pub(super) fn number(&self, name: &str) -> Result<u64, SettingsError> {
        let default = || Flag::named(name).bounds().and_then(|bounds| bounds.default);
        Ok(self
            .number_given(name)?
            .or_else(default)
            .expect("a flag with a fixed default"))
    }

    pub(super) fn choice(&self, name: &str) -> Result<&'static str, SettingsError> {
        let flag = Flag::named(name);
        let FlagKind::Choice(words, default) = flag.takes else {
            unreachable!("a flag of words")
        };
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        let word = words.iter().copied().find(|word| *word == text.trim());
        word.ok_or_else(|| self.refuse(flag, text))
    }

    pub(super) fn switch(&self, name: &str) -> Result<bool, SettingsError> {
        let Some(text) = self.text(name) else {
            return Ok(false);
        };
        text.trim()
            .parse()
            .map_err(|_| self.refuse(Flag::named(name), text))
    }

    /// What to listen on.
    pub(super) fn endpoints(&self) -> Result<Vec<Endpoint>, SettingsError> {
        let flag = Flag::named("listen");
        match self.0.get(flag.name) {
            None => Ok(vec![self.endpoint(flag, DEFAULT_LISTEN)?]),
            Some(said) if said.texts.is_empty() => Err(self.refuse(flag, "[]")),
            Some(said) => {
                let texts = said.texts.iter();
                texts.map(|text| self.endpoint(flag, text)).collect()
            }
        }
    }

    /// Where the admin pages are, if there are to be any; never where the public ones are.
    pub(super) fn admin_endpoint(
        &self,
        public: &[Endpoint],
    ) -> Result<Option<Endpoint>, SettingsError> {
        let flag = Flag::named("admin-listen");
        let Some(text) = self.text(flag.name) else {
            return Ok(None);
        };
        let endpoint = self.endpoint(flag, text)?;
        if public.iter().any(|public| public.overlaps(&endpoint)) {
            return Err(SettingsError::Value {
                key: flag.name.into(),
                source: self.source(flag.name),
                value: text.into(),
                allowed: "an address that is not among those of --listen".into(),
            });
        }
        Ok(Some(endpoint))
    }

    fn endpoint(&self, flag: &'static Flag, text: &str) -> Result<Endpoint, SettingsError> {
        let source = self.source(flag.name);
        match endpoint::addresses(text) {
            Ok(addresses) => Ok(Endpoint::new(flag.name, text.into(), source, addresses)),
            Err(Problem::Form) => Err(self.refuse(flag, text)),
            Err(Problem::Name(error)) => Err(SettingsError::Name {
                key: flag.name.into(),
                source,
                value: text.into(),
                problem: error.to_string(),
            }),
        }
    }

    /// The origins that may connect.
    pub(super) fn origins(&self) -> Result<Vec<Allowed<Origin>>, SettingsError> {
        Ok(self
            .list(Flag::named("allow-origin"), value::allowed)?
            .unwrap_or_default())
    }

    /// The hosts by which the server may be addressed.
    pub(super) fn hosts(&self) -> Result<Vec<Allowed<HostPattern>>, SettingsError> {
        Ok(self
            .list(Flag::named("allow-host"), value::allowed)?
            .unwrap_or_default())
    }

    /// The subprotocols, the one liked best first.
    pub(super) fn subprotocols(&self) -> Result<Vec<String>, SettingsError> {
        Ok(self
            .list(Flag::named("subprotocol"), value::subprotocol)?
            .unwrap_or_default())
    }

    fn list<T>(
        &self,
        flag: &Flag,
        parse: fn(&str) -> Option<T>,
    ) -> Result<Option<Vec<T>>, SettingsError> {
        let Some(said) = self.0.get(flag.name) else {
            return Ok(None);
        };
        let items = said
            .texts
            .iter()
            .map(|text| parse(text).ok_or_else(|| self.refuse(flag, text)));
        items.collect::<Result<_, _>>().map(Some)
    }

    fn refuse(&self, flag: &Flag, text: &str) -> SettingsError {
        SettingsError::Value {
            key: flag.name.into(),
            source: self.source(flag.name),
            value: text.into(),
            allowed: flag.allowed(),
        }
    }
}

/// The variable of the flag `name`; an empty one, as templates leave behind, counts as none.
fn variable(
    env: impl Fn(&str) -> Option<OsString>,
    name: &str,
) -> Result<Option<String>, SettingsError> {
    let variable = flag::variable(name);
    let Some(value) = env(&variable).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    value
        .into_string()
        .map(Some)
        .map_err(|value| SettingsError::Value {
            key: name.into(),
            source: Source::Environment(variable),
            value: value.to_string_lossy().into_owned(),
            allowed: "UTF-8 only".into(),
        })
}

const DEFAULT_LISTEN: &str = "localhost:8080";
