//! The settings of the daemon itself.

use std::sync::Arc;

use super::Reloader;
use crate::config::{BackupSettings, Config, Settings};

impl Reloader {
    /// Takes settings that can change while the daemon runs, and names the others.
    pub(super) fn take_settings(&mut self, new: &Settings) -> Vec<String> {
        let old = &mut self.known.settings;
        if old.reload != new.reload {
            old.reload = new.reload;
            // Runs look at how long what is held waits.
            self.shared.replace_engine(|engine| {
                let mut config = Config::clone(&engine.config);
                config.settings.reload = new.reload;
                engine.config = Arc::new(config);
            });
        }
        if old.stop_deadline != new.stop_deadline {
            old.stop_deadline = new.stop_deadline;
            self.shared.set_stop_deadline(new.stop_deadline);
        }
        // Beside the store by default: then it moves with that.
        let backup = |settings: &Settings| {
            let dir = settings.backup.dir.strip_prefix(&settings.state_dir).unwrap_or(&settings.backup.dir).to_owned();
            BackupSettings { dir, ..settings.backup.clone() }
        };
        let others = [
            ("state_dir", old.state_dir != new.state_dir),
            ("socket", old.socket != new.socket),
            ("log", old.log != new.log),
            ("listen", old.public != new.public),
            ("store.cache_mib", old.store_cache_bytes != new.store_cache_bytes),
            ("history", old.history != new.history),
            ("backup", backup(old) != backup(new)),
            ("runs", old.runs != new.runs),
            ("listen.admin", old.admin != new.admin),
        ];
        others.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name.to_owned()).collect()
    }
}
