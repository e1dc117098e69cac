//! Values and cells: a byte that says what it is, then what it holds. A text of up to 223 bytes has its length in that
//! byte. Numbers are their text, so that `1.10` stays `1.10`.

use serde_json::{Map, Number, Value};

use super::{Pack, Unfit, Unpack, put_size, put_text};
use crate::record::{Cell, Projection};

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const NUMBER: u8 = 3;
const TEXT: u8 = 4;
const ARRAY: u8 = 5;
const OBJECT: u8 = 6;
/// Only of a cell.
const ABSENT: u8 = 7;
const SEVERAL: u8 = 8;
/// From here on: a text, whose length is how much the byte is larger.
const SHORT_TEXT: u8 = 0x20;

/// Deepest nesting; what was read as JSON is at most as deep (`serde_json` refuses more).
const DEEPEST: usize = 128;

impl Pack for Value {
    fn pack(&self, to: &mut Vec<u8>) {
        match self {
            Self::Null => to.push(NULL),
            Self::Bool(false) => to.push(FALSE),
            Self::Bool(true) => to.push(TRUE),
            Self::Number(number) => {
                to.push(NUMBER);
                put_text(to, number.as_str());
            }
            Self::String(text) => match u8::try_from(text.len()) {
                Ok(length) if length <= u8::MAX - SHORT_TEXT => {
                    to.push(SHORT_TEXT + length);
                    to.extend_from_slice(text.as_bytes());
                }
                _ => {
                    to.push(TEXT);
                    put_text(to, text);
                }
            },
            Self::Array(items) => {
                to.push(ARRAY);
                items.pack(to);
            }
            Self::Object(members) => {
                to.push(OBJECT);
                put_size(to, members.len());
                for (name, member) in members {
                    put_text(to, name);
                    member.pack(to);
                }
            }
        }
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        let kind = from.byte()?;
        value(from, kind, DEEPEST)
    }
}

fn value(from: &mut Unpack<'_>, kind: u8, deeper: usize) -> Result<Value, Unfit> {
    Ok(match kind {
        NULL => Value::Null,
        FALSE => Value::Bool(false),
        TRUE => Value::Bool(true),
        NUMBER => Value::Number(number(from.text()?)?),
        TEXT => Value::String(from.text()?.to_owned()),
        SHORT_TEXT.. => Value::String(from.text_of(usize::from(kind - SHORT_TEXT))?.to_owned()),
        ARRAY | OBJECT if deeper == 0 => return Err(Unfit("a value in it is nested too deeply")),
        ARRAY => {
            let count = from.count()?;
            let mut items = Vec::with_capacity(count);
            for _ in 0..count {
                let kind = from.byte()?;
                items.push(value(from, kind, deeper - 1)?);
            }
            Value::Array(items)
        }
        OBJECT => {
            let mut members = Map::new();
            for _ in 0..from.count()? {
                let name = from.text()?.to_owned();
                let kind = from.byte()?;
                members.insert(name, value(from, kind, deeper - 1)?);
            }
            Value::Object(members)
        }
        _ => return Err(Unfit("it is no kind of value")),
    })
}

/// Only what JSON calls a number may become one.
fn number(text: &str) -> Result<Number, Unfit> {
    text.parse().map_err(|_| Unfit("a number in it is none"))
}

impl Pack for Cell {
    fn pack(&self, to: &mut Vec<u8>) {
        match self {
            Self::Absent => to.push(ABSENT),
            Self::Value(value) => value.pack(to),
            Self::Several(count) => {
                to.push(SEVERAL);
                put_size(to, *count);
            }
        }
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        match from.byte()? {
            ABSENT => Ok(Self::Absent),
            SEVERAL => from.size().map(Self::Several),
            kind => value(from, kind, DEEPEST).map(Self::Value),
        }
    }
}

impl Pack for Projection {
    fn pack(&self, to: &mut Vec<u8>) {
        self.cells.pack(to);
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        Vec::unpack(from).map(|cells| Self { cells })
    }
}
