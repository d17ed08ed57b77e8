//! What of the settings is replaced while a server runs, and how often it was.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use stentor_gateway::{GatewaySettings, SettingsUpdates};

/// A setting that has changed, and whether it counts already.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SettingChange {
    pub(crate) setting: String,
    pub(crate) is_live: bool,
}

/// What reading the settings again has changed, or what is wrong with them.
pub(crate) type Reloaded = Result<Vec<SettingChange>, String>;

/// Reads the settings again.
struct ReloadFn(Box<dyn Fn() -> Reloaded + Send + Sync>);

impl fmt::Debug for ReloadFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReloadFn")
    }
}

/// The settings of the channel protocol that shards are to have now.
#[derive(Debug, Default)]
pub struct LiveSettings {
    version: AtomicU64,
    /// None as long as they are those that the server began with.
    gateway: Mutex<Option<Arc<GatewaySettings>>>,
    /// Reads the settings again. Embedders have none.
    reload: OnceLock<ReloadFn>,
    reloads: AtomicU64,
    refusals: AtomicU64,
}

impl LiveSettings {
    /// Has all shards take these settings.
    pub(crate) fn replace(&self, settings: GatewaySettings) {
        let mut gateway = self.gateway.lock().unwrap_or_else(PoisonError::into_inner);
        *gateway = Some(Arc::new(settings));
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Says how the settings are read again.
    #[cfg(feature = "program")]
    pub(crate) fn reload_with(&self, reload: impl Fn() -> Reloaded + Send + Sync + 'static) {
        // A program has one server.
        let _ = self.reload.set(ReloadFn(Box::new(reload)));
    }

    /// Reads the settings again. `None` if there is nothing to read.
    pub(crate) fn reload(&self) -> Option<Reloaded> {
        self.reload.get().map(|reload| (reload.0)())
    }

    /// Counts settings that were read again.
    pub(crate) fn count(&self, were_used: bool) {
        let counter = if were_used {
            &self.reloads
        } else {
            &self.refusals
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how often settings were read again and used, and read again and refused.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.reloads), count(&self.refusals))
    }
}

impl SettingsUpdates for LiveSettings {
    fn newer_than(&self, version: &mut u64) -> Option<Arc<GatewaySettings>> {
        if self.version.load(Ordering::Relaxed) == *version {
            return None;
        }
        let gateway = self.gateway.lock().unwrap_or_else(PoisonError::into_inner);
        *version = self.version.load(Ordering::Relaxed);
        gateway.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    #[test]
    fn each_reader_gets_newer_settings_once() {
        let live = LiveSettings::default();
        let (mut first, mut second) = (0, 0);
        assert!(live.newer_than(&mut first).is_none());
        let mut settings = GatewaySettings::clone(&Settings::default().gateway);
        for node in [3, 4] {
            settings.node = node;
            live.replace(settings.clone());
            let newer = live.newer_than(&mut first).expect("they are newer");
            assert_eq!(newer.node, node);
            assert!(live.newer_than(&mut first).is_none());
        }
        let newer = live.newer_than(&mut second).expect("they are newer");
        assert_eq!(newer.node, 4, "one that has missed some gets the latest");
        assert!(live.newer_than(&mut second).is_none());
    }
}
