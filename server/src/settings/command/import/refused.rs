//! Values that the check of the settings refuses: they are left out, and named.

use std::io;
use std::path::Path;

use serde_json::Value;
use stentor_gateway::namespaces::SettingProblem;

use super::{Import, NAMESPACES};
use crate::settings::Settings;
use crate::settings::error::SettingsError;
use crate::settings::flag::{FLAGS, Flag};

const NAME: &str = "imported.toml";

impl Import {
    /// Leaves out what is refused, until nothing is. Files of certificates that cannot be read and names
    /// that cannot be resolved remain: without them a server would do something else.
    pub(super) fn leave_out_refused(&mut self, read_file: impl Fn(&Path) -> io::Result<String>) {
        loop {
            let errors = check(&self.settings(), &read_file);
            let mut is_changed = false;
            for error in &errors {
                is_changed |= self.leave_out(error);
            }
            if !is_changed {
                self.notes.extend(errors.iter().map(text));
                return;
            }
        }
    }

    /// Leaves out what an error is about. Returns whether there was something.
    fn leave_out(&mut self, error: &SettingsError) -> bool {
        match error {
            SettingsError::Value {
                key,
                value,
                allowed,
                ..
            } => {
                let Some(flag) = FLAGS.iter().find(|flag| flag.name() == *key) else {
                    return false;
                };
                let problem = format!("cannot be `{value}`; it takes {allowed}");
                self.remove(flag.key, Some(value), &problem)
            }
            SettingsError::Problem { key, problem, .. } => {
                // What is wrong may be the other one, if this one is the default.
                let others = problem.split('`').skip(1).step_by(2);
                self.remove(key, None, problem)
                    || others
                        .into_iter()
                        .any(|other| self.remove(other, None, &format!("`{key}` {problem}")))
            }
            SettingsError::Channels { error, .. } => {
                let key = error.key();
                let problem = error.to_string();
                let problem = problem.strip_prefix(&key).unwrap_or(&problem);
                let problem = problem.trim_start_matches([':', ' ']);
                match error.problem() {
                    SettingProblem::NeededBy { other } => {
                        self.remove(other, None, &format!("needs {key}"))
                    }
                    _ => self.remove(&key, None, problem),
                }
            }
            _ => false,
        }
    }

    /// Removes a setting, an option of a namespace, or a namespace. Of a list only `item` is removed.
    fn remove(&mut self, key: &str, item: Option<&str>, problem: &str) -> bool {
        let more = if key.ends_with("_regex") {
            "; without it more is allowed"
        } else {
            ""
        };
        let problem = format!("{problem}; it was left out{more}");
        if key.starts_with("tls.") {
            return false;
        }
        if let Some(flag) = Flag::find(key).filter(|flag| self.values.contains_key(flag.key)) {
            let name = self.theirs.get(flag.key);
            let name = name.map_or_else(|| key.to_owned(), Clone::clone);
            self.remove_value(flag, item);
            self.note(name, &problem);
            return true;
        }
        let Some(rest) = key.strip_prefix(NAMESPACES) else {
            return false;
        };
        let rest = rest.strip_prefix('.').unwrap_or(rest);
        for index in (0..self.namespaces.len()).rev() {
            let namespace = &mut self.namespaces[index];
            let name = namespace.get("name").and_then(Value::as_str);
            let option = name.and_then(|name| rest.strip_prefix(name));
            match option {
                Some("") => {
                    self.namespaces.remove(index);
                }
                Some(option) => {
                    let option = option.strip_prefix('.');
                    let removed = option.and_then(|option| namespace.remove(option));
                    if removed.is_none() {
                        continue;
                    }
                }
                None => continue,
            }
            self.note(key, &problem);
            return true;
        }
        false
    }

    fn remove_value(&mut self, flag: &'static Flag, item: Option<&str>) {
        if let Some(Value::Array(items)) = self.values.get_mut(flag.key)
            && let Some(item) = item
        {
            let all = items.len();
            items.retain(|value| value.as_str() != Some(item));
            if !items.is_empty() && items.len() < all {
                return;
            }
        }
        self.values.remove(flag.key);
    }
}

/// Returns what is wrong with settings.
fn check(settings: &str, read_file: impl Fn(&Path) -> io::Result<String>) -> Vec<SettingsError> {
    let args = ["stentor", "--config", NAME];
    let parsed = Settings::parse(
        args,
        |_| None,
        |path| {
            if path == Path::new(NAME) {
                Ok(settings.into())
            } else {
                read_file(path)
            }
        },
    );
    match parsed {
        Ok(_) => Vec::new(),
        Err(SettingsError::Several(errors)) => errors,
        Err(error) => vec![error],
    }
}

/// Returns the text of an error that remains.
fn text(error: &SettingsError) -> String {
    match error {
        SettingsError::Problem { key, problem, .. } => format!("{key}: {problem}"),
        _ => {
            let source = format!(" from the file {NAME}");
            error.to_string().replace(&source, "")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::imported;
    use super::*;

    fn notes(table: &Value) -> Vec<String> {
        let mut import = imported(table);
        import.leave_out_refused(|_| Err(io::ErrorKind::NotFound.into()));
        let settings = import.settings();
        assert_eq!(check(&settings, |_| Ok(String::new())), [], "{settings}");
        import.notes
    }

    #[test]
    fn what_is_refused_is_named_and_left_out() {
        for (table, expected) in [
            (
                json!({"client": {"connection_limit": -1}}),
                "client.connection_limit: cannot be `-1`; it takes 1 to 4294967295; it was left out",
            ),
            (
                json!({"client": {"ping_interval": "9s", "pong_timeout": "9s"}}),
                "client.pong_timeout: must be shorter than `client.ping_interval`; it was left out",
            ),
            (
                json!({"client": {"ping_interval": "5s"}}),
                "client.ping_interval: `client.pong_timeout` must be shorter than `client.ping_interval`; \
                 it was left out",
            ),
            (
                json!({"client": {"token": {"audience_regex": "("}}}),
                "client.token.audience_regex: is not a regular expression; it was left out; without it \
                 more is allowed",
            ),
            (
                json!({"channel": {"without_namespace": {"force_recovery": true}}}),
                "channel.without_namespace.force_recovery: needs \
                 channel.without_namespace.history_size; it was left out",
            ),
            (
                json!({"channel": {"namespaces": [{"name": "a.b", "history_ttl": "x"}]}}),
                "channel.namespaces.a.b.history_ttl: cannot be `x`; it takes 0s to 8760h, with ms, s, m \
                 or h, in whole milliseconds; it was left out",
            ),
            (
                json!({"channel": {"namespaces": [{"name": "x"}]}}),
                "channel.namespaces.x: a namespace has a name of at least two letters, digits, '-', '_' \
                 or '.'; it was left out",
            ),
        ] {
            assert_eq!(notes(&table), [expected]);
        }
    }

    #[test]
    fn of_a_list_only_what_is_refused_is_left_out() {
        let mut import = imported(&json!({
            "client": {"allowed_origins": ["https://a.example", "b/c", "https://d.example"]}
        }));
        import.leave_out_refused(|_| Err(io::ErrorKind::NotFound.into()));
        let left = &import.values["client.allowed_origins"];
        assert_eq!(*left, json!(["https://a.example", "https://d.example"]));
        let [note] = &import.notes[..] else {
            panic!("{:?}", import.notes)
        };
        assert!(note.starts_with("client.allowed_origins: cannot be `b/c`"));
    }

    #[test]
    fn a_feature_without_what_it_needs_is_left_out() {
        let personal = json!({"enabled": true, "single_connection": true});
        let table = json!({"client": {"subscribe_to_user_personal_channel": personal}});
        let key = "client.subscribe_to_user_personal_channel.single_connection";
        let expected = format!("{key}: needs channel.without_namespace.presence; it was left out");
        assert_eq!(notes(&table), [expected]);
    }

    #[cfg(feature = "tls")]
    #[test]
    fn certificates_remain_though_they_cannot_be_read() {
        let tls = json!({"enabled": true, "cert_pem": "/no/cert", "key_pem": "/no/key"});
        let mut import = imported(&json!({"http_server": {"tls": tls}}));
        import.leave_out_refused(|_| Err(io::ErrorKind::NotFound.into()));
        assert!(import.values.contains_key("tls.cert"));
        assert!(import.values.contains_key("tls.key"));
        let last = import.notes.last().expect("a note");
        assert!(
            last.starts_with("tls.cert: cannot be read: /no/cert"),
            "{last}"
        );
    }
}
