//! Methods of the API, and their names.

/// Declares the methods, each with its name.
macro_rules! methods {
    ($($(#[$doc:meta])* $method:ident = $name:literal;)*) => {
        /// A method of the API.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum ApiMethod {
            $($(#[$doc])* $method,)*
        }

        impl ApiMethod {
            /// Every method.
            pub const ALL: &[Self] = &[$(Self::$method),*];

            /// Returns its name, in the path and in a batch.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$method => $name,)*
                }
            }
        }
    };
}

methods! {
    /// Publishes to a channel.
    Publish = "publish";
    /// Publishes the same to many channels.
    Broadcast = "broadcast";
    /// Who is subscribed to a channel.
    Presence = "presence";
    /// How many are.
    PresenceStats = "presence_stats";
    /// What was published to a channel.
    History = "history";
    /// Forgets what was published to a channel.
    HistoryRemove = "history_remove";
    /// The channels that have subscribers.
    Channels = "channels";
    /// The nodes of the service.
    Info = "info";
    /// Calls a remote procedure.
    Rpc = "rpc";
    /// Subscribes clients.
    Subscribe = "subscribe";
    /// Ends subscriptions of clients.
    Unsubscribe = "unsubscribe";
    /// Closes connections.
    Disconnect = "disconnect";
    /// Lets connections expire at another time.
    Refresh = "refresh";
    /// Stentor: the clients of a user, a channel or an address.
    Connections = "connections";
    /// Stentor: what waits for a client, what was dropped, what it waits for.
    Explain = "explain";
    /// Stentor: lets a user or an address not connect for a while.
    Ban = "ban";
    /// Stentor: lets it connect again.
    Unban = "unban";
}

impl ApiMethod {
    /// Returns the method with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.name() == name)
    }
}
