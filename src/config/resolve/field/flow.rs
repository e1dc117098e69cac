//! Which way a field flows, and whether there is a way back.

use super::{Fields, Scope};
use crate::{
    config::{
        FieldEnd, Flow,
        diagnostic::error,
        resolve::steps,
        written::{DirectionW, FieldW},
    },
    record::Side,
};

/// The flow of a direction.
pub(crate) const fn of(direction: DirectionW) -> Flow {
    match direction {
        DirectionW::TwoWay => Flow::TwoWay,
        DirectionW::ToTarget => Flow::ToTarget,
        DirectionW::ToSource => Flow::ToSource,
    }
}

const fn word(flow: Flow) -> &'static str {
    match flow {
        Flow::TwoWay => "two-way",
        Flow::ToTarget => "source-to-target",
        Flow::ToSource => "target-to-source",
    }
}

impl Fields<'_, '_> {
    /// The field's own direction within that of the pipeline (or of the list it is an element's field of).
    pub(super) fn flow_of(&self, written: &FieldW, scope: &Scope<'_>) -> Option<Flow> {
        let outer = scope.element.unwrap_or(self.flow);
        let Some(direction) = &written.direction else { return Some(outer) };
        let own = of(direction.value);
        if outer == Flow::TwoWay || own == outer {
            return Some(own);
        }
        self.report(
            error(
                "config::against_direction",
                direction.span,
                format!("the pipeline is {}, so no field of it can be {}", word(outer), word(own)),
            )
            .label("against the direction of the pipeline")
            .help("make the pipeline `direction: two-way` and give one-way fields a direction of their own"),
        );
        None
    }

    /// A field that flows back must be able to.
    pub(super) fn check_way_back(&self, written: &FieldW, joined: bool) {
        let one_way = "add direction: source-to-target";
        if joined {
            self.report(
                error("config::no_way_back", written.span, "a value joined from several cannot be taken apart again")
                    .label("flows back to the source")
                    .help(one_way),
            );
        }
        if let Some(suffix) = &written.unique_suffix {
            self.report(
                error("config::no_way_back", suffix.span, "a value with a suffix that makes it unique has no way back")
                    .help(one_way),
            );
        }
        if written.reverse.is_some() {
            return;
        }
        if let Some(step) = steps::lossy(written.transform.as_ref()) {
            self.report(
                error(
                    "config::no_way_back",
                    step.span,
                    format!("`{}` loses something, so it cannot be turned round", step.name),
                )
                .label("the field flows back to the source")
                .help(format!("say what leads back with `reverse: [ … ]`, or {one_way}")),
            );
        }
        for table in steps::lookups(written.transform.as_ref()).chain(&written.lookup) {
            steps::check_leads_back(self.cx, table);
        }
    }

    /// A field must not write only where nothing is taken.
    pub(super) fn check_read_only(&self, written: &FieldW, [source, target]: [&FieldEnd; 2], flow: Flow) {
        let ends = [(Side::Source, source), (Side::Target, target)];
        let stuck: Vec<Side> =
            ends.iter().filter(|(side, end)| flow.writes(*side) && end.read_only).map(|(side, _)| *side).collect();
        let [first, ..] = stuck.as_slice() else { return };
        let path = ends.iter().find(|(side, _)| side == first).and_then(|(_, end)| end.paths.first());
        let (name, owner) = (path.map_or("", |path| path.as_str()), self.ends[first.index()].name());
        if flow == Flow::TwoWay && stuck.len() == 1 {
            let other = if *first == Side::Target { "target-to-source" } else { "source-to-target" };
            self.report(
                error("config::read_only", written.span, format!("{owner} takes no value for `{name}`"))
                    .label("two-way, but one side cannot be written")
                    .help(format!("add direction: {other}"))
                    .warning(),
            );
        } else {
            let help = match first {
                Side::Target if self.flow == Flow::TwoWay => "add direction: target-to-source, or remove the field",
                _ => "remove the field",
            };
            self.report(
                error("config::read_only", written.span, format!("{owner} takes no value for `{name}`"))
                    .label("this field would only ever write there")
                    .help(help),
            );
        }
    }
}
