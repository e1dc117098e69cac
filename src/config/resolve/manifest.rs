//! Connector manifests.

mod also;
mod answers;
mod calls;

mod delete;
mod fields;
mod file;
mod inbox;
mod listing;
mod native;
mod require;
mod sql;
mod webhooks;

use std::{sync::Arc, time::Duration};

use crate::{
    config::{
        diagnostic::{Report, error},
        nearest::{nearest, suggest},
        resolve::value,
        source::Span,
        written::{At, AuthWordW, ManifestW, Named, ResourceW, ScopeW, SettingKindW, SettingW},
    },
    connector::{
        Also, AnswerMatch, AuthKind, Bodies, BodyKind, FieldTable, GoneWhen, LabelPart, LabelTemplate, Limit, Manifest,
        Resource, Scope, Setting, SettingKind, ThrottleWait, Throttled, VersionPlace, Write,
    },
    record::{Kind, Path},
};

/// Makes a manifest of what was written. `None` when it holds mistakes.
pub(crate) fn manifest(name: &At<String>, written: &ManifestW, report: &Report) -> Option<Manifest> {
    let (manifest, broken) = report.watch(|| {
        if written.resources.is_none() {
            report.add(
                error("config::missing_key", name.span, format!("the connector `{}` needs `resources`", name.value))
                    .label("not built in, so it must be described in full")
                    .help("describe its resources, or give the name of a built-in connector to change that"),
            );
        }
        let mut manifest = Manifest {
            name: name.value.clone(),
            version: 1,
            settings: std::collections::BTreeMap::new(),
            base_url: None,
            headers: Vec::new(),
            query: Vec::new(),
            bodies: Bodies::default(),
            auth: Vec::new(),
            limits: Vec::new(),
            throttled: Throttled { status: 429, when: None, wait: ThrottleWait::RetryAfter, remaining: Vec::new() },
            refused_when: Vec::new(),
            retry_when: Vec::new(),
            in_doubt: Duration::from_mins(1),
            lag: Duration::ZERO,
            timeout: Duration::from_mins(1),
            error_messages: Vec::new(),
            webhooks: None,
            resources: std::collections::BTreeMap::new(),
        };
        amend(&mut manifest, written, report);
        manifest
    });
    (!broken).then_some(manifest)
}

/// Changes a manifest as written: what is given replaces what was.
pub(crate) fn amend(manifest: &mut Manifest, written: &ManifestW, report: &Report) {
    if let Some(version) = &written.version {
        manifest.version = version.value;
    }
    for entry in entries(written.settings.as_ref()) {
        if let Some(setting) = setting(&entry.value, report) {
            manifest.settings.insert(entry.name.value.clone(), setting);
        }
    }
    if let Some(url) = &written.base_url {
        manifest.base_url = Some(url.value.clone());
    }
    if let Some(headers) = &written.headers {
        manifest.headers = calls::pairs(Some(headers));
    }
    if let Some(query) = &written.query {
        manifest.query = calls::pairs(Some(query));
    }
    check_settings(manifest, written, report);
    if let Some(body) = &written.body {
        manifest.bodies = answers::bodies(&body.0, report);
    }
    if written.refused_when.is_some() {
        manifest.refused_when = answers::matches(written.refused_when.as_ref(), report);
    }
    if written.retry_when.is_some() {
        manifest.retry_when = answers::matches(written.retry_when.as_ref(), report);
    }
    if let Some(kinds) = &written.auth {
        manifest.auth = kinds.0.iter().filter_map(|kind| auth_kind(kind, report)).collect();
    }
    if let Some(limits) = &written.limits {
        manifest.limits = limits.iter().filter_map(|limit| self::limit(limit, report)).collect();
    }
    if let Some(throttled) = &written.throttled {
        manifest.throttled = self::throttled(throttled, report);
    }
    if let Some(in_doubt) = &written.in_doubt {
        manifest.in_doubt = in_doubt.value;
    }
    if let Some(lag) = &written.lag {
        manifest.lag = lag.value;
    }
    if let Some(timeout) = &written.timeout {
        manifest.timeout = timeout.value;
    }
    if let Some(paths) = &written.error_messages {
        manifest.error_messages = paths.0.iter().map(|path| path.value.clone()).collect();
    }
    for entry in entries(written.resources.as_ref()) {
        if let Some(resource) = resource(&entry.name, &entry.value, report) {
            manifest.resources.insert(entry.name.value.clone(), Arc::new(resource));
        }
    }
    if let Some(hooks) = &written.webhooks {
        manifest.webhooks = webhooks::webhooks(hooks, manifest, report);
    }
    native::check(manifest, written, report);
    if manifest.is_of_posts() {
        // The secret in the address is all there is.
        manifest.auth = vec![AuthKind::Bearer];
    }
    if manifest.is_of_tables() {
        manifest.auth = vec![AuthKind::Basic, AuthKind::None];
    }
    check_parents(manifest, written, report);
    check_xml(manifest, written, report);
}

/// A list per parent needs that parent, which is listed by itself.
fn check_parents(manifest: &Manifest, written: &ManifestW, report: &Report) {
    for entry in entries(written.resources.as_ref()) {
        let parents = entry.value.list.as_ref().and_then(|list| list.parents.as_ref());
        let Some(named) = parents.and_then(|parents| parents.resource.as_ref()) else { continue };
        match manifest.resources.get(&named.value).and_then(|parent| parent.list.as_ref()) {
            Some(list) if list.parents.is_none() => {}
            Some(_) => report.add(
                error("config::bad_value", named.span, format!("`{}` is itself listed per parent", named.value))
                    .help("name a resource that is listed by itself"),
            ),
            None => report.add(
                error(
                    "config::unknown_resource",
                    named.span,
                    format!("there is no resource `{}` with a list", named.value),
                )
                .maybe_help(suggest(&named.value, manifest.resources.keys().map(String::as_str))),
            ),
        }
    }
}

/// The body of an XML request is one element, which has a name.
fn check_xml(manifest: &Manifest, written: &ManifestW, report: &Report) {
    for entry in entries(written.resources.as_ref()) {
        let Some(resource) = manifest.resources.get(&entry.name.value) else { continue };
        let calls = [(&resource.create, &entry.value.create), (&resource.update, &entry.value.update)];
        for (call, written) in calls {
            let (Some(call), Some(written)) = (call, written) else { continue };
            need_root(manifest, call, written.span, report);
        }
        if let (Some(call), Some(written)) = (&resource.delete, &entry.value.delete)
            && call.method != "DELETE"
        {
            need_root(manifest, call, written.span, report);
        }
    }
}

fn need_root(manifest: &Manifest, call: &Write, span: Span, report: &Report) {
    if call.body.unwrap_or(manifest.bodies.write) == BodyKind::Xml && call.wrap.is_none() {
        report.add(
            error("config::missing_key", span, "an XML request needs `wrap`, the name of its root element")
                .help("add wrap: Client"),
        );
    }
}

/// `${settings.x}` must be a setting that a connection can give.
fn check_settings(manifest: &Manifest, written: &ManifestW, report: &Report) {
    let pairs = [&written.headers, &written.query].into_iter().flatten().flat_map(|named| &named.entries);
    let texts = pairs.map(|entry| &entry.value).chain(&written.base_url);
    for text in texts {
        let names =
            text.value.split("${settings.").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
        for name in names.filter(|name| !manifest.settings.contains_key(*name)) {
            report.add(
                error("config::unknown_setting", text.span, format!("there is no setting `{name}`"))
                    .help(format!("add it to the connector: settings: {{ {name}: {{ type: text }} }}"))
                    .maybe_help(
                        nearest(name, manifest.settings.keys().map(String::as_str))
                            .map(|near| format!("did you mean `${{settings.{near}}}`?")),
                    ),
            );
        }
    }
}

pub(super) use calls::pairs;

pub(super) fn entries<T>(named: Option<&Named<T>>) -> impl Iterator<Item = &crate::config::written::Entry<T>> {
    named.into_iter().flat_map(|named| &named.entries)
}

fn setting(written: &SettingW, report: &Report) -> Option<Setting> {
    let kind = match written.is_type.as_ref().map(|kind| kind.value) {
        None | Some(SettingKindW::Text) => SettingKind::Text,
        Some(SettingKindW::Url) => SettingKind::Url,
        Some(SettingKindW::Enum) => {
            let Some(values) = &written.values else {
                report.add(
                    error("config::missing_key", written.span, "an enum needs `values`")
                        .help("add values: [ first, second ]"),
                );
                return None;
            };
            SettingKind::Enum(values.iter().map(|value| value.value.clone()).collect())
        }
    };
    Some(Setting {
        kind,
        required: written.required.as_ref().is_some_and(|required| required.value),
        default: written.default.as_ref().map(|default| default.value.clone()),
        description: written.description.as_ref().map(|text| text.value.clone()).unwrap_or_default(),
    })
}

fn auth_kind(written: &crate::config::written::AuthKindW, report: &Report) -> Option<AuthKind> {
    Some(match written.kind.as_ref()?.value {
        AuthWordW::None => AuthKind::None,
        AuthWordW::Bearer => AuthKind::Bearer,
        AuthWordW::Basic => AuthKind::Basic,
        AuthWordW::OAuth2 => super::grant::oauth(written, report)?,
        AuthWordW::Header => {
            let Some(header) = &written.header else {
                report.add(
                    error("config::missing_key", written.span, "a header login needs `header`")
                        .help("write { kind: header, header: X-Api-Key }"),
                );
                return None;
            };
            if written.beside.as_ref().is_some_and(|beside| beside.value) {
                AuthKind::Beside(header.value.clone())
            } else {
                AuthKind::Header(header.value.clone())
            }
        }
    })
}

fn limit(written: &crate::config::written::LimitW, report: &Report) -> Option<Limit> {
    const FORMS: &str = "write { requests: 60, per: 1m, scope: tenant } or { in_flight: 5 }";
    let zero = |count: &At<u32>| {
        if count.value == 0 {
            report.add(error("config::bad_value", count.span, "a limit of 0 allows nothing").help(FORMS));
        }
    };
    let scope = match written.scope.as_ref().map(|scope| scope.value) {
        Some(ScopeW::Key) => Scope::Key,
        None | Some(ScopeW::Tenant) => Scope::Tenant,
        Some(ScopeW::Host) => Scope::Host,
        Some(ScopeW::App) => Scope::App,
    };
    match (&written.requests, &written.per, &written.in_flight) {
        (Some(count), Some(per), None) if !per.value.is_zero() => {
            zero(count);
            Some(Limit::Requests { count: count.value, per: per.value, scope })
        }
        (None, None, Some(count)) => {
            zero(count);
            Some(Limit::InFlight(count.value))
        }
        _ => {
            report.add(error("config::bad_value", written.span, "this is no limit").help(FORMS));
            None
        }
    }
}

fn throttled(written: &crate::config::written::ThrottledW, report: &Report) -> Throttled {
    let wait = match written.wait.as_ref() {
        None => ThrottleWait::RetryAfter,
        Some(wait) if wait.value == "retry-after" => ThrottleWait::RetryAfter,
        Some(wait) if wait.value == "backoff" => ThrottleWait::Backoff,
        Some(wait) => match crate::config::duration::parse(&wait.value) {
            Ok(fixed) => ThrottleWait::Fixed(fixed),
            Err(why) => {
                report.add(
                    error("config::bad_value", wait.span, format!("`{}` is no wait: {why}", wait.value))
                        .help("write `retry-after`, `backoff` or a duration as 60s"),
                );
                ThrottleWait::RetryAfter
            }
        },
    };
    let wait = written.reset_header.as_ref().map_or(wait, |name| ThrottleWait::EpochHeader(name.value.clone()));
    let values = written.equals.as_ref().map(|raw| value::forms(Kind::Any, raw, report)).unwrap_or_default();
    let when = (written.path.is_some() || written.text.is_some()).then(|| AnswerMatch {
        path: written.path.as_ref().map(|path| path.value.clone()),
        values,
        text: written.text.as_ref().map(|pattern| pattern.value.clone()),
        ..AnswerMatch::default()
    });
    let status = written.status.as_ref().map_or(429, |status| calls::status(status, report));
    let remaining =
        entries(written.remaining.as_ref()).map(|entry| (entry.name.value.clone(), entry.value.value)).collect();
    Throttled { status, when, wait, remaining }
}

fn resource(name: &At<String>, written: &ResourceW, report: &Report) -> Option<Resource> {
    let mut fields = fields::table(written.fields.as_ref(), written.open.as_ref(), report);
    let id = written.id.as_ref()?.value.clone();
    fields::declare_id(&mut fields, &id);
    if let Some(updated_at) = &written.updated_at {
        fields::declare_stamp(&mut fields, &updated_at.0, report);
    }
    let versions = [&written.create, &written.update].map(|write| write.as_ref()?.version.as_ref());
    let versions = versions.into_iter().chain([written.delete.as_ref().and_then(|delete| delete.version.as_ref())]);
    let version = versions.flatten().find_map(|version| version.from.as_ref()).map(|from| match &from.value.0 {
        Some(path) => VersionPlace::Body(path.clone()),
        None => VersionPlace::Etag,
    });
    let list = written.list.as_ref().and_then(|list| listing::list(list, &fields, &id, report));
    let create = written.create.as_ref().and_then(|write| calls::write(write, true, report));
    let update = written.update.as_ref().and_then(|write| calls::write(write, false, report));
    if let (Some(flag), None, true) = (
        written.update.as_ref().and_then(|update| update.replaces.as_ref()),
        &written.get,
        update.as_ref().is_some_and(|update| update.replaces),
    ) {
        report.add(
            error(
                "config::missing_key",
                flag.span,
                "an update that replaces the record reads it before, and there is no `get`",
            )
            .help("add get: \"/contacts/{id}\""),
        );
    }
    let delete = written.delete.as_ref().and_then(|delete| delete::delete(delete, written, &fields, report));
    let label = written.label.as_ref().map(|label| self::label(label, report)).unwrap_or_default();
    let gone_when = written.gone_when.as_ref().and_then(|gone| {
        let path = gone.path.as_ref()?;
        let filled = gone.blank.as_ref().is_some_and(|blank| !blank.value);
        let named = !filled || gone.equals.is_some() || gone.is_in.is_some();
        let values = if named {
            calls::values(gone.equals.as_ref(), gone.is_in.as_ref(), gone.span, report)
        } else {
            Vec::new()
        };
        Some(GoneWhen { path: path.value.clone(), values, filled })
    });
    let also: Vec<Also> =
        entries(written.also.as_ref()).filter_map(|entry| also::also(entry, written, &fields, report)).collect();
    let create =
        create.map(|create| Write { firsts: also.iter().filter_map(|also| also.first.clone()).collect(), ..create });
    let resource = Resource {
        name: name.value.clone(),
        id,
        updated_at: written.updated_at.as_ref().and_then(|at| at.0.path.as_ref()).map(|path| path.value.clone()),
        version,
        label,
        web_url: written.web_url.as_ref().map(|url| url.value.clone()),
        fields,
        list,
        get: written.get.as_ref().and_then(|get| listing::get(&get.0, report)),
        create,
        update,
        delete,
        gone_when,
        merged_into: written.merged_into.as_ref().map(|path| path.value.clone()),
        also,
        file: None,
        inbox: None,
        sql: None,
    };
    let natives = [written.file.is_some(), written.inbox.is_some(), written.sql.is_some()];
    if natives.into_iter().filter(|given| *given).count() > 1 {
        report.add(
            error("config::bad_value", name.span, "a resource is in files, in an inbox or in a table; one of them")
                .help("keep one of `file`, `inbox` and `sql`"),
        );
        return None;
    }
    match (&written.file, &written.inbox, &written.sql) {
        (Some(file), _, _) => file::resource(resource, written, file, report),
        (_, Some(inbox), _) => inbox::resource(resource, written, inbox, report),
        (_, _, Some(sql)) => sql::resource(resource, written, sql, report),
        _ => Some(resource),
    }
}

/// `"{first_name} {last_name}"`.
fn label(written: &At<String>, report: &Report) -> LabelTemplate {
    let mut parts = Vec::new();
    let mut rest = written.value.as_str();
    while let Some((text, after)) = rest.split_once('{') {
        if !text.is_empty() {
            parts.push(LabelPart::Text(text.to_owned()));
        }
        let Some((place, after)) = after.split_once('}') else {
            report.add(
                error("config::bad_value", written.span, "a `{` in a label has no `}`").help("write label: \"{name}\""),
            );
            return LabelTemplate { parts };
        };
        match Path::parse(&format!("$.{place}")) {
            Ok(path) => parts.push(LabelPart::Value(path)),
            Err(cause) => report.add(
                error("config::bad_path", written.span, format!("`{{{place}}}` names no value: {cause}"))
                    .help("write the path without `$.`: {name} or {postal.city}"),
            ),
        }
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(LabelPart::Text(rest.to_owned()));
    }
    LabelTemplate { parts }
}

/// The declared type at a path: found, nothing known, or not there.
pub(super) fn no_fields() -> &'static FieldTable {
    static OPEN: FieldTable = FieldTable { fields: std::collections::BTreeMap::new(), open: true };
    &OPEN
}
