//! Settings of all channels, before they are validated.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::options::ChannelOptions;

/// Settings of channels: the section `channel` of the configuration, and the personal channel of
/// `client`.
#[derive(Clone, PartialEq, Debug)]
pub struct ChannelSettings {
    /// `channel.without_namespace`: options of channels whose name has no namespace.
    pub without_namespace: ChannelOptions,
    /// `channel.namespaces`: names and options.
    pub namespaces: Vec<(String, ChannelOptions)>,
    /// `channel.max_length`: maximum length of a name in bytes.
    pub max_length: usize,
    /// `channel.private_prefix`: names that begin so need a token; empty for none.
    pub private_prefix: String,
    /// `channel.namespace_boundary`: ends the namespace.
    pub namespace_boundary: String,
    /// `channel.user_boundary`: begins the list of users; empty for none.
    pub user_boundary: String,
    /// `channel.user_separator`: separates users.
    pub user_separator: String,
    /// `channel.history_meta_ttl`: how long positions are kept.
    pub history_meta_ttl: Duration,
    /// `client.subscribe_to_user_personal_channel`.
    pub personal_channel: PersonalChannel,
}

/// The channel of a user, which every connection of the user is subscribed to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PersonalChannel {
    /// Whether there is one.
    pub enabled: bool,
    /// Its namespace, empty for none.
    pub personal_channel_namespace: String,
    /// Whether a user has one connection at a time.
    pub single_connection: bool,
}

impl Default for ChannelSettings {
    fn default() -> Self {
        Self {
            without_namespace: ChannelOptions::default(),
            namespaces: Vec::new(),
            max_length: 255,
            private_prefix: "$".into(),
            namespace_boundary: ":".into(),
            user_boundary: "#".into(),
            user_separator: ",".into(),
            history_meta_ttl: Duration::from_secs(720 * 60 * 60),
            personal_channel: PersonalChannel::default(),
        }
    }
}
