//! `reconciled.toml`, read into the same tree as YAML, so that its mistakes are found and shown in the same way.

mod admin;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use toml::de::{DeTable, DeValue};
use url::Url;

use self::admin::Proofs;
use super::{
    BackupSettings, HistorySettings, PublicSettings, ReloadSettings, RunSettings, Settings,
    diagnostic::{Report, error},
    placeholders::{self, EnvSource},
    source::{Sources, Span},
    tree::{Key, Map, Node, NodeValue, Scalar},
    unparsed,
    written::{At, BackupW, Decode as _, HistoryW, ListenW, ReloadW, RunsW, SettingsW},
};

/// The settings of a folder: `reconciled.toml` over the defaults. What holds a mistake is left at its default, so nothing may run on them then.
pub(crate) fn settings(dir: &Path, written: Option<(u32, &str)>, env: &dyn EnvSource, report: &Report) -> Settings {
    let decoded = written.and_then(|(file, text)| {
        let mut node = tree(file, text, report)?;
        placeholders::fill(&mut node, env, false, report);
        SettingsW::decode(&node, report)
    });
    let written = decoded.unwrap_or_default();
    // Of several folders systemd gives the first is ours.
    let folder = |name: &str, default: &str| {
        let given = env.var(name).filter(|value| !value.is_empty());
        let first = given.as_deref().and_then(|value| value.split(':').next()).map(PathBuf::from);
        first.unwrap_or_else(|| PathBuf::from(default))
    };
    let path = |at: &At<String>| dir.join(&at.value);
    let own = instance(dir);
    let log = written.log.as_ref().map_or_else(|| "info".to_owned(), |at| at.value.clone());
    if let (Some(at), Err(cause)) = (&written.log, tracing_subscriber::EnvFilter::try_new(&log)) {
        report.add(
            error("config::bad_value", at.span, format!("this is no log filter: {cause}"))
                .help("write info, debug, or info,reconciled=debug"),
        );
    }
    let state_dir =
        written.state_dir.as_ref().map_or_else(|| folder("STATE_DIRECTORY", &format!("/var/lib/{own}")), path);
    let public = written.listen.as_ref().and_then(|listen| public(listen, report));
    let key = written.tokens.as_ref().and_then(|tokens| tokens.key.as_ref());
    Settings {
        tokens_key: key.and_then(|key| placeholders::secret(&key.scalar, key.span, env, dir, report)),
        public,
        admin: admin::admin(
            written.listen.as_ref(),
            written.admin.as_ref(),
            &Proofs { env, dir, state_dir: &state_dir },
            report,
        ),
        config_dir: dir.to_owned(),
        history: history(written.history.as_ref()),
        backup: backup(written.backup.as_ref(), &state_dir, dir),
        state_dir,
        socket: written
            .socket
            .as_ref()
            .map_or_else(|| folder("RUNTIME_DIRECTORY", &format!("/run/{own}")).join("reconciled.sock"), path),
        log,
        stop_deadline: written.stop_deadline.as_ref().map_or(Duration::from_secs(20), |at| at.value),
        store_cache_bytes: written
            .store
            .as_ref()
            .and_then(|store| store.cache_mib.as_ref())
            .map_or(64, |at| at.value)
            .saturating_mul(1024 * 1024),
        reload: reload(written.reload.as_ref()),
        runs: runs(written.runs.as_ref()),
    }
}

/// The name of an instance, which its folders share: `/etc/reconciled-acme` keeps its state in `/var/lib/reconciled-acme`. A
/// command that names only the configuration must never reach the daemon of another one.
fn instance(dir: &Path) -> &str {
    const NAME: &str = "reconciled";
    let inside = dir.parent() == Some(Path::new("/etc"));
    let name = dir.file_name().and_then(|name| name.to_str()).filter(|_| inside);
    name.filter(|name| name.strip_prefix(NAME).is_some_and(|rest| rest.starts_with('-'))).unwrap_or(NAME)
}

/// Has no mistake show what may be a secret.
pub(crate) fn hide_secrets(file: u32, text: &str, sources: &mut Sources) {
    if let Some(node) = tree(file, text, &Report::default()) {
        placeholders::hide_secrets(&node, false, sources);
    } else {
        unparsed::hide(file, text, '=', sources);
    }
}

/// The public listener: where it is, and where it is reached.
fn public(written: &ListenW, report: &Report) -> Option<PublicSettings> {
    let later =
        [(&written.trusted_proxies, "`trusted_proxies` is not in this version", "remove it; no address is believed")];
    for (later, what, help) in later {
        if let Some(later) = later {
            report.add(error("config::not_in_this_version", later.span, what).help(help));
        }
    }
    let url = written.public_url.as_ref().and_then(|at| outside_url(at, report));
    let Some(listen) = &written.public else {
        if let Some(at) = written.public_url.as_ref().filter(|_| !written.broken.contains(&"public")) {
            report.add(
                error("config::missing_key", at.span, "`public_url` leads to nothing: nothing listens")
                    .help("add public = \"127.0.0.1:8443\", to which your proxy hands on"),
            );
        }
        return None;
    };
    Some(PublicSettings { listen: listen.value, url })
}

pub(super) fn outside_url(written: &At<String>, report: &Report) -> Option<Url> {
    let url = Url::parse(&written.value).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if url.is_none() {
        report.add(
            error("config::bad_url", written.span, "this is not where a web server is reached")
                .help("write the whole address, with a path if your proxy uses one: https://sync.example"),
        );
    }
    url
}

fn runs(written: Option<&RunsW>) -> RunSettings {
    let default = RunSettings::default();
    let Some(written) = written else { return default };
    RunSettings {
        keep: written.keep.as_ref().map_or(default.keep, |at| at.value),
        keep_for: written.keep_for.as_ref().map_or(default.keep_for, |at| at.value),
    }
}

fn history(written: Option<&HistoryW>) -> HistorySettings {
    let default = HistorySettings::default();
    let Some(written) = written else { return default };
    HistorySettings {
        keep: written.keep.as_ref().map_or(default.keep, |at| at.value),
        max_bytes: written.max_mib.as_ref().map_or(default.max_bytes, |at| at.value.saturating_mul(1 << 20)),
    }
}

fn backup(written: Option<&BackupW>, state_dir: &Path, dir: &Path) -> BackupSettings {
    let default = BackupSettings::beside(state_dir);
    let Some(written) = written else { return default };
    let mib = |at: &At<u64>| at.value.saturating_mul(1 << 20);
    BackupSettings {
        dir: written.dir.as_ref().map_or(default.dir, |at| dir.join(&at.value)),
        // Nobody gains by snapshots without rest.
        every: written.every.as_ref().map_or(default.every, |at| at.value.max(Duration::from_mins(1))),
        keep: written.keep.as_ref().map_or(default.keep, |at| usize::try_from(at.value).unwrap_or(usize::MAX)),
        reserve_bytes: written.reserve_mib.as_ref().map_or(default.reserve_bytes, mib),
    }
}

fn reload(written: Option<&ReloadW>) -> ReloadSettings {
    let default = ReloadSettings::default();
    let Some(written) = written else { return default };
    let time = |at: &Option<At<Duration>>, default| at.as_ref().map_or(default, |at| at.value);
    ReloadSettings {
        watch: written.watch.as_ref().map_or(default.watch, |at| at.value),
        // Nobody gains by a poll that never rests.
        poll: time(&written.poll, default.poll).max(Duration::from_millis(100)),
        settle: time(&written.settle, default.settle),
        drain: time(&written.drain, default.drain),
        second_look: time(&written.second_look, default.second_look),
        keep_held: time(&written.keep_held, default.keep_held),
        keep_removed: time(&written.keep_removed, default.keep_removed),
    }
}

fn tree(file: u32, text: &str, report: &Report) -> Option<Node> {
    match DeTable::parse(text) {
        Ok(table) => {
            let whole = Span { file, start: 0, end: text.len() };
            Some(Node { span: whole, owner: None, value: NodeValue::Map(map(file, table.get_ref())) })
        }
        Err(cause) => {
            let at = cause.span().unwrap_or(0..0);
            let span = Span { file, start: at.start, end: at.end.max(at.start) };
            report.add(
                error("config::toml", span, format!("this is not TOML: {}", cause.message()))
                    .help("text needs quotes in TOML: state_dir = \"/var/lib/reconciled\""),
            );
            None
        }
    }
}

fn map(file: u32, table: &DeTable<'_>) -> Map {
    let span = |range: std::ops::Range<usize>| Span { file, start: range.start, end: range.end };
    let mut entries: Vec<(Key, Node)> = table
        .iter()
        .map(|(key, value)| {
            let key = Key { text: key.get_ref().to_string(), span: span(key.span()) };
            (key, Node { span: span(value.span()), owner: None, value: node(file, value.get_ref()) })
        })
        .collect();
    entries.sort_by_key(|(key, _)| key.span.start);
    Map { entries, flow: false }
}

fn node(file: u32, value: &DeValue<'_>) -> NodeValue {
    let scalar =
        |text: String, plain: bool| NodeValue::Scalar(Scalar { text, written: None, holes: Vec::new(), plain });
    match value {
        DeValue::String(text) => scalar(text.to_string(), false),
        DeValue::Integer(number) => scalar(number.as_str().to_owned(), true),
        DeValue::Float(number) => scalar(number.as_str().to_owned(), true),
        DeValue::Boolean(truth) => scalar(truth.to_string(), true),
        DeValue::Datetime(instant) => scalar(instant.to_string(), true),
        DeValue::Array(items) => NodeValue::Seq(
            items
                .iter()
                .map(|item| Node {
                    span: Span { file, start: item.span().start, end: item.span().end },
                    owner: None,
                    value: node(file, item.get_ref()),
                })
                .collect(),
        ),
        DeValue::Table(table) => NodeValue::Map(map(file, table)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_has_folders_of_its_own() {
        for (dir, expected) in [
            ("/etc/reconciled", "reconciled"),
            ("/etc/reconciled-acme", "reconciled-acme"),
            ("/etc/reconciled-acme/", "reconciled-acme"),
            ("/etc/reconciledx", "reconciled"),
            ("/srv/reconciled-acme", "reconciled"),
        ] {
            assert_eq!(instance(Path::new(dir)), expected, "{dir}");
        }
    }

    #[test]
    fn defaults_follow_the_instance_and_systemd_goes_before_them() {
        let report = Report::default();
        let none = std::collections::HashMap::<String, String>::new();
        let made = settings(Path::new("/etc/reconciled-acme"), None, &none, &report);
        assert_eq!(made.state_dir, Path::new("/var/lib/reconciled-acme"));
        assert_eq!(made.socket, Path::new("/run/reconciled-acme/reconciled.sock"));
        let given = std::collections::HashMap::from([("STATE_DIRECTORY".to_owned(), "/var/lib/other".to_owned())]);
        assert_eq!(
            settings(Path::new("/etc/reconciled-acme"), None, &given, &report).state_dir,
            Path::new("/var/lib/other")
        );
    }
}
