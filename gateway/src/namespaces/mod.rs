//! Channel namespaces: options and permissions of channels by their names.
//!
//! Data types and rules only: settings are filled by others, and publications are sent by others.
//! The names of options are those of Centrifugo; what Stentor adds is marked in [`ChannelOptions`].
//!
//! | file | owns |
//! |---|---|
//! | `options` | options of a namespace |
//! | `settings` | all namespaces, and what is the same for all of them |
//! | `validation` | which settings are refused, and why |
//! | `name` | parts of a channel's name |
//! | `registry` | from a name to its namespace |
//! | `permissions` | who may do what |
//!
//! ```
//! use stentor_gateway::namespaces::{ChannelAction, ChannelOptions, ChannelSettings, NameError, ChannelClient};
//!
//! let mut settings = ChannelSettings::default();
//! let chat = ChannelOptions {
//!     allow_subscribe_for_client: true,
//!     allow_publish_for_subscriber: true,
//!     ..ChannelOptions::default()
//! };
//! settings.namespaces.push(("chat".to_owned(), chat));
//! let namespaces = settings.build().map_err(|errors| format!("{errors:?}"))?;
//!
//! let lobby = namespaces.resolve("chat:lobby")?;
//! let member = ChannelClient { user: "42", is_subscribed: true, is_insecure: false };
//! assert!(lobby.may_subscribe(member));
//! assert!(lobby.check(ChannelAction::Publish, member).is_ok());
//! assert_eq!(namespaces.resolve("news:today").err(), Some(NameError::UnknownNamespace));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod name;
mod options;
mod permissions;
mod registry;
mod settings;
mod validation;

pub use options::{ChannelOptions, Conflation, DeltaType, PublicationDataFormat, RecoveryMode};
pub use permissions::{ChannelAction, ChannelClient};
pub use registry::{NameError, Namespaces, ResolvedChannel};
pub use settings::{ChannelSettings, PersonalChannel};
pub use validation::{SettingError, SettingProblem};
