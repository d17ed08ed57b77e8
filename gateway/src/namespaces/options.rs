//! Options of a namespace, with their defaults.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::de::IgnoredAny;
use stentor_core::OverflowPolicy;

use crate::client_protocol::json::field::Object;
use crate::command::priority;

/// Options of the channels of a namespace. By default everything is off.
#[derive(Clone, PartialEq, Debug)]
pub struct ChannelOptions {
    /// Whether a channel knows who is subscribed.
    pub presence: bool,
    /// Whether subscribers cause join and leave events.
    pub join_leave: bool,
    /// Whether every subscriber gets them, and not only those who ask.
    pub force_push_join_leave: bool,

    /// Number of publications that a channel keeps, 0 for none.
    pub history_size: u32,
    /// How long it keeps them after the newest.
    pub history_ttl: Duration,
    /// How long it keeps its position; `None` is the setting for all channels.
    pub history_meta_ttl: Option<Duration>,

    /// Whether the position of every subscriber is watched.
    pub force_positioning: bool,
    /// Whether the position of subscribers who ask for it is watched.
    pub allow_positioning: bool,
    /// Whether every subscriber can recover.
    pub force_recovery: bool,
    /// Whether subscribers who ask for it can recover.
    pub allow_recovery: bool,
    /// What is recovered.
    pub force_recovery_mode: RecoveryMode,
    /// Whether every new subscriber gets the latest publication, in the mode
    /// [`Cache`](RecoveryMode::Cache).
    pub auto_cache_recover: bool,

    /// Kinds of patches that subscribers may ask for.
    pub allowed_delta_types: Vec<DeltaType>,
    /// Whether patches are computed for publications.
    pub delta_publish: bool,
    /// Whether subscribers may filter by tags.
    pub allow_tags_filter: bool,

    /// A regular expression that is found in what follows the namespace in a name; empty allows
    /// every name in ASCII.
    pub channel_regex: String,
    /// What clients may publish.
    pub publication_data_format: PublicationDataFormat,

    /// Whether clients may subscribe without a token.
    pub allow_subscribe_for_client: bool,
    /// Whether anonymous clients may, too.
    pub allow_subscribe_for_anonymous: bool,
    /// Whether clients may publish.
    pub allow_publish_for_client: bool,
    /// Whether subscribers may publish.
    pub allow_publish_for_subscriber: bool,
    /// Whether anonymous clients may, too.
    pub allow_publish_for_anonymous: bool,
    /// Whether clients may read the presence.
    pub allow_presence_for_client: bool,
    /// Whether subscribers may read the presence.
    pub allow_presence_for_subscriber: bool,
    /// Whether anonymous clients may, too.
    pub allow_presence_for_anonymous: bool,
    /// Whether clients may read the history.
    pub allow_history_for_client: bool,
    /// Whether subscribers may read the history.
    pub allow_history_for_subscriber: bool,
    /// Whether anonymous clients may, too.
    pub allow_history_for_anonymous: bool,
    /// Whether a name may list the users who may subscribe.
    pub allow_user_limited_channels: bool,

    /// Stentor: priority of publications, the smaller the more urgent. One for the whole channel, so
    /// that offsets leave in order.
    pub priority: u8,
    /// Stentor: how long a publication is worth sending.
    pub ttl: Option<Duration>,
    /// Stentor: what happens at a full queue; `None` is what the protocol of the publisher has by
    /// default.
    pub overflow: Option<OverflowPolicy>,
    /// Stentor: which waiting publication a newer one replaces.
    pub conflate: Conflation,
    /// Stentor: whether the client that publishes does not get its own publication.
    pub exclude_publisher: bool,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self {
            presence: false,
            join_leave: false,
            force_push_join_leave: false,
            history_size: 0,
            history_ttl: Duration::ZERO,
            history_meta_ttl: None,
            force_positioning: false,
            allow_positioning: false,
            force_recovery: false,
            allow_recovery: false,
            force_recovery_mode: RecoveryMode::Stream,
            auto_cache_recover: false,
            allowed_delta_types: Vec::new(),
            delta_publish: false,
            allow_tags_filter: false,
            channel_regex: String::new(),
            publication_data_format: PublicationDataFormat::Any,
            allow_subscribe_for_client: false,
            allow_subscribe_for_anonymous: false,
            allow_publish_for_client: false,
            allow_publish_for_subscriber: false,
            allow_publish_for_anonymous: false,
            allow_presence_for_client: false,
            allow_presence_for_subscriber: false,
            allow_presence_for_anonymous: false,
            allow_history_for_client: false,
            allow_history_for_subscriber: false,
            allow_history_for_anonymous: false,
            allow_user_limited_channels: false,
            priority: priority::PUBLICATION,
            ttl: None,
            overflow: None,
            conflate: Conflation::Off,
            exclude_publisher: false,
        }
    }
}

impl ChannelOptions {
    /// Returns whether a channel keeps publications, and so has offsets.
    pub const fn has_history(&self) -> bool {
        self.history_size > 0 && !self.history_ttl.is_zero()
    }

    /// Returns what a publication with these tags is news of: a newer one with the same key replaces
    /// it while it waits. A tag of more than [`MAX_CONFLATION_KEY`](Self::MAX_CONFLATION_KEY) bytes is
    /// no key.
    pub fn conflation_key<'t>(&self, tags: &[(&str, &'t str)]) -> Option<&'t [u8]> {
        match &self.conflate {
            Conflation::Off => None,
            Conflation::Channel => Some(b""),
            Conflation::Tag(name) => tags
                .iter()
                .find(|(tag, _)| tag == name)
                .map(|(_, value)| value.as_bytes())
                .filter(|key| key.len() <= Self::MAX_CONFLATION_KEY),
        }
    }

    /// Maximum length of a key in bytes.
    pub const MAX_CONFLATION_KEY: usize = 64;
}

/// What a client that comes back gets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum RecoveryMode {
    /// Every publication that it has missed.
    #[default]
    Stream,
    /// The latest publication.
    Cache,
}

impl RecoveryMode {
    /// Returns the mode with this name: `stream` or `cache`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "stream" => Some(Self::Stream),
            "cache" => Some(Self::Cache),
            _ => None,
        }
    }
}

/// A kind of patches.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DeltaType {
    /// The format of Fossil SCM.
    Fossil,
}

impl DeltaType {
    /// Returns the type with this name: `fossil`.
    pub fn from_name(name: &str) -> Option<Self> {
        (name == "fossil").then_some(Self::Fossil)
    }
}

/// What clients may publish.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum PublicationDataFormat {
    /// Any bytes, at least one.
    #[default]
    Any,
    /// A JSON value.
    Json,
    /// A JSON object.
    JsonObject,
    /// Any bytes, at least one; they are not meant to be JSON.
    Binary,
}

impl PublicationDataFormat {
    /// Returns the format with this name: empty, `json`, `json_object` or `binary`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "" => Some(Self::Any),
            "json" => Some(Self::Json),
            "json_object" => Some(Self::JsonObject),
            "binary" => Some(Self::Binary),
            _ => None,
        }
    }

    /// Returns whether a client may publish this.
    pub fn accepts(self, data: &[u8]) -> bool {
        match self {
            Self::Any | Self::Binary => !data.is_empty(),
            // A reader of an ignored value does not look at the encoding of texts.
            Self::Json => core::str::from_utf8(data)
                .is_ok_and(|json| serde_json::from_str::<IgnoredAny>(json).is_ok()),
            Self::JsonObject => core::str::from_utf8(data)
                .is_ok_and(|json| serde_json::from_str::<Object<IgnoredAny>>(json).is_ok()),
        }
    }
}

/// Which waiting publication a newer one replaces.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub enum Conflation {
    /// None.
    #[default]
    Off,
    /// Any of the channel.
    Channel,
    /// One with the same value of this tag.
    Tag(String),
}

impl Conflation {
    /// Returns the conflation with this name: `off`, `channel`, or `tag:` and the name of a tag.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "off" => Some(Self::Off),
            "channel" => Some(Self::Channel),
            _ => name.strip_prefix("tag:").map(|tag| Self::Tag(tag.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_accept_what_they_say() {
        use PublicationDataFormat as Format;
        for (data, any, json, object) in [
            (&b""[..], false, false, false),
            (b"boom", true, false, false),
            (b"\xFF", true, false, false),
            (b"\"\xFF\"", true, false, false),
            (b"5", true, true, false),
            (b" [{}] ", true, true, false),
            (b" {\"a\":[1,{}]} ", true, true, true),
            (b"{}", true, true, true),
            (b"{} {}", true, false, false),
            (b"{\"a\":\"\xFF\"}", true, false, false),
        ] {
            assert_eq!(Format::Any.accepts(data), any, "{data:?}");
            assert_eq!(Format::Binary.accepts(data), any, "{data:?}");
            assert_eq!(Format::Json.accepts(data), json, "{data:?}");
            assert_eq!(Format::JsonObject.accepts(data), object, "{data:?}");
        }
    }

    #[test]
    fn a_conflation_has_a_name() {
        for (name, conflation) in [
            ("off", Some(Conflation::Off)),
            ("channel", Some(Conflation::Channel)),
            ("tag:share", Some(Conflation::Tag("share".into()))),
            ("tag:", Some(Conflation::Tag(String::new()))),
            ("tag", None),
            ("", None),
            ("share", None),
        ] {
            assert_eq!(Conflation::from_name(name), conflation, "{name}");
        }
    }

    #[test]
    fn a_conflation_key_is_a_tag_or_the_channel() {
        let with = |conflate| ChannelOptions {
            conflate,
            ..ChannelOptions::default()
        };
        let long = "x".repeat(ChannelOptions::MAX_CONFLATION_KEY + 1);
        let tags = [("share", "17"), ("long", &long), ("fits", &long[1..])];
        let tag = |name: &str| with(Conflation::Tag(name.into()));
        assert_eq!(with(Conflation::Off).conflation_key(&tags), None);
        assert_eq!(
            with(Conflation::Channel).conflation_key(&tags),
            Some(&b""[..])
        );
        assert_eq!(tag("share").conflation_key(&tags), Some(&b"17"[..]));
        assert_eq!(tag("other").conflation_key(&tags), None);
        assert_eq!(tag("long").conflation_key(&tags), None);
        assert_eq!(
            tag("fits").conflation_key(&tags),
            Some(&long.as_bytes()[1..])
        );
    }
}
