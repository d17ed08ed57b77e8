//! How fields of JSON objects are read: texts are borrowed if they have no escapes, payloads are not
//! parsed, and `null` means absent.

use alloc::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A text that is borrowed if it has no escapes. serde borrows a `Cow` only where a field asks for it.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads a text; `null` is the empty one.
pub(crate) fn text<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Cow<'a, str>, D::Error> {
    Ok(Option::<Text<'a>>::deserialize(from)?.map_or(Cow::Borrowed(""), |text| text.0))
}

/// Reads a payload as the JSON text that it is, without the whitespace around it. `null` is a payload.
pub(crate) fn payload<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<&'a [u8], D::Error> {
    Ok(<&'a RawValue>::deserialize(from)?.get().as_bytes())
}

/// Reads a value; `null` is the default.
pub(crate) fn or_default<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}
