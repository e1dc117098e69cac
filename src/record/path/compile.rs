//! From text to something that can be followed.

use jsonpath_rust::parser::{
    errors::JsonPathError,
    model::{
        Comparable, Comparison, Filter, FilterAtom, JpQuery, Literal, Segment, Selector, SingularQuery,
        SingularQuerySegment,
    },
    parse_json_path,
};
use serde_json::Value;

use super::{
    PathError,
    step::{Condition, Step},
};

/// Longest path, in bytes. Nobody writes such; the parser's time grows with it.
const LONGEST: usize = 1_000;

/// Deepest nesting of brackets and parentheses. The parser tries nested function calls three ways at each level.
const DEEPEST: usize = 8;

/// Most segments that reach into everything below (`..`): each multiplies the work of a read.
const WIDEST: usize = 3;

/// Parses a `JSONPath` query.
pub(super) fn query(text: &str) -> Result<JpQuery, PathError> {
    if !text.starts_with('$') {
        let hint = text.trim_start_matches('.');
        let message = format!("a path begins with `$`: `$.{}`", shorten(hint));
        return Err(PathError { message, offset: 0 });
    }
    parse(text)
}

fn parse(text: &str) -> Result<JpQuery, PathError> {
    check_size(text)?;
    if let Some((offset, open)) = check_brackets(text)? {
        return Err(PathError { message: format!("this `{open}` is not closed"), offset });
    }
    let query = parse_json_path(text).map_err(|error| explain(text, &error))?;
    let wide = query.segments.iter().filter(|segment| matches!(segment, Segment::Descendant(_))).count();
    if wide > WIDEST {
        let message = format!("`..` stands in it {wide} times; at most {WIDEST} times is allowed");
        return Err(PathError { message, offset: text.find("..").unwrap_or_default() });
    }
    Ok(query)
}

/// Parses a condition on the record itself, in any of the ways people write one.
pub(super) fn predicate(text: &str) -> Result<Filter, PathError> {
    let bare = text.trim();
    let bare = bare
        .strip_prefix('$')
        .map_or(bare, str::trim_start)
        .strip_prefix('[')
        .and_then(|inner| inner.trim_end().strip_suffix(']'))
        .unwrap_or(bare)
        .trim_start();
    let bare = bare.strip_prefix('?').unwrap_or(bare);
    if bare.trim().is_empty() {
        return Err(PathError { message: "a condition is missing, such as `@.status == 'open'`".into(), offset: 0 });
    }
    let offset = offset_in(text, bare);
    let back = |error: PathError| PathError {
        message: error.message,
        offset: (error.offset + offset).saturating_sub(PREFIX.len()).min(text.len()),
    };
    let mut segments = parse(&format!("{PREFIX}{bare}]")).map_err(back)?.segments;
    match (segments.pop(), segments.is_empty()) {
        (Some(Segment::Selector(Selector::Filter(filter))), true) => Ok(filter),
        _ => Err(PathError { message: "it is not one condition, such as `@.status == 'open'`".into(), offset }),
    }
}

const PREFIX: &str = "$[?";

/// Where `part`, a piece of `text`, begins in it.
fn offset_in(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

fn check_size(text: &str) -> Result<(), PathError> {
    if text.len() > LONGEST {
        return Err(PathError {
            message: format!("it is longer than {LONGEST} bytes"),
            offset: text.floor_char_boundary(LONGEST),
        });
    }
    Ok(())
}

/// Refuses brackets that are nested too deeply, and says which bracket or quote is not closed, if any.
fn check_brackets(text: &str) -> Result<Option<(usize, char)>, PathError> {
    let (mut open, mut quote, mut escaped) = (Vec::new(), None, false);
    for (offset, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some((_, mark)), c) if c == mark => quote = None,
            (None, '\'' | '"') => quote = Some((offset, c)),
            (None, '(' | '[') => {
                open.push((offset, c));
                if open.len() > DEEPEST {
                    let message = format!("brackets are nested more than {DEEPEST} deep");
                    return Err(PathError { message, offset });
                }
            }
            (None, ')' | ']') => {
                open.pop();
            }
            (Some(_) | None, _) => {}
        }
    }
    Ok(quote.or_else(|| open.pop()))
}

/// Says in our words what the parser did not like.
fn explain(text: &str, error: &JsonPathError) -> PathError {
    let offset = match error {
        JsonPathError::PestError(pest) => first_number(&format!("{:?}", pest.location)).min(text.len()),
        _ => 0,
    };
    let rest = text.get(offset..).unwrap_or_default();
    let before = text.get(..offset).unwrap_or_default();
    let message = if let JsonPathError::InvalidJsonPath(message) = error {
        message.clone()
    } else if rest.starts_with('-') || rest.starts_with(' ') && before.ends_with(|c: char| c.is_alphanumeric()) {
        "a name with other characters than letters, digits and `_` is written `['bill-to']`".to_owned()
    } else if text.contains('=') && !["==", "!=", "<=", ">="].iter().any(|operator| text.contains(operator)) {
        "equality is written `==`".to_owned()
    } else if rest.is_empty() {
        "the path ends too early: a name is missing".to_owned()
    } else {
        format!("`{}` is not JSONPath here", shorten(rest))
    };
    PathError { message, offset }
}

/// The first number in a text such as `Pos(5)`: the parser's own type of a place is not exported.
fn first_number(text: &str) -> usize {
    let digits: String = text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_default()
}

fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The query as steps, if it needs nothing else.
pub(super) fn steps(query: &JpQuery) -> Option<Vec<Step>> {
    query
        .segments
        .iter()
        .map(|segment| match segment {
            Segment::Selector(Selector::Name(name)) => Some(Step::Name(name.clone())),
            Segment::Selector(Selector::Index(index)) => Some(Step::Index(*index)),
            Segment::Selector(Selector::Filter(filter)) => {
                let mut conditions = Vec::new();
                collect(filter, &mut conditions)?;
                Some(Step::Select(conditions))
            }
            _ => None,
        })
        .collect()
}

/// Gathers equalities joined by `&&`; `None` if there is anything else.
fn collect(filter: &Filter, conditions: &mut Vec<Condition>) -> Option<()> {
    match filter {
        Filter::And(parts) => parts.iter().try_for_each(|part| collect(part, conditions)),
        Filter::Atom(FilterAtom::Filter { expr, not: false }) => collect(expr, conditions),
        Filter::Atom(FilterAtom::Comparison(comparison)) => {
            conditions.push(equality(comparison)?);
            Some(())
        }
        Filter::Or(_) | Filter::Atom(_) => None,
    }
}

fn equality(comparison: &Comparison) -> Option<Condition> {
    let (Comparison::Eq(Comparable::SingularQuery(SingularQuery::Current(members)), Comparable::Literal(literal))
    | Comparison::Eq(Comparable::Literal(literal), Comparable::SingularQuery(SingularQuery::Current(members)))) =
        comparison
    else {
        return None;
    };
    let members = members
        .iter()
        .map(|member| match member {
            SingularQuerySegment::Name(name) => Some(name.clone()),
            SingularQuerySegment::Index(_) => None,
        })
        .collect::<Option<_>>()?;
    let equals = match literal {
        Literal::Int(number) => Value::from(*number),
        Literal::Float(number) if number.is_finite() => Value::from(*number),
        Literal::Float(_) => return None,
        Literal::String(text) => Value::from(text.as_str()),
        Literal::Bool(truth) => Value::from(*truth),
        Literal::Null => Value::Null,
    };
    Some(Condition { members, equals })
}
