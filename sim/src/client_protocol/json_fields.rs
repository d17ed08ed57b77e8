//! JSON objects that are filled field by field.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// An object that is being filled.
pub(super) struct Fields {
    fields: Map<String, Value>,
    keeps_empty: bool,
    is_json: bool,
}

impl Fields {
    pub(super) fn new(keeps_empty: bool) -> Self {
        Self {
            fields: Map::new(),
            keeps_empty,
            is_json: true,
        }
    }

    /// Returns the object, or `None` if a payload is not JSON.
    pub(super) fn finish(self) -> Option<Value> {
        self.is_json.then_some(Value::Object(self.fields))
    }

    /// A member that is there even if it is empty.
    pub(super) fn always(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// A map of messages.
    pub(super) fn map<T>(
        &mut self,
        name: &str,
        entries: &BTreeMap<String, T>,
        fill: impl Fn(&mut Self, &T),
    ) {
        if self.keeps_empty || !entries.is_empty() {
            self.map_always(name, entries, fill);
        }
    }

    pub(super) fn map_always<T>(
        &mut self,
        name: &str,
        entries: &BTreeMap<String, T>,
        fill: impl Fn(&mut Self, &T),
    ) {
        let object = self.object(|fields| {
            for (key, message) in entries {
                fields.message(key, Some(message), &fill);
            }
        });
        self.always(name, object);
    }

    /// A map of texts.
    pub(super) fn texts(&mut self, name: &str, entries: &BTreeMap<String, String>) {
        let entries = entries.iter();
        let texts: Map<String, Value> = entries
            .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
            .collect();
        if self.keeps_empty || !texts.is_empty() {
            self.always(name, texts);
        }
    }

    pub(super) fn put(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        if self.keeps_empty || !is_empty(&value) {
            self.fields.insert(name.to_owned(), value);
        }
    }

    pub(super) fn payload(&mut self, name: &str, data: &[u8]) {
        if data.is_empty() {
            return self.put(name, Value::Null);
        }
        match serde_json::from_slice(data) {
            // `null` is a payload.
            Ok(value) => drop(self.fields.insert(name.to_owned(), value)),
            Err(_) => self.is_json = false,
        }
    }

    pub(super) fn object(&mut self, fill: impl FnOnce(&mut Self)) -> Value {
        let mut inner = Self::new(self.keeps_empty);
        fill(&mut inner);
        self.is_json &= inner.is_json;
        Value::Object(inner.fields)
    }

    /// A message that is there, even if it is empty, or not.
    pub(super) fn message<T>(
        &mut self,
        name: &str,
        message: Option<&T>,
        fill: impl FnOnce(&mut Self, &T),
    ) {
        match message {
            Some(message) => {
                let object = self.object(|fields| fill(fields, message));
                self.fields.insert(name.to_owned(), object);
            }
            None => self.put(name, Value::Null),
        }
    }

    pub(super) fn messages<T>(&mut self, name: &str, messages: &[T], fill: impl Fn(&mut Self, &T)) {
        if self.keeps_empty || !messages.is_empty() {
            self.messages_always(name, messages, fill);
        }
    }

    pub(super) fn messages_always<T>(
        &mut self,
        name: &str,
        messages: &[T],
        fill: impl Fn(&mut Self, &T),
    ) {
        let objects = messages.iter();
        let objects: Vec<Value> = objects
            .map(|message| self.object(|fields| fill(fields, message)))
            .collect();
        self.always(name, objects);
    }
}

/// Whether a member with this value means the same as none.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is_set) => !is_set,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
    }
}
