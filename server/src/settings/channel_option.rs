//! Options of channels by their names, and their values as text.

use stentor_gateway::namespaces::ChannelOptions;

use super::channel_table::{ChannelOption, OPTIONS, Set};
use super::declaration::FlagKind::Choice;
use super::flag::Flag;

impl ChannelOption {
    /// Returns the option with this name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        OPTIONS.iter().find(|option| option.name() == name)
    }

    /// Returns the setting of channels without a namespace.
    pub(super) fn flag(&self) -> &'static Flag {
        Flag::of(self.declaration.key)
    }

    /// Sets the option.
    ///
    /// # Errors
    /// Returns a text that is not allowed.
    pub(super) fn apply(
        &self,
        options: &mut ChannelOptions,
        texts: &[String],
    ) -> Result<(), String> {
        let flag = self.flag();
        let text = texts.first().map_or("", String::as_str);
        let refused = || text.to_owned();
        match self.set {
            Set::Switch(field) => *field(options) = flag.switch(text).ok_or_else(refused)?,
            Set::Number(set) => set(options, flag.number_of(text).ok_or_else(refused)?),
            Set::Text(set) => {
                let text = match flag.kind {
                    Choice(..) => flag.word(text).ok_or_else(refused)?,
                    _ => text,
                };
                if !set(options, text) {
                    return Err(refused());
                }
            }
            Set::Words(set) => {
                let words = texts.iter();
                let words: Result<Vec<_>, _> = words
                    .map(|text| flag.word(text).ok_or_else(|| text.clone()))
                    .collect();
                set(options, &words?);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use stentor_core::config::Unit;

    use super::*;
    use crate::settings::declaration::FlagKind::{Switch, Text, Words};

    #[test]
    fn what_is_declared_as_default_is_the_default() {
        for option in OPTIONS {
            let flag = option.flag();
            let texts = match flag.kind {
                Switch => vec!["false".into()],
                Choice(_, default) | Text(default) => vec![default.into()],
                Words(_) => Vec::new(),
                _ => {
                    let bounds = flag.bounds().expect("a number");
                    vec![bounds.show(bounds.default.expect("a default"))]
                }
            };
            let mut options = ChannelOptions::default();
            option.apply(&mut options, &texts).expect("a default");
            assert_eq!(options, ChannelOptions::default(), "{}", option.name());
        }
    }

    #[test]
    fn every_option_sets_a_field_of_its_own() {
        let mut seen = Vec::new();
        for option in OPTIONS {
            let flag = option.flag();
            let text = match flag.kind {
                Switch => "true",
                Choice(words, _) | Words(words) => words.last().expect("a word"),
                Text(_) => "channel",
                _ if flag.bounds().expect("a number").unit == Unit::Milliseconds => "7s",
                _ => "7",
            };
            let mut options = ChannelOptions::default();
            option.apply(&mut options, &[text.into()]).expect(text);
            let changed = format!("{options:?}");
            assert_ne!(options, ChannelOptions::default(), "{}", option.name());
            assert!(!seen.contains(&changed), "{}", option.name());
            seen.push(changed);
        }
    }
}
