//! The texts: a file of the configuration that teaches its reader, settings, and what to do next.

use std::{fmt::Write as _, path::Path};

use super::{
    account,
    draft::{Draft, Field, draft, goes_to},
    questions::{End, Wish},
};
use crate::{config::SETTINGS_FILE, record::Side};

/// What stands beside a value that only the user knows.
pub const FILL_IN: &str = "# fill in:";
/// Where comments begin, if they can.
const MARGIN: usize = 60;

/// Folders of the examples that go further, by their two connectors.
pub const FURTHER: [(&str, &str, &str); 9] = [
    ("eventbrite", "website", "eventbrite-website"),
    ("website", "cliniko", "website-cliniko"),
    ("website", "myob", "website-myob"),
    ("website", "quickbooks", "website-quickbooks"),
    ("website", "simpro", "website-simpro"),
    ("website", "xero", "website-xero"),
    ("website", "xpm", "website-xpm"),
    ("website", "zoho-crm", "website-zoho"),
    ("xpm", "website", "xpm-website"),
];

/// The example that goes further with the same two systems, whichever of them comes first.
fn further([source, target]: [&End; 2]) -> Option<&'static str> {
    let of = |a: &End, b: &End| {
        let found = FURTHER.iter().find(|(one, other, _)| *one == a.manifest.name && *other == b.manifest.name);
        found.map(|(_, _, folder)| *folder)
    };
    of(source, target).or_else(|| of(target, source))
}

/// What is to be written.
#[derive(Debug)]
pub struct Texts {
    /// The name of the new file.
    pub file: String,
    pub yaml: String,
    pub settings: String,
    name: String,
    pipeline: String,
    variables: Vec<String>,
    grants: Vec<String>,
}

/// The texts for a wish; `installed` where the folder is the one that the daemon looks for by itself.
///
/// # Errors
///
/// When the two cannot be kept the same this way.
pub fn texts(wish: &Wish, installed: bool) -> Result<Texts, String> {
    let draft = draft(wish)?;
    let grants: Vec<String> = draft.ends.iter().filter_map(|end| account::grant(end)).collect();
    Ok(Texts {
        file: format!("{}.yaml", wish.name),
        yaml: yaml(wish, &draft),
        settings: settings(installed, !grants.is_empty()),
        name: wish.name.clone(),
        pipeline: format!("{}/{}", wish.name, draft.ends[0].resource.name),
        variables: draft.ends.iter().flat_map(|end| account::variables(end)).collect(),
        grants,
    })
}

/// A line with what it means beside it.
fn beside(line: &str, comment: &str) -> String {
    format!("{line:<MARGIN$} # {comment}\n")
}

fn yaml(wish: &Wish, draft: &Draft<'_>) -> String {
    let [source, target] = draft.ends;
    let called = |end: &End| format!("{} of {}", end.resource.name, end.connection);
    let mut out = format!(
        "# yaml-language-server: $schema={}\n# {} and {}, kept the same.\n# `reconciled validate` shows every mistake with its \
         place, `reconciled explain CODE` what it means; docs/reference.md\n# explains every key. Records go by the paths of \
         their fields: `reconciled connectors show {}` lists them.\n",
        super::SCHEMA_FILE,
        called(source),
        called(target),
        source.manifest.name
    );
    if draft.turned {
        let _ = writeln!(
            out,
            "# {} is the source, because a name of {} is put together from several fields, and only a target's can be.",
            source.connection, target.connection
        );
    }
    if let Some(folder) = further(draft.ends) {
        let _ = writeln!(
            out,
            "# examples/configs/{folder} goes further: other records, and what the systems want to be given."
        );
    }
    let grants: String = draft.ends.iter().map(|end| account::grant_yaml(end)).collect();
    if !grants.is_empty() {
        let _ = write!(out, "\ngrants:\n{grants}");
    }
    out.push_str("\nconnections:\n");
    out.push_str(
        "  # A secret never stands here itself: it is a variable, or ${file:…}, ${credential:…} or ${command:…}.\n",
    );
    out.extend(draft.ends.iter().map(|end| account::connection_yaml(end)));
    let _ = write!(out, "\nintegrations:\n  {}:\n", wish.name);
    out.push_str(&beside("    # apply: observe", "without the first #: plans on schedule, and writes nothing"));
    out.push_str(&beside("    debounce: { wait: 2m }", "changes are gathered for two minutes, then sent together"));
    out.push_str("    schedule:\n");
    let polled: Vec<String> = Side::BOTH.into_iter().filter_map(|side| polled(draft, side)).collect();
    if !polled.is_empty() {
        let poll = format!("      poll: {{ {} }}", polled.join(", "));
        out.push_str(&beside(&poll, "how often to ask for what changed"));
    }
    out.push_str(&beside("      sync: { after_idle: 24h }", "a run after a day without one"));
    out.push_str(&beside("      full_read: { every: 24h }", "everything is compared: what a feed missed is found"));
    out.push_str(&beside("    first_run:", "nothing is written before `reconciled approve`;"));
    out.push_str(&beside(
        "      { apply: approve, differences: fill-blanks }",
        "then blanks are filled, and the rest is put aside",
    ));
    out.push_str("    pipelines:\n");
    pipeline(&mut out, draft);
    out
}

/// How often a side is asked, where it is read and can tell what changed.
fn polled(draft: &Draft<'_>, side: Side) -> Option<String> {
    let end = draft.ends[side.index()];
    let tells = end.resource.list.as_ref().is_some_and(|list| list.changed_since.is_some());
    let often = if side == Side::Source { "5m" } else { "15m" };
    (tells && goes_to(draft.direction, side.other())).then(|| format!("{}: {often}", end.connection))
}

fn pipeline(out: &mut String, draft: &Draft<'_>) {
    let [source, target] = draft.ends;
    let _ = writeln!(out, "      {}:", source.resource.name);
    let _ = writeln!(out, "        source: {}/{}", source.connection, source.resource.name);
    let _ = writeln!(out, "        target: {}/{}", target.connection, target.resource.name);
    out.push_str(&beside(
        &format!("        direction: {}", draft.direction.word()),
        "or two-way, source-to-target, target-to-source",
    ));
    if let Some((path, day)) = &draft.cut_over {
        out.push_str(&beside(
            &format!("        cut_over: {{ path: {path}, from: {day} }}"),
            "older ones stay as they are",
        ));
    }
    let [source, target] = draft.email.each_ref().map(|path| flow(path));
    out.push_str("        match:                                               # what makes two records the same\n");
    let _ = writeln!(out, "          - {{ source: {source}, target: {target}, normalize: [trim, lowercase] }}");
    if draft.customers.iter().any(Option::is_some) {
        out.push_str(&beside("        filters:", "who is no customer stays where they are"));
        for (side, filter) in Side::BOTH.into_iter().zip(draft.customers) {
            let Some(filter) = filter else { continue };
            let side = if side == Side::Source { "source" } else { "target" };
            let _ = writeln!(out, "          {side}: [ {filter} ]");
        }
    }
    out.push_str("        fields:\n");
    out.extend(draft.fields.iter().map(field));
    out.push_str(&beside("        conflicts: park", "a field that both sides changed is put aside, with both values"));
    out.push_str(&beside("        deletes: ignore", "what is deleted on one side stays on the other"));
    out.push_str(&beside("        # guards: { creates: 100 }", "a run over it waits for approval"));
}

fn field(field: &Field) -> String {
    let paths: Vec<String> = field.source.iter().map(|path| flow(path)).collect();
    let (source, join) = match paths.as_slice() {
        [one] => (one.clone(), ""),
        several => (format!("[{}]", several.join(", ")), ", join: \" \", unique_suffix: \" ({id})\""),
    };
    let only = field.only.map(|only| format!(", direction: {}", only.word())).unwrap_or_default();
    let email = if field.is_email { ", normalize: [trim, lowercase]" } else { "" };
    format!("          - {{ source: {source}, target: {}{join}{email}{only} }}\n", flow(&field.target))
}

/// A path inside `{ … }`: in quotes where YAML would read more into it.
fn flow(path: &str) -> String {
    if path.contains(['[', ',', '\'', '{', '}', '#', ' ']) { format!("\"{path}\"") } else { path.to_owned() }
}

fn settings(installed: bool, keeps_logins: bool) -> String {
    let mut out =
        "# Settings of the daemon itself. What is kept the same is in the .yaml files beside this one.\n".to_owned();
    if !installed {
        out.push_str("state_dir = \"state\"          # what is remembered: private, backed up, never edited by hand\n");
        out.push_str("socket = \"reconciled.sock\"   # where commands reach the daemon\n");
    }
    if keeps_logins {
        out.push_str("\n[tokens]\nkey = \"${file:token.key}\"    # logins are kept sealed under it: openssl rand -base64 32 > token.key\n");
    }
    out
}

impl Texts {
    /// The lines that only the user can complete: number and text.
    #[must_use]
    pub fn to_fill_in(&self) -> Vec<(usize, String)> {
        let lines = self.yaml.lines().enumerate().filter(|(_, line)| line.contains(FILL_IN));
        lines.map(|(number, line)| (number + 1, line.trim().to_owned())).collect()
    }

    /// What was written, and what to do next.
    #[must_use]
    pub fn next(&self, dir: &Path, made: &[&str]) -> String {
        let mut out = String::new();
        for name in made {
            let _ = writeln!(out, "written: {}", dir.join(name).display());
        }
        if !made.contains(&SETTINGS_FILE) {
            let _ = writeln!(out, "{} was there, and stays as it is", dir.join(SETTINGS_FILE).display());
        }
        let command = format!("reconciled --config {}", dir.display());
        let mut steps = Vec::new();
        let open = self.to_fill_in();
        if !open.is_empty() {
            let lines: Vec<String> = open.iter().map(|(number, line)| format!("     line {number}: {line}")).collect();
            steps.push(format!("Fill in what only you know, in {}:\n{}", self.file, lines.join("\n")));
        }
        if !self.variables.is_empty() {
            steps.push(format!("Set the secrets in the environment: {}", self.variables.join(", ")));
        }
        if !self.grants.is_empty() {
            let key = dir.join("token.key");
            let key = key.display();
            let mut text = format!("Make the key for logins: openssl rand -base64 32 > {key}; chmod 600 {key}");
            if !made.contains(&SETTINGS_FILE) {
                text.push_str(
                    "\n     and in reconciled.toml, if it is not there: [tokens] key = \"${file:token.key}\"",
                );
            }
            for grant in &self.grants {
                let _ = write!(text, "\n     {command} connect {grant}     (on a server: --paste)");
            }
            steps.push(text);
        }
        steps.push(format!("{command} validate --online     asks whether logins, rights and fields are there"));
        steps.push(format!(
            "{command} match {} --report     what would be linked and made; nothing is written",
            self.pipeline
        ));
        steps.push(format!("{command} approve {} and sync {} --limit 5     the first five", self.name, self.name));
        steps.push(format!("{command} run     the daemon; it takes edits over while it runs"));
        for (number, step) in steps.iter().enumerate() {
            let _ = writeln!(out, "  {}. {step}", number + 1);
        }
        out
    }
}
