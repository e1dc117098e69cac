//! Whether a condition holds for a record.

use jsonpath_rust::{
    parser::model::{
        Comparable, Filter, FilterAtom, FnArg, Segment, Selector, SingularQuery, SingularQuerySegment, Test,
        TestFunction,
    },
    query::{Query, state::State},
};
use serde_json::Value;

/// Whether `filter` holds with `@` (and `$`) being the record.
///
/// The crate can only ask this of the elements of an array, which would mean to copy the record into one. Its
/// comparisons and tests can be asked of any value, so only the `&&`, `||` and `!` around them are done here.
pub(super) fn holds(filter: &Filter, record: &Value) -> bool {
    match filter {
        Filter::Or(parts) => parts.iter().any(|part| holds(part, record)),
        Filter::And(parts) => parts.iter().all(|part| holds(part, record)),
        Filter::Atom(FilterAtom::Filter { expr, not }) => holds(expr, record) != *not,
        Filter::Atom(atom) => {
            atom.process(State::root(record)).ok_val().as_ref().and_then(Value::as_bool).unwrap_or_default()
        }
    }
}

/// The names from the record down to every value that `filter` asks for.
pub(super) fn names<'f>(filter: &'f Filter, found: &mut Vec<Vec<&'f str>>) {
    match filter {
        Filter::Or(parts) | Filter::And(parts) => parts.iter().for_each(|part| names(part, found)),
        Filter::Atom(FilterAtom::Filter { expr, .. }) => names(expr, found),
        Filter::Atom(FilterAtom::Test { expr, .. }) => test_names(expr, found),
        Filter::Atom(FilterAtom::Comparison(comparison)) => {
            let (left, right) = comparison.vals();
            for side in [left, right] {
                match side {
                    Comparable::Literal(_) => {}
                    Comparable::Function(function) => function_names(function, found),
                    Comparable::SingularQuery(SingularQuery::Current(segments) | SingularQuery::Root(segments)) => {
                        let names = segments.iter().filter_map(|segment| match segment {
                            SingularQuerySegment::Name(name) => Some(name.as_str()),
                            SingularQuerySegment::Index(_) => None,
                        });
                        found.push(names.collect());
                    }
                }
            }
        }
    }
}

fn test_names<'f>(test: &'f Test, found: &mut Vec<Vec<&'f str>>) {
    match test {
        Test::RelQuery(segments) => found.push(segment_names(segments)),
        Test::AbsQuery(query) => found.push(segment_names(&query.segments)),
        Test::Function(function) => function_names(function, found),
    }
}

fn function_names<'f>(function: &'f TestFunction, found: &mut Vec<Vec<&'f str>>) {
    let mut argument = |argument: &'f FnArg| match argument {
        FnArg::Literal(_) => {}
        FnArg::Test(test) => test_names(test, found),
        FnArg::Filter(filter) => names(filter, found),
    };
    match function {
        TestFunction::Custom(_, arguments) => arguments.iter().for_each(argument),
        TestFunction::Length(only) => argument(only),
        TestFunction::Value(only) | TestFunction::Count(only) => argument(only),
        TestFunction::Search(first, second) | TestFunction::Match(first, second) => {
            argument(first);
            argument(second);
        }
    }
}

/// The member names along the segments, up to where they branch.
pub(super) fn segment_names(segments: &[Segment]) -> Vec<&str> {
    segments
        .iter()
        .map_while(|segment| match segment {
            Segment::Selector(selector) => Some(selector),
            Segment::Selectors(_) | Segment::Descendant(_) => None,
        })
        .filter_map(|selector| match selector {
            Selector::Name(name) => Some(name.as_str()),
            _ => None,
        })
        .collect()
}
