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
}

impl ApiMethod {
    /// Returns the method with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.name() == name)
    }
}
