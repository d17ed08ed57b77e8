//! Values of the settings as text, and their conversion into types.

use std::cell::RefCell;
use std::collections::BTreeMap;
#[cfg(feature = "tls")]
use std::path::PathBuf;
use std::time::Duration;

use stentor_core::config::{ForwardedField, Proxies};
use stentor_core::proto::http::HostPattern;
use stentor_core::proto::ws::upgrade::Origin;

use super::declaration::FlagKind;
use super::endpoint::{Endpoint, EndpointPlace};
use super::error::{SettingsError, Source};
use super::flag::Flag;
use super::table::DEFAULT_LISTEN;
use super::value::{self, Allowed, Trusted};
use crate::address::Problem;
use crate::listen::DEFAULT_MODE;
use crate::state_file::StateFile;

/// The values given: for each setting the text of the source that takes precedence. Collects all
/// errors, so that they are reported together.
#[derive(Default)]
pub(super) struct RawSettings {
    pub(super) values: BTreeMap<&'static str, RawValue>,
    pub(super) errors: RefCell<Vec<SettingsError>>,
    /// Bytes of memory that the process may take, if that is known and counts.
    pub(super) memory: Option<u64>,
}

pub(super) struct RawValue {
    pub(super) source: Source,
    pub(super) texts: Vec<String>,
}

impl RawSettings {
    /// Returns `value` if there were no errors.
    ///
    /// # Errors
    /// Returns all errors.
    pub(super) fn finish<T>(&self, value: T) -> Result<T, SettingsError> {
        let mut errors = self.errors.take();
        match errors.len() {
            0 => Ok(value),
            1 => Err(errors.remove(0)),
            _ => Err(SettingsError::Several(errors)),
        }
    }

    /// Returns whether there are errors so far.
    pub(super) fn has_errors(&self) -> bool {
        !self.errors.borrow().is_empty()
    }

    /// Keeps an error for [`finish`](Self::finish).
    pub(super) fn report(&self, error: SettingsError) {
        self.errors.borrow_mut().push(error);
    }

    /// Keeps several errors.
    pub(super) fn report_all(&self, errors: Vec<SettingsError>) {
        self.errors.borrow_mut().extend(errors);
    }

    /// Returns the source of the value of a setting.
    pub(super) fn source(&self, key: &str) -> Source {
        self.values
            .get(key)
            .map_or(Source::Default, |value| value.source.clone())
    }

    /// Returns the text of a setting, if there is one.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key)?.texts.first().map(String::as_str)
    }

    /// Returns the number of a setting, if a valid one was given.
    pub(super) fn number_given(&self, key: &str) -> Option<u64> {
        let flag = Flag::of(key);
        let bounds = flag.bounds().expect("a numeric setting");
        let text = self.text(key)?;
        let number = bounds.parse(text);
        if number.is_none() {
            self.refuse(flag, text);
        }
        number
    }

    /// Returns the number of a setting, or its default.
    pub(super) fn number(&self, key: &str) -> u64 {
        let default = || Flag::of(key).bounds().and_then(|bounds| bounds.default);
        self.number_given(key)
            .or_else(default)
            .expect("a setting with a fixed default")
    }

    /// Returns the word of a setting, or its default.
    pub(super) fn choice(&self, key: &str) -> &'static str {
        let flag = Flag::of(key);
        let FlagKind::Choice(_, default) = flag.kind else {
            unreachable!("a setting of words")
        };
        let Some(text) = self.text(key) else {
            return default;
        };
        flag.word(text).unwrap_or_else(|| {
            self.refuse(flag, text);
            default
        })
    }

    /// Returns whether a switch is on.
    pub(super) fn switch(&self, key: &str) -> bool {
        self.switch_given(key).unwrap_or(false)
    }

    /// Returns whether a switch is on, if it was given.
    pub(super) fn switch_given(&self, key: &str) -> Option<bool> {
        let flag = Flag::of(key);
        let text = self.text(key)?;
        Some(flag.switch(text).unwrap_or_else(|| {
            self.refuse(flag, text);
            false
        }))
    }

    /// Returns a text, or its default.
    pub(super) fn text_or_default(&self, key: &str) -> &str {
        self.text(key).unwrap_or(match Flag::of(key).kind {
            FlagKind::Text(default) => default,
            _ => "",
        })
    }

    /// Returns a time.
    pub(super) fn time(&self, key: &str) -> Duration {
        Duration::from_millis(self.number(key))
    }

    /// Returns a time that 0 switches off.
    pub(super) fn time_unless_zero(&self, key: &str) -> Option<Duration> {
        Some(self.time(key)).filter(|time| !time.is_zero())
    }

    /// Returns the endpoints to listen on.
    pub(super) fn endpoints(&self) -> Vec<Endpoint> {
        let behind_proxies = self.endpoints_of("proxy.listen", None);
        // Who listens for proxies only need not say that it does not for others.
        let default = behind_proxies.is_empty().then_some(DEFAULT_LISTEN);
        let mut endpoints = self.endpoints_of("server.listen", default);
        endpoints.extend(behind_proxies);
        endpoints
    }

    fn endpoints_of(&self, key: &str, default: Option<&str>) -> Vec<Endpoint> {
        let flag = Flag::of(key);
        match self.values.get(flag.key) {
            None => {
                let default = default.and_then(|default| self.endpoint(flag, default));
                default.into_iter().collect()
            }
            Some(value) if value.texts.is_empty() => {
                self.refuse(flag, "[]");
                Vec::new()
            }
            Some(value) => {
                let texts = value.texts.iter();
                texts.filter_map(|text| self.endpoint(flag, text)).collect()
            }
        }
    }

    /// Returns the endpoint of the admin pages, if there is one. It must not be one of `--listen`.
    pub(super) fn admin_endpoint(&self, public: &[Endpoint]) -> Option<Endpoint> {
        let flag = Flag::of("admin.listen");
        let text = self.text(flag.key)?;
        let endpoint = self.endpoint(flag, text)?;
        if public.iter().any(|public| public.overlaps(&endpoint)) {
            self.report(SettingsError::Value {
                key: flag.name(),
                source: self.source(flag.key),
                value: text.into(),
                allowed: "an address that is not among those of --listen".into(),
            });
        }
        Some(endpoint)
    }

    fn endpoint(&self, flag: &'static Flag, text: &str) -> Option<Endpoint> {
        let source = self.source(flag.key);
        match EndpointPlace::parse(text) {
            Ok(place) => {
                let name = flag.short.unwrap_or(flag.key);
                let has_proxy_header = flag.key == "proxy.listen";
                Some(Endpoint::new(
                    name,
                    text.into(),
                    source,
                    place,
                    has_proxy_header,
                ))
            }
            Err(Problem::Form) => {
                self.refuse(flag, text);
                None
            }
            Err(Problem::Name(error)) => {
                self.report(SettingsError::Name {
                    key: flag.name(),
                    source,
                    value: text.into(),
                    problem: error.to_string(),
                });
                None
            }
        }
    }

    /// Returns the origins that may connect.
    pub(super) fn origins(&self) -> Vec<Allowed<Origin>> {
        self.list(Flag::of("client.allowed_origins"), value::allowed)
    }

    /// Returns the host names of the server.
    pub(super) fn hosts(&self) -> Vec<Allowed<HostPattern>> {
        self.list(Flag::of("client.allowed_hosts"), value::allowed)
    }

    /// Returns the subprotocols in order of preference.
    pub(super) fn subprotocols(&self) -> Vec<String> {
        self.list(Flag::of("websocket.subprotocols"), value::subprotocol)
    }

    /// Returns names of files.
    #[cfg(feature = "tls")]
    pub(super) fn paths(&self, key: &str) -> Vec<PathBuf> {
        self.list(Flag::of(key), |text| Some(text.into()))
    }

    /// Returns the proxies that are trusted.
    pub(super) fn proxies(&self) -> Proxies {
        let trusted = self.list(Flag::of("proxy.trusted"), value::trusted);
        Proxies {
            unix: trusted.contains(&Trusted::Unix),
            networks: trusted.iter().filter_map(Trusted::network).collect(),
            field: match self.choice("proxy.field") {
                "forwarded" => ForwardedField::Forwarded,
                "none" => ForwardedField::None,
                _ => ForwardedField::XForwardedFor,
            },
        }
    }

    /// Returns the state file, if there is one.
    pub(super) fn state_file(&self) -> Option<StateFile> {
        let path = self.text_or_default("server.state_file");
        let file = StateFile {
            path: path.into(),
            max_bytes: self.number("server.state_max_bytes"),
            max_age: self.time("server.state_max_age"),
        };
        (!path.is_empty()).then_some(file)
    }

    /// Returns the mode of the files of unix sockets.
    pub(super) fn socket_mode(&self) -> u32 {
        let flag = Flag::of("server.socket_mode");
        let text = self.text_or_default(flag.key);
        value::mode(text).unwrap_or_else(|| {
            self.refuse(flag, text);
            DEFAULT_MODE
        })
    }

    fn list<T>(&self, flag: &Flag, parse: fn(&str) -> Option<T>) -> Vec<T> {
        let texts = self.values.get(flag.key).map(|value| value.texts.iter());
        let parsed = texts.into_iter().flatten().map(|text| {
            let item = parse(text);
            if item.is_none() {
                self.refuse(flag, text);
            }
            item
        });
        parsed.flatten().collect()
    }

    /// Reports that a value is not allowed.
    pub(super) fn refuse(&self, flag: &Flag, text: &str) {
        self.report(SettingsError::Value {
            key: flag.name(),
            source: self.source(flag.key),
            value: flag.shown(text),
            allowed: flag.allowed(),
        });
    }

    /// Reports something else about a setting.
    pub(super) fn report_problem(&self, key: &str, problem: impl Into<String>) {
        self.report(SettingsError::Problem {
            key: key.into(),
            source: self.source(key),
            problem: problem.into(),
        });
    }
}
