//! Parameters of the methods: zero, empty and absent mean the same, and fields that are not known are
//! ignored. Payloads are borrowed and not parsed.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::Error;

use super::method::ApiMethod;
use super::whole::{optional_whole, whole};
use crate::client_protocol::ChannelRequest;
use crate::client_protocol::json::field::{self, Object, Text};
use crate::token::OverrideClaims;

/// A method with its parameters.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum ApiCommand<'a> {
    Publish(PublishParams<'a>),
    Broadcast(PublishParams<'a>),
    Presence(ChannelRequest<'a>),
    PresenceStats(ChannelRequest<'a>),
    History(HistoryParams<'a>),
    HistoryRemove(ChannelRequest<'a>),
    Channels(ChannelsParams<'a>),
    Info,
    Rpc,
    Subscribe(SubscribeParams<'a>),
    Unsubscribe(UnsubscribeParams<'a>),
    Disconnect(DisconnectParams<'a>),
    Refresh(RefreshParams<'a>),
    Connections(ConnectionsParams<'a>),
    Explain(ExplainParams<'a>),
    Ban(BanParams<'a>),
    Unban(BanParams<'a>),
}

impl<'a> ApiCommand<'a> {
    /// Reads the parameters of a method.
    ///
    /// # Errors
    /// They are not a JSON object, or a field has a value of another type.
    pub(super) fn read(method: ApiMethod, params: &'a [u8]) -> Result<Self, Error> {
        Ok(match method {
            ApiMethod::Publish => Self::Publish(object(params)?),
            ApiMethod::Broadcast => Self::Broadcast(object(params)?),
            ApiMethod::Presence => Self::Presence(object(params)?),
            ApiMethod::PresenceStats => Self::PresenceStats(object(params)?),
            ApiMethod::History => Self::History(object(params)?),
            ApiMethod::HistoryRemove => Self::HistoryRemove(object(params)?),
            ApiMethod::Channels => Self::Channels(object(params)?),
            ApiMethod::Info => object(params).map(|NoParams {}| Self::Info)?,
            ApiMethod::Rpc => object(params).map(|NoParams {}| Self::Rpc)?,
            ApiMethod::Subscribe => Self::Subscribe(object(params)?),
            ApiMethod::Unsubscribe => Self::Unsubscribe(object(params)?),
            ApiMethod::Disconnect => Self::Disconnect(object(params)?),
            ApiMethod::Refresh => Self::Refresh(object(params)?),
            ApiMethod::Connections => Self::Connections(object(params)?),
            ApiMethod::Explain => Self::Explain(object(params)?),
            ApiMethod::Ban => Self::Ban(object(params)?),
            ApiMethod::Unban => Self::Unban(object(params)?),
        })
    }
}

fn object<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice::<Object<T>>(text).map(|object| object.0)
}

#[derive(Deserialize)]
struct NoParams {}

/// Parameters of `publish`, and with `channels` in place of `channel` of `broadcast`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PublishParams<'a> {
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) channel: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::or_default")]
    pub(super) channels: Vec<Text<'a>>,
    #[serde(borrow, deserialize_with = "field::payload")]
    pub(super) data: &'a [u8],
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) b64data: Cow<'a, str>,
    #[serde(deserialize_with = "field::or_default")]
    pub(super) skip_history: bool,
    #[serde(borrow, deserialize_with = "field::or_default")]
    pub(super) tags: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) idempotency_key: Cow<'a, str>,
    #[serde(deserialize_with = "field::or_default")]
    pub(super) delta: bool,
    #[serde(deserialize_with = "whole")]
    pub(super) version: u64,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) version_epoch: Cow<'a, str>,
    /// Stentor: priority in the queues of the subscribers.
    #[serde(deserialize_with = "optional_whole")]
    pub(super) priority: Option<u64>,
    /// Stentor: for how many seconds it is worth sending.
    #[serde(deserialize_with = "field::or_default")]
    pub(super) ttl: f64,
    /// Stentor: what it is news of; it replaces one with the same key that waits.
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) key: Cow<'a, str>,
    /// Stentor: the id of a client that does not get it.
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) exclude: Cow<'a, str>,
    /// Stentor: whether the result says what happened at the queues.
    #[serde(deserialize_with = "field::or_default")]
    pub(super) delivery: bool,
}

/// Parameters of `history`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HistoryParams<'a> {
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) channel: Cow<'a, str>,
    #[serde(deserialize_with = "whole")]
    pub(super) limit: i32,
    #[serde(borrow, deserialize_with = "field::object")]
    pub(super) since: Option<SinceParams<'a>>,
    #[serde(deserialize_with = "field::or_default")]
    pub(super) reverse: bool,
}

/// A position in the stream of a channel.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SinceParams<'a> {
    #[serde(deserialize_with = "whole")]
    pub(super) offset: u64,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) epoch: Cow<'a, str>,
}

/// Parameters of `channels`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ChannelsParams<'a> {
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) pattern: Cow<'a, str>,
}

/// Which clients are meant.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct TargetParams<'p> {
    pub(super) user: &'p str,
    pub(super) client: &'p str,
    pub(super) session: &'p str,
    /// Stentor: an address without a port.
    pub(super) address: &'p str,
}

macro_rules! target {
    ($params:ident) => {
        impl $params<'_> {
            pub(super) fn target(&self) -> TargetParams<'_> {
                TargetParams {
                    user: &self.user,
                    client: &self.client,
                    session: &self.session,
                    address: &self.address,
                }
            }
        }
    };
}

target!(SubscribeParams);
target!(UnsubscribeParams);
target!(DisconnectParams);
target!(RefreshParams);
target!(ConnectionsParams);

impl BanParams<'_> {
    pub(super) fn target(&self) -> TargetParams<'_> {
        TargetParams {
            user: &self.user,
            client: "",
            session: "",
            address: &self.address,
        }
    }
}

/// Parameters of `subscribe`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SubscribeParams<'a> {
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) channel: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) user: Cow<'a, str>,
    #[serde(deserialize_with = "whole")]
    pub(super) expire_at: i64,
    #[serde(borrow, deserialize_with = "field::payload")]
    pub(super) info: &'a [u8],
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) b64info: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) client: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::payload")]
    pub(super) data: &'a [u8],
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) b64data: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::object")]
    pub(super) recover_since: Option<SinceParams<'a>>,
    #[serde(rename = "override", deserialize_with = "field::object")]
    pub(super) overrides: Option<OverrideClaims>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) session: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) address: Cow<'a, str>,
}

/// Parameters of `unsubscribe`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UnsubscribeParams<'a> {
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) channel: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) user: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) client: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) session: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) address: Cow<'a, str>,
}

/// Parameters of `disconnect`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DisconnectParams<'a> {
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) user: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::object")]
    pub(super) disconnect: Option<DisconnectReason<'a>>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) client: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::or_default")]
    pub(super) whitelist: Vec<Text<'a>>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) session: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) address: Cow<'a, str>,
}

/// Code and reason of a close frame.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DisconnectReason<'a> {
    #[serde(deserialize_with = "whole")]
    pub(super) code: u32,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) reason: Cow<'a, str>,
}

/// Parameters of `refresh`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RefreshParams<'a> {
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) user: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) client: Cow<'a, str>,
    #[serde(deserialize_with = "field::or_default")]
    pub(super) expired: bool,
    #[serde(deserialize_with = "whole")]
    pub(super) expire_at: i64,
    #[serde(borrow, deserialize_with = "field::payload")]
    pub(super) info: &'a [u8],
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) session: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) address: Cow<'a, str>,
}

/// Parameters of `connections`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ConnectionsParams<'a> {
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) user: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) client: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) session: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) address: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) channel: Cow<'a, str>,
    #[serde(deserialize_with = "whole")]
    pub(super) limit: u64,
}

/// Parameters of `explain`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ExplainParams<'a> {
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) client: Cow<'a, str>,
}

/// Parameters of `ban` and `unban`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BanParams<'a> {
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) user: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) address: Cow<'a, str>,
    /// Seconds of Unix time.
    #[serde(deserialize_with = "whole")]
    pub(super) expire_at: i64,
    /// Seconds from now.
    #[serde(deserialize_with = "whole")]
    pub(super) ttl: u64,
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::format;
    use alloc::string::String;
    use core::fmt;

    use serde::de::{Deserializer, Visitor};
    use serde::forward_to_deserialize_any;
    use serde_json::Value;

    use super::*;

    const DESCRIPTION: &str = include_str!("../../../docs/openapi.json");

    /// Takes note of the fields that a structure reads.
    struct Fields<'f>(&'f mut &'static [&'static str]);

    #[derive(Debug)]
    struct Noted;

    impl fmt::Display for Noted {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the fields are known")
        }
    }

    impl core::error::Error for Noted {}

    impl serde::de::Error for Noted {
        fn custom<T: fmt::Display>(_: T) -> Self {
            Self
        }
    }

    impl<'de> Deserializer<'de> for Fields<'_> {
        type Error = Noted;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Noted> {
            *self.0 = fields;
            Err(Noted)
        }

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Noted> {
            Err(Noted)
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    fn fields_of<'a, T: Deserialize<'a>>() -> BTreeSet<&'static str> {
        let mut fields: &[_] = &[];
        assert!(T::deserialize(Fields(&mut fields)).is_err());
        fields.iter().copied().collect()
    }

    fn fields(method: ApiMethod) -> BTreeSet<&'static str> {
        match method {
            ApiMethod::Publish | ApiMethod::Broadcast => fields_of::<PublishParams<'_>>(),
            ApiMethod::Presence | ApiMethod::PresenceStats | ApiMethod::HistoryRemove => {
                fields_of::<ChannelRequest<'_>>()
            }
            ApiMethod::History => fields_of::<HistoryParams<'_>>(),
            ApiMethod::Channels => fields_of::<ChannelsParams<'_>>(),
            ApiMethod::Info | ApiMethod::Rpc => BTreeSet::new(),
            ApiMethod::Subscribe => fields_of::<SubscribeParams<'_>>(),
            ApiMethod::Unsubscribe => fields_of::<UnsubscribeParams<'_>>(),
            ApiMethod::Disconnect => fields_of::<DisconnectParams<'_>>(),
            ApiMethod::Refresh => fields_of::<RefreshParams<'_>>(),
            ApiMethod::Connections => fields_of::<ConnectionsParams<'_>>(),
            ApiMethod::Explain => fields_of::<ExplainParams<'_>>(),
            ApiMethod::Ban | ApiMethod::Unban => fields_of::<BanParams<'_>>(),
        }
    }

    #[test]
    fn the_description_has_every_method_and_field() {
        let description: Value = serde_json::from_str(DESCRIPTION).expect("JSON");
        let paths = description["paths"].as_object().expect("paths");
        let described: BTreeSet<_> = paths.keys().map(String::as_str).collect();
        let known: BTreeSet<_> = ApiMethod::ALL
            .iter()
            .map(|method| format!("/{}", method.name()))
            .chain(["/batch".into()])
            .collect();
        let known: BTreeSet<_> = known.iter().map(String::as_str).collect();
        assert_eq!(described, known);
        let body = |path: &str| {
            paths[path]["post"]["requestBody"]["content"]["application/json"]["schema"].clone()
        };
        for &method in ApiMethod::ALL {
            let reference = body(&format!("/{}", method.name()))["$ref"].clone();
            let pointer = reference.as_str().and_then(|text| text.strip_prefix('#'));
            let schema = pointer.and_then(|pointer| description.pointer(pointer));
            let properties = &schema.expect("a schema")["properties"];
            let described = properties.as_object().expect("properties");
            let described: BTreeSet<_> = described.keys().map(String::as_str).collect();
            assert_eq!(described, fields(method), "{}", method.name());
        }
        let batch = &body("/batch")["properties"]["commands"]["items"]["properties"];
        let batch = batch.as_object().expect("methods").keys();
        let batch: BTreeSet<_> = batch.map(String::as_str).collect();
        assert!(ApiMethod::ALL.iter().all(|one| batch.contains(one.name())));
    }
}
