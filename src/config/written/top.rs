//! The maps a file may hold.

use super::{
    AdminW, At, ConnectionW, GrantW, IntegrationW, Later, ManifestW, Named, NotificationW, PipelineW, SecretText,
    TableW, TemplateW, written,
};

written! {
    /// A configuration file of reconciled. Every file may hold any of these maps; files are only containers.
    TopW as "a configuration file" {
        /// How to speak to other kinds of systems than those built in.
        may connectors: Named<ManifestW>,
        /// Logins that people consent to; connections name them.
        may grants: Named<GrantW>,
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
        /// Who is told what goes wrong, and how.
        may notifications: Named<NotificationW>,
    }
}

written! {
    /// The daemon's own settings, `reconciled.toml`.
    SettingsW as "reconciled.toml" {
        /// The folder of the store. Default: `$STATE_DIRECTORY`, else `/var/lib/reconciled` (of a configuration in
        /// `/etc/reconciled-NAME`: `/var/lib/reconciled-NAME`).
        may state_dir: At<String>,
        /// The unix socket for commands. Default: in `$RUNTIME_DIRECTORY`, else `/run/reconciled` (of a configuration in
        /// `/etc/reconciled-NAME`: `/run/reconciled-NAME`).
        may socket: At<String>,
        /// What to log: error, warn, info, debug, trace, or per target. Default: info.
        may log: At<String>,
        /// How long a stop may take. Default: 20s.
        may stop_deadline: At<std::time::Duration>,
        /// The store.
        may store: StoreW,
        /// How an edited configuration is taken over.
        may reload: ReloadW,
        /// Values that were overwritten.
        may history: HistoryW,
        /// Snapshots of the store.
        may backup: BackupW,
        /// Which finished runs are kept for `runs`.
        may runs: RunsW,
        /// Where to listen.
        may listen: ListenW,
        /// Who may use the console.
        may admin: AdminW,
        /// How tokens are kept.
        may tokens: TokensW,
    }
}

written! {
    /// How the tokens of grants are kept.
    TokensW as "tokens" {
        /// The key they are sealed with: 32 bytes in base64 (`openssl rand -base64 32`), from a file or credential.
        may key: SecretText,
    }
}

written! {
    /// Where the daemon listens. It speaks plain HTTP; put a proxy that speaks HTTPS before it.
    ListenW as "listen" {
        /// Address and port for webhooks, inboxes and logins: 127.0.0.1:8443. Default: none.
        may public: At<std::net::SocketAddr>,
        /// Where the world reaches it: `https://sync.example`.
        may public_url: At<String>,
        /// Address and port of the console (dashboard and API): 127.0.0.1:8080. Default: none.
        may admin: At<std::net::SocketAddr>,
        /// Where people reach the console through a proxy, with its path: `https://office.example/reconciled`.
        may admin_url: At<String>,
        /// Proxies that are believed. Not in this version.
        may trusted_proxies: Later,
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
    /// Which finished runs of an integration are kept; the last one always is.
    RunsW as "runs" {
        /// At most so many. Default: 1000.
        may keep: At<u64>,
        /// At most so long. Default: 90d.
        may keep_for: At<std::time::Duration>,
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
        /// How long the links of a removed pipeline are kept. Default: 30d.
        may keep_removed: At<std::time::Duration>,
    }
}

written! {
    /// How long values that were overwritten are kept, for `explain` and `revert`.
    HistoryW as "history" {
        /// How long. Default: 30d.
        may keep: At<std::time::Duration>,
        /// Most of them in all, in MiB, about; the oldest are forgotten first. Default: 64.
        may max_mib: At<u64>,
    }
}

written! {
    /// Snapshots of the store that the daemon makes while it runs.
    BackupW as "backup" {
        /// The folder they go to. Default: `backup` in the folder of the store.
        may dir: At<String>,
        /// How long after one the next is made. Default: 1d.
        may every: At<std::time::Duration>,
        /// How many are kept; 0 makes none. Default: 7.
        may keep: At<u64>,
        /// What a snapshot leaves free on its disk, in MiB. Default: 256.
        may reserve_mib: At<u64>,
    }
}
