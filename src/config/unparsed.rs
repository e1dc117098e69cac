//! A file that does not parse says nothing of what is a secret, and people paste mistakes into tickets: every value is
//! hidden, but those of keys that never hold one.

use super::{
    placeholders::{has_login, is_placeholder},
    source::{Sources, Span},
};

/// Keys whose values are shown.
const HARMLESS: &[&str] = &[
    "admin",
    "after_idle",
    "all",
    "any",
    "apply",
    "at",
    "automatic",
    "base_url",
    "batch",
    "columns",
    "conflicts",
    "connector",
    "connectors",
    "connections",
    "creates",
    "cron",
    "debounce",
    "deletes",
    "delimiter",
    "description",
    "direction",
    "done",
    "each",
    "every",
    "equals",
    "exists",
    "expect",
    "fields",
    "file",
    "filters",
    "first_run",
    "format",
    "full_read",
    "get",
    "grant",
    "grants",
    "guards",
    "id",
    "in",
    "integrations",
    "join",
    "keep",
    "kind",
    "label",
    "level",
    "limits",
    "list",
    "listen",
    "log",
    "lookup",
    "match",
    "max_wait",
    "name",
    "normalize",
    "paths",
    "path",
    "pipelines",
    "poll",
    "public",
    "public_url",
    "reference",
    "resource",
    "resources",
    "rows",
    "schedule",
    "source",
    "state_dir",
    "sync",
    "tables",
    "target",
    "template",
    "templates",
    "timezone",
    "title",
    "transform",
    "wait",
];

/// A key with its value in a line, as places in that line.
struct Pair<'t> {
    key: &'t str,
    begin: usize,
    end: usize,
}

/// A key whose value may go on in the lines below it.
#[derive(Clone, Copy)]
struct Open {
    indent: usize,
    /// All that is below is its text, whatever it looks like.
    text: bool,
}

/// Has no mistake show a value that may be a secret. `sign` stands between a key and its value.
pub(super) fn hide(file: u32, text: &str, sign: char, sources: &mut Sources) {
    let mut start = 0;
    let mut open: Option<Open> = None;
    for whole in text.split_inclusive('\n') {
        let line = whole.trim_end();
        for (begin, end) in secrets(line, sign, &mut open) {
            sources.hide(Span { file, start: start + begin, end: start + end });
        }
        start += whole.len();
    }
}

/// The text of a file with stars for every value that may be a secret, whether or not it parses.
pub(crate) fn without_secrets(name: &str, text: &str) -> String {
    let mut sources = Sources::default();
    let file = sources.add(name.to_owned(), text);
    let is_toml = std::path::Path::new(name).extension().is_some_and(|extension| extension == "toml");
    hide(file, text, if is_toml { '=' } else { ':' }, &mut sources);
    sources.shown(name).unwrap_or_default().to_owned()
}

/// The pieces of a line that may be secrets.
fn secrets(line: &str, sign: char, open: &mut Option<Open>) -> Vec<(usize, usize)> {
    let indent = line.len() - line.trim_start().len();
    if line.is_empty() {
        return Vec::new();
    }
    let pairs = pairs(line, sign);
    // What is commented out was a secret, too, and ends nothing.
    let mut nothing = None;
    let in_text = open.is_some_and(|open| open.text);
    let open = if line.trim_start().starts_with('#') && !in_text { &mut nothing } else { open };
    // In TOML a text of several lines need not be indented.
    let flat = sign == '=' && !line.starts_with('[');
    let below = open.filter(|open| indent > open.indent || (flat && open.text));
    if below.is_some_and(|below| below.text || pairs.is_empty()) {
        if line.contains("\"\"\"") || line.contains("'''") {
            *open = None;
        }
        return vec![(indent, line.len())];
    }
    // Below it is a map, or it has ended.
    *open = None;
    if pairs.is_empty() {
        return behind_word(line).into_iter().collect();
    }
    let value = |pair: &Pair<'_>| line.get(pair.begin..pair.end).unwrap_or_default().trim();
    if let Some(last) = pairs.last().filter(|last| !shown(last.key) && last.end == line.len()) {
        let value = value(last);
        let unclosed = |quote: char| value.starts_with(quote) && (value.len() == 1 || !value.ends_with(quote));
        let long = ["|", ">", "\"\"\"", "'''"].iter().any(|sign| value.starts_with(sign));
        let text = long || unclosed('"') || unclosed('\'');
        *open = Some(Open { indent, text }).filter(|_| text || sign == ':');
    }
    let hidden = pairs.iter().filter(|pair| {
        let bare = value(pair).trim_matches(['"', '\'']);
        pair.begin < pair.end && !is_placeholder(bare) && !only_aliases(bare) && (!shown(pair.key) || has_login(bare))
    });
    hidden.map(|pair| (pair.begin, pair.end)).collect()
}

fn shown(key: &str) -> bool {
    HARMLESS.contains(&key)
}

/// A list of aliases, which stand for what is said elsewhere.
fn only_aliases(value: &str) -> bool {
    let mut words = value.split([' ', ',', '[', ']']).filter(|word| !word.is_empty());
    value.contains('[') && words.all(|word| word.starts_with(['*', '&']))
}

/// `token "abc"`, where the sign was forgotten.
fn behind_word(line: &str) -> Option<(usize, usize)> {
    let lower = line.to_ascii_lowercase();
    let ends = ["token", "password", "secret", "key", "value"].map(|word| lower.find(word).map(|at| at + word.len()));
    ends.into_iter().flatten().min().map(|first| (first, line.len()))
}

/// The keys of a line with their values: to the end of the line, or of the flow entry.
fn pairs(line: &str, sign: char) -> Vec<Pair<'_>> {
    let mut pairs = Vec::new();
    let mut from = 0;
    while let Some(at) = line.get(from..).and_then(|rest| rest.find(sign)).map(|at| from + at) {
        from = at + sign.len_utf8();
        let before = line.get(..at).unwrap_or_default().trim_end().trim_end_matches(['"', '\'']);
        let word = before
            .rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-')))
            .map_or(0, |at| at + before.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8));
        let key = before.get(word..).unwrap_or_default();
        let lead = before.get(..word).unwrap_or_default();
        let rest = line.get(from..).unwrap_or_default();
        let begins_like_one = key.starts_with(|c: char| c.is_alphabetic());
        if !begins_like_one || lead.ends_with("${") || (sign == ':' && rest.starts_with("//")) {
            continue;
        }
        let begin = from + rest.len() - rest.trim_start().len();
        let value = line.get(begin..).unwrap_or_default();
        let end = begin + length(value, line.get(..at).unwrap_or_default().contains(['{', '[']));
        if value.starts_with(['{', '[']) && sign == ':' {
            // What is in it has keys of its own, or is hidden with the next one.
            if value.contains(sign) || value.len() == 1 {
                pairs.push(Pair { key, begin, end: begin });
                continue;
            }
        }
        pairs.push(Pair { key, begin, end });
        from = from.max(end);
    }
    pairs
}

/// How far a value reaches: a quoted one to its quote, one in a flow to what ends it, another to the end of the line.
fn length(value: &str, flow: bool) -> usize {
    if value.starts_with("\"\"\"") || value.starts_with("'''") {
        return value.len();
    }
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            return rest.find(quote).map_or(value.len(), |at| at + 2);
        }
    }
    if value.starts_with("${") {
        return value.find('}').map_or(value.len(), |at| at + 1);
    }
    if flow { value.find([',', '}']).unwrap_or(value.len()) } else { value.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with `*` for what is hidden.
    fn seen(text: &str, sign: char) -> String {
        let mut sources = Sources::default();
        let file = sources.add("x".to_owned(), text);
        hide(file, text, sign, &mut sources);
        sources.shown("x").unwrap().to_owned()
    }

    #[test]
    fn nothing_that_may_be_a_secret_is_seen() {
        for (text, sign) in [
            ("auth:\n  token: s3cr3t\n  x: [", ':'),
            ("webhook_key: s3cr3t", ':'),
            ("signed_with: s3cr3t, s3cr3t", ':'),
            ("client_secret:\n  s3cr3t\n", ':'),
            ("client_secret: s3cr3t\n  s3cr3t\n", ':'),
            ("header:\n  name: X-Key\n  value: s3cr3t", ':'),
            ("token: |\n  s3cr3t\n  key: s3cr3t\n\n  s3cr3t", ':'),
            ("auth: { token: s3cr3t, base_url: \"${env:H}\" }", ':'),
            ("auth: { base_url: \"${env:H}\", token: s3cr3t", ':'),
            ("auth: { token: \"s3cr3t, s3cr3t\" }", ':'),
            ("token: ${env:X:-s3cr3t}", ':'),
            ("token:s3cr3t", ':'),
            ("token s3cr3t", ':'),
            ("- token: s3cr3t", ':'),
            ("  # password: s3cr3t", ':'),
            ("token: |\n  # s3cr3t\n  s3cr3t", ':'),
            ("base_url: https://me:s3cr3t@shop.example", ':'),
            ("base_url: postgres://db/shop?password=s3cr3t", ':'),
            ("[tokens]\nkey = \"s3cr3t\"\nx", '='),
            ("users = [ { name = \"me\", password = \"s3cr3t\" }", '='),
            ("password = \"\"\"\n  s3cr3t\n", '='),
        ] {
            let seen = seen(text, sign);
            assert!(!seen.contains("s3cr3t"), "{seen}");
        }
    }

    #[test]
    fn what_a_mistake_is_about_stays_to_be_seen() {
        for text in [
            "schedule: { cron: */5 * * * * }",
            "  - { source: [$.lines[0].x], target: $.Name }",
            "source: acme/contacts\ntarget: xero/contacts",
            "auth: { token: \"${env:TOKEN}\" }",
            "base_url: https://shop.example",
            "contacts:\n  target: xero/contacts\n  direction two-way",
            "d: &d [*c,*c]",
        ] {
            assert_eq!(seen(text, ':'), text);
        }
        assert_eq!(seen("key = \"abc\"\nnext line", '='), "key = *****\nnext line");
    }
}
