//! The pipeline: which fields go which way, what tells that two records are the same, and which records go.

use chrono::NaiveDate;

use super::{
    meaning::{self, Fields, Meaning},
    questions::{End, Wish},
};
use crate::{
    cli::args::Direction,
    connector::{Resource, WriteKind},
    record::Side,
};

/// A pipeline, ready to be written.
#[derive(Debug)]
pub struct Draft<'w> {
    pub ends: [&'w End; 2],
    pub direction: Direction,
    /// Source and target changed places: only a target's value can be put together from several.
    pub turned: bool,
    pub email: [String; 2],
    pub fields: Vec<Field>,
    /// The date of a source record, and from when on records go.
    pub cut_over: Option<(String, NaiveDate)>,
    /// Filters of each side that hold back what is no customer.
    pub customers: [Option<&'static str>; 2],
}

/// A mapped field.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    pub source: Vec<String>,
    pub target: String,
    /// The only direction it goes, where that is not the pipeline's.
    pub only: Option<Direction>,
    /// An address of e-mail, whose capitals say nothing.
    pub is_email: bool,
}

/// Makes the pipeline of a wish.
///
/// # Errors
///
/// When the two cannot be kept the same this way: why, and what to say instead.
pub fn draft(wish: &Wish) -> Result<Draft<'_>, String> {
    let [source, target] = [&wish.source, &wish.target];
    let whole_at = |to: &Fields, from: &Fields| {
        to.get(&Meaning::Whole).is_some_and(|known| known.writable)
            && !from.contains_key(&Meaning::Whole)
            && from.contains_key(&Meaning::First)
            && from.contains_key(&Meaning::Last)
    };
    let known = [meaning::fields(&source.resource), meaning::fields(&target.resource)];
    let turned = goes_to(wish.direction, Side::Source) && whole_at(&known[0], &known[1]);
    let (ends, known, direction) = if turned {
        let [a, b] = known;
        ([target, source], [b, a], other_way(wish.direction))
    } else {
        ([source, target], known, wish.direction)
    };
    for side in Side::BOTH {
        let end = ends[side.index()];
        check(end, goes_to(direction, side))?;
    }
    let mut fields = Vec::new();
    for (meaning, source) in &known[0] {
        let Some(target) = known[1].get(meaning).filter(|_| *meaning != Meaning::Made) else { continue };
        let goes = |side, writable: bool| goes_to(direction, side) && writable;
        let only = match (goes(Side::Source, source.writable), goes(Side::Target, target.writable)) {
            (false, false) => continue,
            (true, false) => Some(Direction::TargetToSource),
            (false, true) => Some(Direction::SourceToTarget),
            (true, true) => None,
        };
        fields.push(Field {
            source: vec![source.path.clone()],
            target: target.path.clone(),
            only: only.filter(|only| *only != direction),
            is_email: *meaning == Meaning::Email,
        });
    }
    if goes_to(direction, Side::Target) && whole_at(&known[1], &known[0]) {
        let path = |fields: &Fields, meaning| fields.get(&meaning).map(|known| known.path.clone()).unwrap_or_default();
        let joined = Field {
            source: vec![path(&known[0], Meaning::First), path(&known[0], Meaning::Last)],
            target: path(&known[1], Meaning::Whole),
            only: Some(Direction::SourceToTarget).filter(|only| *only != direction),
            is_email: false,
        };
        fields.insert(0, joined);
    }
    let email = [&known[0], &known[1]].map(|fields| fields.get(&Meaning::Email).map(|known| known.path.clone()));
    let [Some(of_source), Some(of_target)] = email else {
        return Err("nothing says which records of the two are the same: both need an e-mail address".to_owned());
    };
    Ok(Draft {
        cut_over: cut_over((wish.cut_over, direction), ends[0], &known[0])?,
        customers: Side::BOTH.map(|side| {
            let end = ends[side.index()];
            let customers = is_customer(&end.manifest.name, &end.resource.name);
            customers.filter(|_| goes_to(direction, side.other()))
        }),
        ends,
        direction,
        turned,
        email: [of_source, of_target],
        fields,
    })
}

const fn other_way(direction: Direction) -> Direction {
    match direction {
        Direction::SourceToTarget => Direction::TargetToSource,
        Direction::TargetToSource => Direction::SourceToTarget,
        Direction::TwoWay => Direction::TwoWay,
    }
}

/// Whether something is written on a side.
#[must_use]
pub fn goes_to(direction: Direction, side: Side) -> bool {
    match direction {
        Direction::TwoWay => true,
        Direction::SourceToTarget => side == Side::Target,
        Direction::TargetToSource => side == Side::Source,
    }
}

/// Whether an end can do what is asked of it.
fn check(end: &End, written: bool) -> Result<(), String> {
    let Resource { name, list, .. } = end.resource.as_ref();
    let what = format!("{name} of {}", end.manifest.name);
    if !meaning::is_of_people(&end.resource) {
        return Err(format!(
            "a first integration is of people or companies, and {what} are something else; begin with the folder of \
             examples/configs that is nearest, or with another resource"
        ));
    }
    if list.is_none() {
        return Err(format!("{what} cannot be listed; name another resource"));
    }
    let can = |kind| end.resource.write(kind).is_some();
    if written && !(can(WriteKind::Create) && can(WriteKind::Update)) {
        return Err(format!("{what} can be read, and not written; choose the other --direction"));
    }
    Ok(())
}

fn cut_over(
    (day, direction): (Option<NaiveDate>, Direction),
    source: &End,
    known: &Fields,
) -> Result<Option<(String, NaiveDate)>, String> {
    let Some(day) = day else { return Ok(None) };
    let what = format!("{} of {}", source.resource.name, source.manifest.name);
    if !goes_to(direction, Side::Target) {
        return Err(format!(
            "a cut-over date holds back records of the source, and none of {what} go anywhere; leave it out"
        ));
    }
    match known.get(&Meaning::Made) {
        Some(known) => Ok(Some((known.path.clone(), day))),
        None => Err(format!(
            "{what} do not say when they were made, so that nothing tells which are older than {day}; leave --cut-over \
             out, or let the other side be the source"
        )),
    }
}

/// What says that a contact is a customer, where a system keeps others in the same list.
fn is_customer(connector: &str, resource: &str) -> Option<&'static str> {
    (connector == "xero" && resource == "contacts").then_some("{ path: $.IsCustomer, equals: true }")
}
