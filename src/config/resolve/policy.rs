//! Policies: what happens when.

use std::time::Duration;

use super::{Cx, ends::EndBuilder};
use crate::{
    config::{
        Amount, Blanks, Conflicts, Creates, Deletes, Differences, Drift, Fallback, Flow, Guards, OnLeave,
        diagnostic::error,
        source::Span,
        written::{
            AmountW, At, BlanksW, ConflictsW, CreatesW, DELETE_FORMS, DeleteW, DeletesW, DifferencesW, DriftW, GuardsW,
            OnLeaveW, OnlyW, WinnerW,
        },
    },
    record::Side,
};

pub(crate) const fn blanks(written: BlanksW) -> Blanks {
    match written {
        BlanksW::Keep => Blanks::Keep,
        BlanksW::Propagate => Blanks::Propagate,
    }
}

pub(crate) const fn differences(written: DifferencesW) -> Differences {
    match written {
        DifferencesW::FillBlanks => Differences::FillBlanks,
        DifferencesW::Park => Differences::Park,
        DifferencesW::SourceWins => Differences::SourceWins,
        DifferencesW::TargetWins => Differences::TargetWins,
    }
}

pub(crate) const fn on_leave(written: OnLeaveW) -> OnLeave {
    match written {
        OnLeaveW::Keep => OnLeave::Keep,
        OnLeaveW::Pause => OnLeave::Pause,
        OnLeaveW::Release => OnLeave::Release,
    }
}

/// Resolves a rule for conflicts; `newest-wins` needs a stamp of the last change on both sides.
pub(crate) fn conflicts(cx: &Cx<'_>, written: &ConflictsW, ends: &[EndBuilder; 2]) -> Conflicts {
    match written {
        ConflictsW::Plain(at) => match at.value {
            WinnerW::Park => Conflicts::Park,
            WinnerW::SourceWins => Conflicts::SourceWins,
            WinnerW::TargetWins => Conflicts::TargetWins,
        },
        ConflictsW::Newest(newest) => {
            for end in ends {
                if end.resource.updated_at.is_none() {
                    cx.report.add(
                        error(
                            "config::no_stamps",
                            newest.span,
                            format!(
                                "newest-wins needs the time of the last change on both sides; {} has none",
                                end.name()
                            ),
                        )
                        .help("use park, source-wins or target-wins"),
                    );
                }
            }
            Conflicts::NewestWins {
                skew: newest.skew.as_ref().map_or(Duration::from_secs(5), |skew| skew.value),
                otherwise: match newest.otherwise.as_ref().map(|otherwise| otherwise.value) {
                    None | Some(WinnerW::Park) => Fallback::Park,
                    Some(WinnerW::SourceWins) => Fallback::SourceWins,
                    Some(WinnerW::TargetWins) => Fallback::TargetWins,
                },
            }
        }
    }
}

/// Resolves `creates`, which must not go against the direction.
pub(crate) fn creates(cx: &Cx<'_>, written: Option<&At<CreatesW>>, flow: Flow) -> Creates {
    let Some(written) = written else {
        return Creates { to_target: flow != Flow::ToSource, to_source: flow != Flow::ToTarget };
    };
    let creates = match written.value {
        CreatesW::Both => Creates { to_target: true, to_source: true },
        CreatesW::ToTarget => Creates { to_target: true, to_source: false },
        CreatesW::ToSource => Creates { to_target: false, to_source: true },
        CreatesW::None => Creates { to_target: false, to_source: false },
    };
    let against = (creates.to_target && flow == Flow::ToSource) || (creates.to_source && flow == Flow::ToTarget);
    if against {
        cx.report.add(
            error(
                "config::against_direction",
                written.span,
                "records cannot be created against the direction of the pipeline",
            )
            .help("use the side the pipeline writes, or `none`"),
        );
    }
    creates
}

/// Resolves `deletes`. A deletion never goes against the direction of the pipeline, needs a call for it, and a record is
/// read again by its id before it is deleted.
pub(crate) fn deletes(cx: &Cx<'_>, written: Option<&DeletesW>, flow: Flow, ends: &[EndBuilder; 2]) -> Deletes {
    let mut deletes = Deletes::default();
    let carried: [Option<Span>; 2] = match written {
        None => return deletes,
        Some(DeletesW::Plain(at)) => {
            Side::BOTH.map(|side| (at.value == DeleteW::Propagate && flow.writes(side)).then_some(at.span))
        }
        Some(DeletesW::PerDirection(map)) => [&map.to_source, &map.to_target]
            .map(|at| at.as_ref().filter(|at| at.value == DeleteW::Propagate).map(|at| at.span)),
    };
    if let Some(DeletesW::PerDirection(map)) = written
        && let Some(only) = &map.only
    {
        deletes.only = Some(match only.value {
            OnlyW::BornOnSource => Side::Source,
            OnlyW::BornOnTarget => Side::Target,
        });
        if carried == [None, None] {
            cx.report.add(
                error("config::misplaced_key", only.span, "`only` says which deletions are carried over, and none is")
                    .help(DELETE_FORMS),
            );
        }
    }
    for (side, span) in Side::BOTH.into_iter().zip(carried) {
        let Some(span) = span else { continue };
        let end = &ends[side.index()];
        let refuse =
            |code, message: String, help: &str| cx.report.add(error(code, span, message).help(help.to_owned()));
        if !flow.writes(side) {
            let message = "a deletion cannot be carried over against the direction of the pipeline".to_owned();
            refuse(
                "config::against_direction",
                message,
                "say `ignore` there; a pipeline never deletes where it does not write",
            );
        } else if end.resource.delete.is_none() {
            let message = format!("records of {} cannot be deleted, and deletions would be carried there", end.name());
            refuse(
                "config::not_deletable",
                message,
                "say `ignore` for that side, or give the connector a `delete` call for it",
            );
        } else if end.resource.get.is_none() {
            let message =
                format!("{} cannot be read by id, and a record is read again before it is deleted", end.name());
            refuse(
                "config::not_deletable",
                message,
                "say `ignore` for that side, or give the connector a `get` for it",
            );
        }
    }
    deletes.to_source = carried[0].is_some();
    deletes.to_target = carried[1].is_some();
    deletes
}

/// Resolves `drift`; finding drift needs a target that can be listed.
pub(crate) fn drift(cx: &Cx<'_>, written: Option<&At<DriftW>>, flow: Flow, ends: &[EndBuilder; 2]) -> Drift {
    let Some(written) = written else { return Drift::Leave };
    let (drift, word) = match written.value {
        DriftW::Leave => return Drift::Leave,
        DriftW::Report => (Drift::Report, "report"),
        DriftW::PutBack => (Drift::PutBack, "put-back"),
    };
    if flow == Flow::TwoWay {
        cx.report.add(
            error("config::misplaced_key", written.span, "drift is a matter of one-way pipelines")
                .help("in a two-way pipeline an edit of either side is synced; remove `drift`"),
        );
        return Drift::Leave;
    }
    let written_side = if flow == Flow::ToSource { &ends[0] } else { &ends[1] };
    if written_side.resource.list.is_none() {
        cx.report.add(
            error(
                "config::not_listable",
                written.span,
                format!("drift: {word} reads {}, which cannot be listed", written_side.name()),
            )
            .help("use drift: leave"),
        );
    }
    drift
}

/// Resolves `guards`.
pub(crate) fn guards(written: Option<&GuardsW>) -> Guards {
    let mut guards = Guards {
        deletes: Amount::Count(0),
        creates: None,
        blanked: Amount::Count(10),
        touched: Amount::Percent { percent: 30, at_least: 20 },
        config_edit: Amount::Count(20),
        keys: Amount::Percent { percent: 10, at_least: 20 },
    };
    let Some(written) = written else { return guards };
    let amount = |at: &At<AmountW>, at_least| match at.value {
        AmountW::Count(count) => Some(Amount::Count(count)),
        AmountW::Percent(percent) => Some(Amount::Percent { percent, at_least }),
        AmountW::Unlimited => None,
    };
    let unlimited = Amount::Count(u64::MAX);
    if let Some(at) = &written.deletes {
        guards.deletes = amount(at, 0).unwrap_or(unlimited);
    }
    if let Some(at) = &written.creates {
        guards.creates = amount(at, 0);
    }
    if let Some(at) = &written.blanked {
        guards.blanked = amount(at, 0).unwrap_or(unlimited);
    }
    if let Some(at) = &written.touched {
        guards.touched = amount(at, 20).unwrap_or(unlimited);
    }
    if let Some(at) = &written.config_edit {
        guards.config_edit = amount(at, 20).unwrap_or(unlimited);
    }
    if let Some(at) = &written.key_changes {
        guards.keys = amount(at, 20).unwrap_or(unlimited);
    }
    guards
}
