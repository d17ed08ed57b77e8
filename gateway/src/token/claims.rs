//! What a token says, as JSON, and its two meanings: for a connection and for a subscription.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt::{self, Formatter};

use data_encoding::BASE64;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::error::TokenError;
use crate::client_protocol::json::field;

/// What a connection token says.
#[derive(Clone, PartialEq, Debug)]
pub struct ConnectionClaims<'a> {
    /// The user, empty if anonymous.
    pub user: Cow<'a, str>,
    /// When the connection expires, in seconds of Unix time.
    pub expires_at: Option<u64>,
    /// When the token was issued, in seconds of Unix time.
    pub issued_at: Option<u64>,
    /// The name of the token.
    pub id: Cow<'a, str>,
    /// What other clients see of the user.
    pub info: Cow<'a, [u8]>,
    /// What only the application's own servers see, as JSON.
    pub meta: &'a [u8],
    /// Server-side subscriptions, by channel.
    pub subscriptions: BTreeMap<Cow<'a, str>, ServerSubscription<'a>>,
}

/// A server-side subscription of a connection token.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ServerSubscription<'a> {
    /// What other subscribers see of the user.
    pub info: Cow<'a, [u8]>,
    /// The application's payload for the client.
    pub data: Cow<'a, [u8]>,
    /// Options that differ from those of the channel.
    pub overrides: Overrides,
}

/// What a subscription token says.
#[derive(Clone, PartialEq, Debug)]
pub struct SubscriptionClaims<'a> {
    /// When the subscription expires, in seconds of Unix time.
    pub expires_at: Option<u64>,
    /// When the token was issued, in seconds of Unix time.
    pub issued_at: Option<u64>,
    /// The name of the token.
    pub id: Cow<'a, str>,
    /// What other subscribers see of the user.
    pub info: Cow<'a, [u8]>,
    /// The application's payload for the client.
    pub data: Cow<'a, [u8]>,
    /// Options that differ from those of the channel.
    pub overrides: Overrides,
}

/// Options of a channel that a token sets for one subscription.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Overrides {
    /// Whether the channel has presence.
    pub presence: Option<bool>,
    /// Whether the subscriber causes join and leave events.
    pub join_leave: Option<bool>,
    /// Whether the subscriber gets join and leave events without asking.
    pub force_push_join_leave: Option<bool>,
    /// Whether the subscription is recoverable without asking.
    pub force_recovery: Option<bool>,
    /// Whether the subscription is positioned without asking.
    pub force_positioning: Option<bool>,
}

/// Every claim that is known.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Claims<'a> {
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) sub: Cow<'a, str>,
    #[serde(deserialize_with = "numeric_date")]
    pub(super) exp: Option<i64>,
    #[serde(deserialize_with = "numeric_date")]
    pub(super) nbf: Option<i64>,
    #[serde(deserialize_with = "numeric_date")]
    iat: Option<i64>,
    #[serde(borrow, deserialize_with = "field::text")]
    jti: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) iss: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) aud: Audience<'a>,
    #[serde(deserialize_with = "numeric_date")]
    expire_at: Option<i64>,
    #[serde(borrow, deserialize_with = "field::payload")]
    info: &'a [u8],
    #[serde(borrow, deserialize_with = "field::text")]
    b64info: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::payload")]
    data: &'a [u8],
    #[serde(borrow, deserialize_with = "field::text")]
    b64data: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::payload")]
    meta: &'a [u8],
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) channel: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::text")]
    pub(super) client: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::or_default")]
    channels: Vec<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "field::object_map")]
    subs: BTreeMap<Cow<'a, str>, SubClaims<'a>>,
    #[serde(rename = "override", deserialize_with = "field::object")]
    overrides: Option<OverrideClaims>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SubClaims<'a> {
    #[serde(borrow, deserialize_with = "field::payload")]
    info: &'a [u8],
    #[serde(borrow, deserialize_with = "field::text")]
    b64info: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "field::payload")]
    data: &'a [u8],
    #[serde(borrow, deserialize_with = "field::text")]
    b64data: Cow<'a, str>,
    #[serde(rename = "override", deserialize_with = "field::object")]
    overrides: Option<OverrideClaims>,
}

/// [`Overrides`] as JSON has them.
#[derive(Clone, Copy, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OverrideClaims {
    #[serde(deserialize_with = "field::object")]
    presence: Option<OverrideClaim>,
    #[serde(deserialize_with = "field::object")]
    join_leave: Option<OverrideClaim>,
    #[serde(deserialize_with = "field::object")]
    force_push_join_leave: Option<OverrideClaim>,
    #[serde(deserialize_with = "field::object")]
    force_recovery: Option<OverrideClaim>,
    #[serde(deserialize_with = "field::object")]
    force_positioning: Option<OverrideClaim>,
}

#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
struct OverrideClaim {
    #[serde(default)]
    value: bool,
}

impl<'a> Claims<'a> {
    /// Reads the claims of a token.
    pub(super) fn parse(json: &'a [u8]) -> Result<Self, TokenError> {
        let claims: field::Object<Self> =
            serde_json::from_slice(json).map_err(|_| TokenError::InvalidClaims)?;
        Ok(claims.0)
    }

    pub(super) fn into_connection(self) -> Result<ConnectionClaims<'a>, TokenError> {
        let expires_at = self.expires_at();
        // `subs` wins over `channels`.
        let subscriptions = if self.subs.is_empty() {
            let channels = self.channels.into_iter();
            channels
                .map(|channel| (channel, ServerSubscription::default()))
                .collect()
        } else {
            let subs = self.subs.into_iter();
            subs.map(|(channel, claims)| Ok((channel, claims.into_subscription()?)))
                .collect::<Result<_, TokenError>>()?
        };
        Ok(ConnectionClaims {
            user: self.sub,
            expires_at,
            issued_at: self.iat.map(seconds),
            id: self.jti,
            info: json_or_base64(self.info, &self.b64info)?,
            meta: self.meta,
            subscriptions,
        })
    }

    pub(super) fn into_subscription(self) -> Result<SubscriptionClaims<'a>, TokenError> {
        Ok(SubscriptionClaims {
            expires_at: self.expires_at(),
            issued_at: self.iat.map(seconds),
            id: self.jti,
            info: json_or_base64(self.info, &self.b64info)?,
            data: json_or_base64(self.data, &self.b64data)?,
            overrides: self.overrides.map(Overrides::from).unwrap_or_default(),
        })
    }

    /// Returns when the connection or subscription expires: `expire_at` if there is one, where 0
    /// means never, and `exp` otherwise.
    pub(super) fn expires_at(&self) -> Option<u64> {
        match self.expire_at {
            Some(0) => None,
            Some(expiry) => Some(seconds(expiry)),
            None => self.exp.map(seconds),
        }
    }
}

/// Reads one claim that is a text, under any name; empty if there is none.
pub(super) fn text_claim<'a>(json: &'a [u8], name: &str) -> Result<Cow<'a, str>, TokenError> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    deserializer
        .deserialize_map(TextClaim { name })
        .map_err(|_| TokenError::InvalidClaims)
}

struct TextClaim<'n> {
    name: &'n str,
}

impl<'de> Visitor<'de> for TextClaim<'_> {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Cow::Borrowed("");
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            if key == self.name {
                found = map.next_value::<field::Text<'de>>()?.0;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

impl<'a> SubClaims<'a> {
    fn into_subscription(self) -> Result<ServerSubscription<'a>, TokenError> {
        Ok(ServerSubscription {
            info: json_or_base64(self.info, &self.b64info)?,
            data: json_or_base64(self.data, &self.b64data)?,
            overrides: self.overrides.map(Overrides::from).unwrap_or_default(),
        })
    }
}

impl From<OverrideClaims> for Overrides {
    fn from(claims: OverrideClaims) -> Self {
        let value = |claim: Option<OverrideClaim>| claim.map(|claim| claim.value);
        Self {
            presence: value(claims.presence),
            join_leave: value(claims.join_leave),
            force_push_join_leave: value(claims.force_push_join_leave),
            force_recovery: value(claims.force_recovery),
            force_positioning: value(claims.force_positioning),
        }
    }
}

/// Returns bytes that a token has as JSON or as base64; base64 wins.
fn json_or_base64<'a>(json: &'a [u8], base64: &str) -> Result<Cow<'a, [u8]>, TokenError> {
    if base64.is_empty() {
        return Ok(Cow::Borrowed(json));
    }
    let bytes = BASE64.decode(base64.as_bytes());
    bytes.map(Cow::Owned).map_err(|_| TokenError::InvalidClaims)
}

/// Times before 1970 have passed, too.
fn seconds(date: i64) -> u64 {
    u64::try_from(date).unwrap_or(0)
}

/// `aud`: one audience or several (RFC 7519 §4.1.3).
#[derive(Debug, Default)]
pub(super) struct Audience<'a>(Vec<Cow<'a, str>>);

impl Audience<'_> {
    pub(super) fn any(&self, mut matches: impl FnMut(&str) -> bool) -> bool {
        self.0.iter().any(|audience| matches(audience))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Audience<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Claim<'a> {
            One(Cow<'a, str>),
            Several(Vec<Cow<'a, str>>),
        }
        Ok(Self(match Option::<Claim<'a>>::deserialize(from)? {
            Some(Claim::One(audience)) => Vec::from([audience]),
            Some(Claim::Several(audiences)) => audiences,
            None => Vec::new(),
        }))
    }
}

/// Reads a number of seconds, which may have a fraction (RFC 7519 §2); `null` is none.
fn numeric_date<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    struct NumericDate(i64);

    impl<'de> Deserialize<'de> for NumericDate {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            from.deserialize_any(Number)
        }
    }

    struct Number;

    impl Visitor<'_> for Number {
        type Value = NumericDate;

        fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
            f.write_str("a number of seconds")
        }

        fn visit_i64<E>(self, value: i64) -> Result<NumericDate, E> {
            Ok(NumericDate(value))
        }

        fn visit_u64<E>(self, value: u64) -> Result<NumericDate, E> {
            Ok(NumericDate(i64::try_from(value).unwrap_or(i64::MAX)))
        }

        fn visit_f64<E>(self, value: f64) -> Result<NumericDate, E> {
            // The fraction goes, so that a token expires up to a second early; what is too large
            // stays at the limit.
            Ok(NumericDate(value as i64))
        }
    }

    Ok(Option::<NumericDate>::deserialize(from)?.map(|date| date.0))
}
