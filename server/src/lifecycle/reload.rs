//! Settings that are read again while a server runs.

use stentor_gateway::GatewaySettings;
use tracing::{info, warn};

use crate::live::SettingChange;
use crate::settings::given::is_live;
use crate::{Settings, log};

/// The settings of a running program.
pub(super) struct Reload {
    program: String,
    /// Those that count now.
    settings: Settings,
}

impl Reload {
    /// `settings` are those that the program was started with.
    pub(super) fn new(program: &str, settings: &Settings) -> Self {
        Self {
            program: program.into(),
            settings: settings.clone(),
        }
    }

    /// Reads flags, variables and files again, and takes what a running server can take. Returns what
    /// has changed.
    ///
    /// # Errors
    /// Returns what is wrong. Nothing changes.
    pub(super) fn run(&mut self) -> Result<Vec<SettingChange>, String> {
        let new = Settings::of_process(&self.program);
        self.settings.live.count(new.is_ok());
        match new {
            Ok(new) => Ok(self.take(new)),
            Err(error) => {
                let error = error.to_string();
                let error = error.trim_end();
                warn!(error, "the settings cannot be used; nothing changes");
                Err(error.into())
            }
        }
    }

    fn take(&mut self, new: Settings) -> Vec<SettingChange> {
        let mut changes = Vec::new();
        for setting in self.settings.given.changes(&new.given) {
            if is_live(setting) {
                info!(setting, "a setting has changed");
            } else {
                warn!(
                    setting,
                    "a setting has changed that counts from the next start"
                );
            }
            changes.push(SettingChange {
                setting: setting.into(),
                is_live: is_live(setting),
            });
        }
        log::level::set(new.log_level);
        let gateway = GatewaySettings {
            access: new.gateway.access,
            tokens: new.gateway.tokens.clone(),
            subscription_tokens: new.gateway.subscription_tokens.clone(),
            namespaces: new.gateway.namespaces.clone(),
            api: new.gateway.api.clone(),
            ..GatewaySettings::clone(&self.settings.gateway)
        };
        self.settings.live.replace(gateway);
        self.settings.given = new.given;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.settings.tls {
            super::certificates::reload(tls, &mut None);
        }
        info!("the settings are read again");
        changes
    }
}
