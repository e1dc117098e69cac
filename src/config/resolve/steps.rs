//! Transforms.

use crate::{
    config::{
        Lookup, Transform, UnknownKey,
        diagnostic::error,
        nearest::suggest,
        resolve::{Cx, value},
        source::Span,
        written::{At, OneOrMany, StepW, TransformW, UnknownW},
    },
    record::Kind,
};

/// Makes steps of what was written; those with mistakes are left out.
pub(crate) fn steps(cx: &Cx<'_>, written: Option<&OneOrMany<TransformW>>) -> Vec<Transform> {
    written.into_iter().flat_map(|list| &list.0).filter_map(|step| self::step(cx, step)).collect()
}

/// As [`steps`], and all of them must be normalising.
pub(crate) fn normalizing(cx: &Cx<'_>, written: Option<&OneOrMany<TransformW>>) -> Vec<Transform> {
    const WORDS: [&str; 5] = ["trim", "lowercase", "uppercase", "collapse_spaces", "phone"];
    for step in written.into_iter().flat_map(|list| &list.0) {
        if !WORDS.contains(&step.name) {
            cx.report.add(
                error(
                    "config::not_normalizing",
                    step.span,
                    format!("`{}` changes the value, it does not normalize it", step.name),
                )
                .help(format!("normalize takes {}; others go under `transform:`", WORDS.join(", "))),
            );
        }
    }
    steps(cx, written)
}

/// The first step that cannot be turned round.
pub(crate) fn lossy(written: Option<&OneOrMany<TransformW>>) -> Option<&TransformW> {
    written
        .into_iter()
        .flat_map(|list| &list.0)
        .find(|step| matches!(step.name, "round" | "date" | "replace" | "split" | "truncate" | "default"))
}

/// The lookups among the steps, for the check that their tables lead back.
pub(crate) fn lookups(written: Option<&OneOrMany<TransformW>>) -> impl Iterator<Item = &At<String>> {
    written.into_iter().flat_map(|list| &list.0).filter_map(|step| match &step.step {
        StepW::Lookup(lookup) => lookup.table.as_ref(),
        _ => None,
    })
}

/// A lookup in the table of this name.
pub(crate) fn lookup(cx: &Cx<'_>, table: &At<String>, unknown: Option<&UnknownW>) -> Option<Transform> {
    let Some(known) = cx.table(&table.value) else {
        let names = cx.names(&cx.tables);
        cx.report.add(
            error("config::unknown_table", table.span, format!("there is no table `{}`", table.value))
                .label("not known")
                .maybe_help(
                    suggest(&table.value, names.iter().map(String::as_str))
                        .or_else(|| Some("write it under `tables:`".to_owned())),
                ),
        );
        return None;
    };
    let unknown = match unknown {
        None | Some(UnknownW::Park) => UnknownKey::Park,
        Some(UnknownW::Keep) => UnknownKey::Keep,
        Some(UnknownW::Value(value)) => UnknownKey::Value(value.clone()),
    };
    let Some(known) = known else {
        cx.report.was_said();
        return None;
    };
    Some(Transform::Lookup(Lookup { table: known.table.clone(), reversed: false, unknown }))
}

/// Reports a table that is used backwards and does not lead back.
pub(crate) fn check_leads_back(cx: &Cx<'_>, table: &At<String>) {
    let Some(Some(known)) = cx.table(&table.value) else { return };
    let Some((value, first, second)) = &known.ambiguous else { return };
    cx.report.add(
        error(
            "config::table_not_reversible",
            table.span,
            format!("the table `{}` does not lead back: `{first}` and `{second}` both give `{value}`", table.value),
        )
        .label("used in both directions here")
        .also(known.span, "the table")
        .help(format!("add reverse: {{ {value}: {first} }} to the table, or a `direction` to the field")),
    );
}

fn step(cx: &Cx<'_>, written: &TransformW) -> Option<Transform> {
    let zero = |span: Span| {
        cx.report.add(error("config::bad_value", span, "0 cannot be turned round").help("write another number"));
    };
    Some(match (&written.step, written.name) {
        (StepW::Simple, "trim") => Transform::Trim,
        (StepW::Simple, "lowercase") => Transform::Lowercase,
        (StepW::Simple, "uppercase") => Transform::Uppercase,
        (StepW::Simple, "collapse_spaces") => Transform::CollapseSpaces,
        (StepW::Simple, "phone") => Transform::Phone,
        (StepW::Simple, "text") => Transform::Text,
        (StepW::Simple, _) => Transform::Number,
        (StepW::Number(number), name) => {
            if number.value.is_zero() {
                zero(number.span);
            }
            if name == "divide" { Transform::Divide(number.value) } else { Transform::Multiply(number.value) }
        }
        (StepW::Count(count), "round") => {
            if count.value > 20 {
                cx.report.add(
                    error("config::bad_value", count.span, "more than 20 places are not kept").help("write round: 2"),
                );
            }
            Transform::Round(count.value)
        }
        (StepW::Count(count), _) => Transform::Truncate(usize::try_from(count.value).ok()?),
        (StepW::Text(text), "prefix") => Transform::Prefix(text.value.clone()),
        (StepW::Text(text), _) => Transform::Suffix(text.value.clone()),
        (StepW::Value(raw), _) => Transform::Default(value::one(Kind::Any, raw, cx.report)?),
        (StepW::Date(date), _) => Transform::Date(date.zone.as_ref()?.value),
        (StepW::Replace(replace), _) => Transform::Replace {
            pattern: replace.pattern.as_ref()?.value.clone(),
            with: replace.with.as_ref()?.value.clone(),
        },
        (StepW::Split(split), _) => {
            let on = split.on.as_ref()?;
            if on.value.is_empty() {
                cx.report.add(
                    error("config::bad_value", on.span, "the separator is empty")
                        .help("write split: { on: \" \", index: 0 }"),
                );
            }
            Transform::Split { on: on.value.clone(), index: usize::try_from(split.index.as_ref()?.value).ok()? }
        }
        (StepW::Words(words), _) => {
            Transform::Words { yes: words.yes.as_ref()?.value.clone(), no: words.no.as_ref()?.value.clone() }
        }
        (StepW::Lookup(lookup), _) => self::lookup(cx, lookup.table.as_ref()?, lookup.unknown.as_ref())?,
    })
}
