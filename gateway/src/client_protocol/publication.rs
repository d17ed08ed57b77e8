//! Publications and descriptions of clients, in replies and pushes.

/// Who a client is, as other clients see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClientInfo<'a> {
    /// The user, empty if anonymous.
    pub user: &'a str,
    /// The id of the connection.
    pub client: &'a str,
    /// What the connection token says about the user.
    pub conn_info: &'a [u8],
    /// What the subscription token says about the user.
    pub chan_info: &'a [u8],
}

/// A publication to a channel.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Publication<'a> {
    /// The payload.
    pub data: &'a [u8],
    /// The client that published it, if one did.
    pub info: Option<ClientInfo<'a>>,
    /// Its offset in a channel with history; the first has 1.
    pub offset: u64,
    /// Tags, with their names.
    pub tags: &'a [(&'a str, &'a str)],
    /// Whether `data` is a patch.
    pub delta: bool,
    /// When it was published, in milliseconds of Unix time.
    pub time: i64,
    /// Its channel, where that differs from the one of the push.
    pub channel: &'a str,
    /// Key of a map.
    pub key: &'a str,
    /// Whether the key is removed.
    pub removed: bool,
    /// Rank of the key.
    pub score: i64,
    /// Epoch of the stream, with the first offset.
    pub epoch: &'a str,
    /// The payload before.
    pub prev_data: &'a [u8],
    /// Version of the key.
    pub version: u64,
}
