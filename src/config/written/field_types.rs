//! The fields that a connector manifest lists.

use std::{borrow::Cow, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{At, Decode, Named, OneOrMany, words, written};
use crate::config::{
    diagnostic::Report,
    tree::{Node, NodeValue},
};

words! {
    /// Kinds of value.
    KindW as "type" {
        Any = "any", Text = "text", Decimal = "decimal", Integer = "integer", Boolean = "boolean", Date = "date",
        Datetime = "datetime", Id = "id", Object = "object", List = "list", Phone = "phone",
    }
}
words! {
    /// Wire formats.
    FormatW as "format" {
        Plain = "plain", MsDate = "ms-date", NumberText = "number-text", EpochSeconds = "epoch-seconds",
        EpochMillis = "epoch-millis", IsoNoZone = "iso-no-zone", IsoLocal = "iso-local", CompactDate = "compact-date",
        YesNo = "yes-no", TrueFalse = "true-false", LinkId = "link-id",
    }
}
written! {
    /// The type of a field.
    FieldTypeMapW as "a field's type" {
        /// text, decimal, integer, boolean, date, datetime, id, object, list, phone or any. Default: any.
        may is_type ["type"]: At<KindW>,
        /// How it is written on the wire. Default: plain.
        may format: At<FormatW>,
        /// iso-local: the zone.
        may zone: At<chrono_tz::Tz>,
        /// How it is written in requests, where that is another form than in answers.
        may write_format: At<FormatW>,
        /// Its name at the top of a written record, where it is read at another place.
        may write_as: At<String>,
        /// Values that are written in other words than they are read: { "2 Monthly": 2 }.
        may write_values: Named<At<String>>,
        /// The remote refuses or ignores writes.
        may read_only: At<bool>,
        /// The remote takes it when the record is made, and no change of it: what changes later is parked. Of a list, the
        /// whole list.
        may create_only: At<bool>,
        /// The remote answers with a mask instead of the value.
        may masked: At<bool>,
        /// Of a list's element: the fields beside it from which the remote works it out. When one of them changes, it is
        /// not sent back, because it would no longer fit.
        may derived_from: OneOrMany<At<String>>,
        /// Longest text the remote keeps.
        may max: At<u32>,
        /// Places a decimal is kept with.
        may places: At<u32>,
        /// White space around text does not count.
        may trim: At<bool>,
        /// Runs of white space count as one space.
        may collapse_spaces: At<bool>,
        /// Case does not count.
        may ignore_case: At<bool>,
        /// Absent, null and empty are different things to this system.
        may distinct_blanks: At<bool>,
        /// Stamps are kept in units of this length.
        may precision: At<Duration>,
        /// For people and editors.
        may description: At<String>,
        /// Of an object, or of the elements of a list.
        may fields: Named<FieldTypeW>,
        /// Whether there are fields not listed.
        may open: At<bool>,
    }
}
/// The type of a field: a word, or a map.
#[derive(Clone, Debug)]
pub(crate) struct FieldTypeW(pub FieldTypeMapW);

impl Decode for FieldTypeW {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        match &node.value {
            NodeValue::Map(_) => FieldTypeMapW::decode(node, report).map(Self),
            _ => At::<KindW>::decode(node, report)
                .map(|kind| Self(FieldTypeMapW { span: node.span, is_type: Some(kind), ..FieldTypeMapW::default() })),
        }
    }
}

impl JsonSchema for FieldTypeW {
    fn schema_name() -> Cow<'static, str> {
        "FieldType".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (short, long) = (generator.subschema_for::<At<KindW>>(), generator.subschema_for::<FieldTypeMapW>());
        schemars::json_schema!({ "anyOf": [short, long] })
    }
}
