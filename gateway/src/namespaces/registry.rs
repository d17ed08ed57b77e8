//! Finds the namespace of a channel by its name, and refuses names that no channel has.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt::{self, Display, Formatter};
use core::time::Duration;

use regex::Regex;

use super::name::{Delimiters, NameParts};
use super::options::ChannelOptions;
use super::settings::{ChannelSettings, PersonalChannel};
use super::validation::{SettingError, SettingProblem, section_of, validate};
use crate::client_protocol::ErrorCode;

/// Validated settings of all channels.
#[derive(Debug)]
pub struct Namespaces {
    without: Namespace,
    named: BTreeMap<Box<str>, Namespace>,
    delimiters: Delimiters,
    max_length: usize,
    history_meta_ttl: Duration,
    personal_channel: PersonalChannel,
}

#[derive(Debug)]
struct Namespace {
    name: Box<str>,
    /// Its place in the order of [`Namespaces::names`], from 1; 0 for none.
    number: usize,
    options: ChannelOptions,
    regex: Option<Regex>,
}

impl Namespace {
    /// Compiles the pattern of a namespace.
    fn new(
        number: usize,
        name: &str,
        options: ChannelOptions,
        errors: &mut Vec<SettingError>,
    ) -> Self {
        let regex = match options.channel_regex.as_str() {
            "" => None,
            pattern => Regex::new(pattern)
                .map_err(|_| {
                    let problem = SettingProblem::InvalidPattern;
                    errors.push(SettingError::new(
                        section_of(name),
                        "channel_regex",
                        problem,
                    ));
                })
                .ok(),
        };
        Self {
            name: name.into(),
            number,
            options,
            regex,
        }
    }
}

impl ChannelSettings {
    /// Validates the settings.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the settings.
    pub fn build(self) -> Result<Namespaces, Vec<SettingError>> {
        let mut errors = Vec::new();
        validate(&self, &mut errors);
        let namespaces = Namespaces::new(self, &mut errors);
        if errors.is_empty() {
            Ok(namespaces)
        } else {
            Err(errors)
        }
    }
}

impl Namespaces {
    /// Takes settings that are validated but for their patterns.
    fn new(settings: ChannelSettings, errors: &mut Vec<SettingError>) -> Self {
        let delimiters = Delimiters::new(&settings);
        let without = Namespace::new(0, "", settings.without_namespace, errors);
        let named = (1..).zip(settings.namespaces);
        let named = named
            .map(|(number, (name, options))| {
                let namespace = Namespace::new(number, &name, options, errors);
                (name.as_str().into(), namespace)
            })
            .collect();
        Self {
            without,
            named,
            delimiters,
            max_length: settings.max_length,
            history_meta_ttl: settings.history_meta_ttl,
            personal_channel: settings.personal_channel,
        }
    }

    /// Finds the namespace of a channel.
    ///
    /// # Errors
    /// No channel has this name.
    pub fn resolve<'c>(&self, name: &'c str) -> Result<ResolvedChannel<'_, 'c>, NameError> {
        let (channel, regex, rest) = self.find(name)?;
        let is_allowed = match regex {
            Some(regex) => regex.is_match(rest),
            None => name.is_ascii(),
        };
        if is_allowed {
            Ok(channel)
        } else {
            Err(NameError::InvalidName)
        }
    }

    /// Finds the channel of a name that may be any text, for a protocol whose channels are all in one
    /// namespace; an empty one is none. A name that begins as another namespace does is none of its
    /// channels.
    ///
    /// # Errors
    /// No channel of the namespace has this name.
    pub fn resolve_in<'c>(
        &self,
        namespace: &str,
        name: &'c str,
    ) -> Result<ResolvedChannel<'_, 'c>, NameError> {
        match self.find(name) {
            Ok((channel, ..)) if channel.namespace == namespace => Ok(channel),
            // What stands before a boundary means nothing if it is no namespace.
            Err(NameError::UnknownNamespace) if namespace.is_empty() => {
                let parts = self.delimiters.split(name);
                Ok(self.channel(name, &self.without, parts))
            }
            Ok(_) => Err(NameError::UnknownNamespace),
            Err(error) => Err(error),
        }
    }

    /// Returns the name of a channel of a namespace; an empty one is none.
    pub fn name_in(&self, namespace: &str, rest: &str) -> String {
        self.delimiters.prefix(namespace) + rest
    }

    fn find<'c>(
        &self,
        name: &'c str,
    ) -> Result<(ResolvedChannel<'_, 'c>, Option<&Regex>, &'c str), NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > self.max_length {
            return Err(NameError::TooLong);
        }
        let parts = self.delimiters.split(name);
        let namespace = match parts.namespace {
            None => &self.without,
            Some(namespace) => {
                let named = self.named.get(namespace);
                named.ok_or(NameError::UnknownNamespace)?
            }
        };
        let channel = self.channel(name, namespace, parts);
        Ok((channel, namespace.regex.as_ref(), parts.rest))
    }

    fn channel<'n, 'c>(
        &'n self,
        name: &'c str,
        namespace: &'n Namespace,
        parts: NameParts<'c>,
    ) -> ResolvedChannel<'n, 'c> {
        ResolvedChannel {
            name,
            namespace: &namespace.name,
            namespace_number: namespace.number,
            options: &namespace.options,
            is_private: parts.is_private,
            users: parts.users,
            delimiters: &self.delimiters,
            history_meta_ttl: self.history_meta_ttl,
        }
    }

    /// Returns the name of the personal channel of a user, if users have one.
    pub fn personal_channel(&self, user: &str) -> Option<String> {
        let personal = &self.personal_channel;
        if !personal.enabled {
            return None;
        }
        self.delimiters
            .personal(&personal.personal_channel_namespace, user)
    }

    /// Returns whether a new connection of a user closes the user's older ones.
    pub const fn has_single_connections(&self) -> bool {
        self.personal_channel.enabled && self.personal_channel.single_connection
    }

    /// Returns the names of the namespaces, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(|name| &**name)
    }
}

/// A channel with the options of its namespace.
#[derive(Clone, Copy, Debug)]
pub struct ResolvedChannel<'n, 'c> {
    name: &'c str,
    namespace: &'n str,
    namespace_number: usize,
    options: &'n ChannelOptions,
    is_private: bool,
    users: Option<&'c str>,
    delimiters: &'n Delimiters,
    history_meta_ttl: Duration,
}

impl<'n, 'c> ResolvedChannel<'n, 'c> {
    /// Returns its name.
    pub const fn name(&self) -> &'c str {
        self.name
    }

    /// Returns the name of its namespace, empty if there is none.
    pub const fn namespace(&self) -> &'n str {
        self.namespace
    }

    /// Returns the place of its namespace in the order of [`Namespaces::names`], from 1; 0 if there is
    /// none.
    pub(crate) const fn namespace_number(&self) -> usize {
        self.namespace_number
    }

    /// Returns its options.
    pub const fn options(&self) -> &'n ChannelOptions {
        self.options
    }

    /// Returns whether subscribing needs a token.
    pub const fn is_private(&self) -> bool {
        self.is_private
    }

    /// Returns whether its name lists users.
    pub const fn is_user_limited(&self) -> bool {
        self.users.is_some()
    }

    /// Returns whether its name lists this user.
    pub fn lists_user(&self, user: &str) -> bool {
        self.users
            .is_some_and(|users| self.delimiters.has_user(users, user))
    }

    /// Returns how long its position is kept.
    pub const fn history_meta_ttl(&self) -> Duration {
        match self.options.history_meta_ttl {
            Some(ttl) => ttl,
            None => self.history_meta_ttl,
        }
    }
}

/// A name that no channel has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NameError {
    /// It is empty, which the protocol closes the connection for.
    Empty,
    /// It is too long.
    TooLong,
    /// Its namespace is not configured.
    UnknownNamespace,
    /// It is not ASCII, or not what the namespace's pattern allows.
    InvalidName,
}

impl NameError {
    /// Returns the error of the command, or `None` if the connection is to be closed with 3501.
    pub const fn error_code(self) -> Option<ErrorCode> {
        match self {
            Self::Empty => None,
            Self::TooLong | Self::InvalidName => Some(ErrorCode::BadRequest),
            Self::UnknownNamespace => Some(ErrorCode::UnknownChannel),
        }
    }
}

impl Display for NameError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the name of the channel is empty",
            Self::TooLong => "the name of the channel is too long",
            Self::UnknownNamespace => "the namespace is not configured",
            Self::InvalidName => "the namespace does not allow this name",
        })
    }
}

impl Error for NameError {}
