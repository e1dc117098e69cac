//! A recording as a file of tests.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use serde_json::{Map, Value};

use super::{
    super::{
        failure::Failure,
        play::{Outcome, play, replay},
        scenario::Scenario,
        suite::{Ground, read},
        system::Written,
    },
    Place, Recorded, Stood,
    redact::Redactor,
};
use crate::{
    connector::WriteKind,
    engine::ParkedItem,
    record::{Cell, Side, Slot},
};

/// A recording that was written down.
#[derive(Clone, Debug)]
pub struct Told {
    /// The file.
    pub text: String,
    /// How many records its sync writes.
    pub writes: usize,
    /// What of it cannot be played as it is.
    pub failures: Vec<Failure>,
}

/// Writes a recording down as a test of the configuration in `dir`. Blocks; needs a thread that is no runtime's.
///
/// # Errors
///
/// When the configuration cannot be played.
pub fn told_as_test(recorded: &Recorded, dir: &Path, seed: u64) -> Result<Told, String> {
    let name = &recorded.integration.name;
    let empty = format!("tests: {{ recorded: {{ integration: {name}, expect: {{ parked: any }} }} }}\n");
    let (ground, _) = scenario(dir, &empty)?;
    let rehearsed = ground.config.integrations.get(name);
    let mut redactor = Redactor::new(&recorded.integration, rehearsed.map(AsRef::as_ref), seed);
    let scene = Scene::of(recorded, &mut redactor);
    let begun = scene.text();
    let (ground, first) = scenario(dir, &format!("{begun}    expect: {{ parked: any }}\n"))?;
    let done = replay(&ground, &first);
    let text = format!("{begun}{}", expected(&done.outcome));
    let (ground, whole) = scenario(dir, &text)?;
    let mut failures = done.failures;
    if failures.is_empty() {
        failures = play(&ground, &whole).failures;
    }
    Ok(Told { text, writes: done.outcome.writes.len(), failures })
}

fn scenario(dir: &Path, text: &str) -> Result<(Ground, Scenario), String> {
    let mut suites = read(dir, &[("recorded.test.yaml".to_owned(), text.to_owned())]);
    let Some(suite) = suites.files.pop() else { return Err("the configuration cannot be read".to_owned()) };
    let mistakes = suite.render(false);
    match (suite.scenarios.into_iter().next(), suite.diagnostics.is_empty()) {
        (Some(scenario), true) => Ok((suite.ground, scenario)),
        _ => Err(mistakes),
    }
}

/// What is written down.
struct Scene<'r> {
    recorded: &'r Recorded,
    given: BTreeMap<String, Vec<Value>>,
    create: BTreeMap<String, Vec<Value>>,
    edit: BTreeMap<String, Value>,
    delete: Vec<String>,
    /// By pipeline: id by id.
    links: BTreeMap<String, Vec<(String, String)>>,
}

impl<'r> Scene<'r> {
    fn of(recorded: &'r Recorded, redactor: &mut Redactor) -> Self {
        let mut scene = Self {
            recorded,
            given: BTreeMap::new(),
            create: BTreeMap::new(),
            edit: BTreeMap::new(),
            delete: Vec::new(),
            links: BTreeMap::new(),
        };
        for (place, records) in &recorded.records {
            let Some(resource) = recorded.resources.get(place) else { continue };
            let used = recorded.used(place);
            for (id, stood) in records {
                let id = redactor.text(id.as_str());
                let mut shown = |body: &Value| {
                    let mut body = redactor.record(&pruned(body, used.as_deref()), &resource.fields);
                    let _ = resource.id.write(&mut body, &Cell::from(id.as_str()));
                    body
                };
                let Stood { before, now } = stood;
                let (before, now) = (before.as_ref().map(&mut shown), now.as_ref().map(&mut shown));
                scene.add(place, (&id, before, now));
            }
        }
        for (pipeline, source, target) in &recorded.links {
            let pair = (redactor.text(source.as_str()), redactor.text(target.as_str()));
            scene.links.entry(pipeline.as_str().to_owned()).or_default().push(pair);
        }
        scene
    }

    fn add(&mut self, place: &Place, (id, before, now): (&str, Option<Value>, Option<Value>)) {
        let shown = self.recorded.shown(place);
        match (before, now) {
            (None, Some(now)) => self.create.entry(shown).or_default().push(now),
            (Some(before), now) => {
                match now {
                    None => self.delete.push(format!("{shown}/{id}")),
                    Some(now) => {
                        let edit = changed(&before, &now);
                        if !edit.is_empty() {
                            self.edit.insert(format!("{shown}/{id}"), Value::Object(edit));
                        }
                    }
                }
                self.given.entry(shown).or_default().push(before);
            }
            (None, None) => {}
        }
    }

    /// The file, but for what it expects.
    fn text(&self) -> String {
        let integration = &self.recorded.integration;
        let at = self.recorded.at.with_timezone(&integration.timezone).format("%Y-%m-%d %H:%M:%S");
        let mut text = format!(
            "# What a sync of {0} was about to do. Words and ids are stand-ins: the same one for the same, of the same shape.\n\
             # Words that the configuration names, numbers and dates are as they were.\n\n\
             tests:\n  recorded-of-{0}:\n    integration: {0}\n    at: {at}\n",
            integration.name
        );
        by_resource(&mut text, "    given:", "      ", &self.given);
        if !self.links.is_empty() {
            text.push_str("    links:\n");
            for (pipeline, pairs) in &self.links {
                let _ = writeln!(text, "      {pipeline}:");
                for (source, target) in pairs {
                    let _ = writeln!(text, "        {}: {}", quoted(source), quoted(target));
                }
            }
        }
        text.push_str("    steps:\n");
        by_resource(&mut text, "      - create:", "          ", &self.create);
        if !self.edit.is_empty() {
            text.push_str("      - edit:\n");
            for (record, values) in &self.edit {
                let _ = writeln!(text, "          {}: {}", quoted(record), flow(values));
            }
        }
        for record in &self.delete {
            let _ = writeln!(text, "      - delete: {}", quoted(record));
        }
        text.push_str("      - sync: full\n");
        text
    }
}

fn by_resource(text: &mut String, head: &str, indent: &str, all: &BTreeMap<String, Vec<Value>>) {
    if all.is_empty() {
        return;
    }
    let _ = writeln!(text, "{head}");
    for (resource, records) in all {
        let _ = writeln!(text, "{indent}{resource}:");
        for record in records {
            let _ = writeln!(text, "{indent}  - {}", flow(record));
        }
    }
}

/// What it expects: what was sent, parked and held.
fn expected(outcome: &Outcome) -> String {
    let mut text = "    expect:\n".to_owned();
    let mut writes: BTreeMap<&str, Vec<&Written>> = BTreeMap::new();
    for (resource, write) in &outcome.writes {
        writes.entry(resource).or_default().push(write);
    }
    text.push_str(if writes.is_empty() { "      writes: none\n" } else { "      writes:\n" });
    for (resource, writes) in writes {
        let _ = writeln!(text, "        {resource}:");
        for Written { kind, id, values, .. } in writes {
            let _ = match kind {
                WriteKind::Create => writeln!(text, "          - {{ create: {} }}", flow(values)),
                WriteKind::Delete => writeln!(text, "          - {{ delete: {} }}", quoted(id.as_str())),
                WriteKind::Update => {
                    writeln!(text, "          - {{ update: {}, values: {} }}", quoted(id.as_str()), flow(values))
                }
            };
        }
    }
    text.push_str(if outcome.parked.is_empty() { "      parked: none\n" } else { "      parked:\n" });
    for ParkedItem { pipeline, id, parked, .. } in &outcome.parked {
        let code = serde_json::to_value(parked.code).unwrap_or_default();
        let field = parked.field.as_ref().map(|field| format!(", field: {}", quoted(field))).unwrap_or_default();
        let _ = writeln!(
            text,
            "        - {{ pipeline: {pipeline}, record: {}, code: {}{field} }}",
            quoted(id.as_str()),
            flow(&code)
        );
    }
    let held: Vec<&str> = outcome.held.iter().map(crate::config::PipelineName::as_str).collect();
    let held = if held.is_empty() { "none".to_owned() } else { format!("[ {} ]", held.join(", ")) };
    let _ = writeln!(text, "      held: {held}");
    text
}

/// The members whose values changed, as they are now.
fn changed(before: &Value, now: &Value) -> Map<String, Value> {
    let empty = Map::new();
    let (before, now) = (before.as_object().unwrap_or(&empty), now.as_object().unwrap_or(&empty));
    let names = before.keys().chain(now.keys().filter(|name| !before.contains_key(*name)));
    let of = |members: &Map<String, Value>, name: &String| members.get(name).cloned().unwrap_or_default();
    names.filter(|name| of(before, name) != of(now, name)).map(|name| (name.clone(), of(now, name))).collect()
}

/// Only the members that a pipeline looks at; all of them where that is not known.
fn pruned(body: &Value, used: Option<&[String]>) -> Value {
    match (body, used) {
        (Value::Object(members), Some(used)) => {
            let kept = members.iter().filter(|(name, _)| used.contains(name));
            Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        (body, _) => body.clone(),
    }
}

impl Recorded {
    /// A resource as it is called in a test of this one integration.
    fn shown(&self, (connection, resource): &Place) -> String {
        let own =
            connection.as_str().strip_prefix(self.integration.name.as_str()).and_then(|rest| rest.strip_prefix('/'));
        format!("{}/{resource}", own.unwrap_or(connection.as_str()))
    }

    /// The members of a resource's records that any pipeline looks at; `None` where all may be.
    fn used(&self, place: &Place) -> Option<Vec<String>> {
        let mut used = Vec::new();
        let mut seen = false;
        for pipeline in &self.integration.pipelines {
            for end in Side::BOTH.map(|side| pipeline.end(side)) {
                if (&end.connection.name, &end.resource.name) != (&place.0, &place.1) {
                    continue;
                }
                seen = true;
                if end.elements.is_some() {
                    return None;
                }
                for slot in &end.spec.slots {
                    let (Slot::Value(path) | Slot::Count(path) | Slot::Test(path)) = slot;
                    let conditions = path.condition_names();
                    let firsts = conditions.iter().filter_map(|names| names.first()).copied();
                    used.extend(path.names().first().copied().into_iter().chain(firsts).map(str::to_owned));
                }
                let gone = end.resource.gone_when.as_ref().map(|gone| &gone.path);
                let own = gone.into_iter().filter_map(|path| path.names().first().map(|name| (*name).to_owned()));
                used.extend(own);
            }
        }
        seen.then_some(used)
    }
}

/// A value as YAML in one line. JSON is YAML, and quoted text is nothing but text.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let parts: Vec<String> =
                members.iter().map(|(name, value)| format!("{}: {}", key(name), flow(value))).collect();
            format!("{{ {} }}", parts.join(", "))
        }
        Value::Array(items) if items.is_empty() => "[]".to_owned(),
        Value::Array(items) => format!("[ {} ]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

fn key(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&name.to_lowercase().as_str());
    if plain { name.to_owned() } else { quoted(name) }
}

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}
