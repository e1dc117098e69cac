//! The maps a file may hold.

use super::{At, ConnectionW, IntegrationW, Later, ManifestW, Named, PipelineW, TableW, TemplateW, written};

written! {
    /// A configuration file of reconciled. Every file may hold any of these maps; files are only containers.
    TopW as "a configuration file" {
        /// How to speak to other kinds of systems than those built in.
        may connectors: Named<ManifestW>,
        /// Logins shared by connections. Not in this version.
        may grants: Later,
        /// Accounts on systems.
        may connections: Named<ConnectionW>,
        /// Lookup tables.
        may tables: Named<TableW>,
        /// Integrations to be made many times.
        may templates: Named<TemplateW>,
        /// Pipelines that are switched on and off together.
        may integrations: Named<IntegrationW>,
        /// Pipelines that are each an integration of their own.
        may pipelines: Named<PipelineW>,
        /// Who is told what. Not in this version.
        may notifications: Later,
    }
}

written! {
    /// The daemon's own settings, `reconciled.toml`.
    SettingsW as "reconciled.toml" {
        /// The folder of the store. Default: `$STATE_DIRECTORY`, else `/var/lib/reconciled`.
        may state_dir: At<String>,
        /// The unix socket for commands. Default: in `$RUNTIME_DIRECTORY`, else `/run/reconciled`.
        may socket: At<String>,
        /// What to log: error, warn, info, debug, trace, or per target. Default: info.
        may log: At<String>,
        /// How long a stop may take. Default: 20s.
        may stop_deadline: At<std::time::Duration>,
        /// The store.
        may store: StoreW,
        /// How an edited configuration is taken over.
        may reload: ReloadW,
        /// Where to listen. Not in this version.
        may listen: Later,
    }
}

written! {
    /// The store.
    StoreW as "store" {
        /// Memory it may use as cache, in MiB. Default: 64.
        may cache_mib: At<u64>,
    }
}

written! {
    /// How an edited configuration is taken over.
    ReloadW as "reload" {
        /// Follow the files. Without it, only `reconciled reload` and SIGHUP take edits over. Default: true.
        may watch: At<bool>,
        /// How often the files are compared, whatever the system says about changes. Default: 15s.
        may poll: At<std::time::Duration>,
        /// How long the files must rest after a change. Default: 1s.
        may settle: At<std::time::Duration>,
        /// How long a run may go on with the old configuration of its integration. Default: 30s.
        may drain: At<std::time::Duration>,
        /// How long many files must stay away before that is believed. Default: 60s.
        may second_look: At<std::time::Duration>,
        /// How long an edit over its guard waits for an answer. Default: 7d.
        may keep_held: At<std::time::Duration>,
    }
}
