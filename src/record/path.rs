//! Paths: `JSONPath`, compiled once, read often, and written where that is well defined.
//!
//! The text is parsed by `jsonpath-rust` (RFC 9535). What nearly all paths are made of, member names, positions and
//! elements selected by equality, becomes a row of [`step::Step`]s that is followed directly and without copies; the
//! rest is kept as the crate's query. Both read the same; a property test compares them.

mod compile;
mod predicate;
mod step;
mod write;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use jsonpath_rust::{
    parser::model::{Filter, JpQuery, Segment, Selector},
    query::js_path_process,
};
use serde_json::Value;
use thiserror::Error;

use super::Cell;
use step::Step;

/// A compiled `JSONPath`. Cheap to clone; equal to another if both were written alike.
#[derive(Clone)]
pub struct Path(Arc<Inner>);

struct Inner {
    text: String,
    program: Program,
    /// What [`Path::check_writable`] answers.
    unwritable: Option<String>,
}

enum Program {
    /// Followed directly.
    Steps(Vec<Step>),
    /// Evaluated by `jsonpath-rust`.
    Query(JpQuery),
    /// True or false of the record itself.
    Predicate(Filter),
}

/// Why a text is not a usable path.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct PathError {
    /// What is wrong, with what would be right.
    pub message: String,
    /// Byte offset into the path's text where the mistake was noticed.
    pub offset: usize,
}

/// Why a value could not be put into a record at a path.
#[derive(Debug, Error)]
#[error("cannot write `{path}`: {message}")]
pub struct WriteError {
    /// The path as written.
    pub path: String,
    /// The cause.
    pub message: String,
}

impl Path {
    /// Compiles `text`, which must begin with `$`. Filters may be written `[?@.a=='b']` or `[?(@.a=='b')]`.
    ///
    /// # Errors
    ///
    /// When the text is not `JSONPath`, or longer or more deeply nested than anybody would write.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let query = compile::query(text)?;
        let program = match compile::steps(&query) {
            Some(steps) => Program::Steps(steps),
            None => Program::Query(query),
        };
        Ok(Self::new(text.to_owned(), program))
    }

    /// Compiles a condition on the record itself: `@.x == 1`, `?@.x == 1`, `?(@.x == 1)` or `$[?@.x == 1]`. Such a path
    /// is asked by [`Path::hits`]; it reads as a boolean and cannot be written.
    ///
    /// # Errors
    ///
    /// When the text is not a `JSONPath` filter.
    pub fn predicate(text: &str) -> Result<Self, PathError> {
        Ok(Self::new(text.to_owned(), Program::Predicate(compile::predicate(text)?)))
    }

    fn new(text: String, program: Program) -> Self {
        let unwritable = match &program {
            Program::Steps(steps) => write::obstacle(steps),
            Program::Query(_) => Some(
                "only member names and elements selected by equality (`[?(@.Type=='POBOX')]`) can be written"
                    .to_owned(),
            ),
            Program::Predicate(_) => Some("it is a condition, not a place".to_owned()),
        };
        Self(Arc::new(Inner { text, program, unwritable }))
    }

    fn from_steps(steps: Vec<Step>) -> Self {
        Self::new(step::render(&steps), Program::Steps(steps))
    }

    /// The path as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Reads the one value at this path. Only that value is copied.
    #[must_use]
    pub fn read(&self, record: &Value) -> Cell {
        if let Program::Predicate(filter) = &self.0.program {
            return Cell::Value(Value::Bool(predicate::holds(filter, record)));
        }
        let (mut first, mut count) = (None, 0);
        self.visit(record, &mut |value| {
            first.get_or_insert(value);
            count += 1;
        });
        match (first, count) {
            (None, _) => Cell::Absent,
            (Some(value), 1) => Cell::Value(value.clone()),
            _ => Cell::Several(count),
        }
    }

    /// The one value at this path, where it stands: `None` if there is none, or several, or this is a condition.
    #[must_use]
    pub fn find<'v>(&self, record: &'v Value) -> Option<&'v Value> {
        if self.is_predicate() {
            return None;
        }
        let (mut first, mut count) = (None, 0);
        self.visit(record, &mut |value| {
            first.get_or_insert(value);
            count += 1;
        });
        first.filter(|_| count == 1)
    }

    /// Reads every value at this path, in document order.
    #[must_use]
    pub fn read_all<'v>(&self, record: &'v Value) -> Vec<&'v Value> {
        let mut found = Vec::new();
        self.visit(record, &mut |value| found.push(value));
        found
    }

    /// The number of values at this path.
    #[must_use]
    pub fn count(&self, record: &Value) -> usize {
        let mut count = 0;
        self.visit(record, &mut |_| count += 1);
        count
    }

    /// Whether the path hits anything; for a [`Path::predicate`], whether it holds.
    #[must_use]
    pub fn hits(&self, record: &Value) -> bool {
        self.count(record) > 0
    }

    /// Calls `found` with every value at this path. A condition that holds finds the record.
    fn visit<'v>(&self, record: &'v Value, found: &mut impl FnMut(&'v Value)) {
        match &self.0.program {
            Program::Steps(steps) => step::visit(steps, record, found),
            // The crate fails only where a query ends in a value that it computed, which is no place in the record.
            Program::Query(query) => {
                js_path_process(query, record).unwrap_or_default().into_iter().for_each(|hit| found(hit.val));
            }
            Program::Predicate(filter) => {
                if predicate::holds(filter, record) {
                    found(record);
                }
            }
        }
    }

    /// Whether this is `$`: whatever it is read from, as a whole.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        matches!(&self.0.program, Program::Steps(steps) if steps.is_empty())
    }

    /// Whether [`Path::write`] can create what this path names: member names, and array elements selected by
    /// equality (`[?(@.Type=='POBOX')]`, several joined by `&&`) which are then created with those members.
    ///
    /// # Errors
    ///
    /// Names the part of the path that cannot be created.
    pub fn check_writable(&self) -> Result<(), PathError> {
        match &self.0.unwritable {
            None => Ok(()),
            Some(message) => {
                let offset = self.0.text.find('[').unwrap_or_default();
                Err(PathError { message: format!("`{}` cannot be written: {message}", self.0.text), offset })
            }
        }
    }

    /// Puts `cell` at this path, creating objects and selected elements on the way; [`Cell::Absent`] removes it.
    /// A null in the way counts as nothing.
    ///
    /// # Errors
    ///
    /// When something that is not an object or array stands in the way, or two elements are selected.
    pub fn write(&self, record: &mut Value, cell: &Cell) -> Result<(), WriteError> {
        let fail = |message: String| WriteError { path: self.0.text.clone(), message };
        if let Some(message) = &self.0.unwritable {
            return Err(fail(message.clone()));
        }
        let Program::Steps(steps) = &self.0.program else {
            return Ok(());
        };
        match cell {
            Cell::Absent => write::remove(steps, record).map_err(fail),
            Cell::Value(value) => write::put(steps, 0, record, value).map_err(fail),
            Cell::Several(count) => Err(fail(format!("there are {count} values for it; it takes one"))),
        }
    }

    /// The path of the outermost array that this path goes into (`$.Phones` for
    /// `$.Phones[?(@.PhoneType=='MOBILE')].PhoneNumber`). A system that replaces arrays whole needs the rest of it
    /// carried back unchanged with every write.
    #[must_use]
    pub fn carried_array(&self) -> Option<Self> {
        let prefix: Vec<Step> = match &self.0.program {
            Program::Steps(steps) => {
                let end = steps.iter().position(|step| !matches!(step, Step::Name(_)))?;
                steps[..end].to_vec()
            }
            Program::Query(query) => {
                let mut names = Vec::new();
                for segment in &query.segments {
                    match segment {
                        Segment::Selector(Selector::Name(name)) => names.push(Step::Name(name.clone())),
                        Segment::Selector(_) => break,
                        Segment::Selectors(_) | Segment::Descendant(_) => return None,
                    }
                }
                names
            }
            Program::Predicate(_) => return None,
        };
        // A record is an object: an array without a name is none of its own.
        (!prefix.is_empty()).then(|| Self::from_steps(prefix))
    }

    /// The path that follows `self` when `rest` (which begins with `$`) is read relative to it (for `at:`).
    ///
    /// # Errors
    ///
    /// When the joined text is not `JSONPath`.
    pub fn join(&self, rest: &Self) -> Result<Self, PathError> {
        let tail = rest.as_str().strip_prefix('$').unwrap_or(rest.as_str());
        Self::parse(&format!("{}{tail}", self.0.text))
    }

    /// The member names along the path, filters and indexes left out (`["Phones", "PhoneNumber"]`): what a
    /// manifest's list of fields can check. They end where the path branches (`..`, `['a','b']`).
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        match &self.0.program {
            Program::Steps(steps) => steps
                .iter()
                .filter_map(|step| match step {
                    Step::Name(name) => Some(name.as_str()),
                    Step::Index(_) | Step::Select(_) => None,
                })
                .collect(),
            Program::Query(query) => predicate::segment_names(&query.segments),
            Program::Predicate(_) => Vec::new(),
        }
    }

    /// For each value that a [`Path::predicate`] asks for, the member names that lead to it from the record
    /// (`@.a.b == 1 || @.c` gives `a`, `b` and `c`): what a manifest's list of fields can check. Empty for other paths.
    #[must_use]
    pub fn condition_names(&self) -> Vec<Vec<&str>> {
        let mut found = Vec::new();
        if let Program::Predicate(filter) = &self.0.program {
            predicate::names(filter, &mut found);
        }
        found
    }

    /// Whether this was made by [`Path::predicate`].
    #[must_use]
    pub fn is_predicate(&self) -> bool {
        matches!(self.0.program, Program::Predicate(_))
    }
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text && self.is_predicate() == other.is_predicate()
    }
}

impl Eq for Path {}

impl Hash for Path {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.text.hash(state);
        self.is_predicate().hash(state);
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Path").field(&self.0.text).finish()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}
