//! Commands of a request: one, several in a batch, or in the old form a line for each.

use alloc::borrow::Cow;
use alloc::collections::VecDeque;
use core::fmt::{self, Formatter};

use bytes::Bytes;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Error;
use serde_json::value::RawValue;

use super::method::ApiMethod;
use super::params::ApiCommand;
use crate::client_protocol::json::field::{self, Object};

/// A command that has not begun.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct QueuedCommand {
    /// `None` if there is no such method.
    pub(super) method: Option<ApiMethod>,
    /// What [`ApiCommand::read`] takes.
    pub(super) params: Bytes,
}

/// The most commands of one request.
pub(super) const MAX_COMMANDS: usize = 10_000;

/// Reads the commands of a batch. All of them are checked, so that of a body that is wrong none is
/// carried out.
///
/// # Errors
/// It is not an object with a list of commands, or the parameters of one cannot be read.
pub(super) fn read_batch(body: &Bytes) -> Result<VecDeque<QueuedCommand>, Error> {
    let Object(batch) = serde_json::from_slice::<Object<Batch<'_>>>(body)?;
    let mut commands = VecDeque::with_capacity(batch.commands.len().min(MAX_COMMANDS));
    for command in batch.commands {
        push(&mut commands, body, command.method, command.params)?;
    }
    Ok(commands)
}

/// Reads the commands of the old form, `{"method": …, "params": …}` in lines, all of which are checked.
///
/// # Errors
/// A line is not such an object, or its parameters cannot be read.
pub(super) fn read_lines(body: &Bytes) -> Result<VecDeque<QueuedCommand>, Error> {
    let mut commands = VecDeque::new();
    let lines = serde_json::Deserializer::from_slice(body).into_iter::<Object<Line<'_>>>();
    for line in lines {
        let Object(line) = line?;
        let method = ApiMethod::from_name(&line.method);
        push(&mut commands, body, method, line.params)?;
    }
    if commands.is_empty() {
        return Err(Error::custom("there is no command"));
    }
    Ok(commands)
}

fn push(
    commands: &mut VecDeque<QueuedCommand>,
    body: &Bytes,
    method: Option<ApiMethod>,
    params: Option<&RawValue>,
) -> Result<(), Error> {
    if commands.len() == MAX_COMMANDS {
        return Err(Error::custom("there are too many commands"));
    }
    let params = match params.map(RawValue::get) {
        None | Some("null") => Bytes::from_static(b"{}"),
        Some(text) => body.slice_ref(text.as_bytes()),
    };
    if let Some(method) = method {
        ApiCommand::read(method, &params)?;
    }
    commands.push_back(QueuedCommand { method, params });
    Ok(())
}

/// The body of a batch. Its commands are carried out one after another whatever `parallel` says.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Batch<'a> {
    #[serde(borrow, deserialize_with = "field::or_default")]
    commands: alloc::vec::Vec<BatchCommand<'a>>,
}

/// A line of the old form.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Line<'a> {
    #[serde(borrow, deserialize_with = "field::text")]
    method: Cow<'a, str>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// A command of a batch: an object with one field, whose name is the method.
struct BatchCommand<'a> {
    method: Option<ApiMethod>,
    params: Option<&'a RawValue>,
}

impl<'de: 'a, 'a> Deserialize<'de> for BatchCommand<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(CommandVisitor)
    }
}

struct CommandVisitor;

impl<'de> Visitor<'de> for CommandVisitor {
    type Value = BatchCommand<'de>;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a command")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut command = BatchCommand {
            method: None,
            params: None,
        };
        while let Some(field::Text(name)) = map.next_key()? {
            let Some(method) = ApiMethod::from_name(&name) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if command.method.replace(method).is_some() {
                return Err(A::Error::custom("a command has more than one method"));
            }
            command.params = Some(map.next_value()?);
        }
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn batch(text: &'static str) -> Result<Vec<(Option<ApiMethod>, Bytes)>, Error> {
        let commands = read_batch(&Bytes::from_static(text.as_bytes()))?.into_iter();
        Ok(commands.map(|one| (one.method, one.params)).collect())
    }

    fn lines(text: &'static str) -> Result<Vec<(Option<ApiMethod>, Bytes)>, Error> {
        let commands = read_lines(&Bytes::from_static(text.as_bytes()))?.into_iter();
        Ok(commands.map(|one| (one.method, one.params)).collect())
    }

    #[test]
    fn a_batch_has_commands_in_order() {
        let commands = batch(
            r#"{"commands":[{"publish":{"channel":"a","data":1}}, {"info":null},{"nothing":{}},{}],"parallel":true}"#,
        );
        let expected = [
            (
                Some(ApiMethod::Publish),
                Bytes::from_static(br#"{"channel":"a","data":1}"#),
            ),
            (Some(ApiMethod::Info), Bytes::from_static(b"{}")),
            (None, Bytes::from_static(b"{}")),
            (None, Bytes::from_static(b"{}")),
        ];
        assert_eq!(commands.expect("a batch"), expected);
        assert_eq!(batch("{}").expect("a batch"), []);
    }

    #[test]
    fn a_batch_with_one_wrong_command_is_none() {
        for text in [
            "",
            "[]",
            r#"{"commands":{}}"#,
            r#"{"commands":[[]]}"#,
            r#"{"commands":[{"info":{}},{"publish":[]}]}"#,
            r#"{"commands":[{"info":{}},{"publish":{"channel":5}}]}"#,
            r#"{"commands":[{"info":{},"channels":{}}]}"#,
            r#"{"commands":[{"info":{}}]} x"#,
            r#"{"commands":[{"info":{}}"#,
        ] {
            assert!(batch(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_old_form_has_a_line_for_each_command() {
        let text = concat!(
            r#"{"method":"publish","params":{"channel":"a","data":1}}"#,
            "\n",
            r#"{"method":"info"}"#,
            "\n",
        );
        let expected = [
            (
                Some(ApiMethod::Publish),
                Bytes::from_static(br#"{"channel":"a","data":1}"#),
            ),
            (Some(ApiMethod::Info), Bytes::from_static(b"{}")),
        ];
        assert_eq!(lines(text).expect("two commands"), expected);
        for text in ["", "\n", "[]", "{} x", r#"{"method":"info","params":5}"#] {
            assert!(lines(text).is_err(), "{text}");
        }
    }

    #[test]
    fn commands_are_bounded() {
        let line = br#"{"method":"info"}"#;
        let read = |count| read_lines(&Bytes::from(line.repeat(count)));
        assert_eq!(read(MAX_COMMANDS).expect("as many").len(), MAX_COMMANDS);
        assert!(read(MAX_COMMANDS + 1).is_err());
    }
}
