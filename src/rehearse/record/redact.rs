//! Stand-ins for what records say. The same word has the same stand-in wherever it is, of the same length and the same kinds of
//! letters; so what matched, was joined, or was a reference, still is. Words that the configuration itself names stay, for filters
//! and tables to mean the same; numbers, dates and yes or no stay, for a mapping computes with them.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use regex::Regex;
use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{
    config::{Content, End, Field, Filter, Integration, Operator, Pipeline, Transform, UnknownKey},
    connector::{FieldTable, FieldType},
    record::{Kind, Slot, time},
};

/// What the configuration names, which is nobody's secret.
#[derive(Debug, Default)]
struct Kept {
    /// Whole values, in lower case.
    texts: BTreeSet<String>,
    /// Words inside of values, in lower case.
    words: BTreeSet<String>,
    /// What filters look for inside of values.
    patterns: Vec<Regex>,
    /// The whole values in the order in which the configuration names them.
    order: Vec<String>,
}

/// Gives stand-ins.
#[derive(Debug)]
pub(super) struct Redactor {
    kept: Kept,
    /// What comes from the environment, and what stands for it in a test.
    replaced: BTreeMap<String, String>,
    seed: u64,
    /// Stand-ins by word, in lower case.
    known: BTreeMap<String, String>,
    used: BTreeSet<String>,
}

static QUOTED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"'([^']*)'|"([^"]*)""#).ok());

impl Kept {
    fn of(integration: &Integration) -> Self {
        let mut kept = Self::default();
        integration.pipelines.iter().for_each(|pipeline| kept.pipeline(pipeline));
        kept
    }

    fn text(&mut self, text: &str) {
        self.texts.insert(text.to_lowercase());
        self.order.push(text.to_owned());
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => items.iter().for_each(|item| self.value(item)),
            Value::Object(members) => members.values().for_each(|member| self.value(member)),
            _ => {}
        }
    }

    fn inside(&mut self, text: &str) {
        self.words.extend(words(text).filter(|(is_word, _)| *is_word).map(|(_, word)| word.to_lowercase()));
    }

    /// Values that a path looks for: `'MOBILE'` in `$.Phones[?(@.PhoneType=='MOBILE')]`.
    fn path(&mut self, path: &str) {
        let Some(quoted) = QUOTED.as_ref() else { return };
        let found: Vec<String> = (quoted.captures_iter(path))
            .filter_map(|found| found.get(1).or_else(|| found.get(2)).map(|text| text.as_str().to_lowercase()))
            .collect();
        self.texts.extend(found);
    }

    fn filter(&mut self, filter: &Filter) {
        match filter {
            Filter::All(parts) | Filter::Any(parts) => parts.iter().for_each(|part| self.filter(part)),
            Filter::Not(part) => self.filter(part),
            Filter::Test(test) => {
                self.path(&test.path);
                match &test.operator {
                    Operator::Equals(value) | Operator::NotEquals(value) => self.value(value),
                    Operator::In(values) => values.iter().for_each(|value| self.value(value)),
                    Operator::Matches(pattern) => self.patterns.push(pattern.clone()),
                    _ => {}
                }
            }
            Filter::Where(_) | Filter::ReferencedBy(_) | Filter::AwaitedBy(_) => {}
        }
    }

    fn end(&mut self, end: &End) {
        self.filter(&end.filter);
        for slot in &end.spec.slots {
            let (Slot::Value(path) | Slot::Count(path) | Slot::Test(path)) = slot;
            self.path(path.as_str());
        }
        if let Some(gone) = &end.resource.gone_when {
            gone.values.iter().for_each(|value| self.value(value));
        }
    }

    fn steps(&mut self, steps: &[Transform]) {
        for step in steps {
            match step {
                Transform::Prefix(text)
                | Transform::Suffix(text)
                | Transform::StripPrefix(text)
                | Transform::StripSuffix(text)
                | Transform::Replace { with: text, .. } => self.inside(text),
                Transform::Words { yes, no } => [yes, no].into_iter().for_each(|word| self.text(word)),
                Transform::Default(value) => self.value(value),
                Transform::Lookup(lookup) => {
                    let rows = lookup.table.rows.iter().chain(&lookup.table.reverse);
                    rows.flat_map(|(key, value)| [key, value]).for_each(|text| self.text(text));
                    if let UnknownKey::Value(value) = &lookup.unknown {
                        self.text(value);
                    }
                }
                _ => {}
            }
            if let Transform::Replace { pattern, .. } = step {
                self.patterns.push(pattern.clone());
            }
        }
    }

    fn field(&mut self, field: &Field) {
        field.ends.iter().flat_map(|end| &end.paths).for_each(|path| self.path(path.as_str()));
        match &field.content {
            Content::Constant(value) => self.value(value),
            Content::Each(each) => each.fields.iter().for_each(|field| self.field(field)),
            Content::Mapped { join, forward, backward, .. } => {
                if let Some(join) = join {
                    self.inside(&join.separator);
                }
                self.steps(forward);
                self.steps(backward.as_deref().unwrap_or_default());
            }
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline) {
        pipeline.ends.iter().for_each(|end| self.end(end));
        pipeline.fields.iter().for_each(|field| self.field(field));
        pipeline.known.iter().for_each(|known| self.text(known.id.as_str()));
    }
}

impl Redactor {
    /// Stand-ins that nobody can foresee who does not know `seed`. `rehearsed` is what the integration is in a test, where
    /// other values stand for those of the environment.
    pub fn new(integration: &Integration, rehearsed: Option<&Integration>, seed: u64) -> Self {
        let kept = Kept::of(integration);
        let then = rehearsed.map(Kept::of).filter(|then| then.order.len() == kept.order.len()).unwrap_or_default();
        let pairs = kept.order.iter().zip(&then.order).filter(|(real, stand_in)| real != stand_in);
        let replaced = pairs.map(|(real, stand_in)| (real.to_lowercase(), stand_in.clone())).collect();
        Self { kept, replaced, seed, known: BTreeMap::new(), used: BTreeSet::new() }
    }

    /// A record.
    pub fn record(&mut self, body: &Value, table: &FieldTable) -> Value {
        let Some(members) = body.as_object() else { return self.value(body, None) };
        let mut new = Map::new();
        for (name, value) in members {
            new.insert(name.clone(), self.value(value, table.fields.get(name)));
        }
        Value::Object(new)
    }

    fn value(&mut self, value: &Value, field: Option<&FieldType>) -> Value {
        let kind = field.map_or(Kind::Any, FieldType::kind);
        let children = field.and_then(|field| field.children.as_ref());
        match value {
            Value::Object(_) => self.record(value, children.unwrap_or(&FieldTable::default())),
            Value::Array(items) => {
                let element = FieldType { children: children.cloned(), ..FieldType::default() };
                Value::Array(items.iter().map(|item| self.value(item, Some(&element))).collect())
            }
            // An id is a name, whatever it is made of.
            Value::Number(number) if kind == Kind::Id => Value::String(self.text(&number.to_string())),
            Value::String(text) => match kind {
                Kind::Decimal | Kind::Integer | Kind::Boolean | Kind::Date | Kind::Datetime => value.clone(),
                Kind::Any if time::instant(text).is_some() || time::date(text).is_some() => value.clone(),
                _ => Value::String(self.text(text)),
            },
            other => other.clone(),
        }
    }

    /// A text, or an id.
    pub fn text(&mut self, text: &str) -> String {
        let low = text.to_lowercase();
        if let Some(stand_in) = self.replaced.get(&low) {
            return stand_in.clone();
        }
        if self.kept.texts.contains(&low) {
            return text.to_owned();
        }
        let found = self.kept.patterns.iter().find_map(|pattern| pattern.find(text)).map(|found| found.range());
        if let Some(range) = found.filter(|range| !range.is_empty()) {
            let (before, rest) = text.split_at(range.start);
            let (kept, after) = rest.split_at(range.len());
            return format!("{}{kept}{}", self.text_without_patterns(before), self.text_without_patterns(after));
        }
        self.text_without_patterns(text)
    }

    fn text_without_patterns(&mut self, text: &str) -> String {
        // The number of a telephone is one, however it is set.
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let is_number = digits.len() >= 6 && text.chars().all(|c| c.is_ascii_digit() || " +-()./".contains(c));
        if is_number {
            let stand_in = self.word(&digits);
            let mut next = stand_in.chars();
            return text.chars().map(|c| if c.is_ascii_digit() { next.next().unwrap_or(c) } else { c }).collect();
        }
        let parts: Vec<(bool, String)> = words(text).map(|(is_word, part)| (is_word, part.to_owned())).collect();
        parts.into_iter().map(|(is_word, part)| if is_word { self.word(&part) } else { part }).collect()
    }

    fn word(&mut self, word: &str) -> String {
        let low = word.to_lowercase();
        if self.kept.words.contains(&low) {
            return word.to_owned();
        }
        let stand_in = match self.known.get(&low) {
            Some(known) => known.clone(),
            None => self.make(&low),
        };
        cased(&stand_in, word)
    }

    /// A new stand-in of the same shape, which stands for nothing else.
    fn make(&mut self, word: &str) -> String {
        for attempt in 0..2_000_u64 {
            let mut made = shaped(word, self.seed.wrapping_add(attempt));
            if attempt >= 1_000 {
                // So short that every one of its shape is taken.
                made = format!("{made}{attempt}");
            }
            if made != word && !self.used.contains(&made) && !self.kept.texts.contains(&made) {
                self.used.insert(made.clone());
                self.known.insert(word.to_owned(), made.clone());
                return made;
            }
        }
        // 1,000 numbers behind it cannot all be taken.
        let made = format!("x{}", self.used.len());
        self.used.insert(made.clone());
        self.known.insert(word.to_owned(), made.clone());
        made
    }
}

/// Words (true) and what is between them (false), in order.
fn words(text: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let is_word = rest.chars().next()?.is_alphanumeric();
        let end = rest.find(|c: char| c.is_alphanumeric() != is_word).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        rest = after;
        Some((is_word, part))
    })
}

/// Another word with a digit for each digit and a letter for each letter. A zero in front stays one.
fn shaped(word: &str, seed: u64) -> String {
    const VOWELS: &[u8] = b"aeiou";
    const OTHERS: &[u8] = b"bdfghklmnprstvw";
    let mut made = String::new();
    for (at, c) in word.chars().enumerate() {
        let number = xxh3_64_with_seed(word.as_bytes(), seed ^ (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let pick = |from: &[u8]| {
            let index = usize::try_from(number % from.len().max(1) as u64).unwrap_or_default();
            from.get(index).copied().map_or('x', char::from)
        };
        made.push(match c {
            '0' if at == 0 => '0',
            c if c.is_numeric() && at == 0 => pick(b"123456789"),
            c if c.is_numeric() => pick(b"0123456789"),
            _ if at % 2 == 0 => pick(OTHERS),
            _ => pick(VOWELS),
        });
    }
    made
}

/// With capitals where the word has them.
fn cased(stand_in: &str, word: &str) -> String {
    let mut capitals = word.chars().map(char::is_uppercase);
    let set = |c: char| -> Cow<'static, str> {
        if capitals.next().unwrap_or_default() { c.to_uppercase().to_string().into() } else { c.to_string().into() }
    };
    stand_in.chars().map(set).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(seed: u64) -> Redactor {
        let kept = Kept {
            texts: ["paid".to_owned(), "mobile".to_owned()].into(),
            words: ["inv".to_owned()].into(),
            patterns: vec![Regex::new("^VIP ").unwrap()],
            order: Vec::new(),
        };
        Redactor { kept, replaced: BTreeMap::new(), seed, known: BTreeMap::new(), used: BTreeSet::new() }
    }

    #[test]
    fn what_belongs_together_still_does() {
        let mut it = redactor(7);
        let (first, last, both) = (it.text("Jane"), it.text("Doe"), it.text("Jane Doe"));
        assert_eq!(both, format!("{first} {last}"));
        assert_ne!(first, "Jane");
        assert!(first.starts_with(char::is_uppercase) && first.len() == 4);
        assert_eq!(it.text(" JANE@doe.example").to_lowercase(), it.text(" jane@Doe.example").to_lowercase());
        let number = it.text("021 555-0101");
        assert_eq!(it.text("0215550101"), number.replace([' ', '-'], ""));
        assert!(number.starts_with('0') && number.as_bytes()[3] == b' ' && number.as_bytes()[7] == b'-');
        assert_ne!(number, "021 555-0101");
    }

    #[test]
    fn what_the_configuration_names_stays() {
        let mut it = redactor(7);
        assert_eq!((it.text("PAID").as_str(), it.text("Mobile").as_str()), ("PAID", "Mobile"));
        assert!(it.text("INV-1042").starts_with("INV-") && it.text("INV-1042") != "INV-1042");
        assert!(it.text("VIP Jane").starts_with("VIP ") && !it.text("VIP Jane").contains("Jane"));
    }

    #[test]
    fn no_two_have_one_stand_in() {
        let mut it = redactor(3);
        let all: BTreeSet<String> = (0..5_000).map(|number| it.text(&format!("S-{number}"))).collect();
        assert_eq!(all.len(), 5_000);
        let short: BTreeSet<String> = ('a'..='z').map(|letter| it.text(&letter.to_string())).collect();
        assert_eq!(short.len(), 26);
        assert_ne!(redactor(1).text("Jane"), redactor(2).text("Jane"));
    }
}
