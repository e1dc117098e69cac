//! Numbers that stay the same from build to build.
//!
//! Everything is written into a row of bytes by hand, tagged and with lengths, and hashed by XXH3. Neither `Debug`
//! nor the standard library's hashes promise to stay as they are.

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    config::{
        Content, Elements, Field, FieldId, Filter, Pipeline, Transform, UnknownKey,
        source::Span,
        tree::{Key, Map, Node, NodeValue},
    },
    record::{Canon, ProjectionSpec, Slot},
};

/// Bytes being gathered.
#[derive(Debug, Default)]
pub(crate) struct Bytes(Vec<u8>);

impl Bytes {
    /// A text, with its length, so that no two rows of texts give the same bytes.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(&(text.len() as u64).to_le_bytes());
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// A number.
    pub(crate) fn number(&mut self, number: u64) -> &mut Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    /// The hash.
    pub(crate) fn hash(&self) -> u64 {
        xxh3_64(&self.0)
    }

    /// The lower half of the hash.
    #[allow(clippy::cast_possible_truncation, reason = "half of a hash is wanted")]
    pub(crate) fn short(&self) -> u32 {
        self.hash() as u32
    }
}

/// The number of a field: its paths, and what kind of field it is.
pub(crate) fn field_id(kind: &str, source: &[&str], target: &str) -> FieldId {
    let mut bytes = Bytes::default();
    bytes.text("field").text(kind).number(source.len() as u64);
    for path in source {
        bytes.text(&plain_path(path));
    }
    bytes.text(&plain_path(target));
    FieldId(bytes.short())
}

/// A path without what makes no difference: white space, the kind of quotes, parentheses around a condition, and
/// `['name']` for `.name`.
pub(crate) fn plain_path(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let (mut quote, mut escaped) = (None, false);
    for c in text.chars() {
        match quote {
            Some(mark) if c == mark && !escaped => {
                plain.push('\'');
                quote = None;
            }
            None if c.is_whitespace() => {}
            None if matches!(c, '"' | '\'') => {
                plain.push('\'');
                quote = Some(c);
            }
            _ => plain.push(c),
        }
        escaped = c == '\\' && !escaped;
    }
    if plain.contains("[?(") {
        plain = plain.replace("[?(", "[?").replace(")]", "]");
    }
    let mut parts = plain.split("['");
    let mut found = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once("']") {
            Some((name, rest)) if !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_') => {
                found.push('.');
                found.push_str(name);
                found.push_str(rest);
            }
            _ => {
                found.push_str("['");
                found.push_str(part);
            }
        }
    }
    found
}

/// The hash of what a field does to values.
pub(crate) fn definition(content: &Content) -> u32 {
    let mut bytes = Bytes::default();
    self::content(&mut bytes, content);
    bytes.short()
}

fn content(bytes: &mut Bytes, content: &Content) {
    match content {
        Content::Mapped { join, forward, backward, reference } => {
            bytes.text("mapped");
            if let Some(join) = join {
                bytes.text("join").text(&join.separator).text(join.unique_suffix.as_deref().unwrap_or_default());
                if join.product {
                    bytes.text("product");
                }
            }
            steps(bytes, forward);
            match backward {
                Some(back) => steps(bytes.text("back"), back),
                None => {
                    bytes.text("no way back");
                }
            }
            bytes.text(reference.as_ref().map_or("", |reference| reference.pipeline.as_str()));
        }
        Content::Constant(value) => {
            bytes.text("constant").text(&value.to_string());
        }
        Content::Each(each) => {
            bytes.text("each").text(each.source_key.as_str()).text(each.target_key.as_str());
            // Whoever was hashed before `ours` and `leave-out` were there keeps the hash.
            let rules = each.removes as u64 + if each.leaves_out { 3 } else { 0 };
            bytes.number(rules).number(each.fields.len() as u64);
            for field in &each.fields {
                element_field(bytes, field);
            }
        }
    }
}

fn element_field(bytes: &mut Bytes, field: &Field) {
    bytes.number(u64::from(field.id.0)).number(u64::from(field.definition));
}

fn steps(bytes: &mut Bytes, steps: &[Transform]) {
    bytes.number(steps.len() as u64);
    for step in steps {
        self::step(bytes, step);
    }
}

fn step(bytes: &mut Bytes, step: &Transform) {
    match step {
        Transform::Trim => bytes.text("trim"),
        Transform::Lowercase => bytes.text("lowercase"),
        Transform::Uppercase => bytes.text("uppercase"),
        Transform::CollapseSpaces => bytes.text("collapse_spaces"),
        Transform::Phone => bytes.text("phone"),
        Transform::Divide(by) => bytes.text("divide").text(&by.normalize().to_string()),
        Transform::Multiply(by) => bytes.text("multiply").text(&by.normalize().to_string()),
        Transform::Round(places) => bytes.text("round").number(u64::from(*places)),
        Transform::Prefix(text) => bytes.text("prefix").text(text),
        Transform::Suffix(text) => bytes.text("suffix").text(text),
        Transform::StripPrefix(text) => bytes.text("strip_prefix").text(text),
        Transform::StripSuffix(text) => bytes.text("strip_suffix").text(text),
        Transform::Date(zone) => bytes.text("date").text(zone.name()),
        Transform::Replace { pattern, with } => bytes.text("replace").text(pattern.as_str()).text(with),
        Transform::Split { on, index } => bytes.text("split").text(on).number(*index as u64),
        Transform::Truncate(length) => bytes.text("truncate").number(*length as u64),
        Transform::Default(value) => bytes.text("default").text(&value.to_string()),
        Transform::Text => bytes.text("text"),
        Transform::Number => bytes.text("number"),
        Transform::Words { yes, no } => bytes.text("words").text(yes).text(no),
        Transform::Lookup(lookup) => {
            bytes.text("lookup").number(u64::from(lookup.reversed));
            match &lookup.unknown {
                UnknownKey::Park => bytes.text("park"),
                UnknownKey::Keep => bytes.text("keep"),
                UnknownKey::Value(value) => bytes.text("value").text(value),
            };
            for rows in [&lookup.table.rows, &lookup.table.reverse] {
                bytes.number(rows.len() as u64);
                for (key, value) in rows {
                    bytes.text(key).text(value);
                }
            }
            bytes
        }
    };
}

/// The hash of what is read.
pub(crate) fn spec(spec: &ProjectionSpec, elements: Option<&Elements>) -> u32 {
    let mut bytes = Bytes::default();
    for slot in &spec.slots {
        let (kind, path) = match slot {
            Slot::Value(path) => ("value", path),
            Slot::Count(path) => ("count", path),
            Slot::Test(path) => ("test", path),
        };
        bytes.text(kind).text(path.as_str());
    }
    if let Some(elements) = elements {
        super::elements::feed(&mut bytes, elements);
    }
    bytes.short()
}

/// The hash of all that decides how records of a pipeline are treated; `written` is that of its text.
pub(crate) fn pipeline(written: u64, pipeline: &Pipeline) -> u64 {
    let mut bytes = Bytes::default();
    bytes.text("pipeline").number(written);
    for end in &pipeline.ends {
        let manifest = &end.connection.manifest;
        bytes.text(end.connection.name.as_str()).text(&manifest.name).number(u64::from(manifest.version));
        bytes.text(end.connection.base_url.as_str()).text(end.connection.tenant.as_deref().unwrap_or_default());
    }
    for field in &pipeline.fields {
        bytes.number(u64::from(field.id.0)).number(u64::from(field.definition));
        bytes.number(field.differences as u64);
        ends(&mut bytes, field);
    }
    // A connector may say otherwise under the same version, and match keys that were made before find nobody then.
    for pair in pipeline.tiers.iter().flat_map(|tier| &tier.keys) {
        pair.canons.iter().for_each(|one| canon(&mut bytes, one));
    }
    if let Some(unique) = &pipeline.unique {
        canon(&mut bytes, &unique.canon);
    }
    for end in &pipeline.ends {
        filter(&mut bytes, &end.filter);
    }
    bytes.hash()
}

/// What the connectors say of a field's values.
fn ends(bytes: &mut Bytes, field: &Field) {
    for end in &field.ends {
        canon(bytes, &end.canon);
        for said in [end.read_only, end.create_only, end.masked] {
            bytes.number(u64::from(said));
        }
    }
    if let Content::Each(each) = &field.content {
        each.fields.iter().for_each(|field| ends(bytes, field));
    }
}

/// How the values compare that a filter looks at; what it asks of them is in its text.
fn filter(bytes: &mut Bytes, filter: &Filter) {
    match filter {
        Filter::All(parts) | Filter::Any(parts) => parts.iter().for_each(|part| self::filter(bytes, part)),
        Filter::Not(part) => self::filter(bytes, part),
        Filter::Test(test) => canon(bytes, &test.canon),
        Filter::Where(_) | Filter::ReferencedBy(_) | Filter::AwaitedBy(_) => {}
    }
}

fn canon(bytes: &mut Bytes, canon: &Canon) {
    // Taken apart, so that nothing which is added to it is forgotten here.
    let Canon { kind, blanks_distinct, trim, collapse_spaces, ignore_case, phone, places, precision_ms, max } = canon;
    bytes.number(*kind as u64);
    for said in [blanks_distinct, trim, collapse_spaces, ignore_case, phone] {
        bytes.number(u64::from(*said));
    }
    for limit in [places.map(u64::from), precision_ms.map(u64::from), max.map(|max| max as u64)] {
        bytes.number(u64::from(limit.is_some())).number(limit.unwrap_or_default());
    }
}

/// Keys that say when things happen, or what something was called, not what happens.
const WHEN: [&str; 6] = ["automatic", "apply", "debounce", "schedule", "blackouts", "moved_from"];

/// The hash of a written value: keys in any order, layout and comments left out.
pub(crate) fn node_hash(node: &Node) -> u64 {
    let mut bytes = Bytes::default();
    self::node(&mut bytes, node, true);
    bytes.hash()
}

/// The hash of a map with all its keys.
pub(crate) fn entries_hash(entries: Vec<(Key, Node)>) -> u64 {
    let value = NodeValue::Map(Map { entries, flow: false });
    let mut bytes = Bytes::default();
    self::node(&mut bytes, &Node { span: Span::default(), owner: None, value }, false);
    bytes.hash()
}

fn node(bytes: &mut Bytes, node: &Node, top: bool) {
    match &node.value {
        NodeValue::Scalar(scalar) => {
            // A variable that is not set, or a secret, counts as written.
            let text = if scalar.holes.is_empty() { &scalar.text } else { scalar.shown() };
            bytes.text("scalar").text(text);
        }
        NodeValue::Seq(items) => {
            bytes.text("list").number(items.len() as u64);
            for item in items {
                self::node(bytes, item, false);
            }
        }
        NodeValue::Map(map) => {
            let mut entries: Vec<_> =
                map.entries.iter().filter(|(key, _)| !(top && WHEN.contains(&key.text.as_str()))).collect();
            entries.sort_by(|a, b| a.0.text.cmp(&b.0.text));
            bytes.text("map").number(entries.len() as u64);
            for (key, value) in entries {
                bytes.text(&key.text);
                self::node(bytes, value, false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::plain_path;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(plain_path(text), expected, "{text}");
    }

    #[test]
    fn a_path_written_differently_is_the_same_path() {
        check("$.a.b", "$.a.b");
        check("$['a'][\"b\"]", "$.a.b");
        check("$['a b']", "$['a b']");
        check("$.Phones[?(@.PhoneType == 'MOBILE')].PhoneNumber", "$.Phones[?@.PhoneType=='MOBILE'].PhoneNumber");
        check("$.Phones[?@.PhoneType==\"MOBILE\"]['PhoneNumber']", "$.Phones[?@.PhoneType=='MOBILE'].PhoneNumber");
        check("$.a[?@.b=='x y']", "$.a[?@.b=='x y']");
        check("$.a[?@.b=='it\\'s here']", "$.a[?@.b=='it\\'s here']");
    }
}
