//! Parts of a channel's name: `[$][namespace:]rest[#user[,user…]]`.

use alloc::boxed::Box;
use alloc::string::String;

use super::settings::ChannelSettings;

/// The texts that separate the parts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Delimiters {
    private_prefix: Box<str>,
    namespace_boundary: Box<str>,
    user_boundary: Box<str>,
    user_separator: Box<str>,
}

/// The parts of a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NameParts<'c> {
    pub(super) is_private: bool,
    /// What stands before the boundary, if there is one.
    pub(super) namespace: Option<&'c str>,
    /// What follows it, with the users.
    pub(super) rest: &'c str,
    /// The users, if there is a boundary.
    pub(super) users: Option<&'c str>,
}

impl Delimiters {
    pub(super) fn new(settings: &ChannelSettings) -> Self {
        Self {
            private_prefix: settings.private_prefix.as_str().into(),
            namespace_boundary: settings.namespace_boundary.as_str().into(),
            user_boundary: settings.user_boundary.as_str().into(),
            user_separator: settings.user_separator.as_str().into(),
        }
    }

    /// Splits a name.
    pub(super) fn split<'c>(&self, name: &'c str) -> NameParts<'c> {
        let private = match &*self.private_prefix {
            "" => None,
            prefix => name.strip_prefix(prefix),
        };
        let public = private.unwrap_or(name);
        let (namespace, rest) = match public.split_once(&*self.namespace_boundary) {
            Some((namespace, rest)) => (Some(namespace), rest),
            None => (None, public),
        };
        let users = match &*self.user_boundary {
            "" => None,
            boundary => name.rsplit_once(boundary).map(|(_, users)| users),
        };
        NameParts {
            is_private: private.is_some(),
            namespace,
            rest,
            users,
        }
    }

    /// Returns whether a list has this user. Anonymous clients are in none.
    pub(super) fn has_user(&self, users: &str, user: &str) -> bool {
        !user.is_empty()
            && users
                .split(&*self.user_separator)
                .any(|listed| listed == user)
    }

    /// Returns what the names of a namespace begin with; an empty one is none.
    pub(super) fn prefix(&self, namespace: &str) -> String {
        match namespace {
            "" => String::new(),
            _ => [namespace, &*self.namespace_boundary].concat(),
        }
    }

    /// Returns the name of the personal channel of a user. A user that has a separator in their name
    /// has none, because it would be that of others.
    pub(super) fn personal(&self, namespace: &str, user: &str) -> Option<String> {
        let has = |delimiter: &str| !delimiter.is_empty() && user.contains(delimiter);
        if user.is_empty() || has(&self.user_separator) || has(&self.user_boundary) {
            return None;
        }
        Some(self.prefix(namespace) + &*self.user_boundary + user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_at_their_delimiters() {
        let delimiters = Delimiters::new(&ChannelSettings::default());
        for (name, is_private, namespace, rest, users) in [
            ("a", false, None, "a", None),
            ("", false, None, "", None),
            ("$", true, None, "", None),
            ("$a", true, None, "a", None),
            ("$$a", true, None, "$a", None),
            ("ns:a", false, Some("ns"), "a", None),
            ("ns:", false, Some("ns"), "", None),
            (":a", false, Some(""), "a", None),
            ("ns:a:b", false, Some("ns"), "a:b", None),
            ("$ns:a", true, Some("ns"), "a", None),
            ("ns:$a", false, Some("ns"), "$a", None),
            ("#1", false, None, "#1", Some("1")),
            ("ns:a#1,2", false, Some("ns"), "a#1,2", Some("1,2")),
            ("a#1#2", false, None, "a#1#2", Some("2")),
            ("a#", false, None, "a#", Some("")),
            ("a#b:c", false, Some("a#b"), "c", Some("b:c")),
        ] {
            let parts = NameParts {
                is_private,
                namespace,
                rest,
                users,
            };
            assert_eq!(delimiters.split(name), parts, "{name}");
        }
    }

    #[test]
    fn delimiters_may_be_off_or_longer() {
        let delimiters = Delimiters::new(&ChannelSettings {
            private_prefix: String::new(),
            user_boundary: String::new(),
            namespace_boundary: "::".into(),
            ..ChannelSettings::default()
        });
        let parts = delimiters.split("$ns::a:b#1");
        assert_eq!((parts.is_private, parts.users), (false, None));
        assert_eq!((parts.namespace, parts.rest), (Some("$ns"), "a:b#1"));
    }

    #[test]
    fn users_are_compared_whole() {
        let delimiters = Delimiters::new(&ChannelSettings::default());
        for (users, user, listed) in [
            ("42", "42", true),
            ("41,42", "42", true),
            ("41,42", "4", false),
            ("41,42", "41,42", false),
            ("", "", false),
            (",", "", false),
            (" 42", "42", false),
        ] {
            assert_eq!(
                delimiters.has_user(users, user),
                listed,
                "{users:?} {user:?}"
            );
        }
    }

    #[test]
    fn a_personal_channel_is_of_one_user() {
        let delimiters = Delimiters::new(&ChannelSettings::default());
        assert_eq!(delimiters.personal("", "42").as_deref(), Some("#42"));
        assert_eq!(delimiters.personal("me", "42").as_deref(), Some("me:#42"));
        for user in ["", "4,2", "4#2"] {
            assert_eq!(delimiters.personal("me", user), None, "{user}");
        }
    }
}
