//! The fields that a manifest lists.

use super::entries;
use crate::{
    config::{
        diagnostic::{Report, error},
        source::Span,
        written::{At, FieldTypeMapW, FieldTypeW, FormatW, KindW, Named, StampW, UpdatedAtMapW},
    },
    connector::{FieldTable, FieldType, WireFormat},
    record::{Canon, Kind, Path},
};

/// The table of a resource, object or list element.
pub(super) fn table(written: Option<&Named<FieldTypeW>>, open: Option<&At<bool>>, report: &Report) -> FieldTable {
    let fields = entries(written).map(|entry| (entry.name.value.clone(), field(&entry.value.0, report))).collect();
    FieldTable { fields, open: open.map_or(written.is_none(), |open| open.value) }
}

fn field(written: &FieldTypeMapW, report: &Report) -> FieldType {
    let yes = |flag: &Option<At<bool>>| flag.as_ref().is_some_and(|flag| flag.value);
    let word = written.is_type.as_ref().map_or(KindW::Any, |kind| kind.value);
    let kind = match word {
        KindW::Any => Kind::Any,
        KindW::Text | KindW::Phone => Kind::Text,
        KindW::Decimal => Kind::Decimal,
        KindW::Integer => Kind::Integer,
        KindW::Boolean => Kind::Boolean,
        KindW::Date => Kind::Date,
        KindW::Datetime => Kind::Datetime,
        KindW::Id => Kind::Id,
        KindW::Object => Kind::Object,
        KindW::List => Kind::List,
    };
    let format = written.format.as_ref().map(|format| self::format(format, kind, written.zone.as_ref(), report));
    let write_format = written.write_format.as_ref();
    let write_format = write_format.map(|format| self::format(format, kind, written.zone.as_ref(), report));
    let size = |at: &Option<At<u32>>| at.as_ref().and_then(|at| usize::try_from(at.value).ok());
    let children = written.fields.as_ref().map(|fields| table(Some(fields), written.open.as_ref(), report));
    check_create_only(written, kind, children.as_ref(), report);
    FieldType {
        canon: Canon {
            kind,
            blanks_distinct: yes(&written.distinct_blanks),
            trim: yes(&written.trim),
            collapse_spaces: yes(&written.collapse_spaces),
            ignore_case: yes(&written.ignore_case),
            phone: word == KindW::Phone,
            places: written.places.as_ref().map(|places| places.value),
            precision_ms: written.precision.as_ref().and_then(|span| u32::try_from(span.value.as_millis()).ok()),
            max: size(&written.max),
        },
        format: format.unwrap_or_default(),
        write_format,
        write_as: written.write_as.as_ref().map(|name| name.value.clone()),
        write_values: entries(written.write_values.as_ref())
            .map(|entry| (entry.name.value.clone(), entry.value.value.clone()))
            .collect(),
        read_only: yes(&written.read_only),
        create_only: yes(&written.create_only),
        masked: yes(&written.masked),
        derived_from: written.derived_from.iter().flat_map(|from| &from.0).map(|name| name.value.clone()).collect(),
        children,
        description: written.description.as_ref().map(|text| text.value.clone()).unwrap_or_default(),
    }
}

/// What is taken with a new record alone is written; and a list is taken whole, or changed whole.
fn check_create_only(written: &FieldTypeMapW, kind: Kind, children: Option<&FieldTable>, report: &Report) {
    let flag = |flag: &Option<At<bool>>| flag.as_ref().filter(|flag| flag.value).map(|flag| flag.span);
    if let (Some(span), Some(_)) = (flag(&written.create_only), flag(&written.read_only)) {
        report.add(
            error("config::bad_value", span, "a field that is read only is not taken with a new record either")
                .help("remove read_only: true or create_only: true"),
        );
    }
    if kind == Kind::List && children.is_some_and(has_create_only) {
        report.add(
            error(
                "config::bad_value",
                written.span,
                "an element of a list is changed with its list, so no field of it is create_only",
            )
            .help("say create_only: true of the list, or write: on-create in the pipeline"),
        );
    }
}

fn has_create_only(table: &FieldTable) -> bool {
    table.fields.values().any(|field| field.create_only || field.children.as_ref().is_some_and(has_create_only))
}

/// A wire format that goes with the kind of value.
fn format(written: &At<FormatW>, kind: Kind, zone: Option<&At<chrono_tz::Tz>>, report: &Report) -> WireFormat {
    let format = match written.value {
        FormatW::Plain => WireFormat::Plain,
        FormatW::MsDate => WireFormat::MsDate,
        FormatW::NumberText => WireFormat::NumberText,
        FormatW::EpochSeconds => WireFormat::EpochSeconds,
        FormatW::EpochMillis => WireFormat::EpochMillis,
        FormatW::IsoNoZone => WireFormat::IsoNoZone,
        FormatW::IsoLocal => WireFormat::IsoLocal(local_zone(written.span, zone, report)),
        FormatW::CompactDate => WireFormat::CompactDate,
        FormatW::YesNo => WireFormat::YesNo,
        FormatW::TrueFalse => WireFormat::TrueFalse,
        FormatW::LinkId => WireFormat::LinkId,
    };
    let fits = match format {
        WireFormat::Plain => true,
        WireFormat::MsDate => matches!(kind, Kind::Date | Kind::Datetime),
        WireFormat::NumberText => matches!(kind, Kind::Decimal | Kind::Integer),
        WireFormat::EpochSeconds | WireFormat::EpochMillis | WireFormat::IsoNoZone | WireFormat::IsoLocal(_) => {
            kind == Kind::Datetime
        }
        WireFormat::CompactDate => kind == Kind::Date,
        WireFormat::YesNo | WireFormat::TrueFalse => kind == Kind::Boolean,
        WireFormat::LinkId => kind == Kind::Id,
    };
    if !fits {
        report.add(error("config::bad_value", written.span, "this format does not go with the type").help(
            "ms-date goes with date and datetime, compact-date with date, number-text with decimal and integer, yes-no and true-false with boolean, link-id with id, the others with datetime",
        ));
    }
    format
}

fn local_zone(span: Span, zone: Option<&At<chrono_tz::Tz>>, report: &Report) -> chrono_tz::Tz {
    if zone.is_none() {
        report.add(error("config::missing_key", span, "a local time needs `zone`").help("add zone: Pacific/Auckland"));
    }
    zone.map_or(chrono_tz::UTC, |zone| zone.value)
}

/// The name of a field at the top of a record.
fn top(path: &Path) -> Option<String> {
    match path.names().as_slice() {
        [name] => Some((*name).to_owned()),
        _ => None,
    }
}

/// An id is a field, whether listed or not: read-only, never folded.
pub(super) fn declare_id(table: &mut FieldTable, id: &Path) {
    if let Some(name) = top(id) {
        table.fields.entry(name).or_insert_with(|| FieldType {
            canon: Canon { kind: Kind::Id, ..Canon::default() },
            read_only: true,
            ..FieldType::default()
        });
    }
}

/// So is the stamp of the last change, in its own format.
pub(super) fn declare_stamp(table: &mut FieldTable, written: &UpdatedAtMapW, report: &Report) {
    let Some(name) = written.path.as_ref().and_then(|path| top(&path.value)) else { return };
    let field = table.fields.entry(name).or_insert_with(|| FieldType {
        canon: Canon { kind: Kind::Datetime, ..Canon::default() },
        read_only: true,
        ..FieldType::default()
    });
    field.format = match written.format.as_ref().map(|format| (format.value, format.span)) {
        None => field.format,
        Some((StampW::Rfc3339, _)) => WireFormat::Plain,
        Some((StampW::MsDate, _)) => WireFormat::MsDate,
        Some((StampW::EpochSeconds, _)) => WireFormat::EpochSeconds,
        Some((StampW::EpochMillis, _)) => WireFormat::EpochMillis,
        Some((StampW::IsoNoZone, _)) => WireFormat::IsoNoZone,
        Some((StampW::IsoLocal, span)) => WireFormat::IsoLocal(local_zone(span, written.zone.as_ref(), report)),
    };
}
