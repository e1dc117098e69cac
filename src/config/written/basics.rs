//! Scalars of every kind, decoded from their text as written.

use std::{borrow::Cow, net::SocketAddr, time::Duration};

use chrono::NaiveDate;
use chrono_tz::Tz;
use regex::Regex;
use rust_decimal::Decimal;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{At, Decode};
use crate::{
    config::{
        Cron, cron_line,
        diagnostic::{Report, error},
        duration,
        nearest::suggest,
        source::Span,
        tree::{Hole, Node, Scalar},
    },
    record::Path,
};

/// A scalar whose text can be read as something.
pub(crate) trait FromText: Sized {
    /// Stable code of a text that cannot.
    const CODE: &'static str = "config::bad_value";
    /// What is wanted, with an article: `a duration`.
    const WANTED: &'static str;
    /// What would be right.
    const HELP: &'static str;
    /// Reads the text; the error says what is wrong, and how many bytes into the text.
    fn from_text(text: &str, plain: bool) -> Result<Self, (String, usize)>;
    /// Its JSON Schema.
    fn schema() -> Schema;
}

impl<T: FromText> Decode for At<T> {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        let scalar = text_of(node, T::WANTED, report)?;
        match T::from_text(&scalar.text, scalar.plain) {
            Ok(value) => Some(Self { value, span: node.span }),
            Err((why, offset)) => {
                // A place inside a text with placeholders or quotes is not a place in the file.
                let quote = usize::from(!scalar.plain);
                let span = if scalar.written.is_some() { node.span } else { node.span.at_offset(offset + quote) };
                let span = if offset == 0 { node.span } else { span };
                let why = if why.is_empty() { String::new() } else { format!(": {why}") };
                report
                    .add(error(T::CODE, span, format!("`{}` is not {}{why}", scalar.shown(), T::WANTED)).help(T::HELP));
                None
            }
        }
    }
}

impl<T: FromText> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        T::WANTED.into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::schema()
    }
}

/// The scalar at a node, if it is one without placeholders that only a secret can have.
pub(crate) fn text_of<'n>(node: &'n Node, wanted: &str, report: &Report) -> Option<&'n Scalar> {
    let Some(scalar) = node.scalar() else {
        report.add(
            error("config::wrong_shape", node.span, format!("{wanted} is wanted here, not {}", node.kind()))
                .help("write a single value; text with `{`, `[`, `: ` or ` #` in it needs quotes"),
        );
        return None;
    };
    match scalar.holes.first() {
        None => Some(scalar),
        Some(Hole::MissingEnv(name)) => {
            report.add(
                error("config::env_not_set", node.span, format!("the environment variable {name} is not set"))
                    .label("needed here")
                    .help(format!("set {name}, or give a default: ${{env:{name}:-value}}")),
            );
            None
        }
        Some(Hole::SecretOnly(text)) => {
            report.add(
                error("config::secret_placeholder", node.span, format!("`{text}` is only for secrets"))
                    .label("not a secret field")
                    .help("use ${env:NAME} here, or write the value; secrets are token, password and header values below `auth:`"),
            );
            None
        }
    }
}

impl FromText for String {
    const WANTED: &'static str = "text";
    const HELP: &'static str = "write the text";
    fn from_text(text: &str, _: bool) -> Result<Self, (String, usize)> {
        Ok(text.to_owned())
    }
    fn schema() -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// A value of which only the place of use knows the type.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    /// Its text as written.
    pub text: String,
    /// Written without quotes.
    pub plain: bool,
}

impl FromText for Raw {
    const WANTED: &'static str = "a value";
    const HELP: &'static str = "write a single value";
    fn from_text(text: &str, plain: bool) -> Result<Self, (String, usize)> {
        Ok(Self { text: text.to_owned(), plain })
    }
    fn schema() -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

impl FromText for bool {
    const WANTED: &'static str = "true or false";
    const HELP: &'static str = "write true or false, without quotes";
    fn from_text(text: &str, plain: bool) -> Result<Self, (String, usize)> {
        match (text, plain) {
            ("true", true) => Ok(true),
            ("false", true) => Ok(false),
            ("true" | "false", false) => Err(("quotes make it text".to_owned(), 0)),
            _ => Err((String::new(), 0)),
        }
    }
    fn schema() -> Schema {
        or_placeholder(&json_schema!({ "type": "boolean" }))
    }
}

impl FromText for SocketAddr {
    const WANTED: &'static str = "an address with a port";
    const HELP: &'static str = "write it as 127.0.0.1:8443, or [::1]:8443";
    fn from_text(text: &str, _: bool) -> Result<Self, (String, usize)> {
        text.parse().map_err(|_| (String::new(), 0))
    }
    fn schema() -> Schema {
        json_schema!({ "type": "string", "examples": ["127.0.0.1:8443"] })
    }
}

impl FromText for u64 {
    const WANTED: &'static str = "a whole number";
    const HELP: &'static str = "write digits only";
    fn from_text(text: &str, _: bool) -> Result<Self, (String, usize)> {
        text.parse().map_err(|_| (String::new(), 0))
    }
    fn schema() -> Schema {
        or_placeholder(&json_schema!({ "type": "integer", "minimum": 0 }))
    }
}

impl FromText for u32 {
    const WANTED: &'static str = "a whole number";
    const HELP: &'static str = "write digits only";
    fn from_text(text: &str, _: bool) -> Result<Self, (String, usize)> {
        text.parse().map_err(|_| (String::new(), 0))
    }
    fn schema() -> Schema {
        or_placeholder(&json_schema!({ "type": "integer", "minimum": 0 }))
    }
}

impl FromText for Decimal {
    const WANTED: &'static str = "a number";
    const HELP: &'static str = "write it as 100 or 0.01";
    fn from_text(text: &str, _: bool) -> Result<Self, (String, usize)> {
        text.parse().map_err(|_| (String::new(), 0))
    }
    fn schema() -> Schema {
        json_schema!({ "type": ["number", "string"] })
    }
}

impl FromText for Duration {
    const CODE: &'static str = "config::bad_duration";
    const WANTED: &'static str = "a duration";
    const HELP: &'static str = "write a number and a unit: 90s, 2m, 24h, 7d";
    fn from_text(text: &str, _: bool) -> Result<Self, (String, usize)> {
        duration::parse(text).map_err(|why| (why.to_owned(), 0))
    }
    fn schema() -> Schema {
        json_schema!({ "type": "string", "examples": ["2m", "24h"] })
    }
}

impl FromText for Path {
    const CODE: &'static str = "config::bad_path";
    const WANTED: &'static str = "a path";
    const HELP: &'static str =
        "a path begins with `$`: $.email, $.postal.city, \"$.Phones[?(@.PhoneType=='MOBILE')].PhoneNumber\"";
    fn from_text(text: &str, _: bool) -> Result<Self, (String, usize)> {
        Self::parse(text).map_err(|error| (error.message, error.offset))
    }
    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^\\$" })
    }
}

impl FromText for Regex {
    const CODE: &'static str = "config::bad_pattern";
    const WANTED: &'static str = "a regular expression";
    const HELP: &'static str = "see docs.rs/regex for the syntax; put it in single quotes so that `\\` stays as it is";
    fn from_text(text: &str, _: bool) -> Result<Self, (String, usize)> {
        regex::RegexBuilder::new(text).size_limit(1 << 20).build().map_err(|error| {
            // The crate draws its own caret over several lines; its last line is the cause.
            let text = error.to_string();
            (text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(), 0)
        })
    }
    fn schema() -> Schema {
        json_schema!({ "type": "string", "format": "regex" })
    }
}

impl FromText for Tz {
    const CODE: &'static str = "config::bad_timezone";
    const WANTED: &'static str = "a time zone";
    const HELP: &'static str = "write its name in the tz database: Pacific/Auckland, Europe/London, UTC";
    fn from_text(text: &str, _: bool) -> Result<Self, (String, usize)> {
        text.parse().map_err(|_| {
            let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
            let near = crate::config::nearest::nearest(text, names);
            (near.map(|name| format!("did you mean `{name}`?")).unwrap_or_default(), 0)
        })
    }
    fn schema() -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl FromText for NaiveDate {
    const CODE: &'static str = "config::bad_date";
    const WANTED: &'static str = "a date";
    const HELP: &'static str = "write year-month-day: 2026-07-01";
    fn from_text(text: &str, _: bool) -> Result<Self, (String, usize)> {
        let wrong = || (String::new(), 0);
        if text.len() != 10 {
            return Err(wrong());
        }
        Self::parse_from_str(text, "%Y-%m-%d").map_err(|_| wrong())
    }
    fn schema() -> Schema {
        json_schema!({ "type": "string", "format": "date" })
    }
}

/// A crontab line; two schedules where both days are given.
#[derive(Clone, Debug)]
pub(crate) struct CronLine(pub Vec<Cron>);

impl FromText for CronLine {
    const CODE: &'static str = "config::bad_cron";
    const WANTED: &'static str = "a crontab line";
    const HELP: &'static str =
        "write minute, hour, day of month, month, weekday: \"0 6,18 * * 1-5\" is 6:00 and 18:00 on weekdays";
    fn from_text(text: &str, _: bool) -> Result<Self, (String, usize)> {
        cron_line::parse(text).map(Self).map_err(|why| (why, 0))
    }
    fn schema() -> Schema {
        json_schema!({ "type": "string", "examples": ["0 6,18 * * *"] })
    }
}

/// A number that may be given in percent, or `unlimited`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AmountW {
    /// So many.
    Count(u64),
    /// Percent of the links.
    Percent(u8),
    /// No limit.
    Unlimited,
}

impl FromText for AmountW {
    const WANTED: &'static str = "a limit";
    const HELP: &'static str = "write a number (`20`), a percentage of the linked records (`30%`) or `unlimited`";
    fn from_text(text: &str, _: bool) -> Result<Self, (String, usize)> {
        if text == "unlimited" {
            return Ok(Self::Unlimited);
        }
        let wrong = || (String::new(), 0);
        match text.strip_suffix('%') {
            Some(percent) => {
                let percent: u8 = percent.trim().parse().map_err(|_| wrong())?;
                if percent > 100 {
                    return Err(("more than 100 %".to_owned(), 0));
                }
                Ok(Self::Percent(percent))
            }
            None => text.parse().map(Self::Count).map_err(|_| wrong()),
        }
    }
    fn schema() -> Schema {
        json_schema!({ "type": ["integer", "string"] })
    }
}

/// A secret as written. Never shown.
#[derive(Clone)]
pub(crate) struct SecretText {
    /// The scalar.
    pub scalar: Scalar,
    /// Where it is.
    pub span: Span,
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

impl Decode for SecretText {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        let Some(scalar) = node.scalar() else {
            report.add(
                error("config::wrong_shape", node.span, format!("a secret is wanted here, not {}", node.kind()))
                    .help("write \"${env:NAME}\", \"${file:PATH}\" or \"${credential:NAME}\", in quotes"),
            );
            return None;
        };
        Some(Self { scalar: scalar.clone(), span: node.span })
    }
}

impl JsonSchema for SecretText {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"], "examples": ["${env:NAME}", "${file:/run/secrets/name}", "${credential:name}"] })
    }
}

/// Anything at all: a part of the language that is not in this version.
#[derive(Clone, Debug)]
pub(crate) struct Later {
    /// Where it is.
    pub span: Span,
}

impl Decode for Later {
    fn decode(node: &Node, _: &Report) -> Option<Self> {
        Some(Self { span: node.span })
    }
}

impl JsonSchema for Later {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Later".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "not in this version" })
    }
}

/// Reports a word that is none of those possible.
pub(crate) fn not_a_word(what: &str, found: &str, span: Span, words: &[&str], report: &Report) {
    report.add(
        error("config::bad_word", span, format!("`{found}` is no {what}"))
            .label("not known")
            .maybe_help(suggest(found, words.iter().copied())),
    );
}

/// What a placeholder may stand for (`${params.x}`, `${env:X}`), which an editor cannot know.
pub(crate) fn or_placeholder(schema: &Schema) -> Schema {
    json_schema!({ "anyOf": [schema, { "type": "string", "pattern": "\\$\\{" }] })
}

/// Declares a choice of words.
macro_rules! words {
    ($(#[doc = $doc:literal])* $name:ident as $what:literal { $( $variant:ident = $word:literal, )* }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $( #[doc = $word] $variant, )* }

        impl $name {
            /// Every word.
            pub(crate) const WORDS: &'static [&'static str] = &[ $( $word ),* ];

            /// The choice of this word.
            pub(crate) fn of(word: &str) -> Option<Self> {
                match word { $( $word => Some(Self::$variant), )* _ => None }
            }
        }

        impl $crate::config::written::Decode for $crate::config::written::At<$name> {
            fn decode(
                node: &$crate::config::tree::Node,
                report: &$crate::config::diagnostic::Report,
            ) -> Option<Self> {
                let scalar = $crate::config::written::text_of(node, concat!("a ", $what), report)?;
                let value = $name::of(&scalar.text);
                if value.is_none() {
                    $crate::config::written::not_a_word($what, scalar.shown(), node.span, $name::WORDS, report);
                }
                value.map(|value| Self { value, span: node.span })
            }
        }

        impl schemars::JsonSchema for $crate::config::written::At<$name> {
            fn inline_schema() -> bool { true }
            fn schema_name() -> std::borrow::Cow<'static, str> { $what.into() }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::config::written::or_placeholder(&schemars::json_schema!({ "enum": $name::WORDS }))
            }
        }
    };
}
pub(crate) use words;
