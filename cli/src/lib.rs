//! What the server binaries share and the core must not know.
//!
//! This crate owns the [`Settings`] (flags, environment, file), the set-up of the [`log`], the
//! budget of file [`descriptors`] and the text of the [`metrics`]. It owns no socket, no runtime
//! and no thread, and it leaves every limit of the core to [`stentor_core::Config`].
#![forbid(unsafe_code)]

pub mod descriptors;
pub mod log;
pub mod metrics;
mod settings;
mod throttle;

pub use settings::{HandlerKind, LogFormat, Settings, SettingsError, Source};
pub use throttle::Throttle;
pub use tracing::level_filters::LevelFilter;
