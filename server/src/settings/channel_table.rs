//! Declarations of the options of channels. Each is a setting below `channel.without_namespace`, and an
//! option of the entries of `channel.namespaces`.

use std::time::Duration;

use stentor_core::config::Unit;
use stentor_gateway::command::priority;
use stentor_gateway::namespaces::{
    ChannelOptions, Conflation, DeltaType, PublicationDataFormat, RecoveryMode,
};

use super::declaration::Declaration;
use super::declaration::FlagKind::{self, Choice, Number, Switch, Text, Words};
use super::value::{Bounds, overflow_policy};

/// The key of the options of channels without a namespace, with the last dot.
pub(super) const WITHOUT_NAMESPACE: &str = "channel.without_namespace.";

/// An option of channels.
#[derive(Debug)]
pub(super) struct ChannelOption {
    pub(super) declaration: Declaration,
    pub(super) set: Set,
}

/// Sets an option. The value is checked already, except for a text.
#[derive(Debug)]
pub(super) enum Set {
    Switch(fn(&mut ChannelOptions) -> &mut bool),
    Number(fn(&mut ChannelOptions, u64)),
    /// Returns whether the text is allowed.
    Text(fn(&mut ChannelOptions, &str) -> bool),
    Words(fn(&mut ChannelOptions, &[&str])),
}

impl ChannelOption {
    /// Returns its name, such as `history_size`.
    pub(super) fn name(&self) -> &'static str {
        let key = self.declaration.key;
        key.strip_prefix(WITHOUT_NAMESPACE).unwrap_or(key)
    }
}

macro_rules! option {
    ($name:literal, $kind:expr, $set:expr, $about:literal) => {
        ChannelOption {
            declaration: Declaration::new(
                concat!("channel.without_namespace.", $name),
                $kind,
                $about,
            ),
            set: $set,
        }
    };
}

macro_rules! switch {
    ($field:ident, $about:literal) => {
        ChannelOption {
            declaration: Declaration::new(
                concat!("channel.without_namespace.", stringify!($field)),
                Switch,
                $about,
            ),
            set: Set::Switch(|options| &mut options.$field),
        }
    };
}

impl ChannelOption {
    const fn range(self, range: &'static str) -> Self {
        Self {
            declaration: self.declaration.range(range),
            ..self
        }
    }

    const fn default(self, default: &'static str) -> Self {
        Self {
            declaration: self.declaration.default(default),
            ..self
        }
    }
}

/// A year.
const MAX_TIME: u64 = 8_760 * 3_600_000;

const TIME: Bounds = Bounds::new(Unit::Milliseconds, 0, 0, MAX_TIME);
const HISTORY: Bounds = Bounds::new(Unit::Count, 0, 0, 1_000_000);
const PRIORITY: Bounds = Bounds::new(Unit::Count, 0, priority::PUBLICATION as u64, 255);

const fn number(bounds: Bounds) -> FlagKind {
    Number {
        bounds,
        get: |_| None,
    }
}

/// All options, in the order of the help.
pub(super) static OPTIONS: &[ChannelOption] = &[
    switch!(presence, "Keeps who is subscribed"),
    switch!(
        join_leave,
        "Publishes an event when a client subscribes or leaves"
    ),
    switch!(
        force_push_join_leave,
        "Sends these events to every subscriber, not only to those that ask"
    ),
    option!(
        "history_size",
        number(HISTORY),
        Set::Number(|options, n| options.history_size = n as u32),
        "Number of publications that a channel keeps; 0 = none"
    ),
    option!(
        "history_ttl",
        number(TIME),
        Set::Number(|options, n| options.history_ttl = Duration::from_millis(n)),
        "How long a channel keeps them after the newest; 0s = no history"
    ),
    option!(
        "history_meta_ttl",
        number(TIME),
        Set::Number(|options, n| {
            options.history_meta_ttl = (n > 0).then(|| Duration::from_millis(n));
        }),
        "How long a channel keeps its position; 0s = channel.history_meta_ttl"
    ),
    switch!(
        force_positioning,
        "Watches the position of every subscriber"
    ),
    switch!(
        allow_positioning,
        "Watches the position of subscribers that ask for it"
    ),
    switch!(
        force_recovery,
        "Every subscriber can recover missed publications"
    ),
    switch!(
        allow_recovery,
        "Subscribers that ask for it can recover missed publications"
    ),
    option!(
        "force_recovery_mode",
        Choice(&["stream", "cache"], "stream"),
        Set::Text(|options, word| {
            let mode = RecoveryMode::from_name(word);
            mode.map(|mode| options.force_recovery_mode = mode)
                .is_some()
        }),
        "What is recovered: every missed publication, or the latest one"
    ),
    switch!(
        auto_cache_recover,
        "Sends every new subscriber the latest publication, with the mode cache"
    ),
    option!(
        "allowed_delta_types",
        Words(&["fossil"]),
        Set::Words(|options, words| {
            let types = words.iter().filter_map(|word| DeltaType::from_name(word));
            options.allowed_delta_types = types.collect();
        }),
        "Kinds of patches that subscribers may ask for; repeatable"
    ),
    switch!(delta_publish, "Computes patches for publications"),
    switch!(allow_tags_filter, "Subscribers may filter by tags"),
    option!(
        "channel_regex",
        Text(""),
        Set::Text(|options, text| {
            options.channel_regex = text.into();
            true
        }),
        "What follows the namespace in a name has to match this; empty allows every name in ASCII"
    )
    .range("a regular expression"),
    option!(
        "publication_data_format",
        Choice(&["", "json", "json_object", "binary"], ""),
        Set::Text(|options, word| {
            let format = PublicationDataFormat::from_name(word);
            format
                .map(|format| options.publication_data_format = format)
                .is_some()
        }),
        "What clients may publish"
    )
    .range("json, json_object, binary, or empty for any data")
    .default("any data"),
    switch!(
        allow_subscribe_for_client,
        "Clients may subscribe without a subscription token"
    ),
    switch!(
        allow_subscribe_for_anonymous,
        "Anonymous clients may, too; needs allow_subscribe_for_client"
    ),
    switch!(allow_publish_for_client, "Clients may publish"),
    switch!(allow_publish_for_subscriber, "Subscribers may publish"),
    switch!(
        allow_publish_for_anonymous,
        "Anonymous clients may publish, if one of the two above lets them"
    ),
    switch!(allow_presence_for_client, "Clients may read the presence"),
    switch!(
        allow_presence_for_subscriber,
        "Subscribers may read the presence"
    ),
    switch!(
        allow_presence_for_anonymous,
        "Anonymous clients may read the presence, if one of the two above lets them"
    ),
    switch!(allow_history_for_client, "Clients may read the history"),
    switch!(
        allow_history_for_subscriber,
        "Subscribers may read the history"
    ),
    switch!(
        allow_history_for_anonymous,
        "Anonymous clients may read the history, if one of the two above lets them"
    ),
    switch!(
        allow_user_limited_channels,
        "The users that a name lists, as in news#42,43, may subscribe"
    ),
    option!(
        "priority",
        number(PRIORITY),
        Set::Number(|options, n| options.priority = n as u8),
        "Priority of publications, the smaller the more urgent"
    ),
    option!(
        "ttl",
        number(TIME),
        Set::Number(|options, n| options.ttl = (n > 0).then(|| Duration::from_millis(n))),
        "How long a publication may wait in a send queue; 0s = unlimited"
    ),
    option!(
        "overflow",
        Choice(
            &[
                "default",
                "evict-lower",
                "drop-new",
                "drop-oldest",
                "conflate",
                "disconnect"
            ],
            "default"
        ),
        Set::Text(|options, word| {
            options.overflow = (word != "default").then(|| overflow_policy(word));
            true
        }),
        "What a publication does when a send queue is full; default = what the protocol of the \
         publisher does"
    ),
    option!(
        "conflate",
        Text("off"),
        Set::Text(|options, text| {
            let conflation = Conflation::from_name(text);
            conflation
                .map(|conflation| options.conflate = conflation)
                .is_some()
        }),
        "Which waiting publication a newer one replaces: none, any of the channel, or one with the \
         same value of a tag"
    )
    .range("off, channel, or tag: and the name of a tag"),
    switch!(
        exclude_publisher,
        "The client that publishes does not get its own publication"
    ),
];
