//! Finding the records of a large JSON list without reading them.

use std::ops::Range;

use serde::de::IgnoredAny;

use super::Found;

/// Where the elements of the array at `names` are, and the whole with an empty array in its place. `None` where there
/// is no such array.
///
/// # Errors
///
/// When the bytes are not JSON: all of them are read, although nothing is kept.
pub(super) fn split(bytes: &[u8], names: &[&str]) -> Result<Found, String> {
    serde_json::from_slice::<IgnoredAny>(bytes).map_err(|error| error.to_string())?;
    let mut scan = Scan { bytes, at: 0 };
    let Some(()) = names.iter().try_for_each(|name| scan.enter(name)) else { return Ok(None) };
    let start = scan.at;
    let Some(elements) = scan.elements() else { return Ok(None) };
    let (head, tail) = (bytes.get(..start).unwrap_or_default(), bytes.get(scan.at..).unwrap_or_default());
    let whole = [head, b"[]", tail].concat();
    let whole = serde_json::from_slice(&whole).map_err(|error| error.to_string())?;
    Ok(Some((whole, elements)))
}

/// A walk over bytes that are known to be JSON.
struct Scan<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Scan<'_> {
    /// The byte at the present place, after white space.
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            if !byte.is_ascii_whitespace() {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Steps over one byte, if it is this one.
    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// From the beginning of an object to the value of its member `name`. Of two members of one name the last counts,
    /// as it does to the parser, so an object with two is not entered.
    fn enter(&mut self, name: &str) -> Option<()> {
        self.eat(b'{')?;
        let mut found = None;
        if self.peek()? == b'}' {
            return None;
        }
        loop {
            self.peek()?;
            let start = self.at;
            self.skip()?;
            let key: String = serde_json::from_slice(self.bytes.get(start..self.at)?).ok()?;
            self.eat(b':')?;
            self.peek()?;
            let value = self.at;
            self.skip()?;
            if key == name && found.replace(value).is_some() {
                return None;
            }
            match self.peek()? {
                b',' => self.at += 1,
                _ => break,
            }
        }
        self.at = found?;
        Some(())
    }

    /// The elements of the array that begins here; the walk stands behind it then.
    fn elements(&mut self) -> Option<Vec<Range<usize>>> {
        self.eat(b'[')?;
        let mut elements = Vec::new();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(elements);
        }
        loop {
            self.peek()?;
            let start = self.at;
            self.skip()?;
            elements.push(start..self.at);
            match self.peek()? {
                b',' => self.at += 1,
                _ => return self.eat(b']').map(|()| elements),
            }
        }
    }

    /// Steps over one value.
    fn skip(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => self.string()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                _ => {
                    while self
                        .bytes
                        .get(self.at)
                        .is_some_and(|byte| !matches!(byte, b',' | b']' | b'}' | b':') && !byte.is_ascii_whitespace())
                    {
                        self.at += 1;
                    }
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.bytes.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_parts_are_what_the_parser_finds(items in proptest::collection::vec(any_value(), 0..5), other in any_value(), pretty: bool) {
            let whole = json!({ "a": other, "d": { "items": items, "x": other }, "z": 1 });
            let text = if pretty { serde_json::to_string_pretty(&whole).unwrap() } else { whole.to_string() };
            let (rest, parts) = split(text.as_bytes(), &["d", "items"]).unwrap().unwrap();
            let read: Vec<Value> = parts.into_iter().map(|part| serde_json::from_slice(&text.as_bytes()[part]).unwrap()).collect();
            prop_assert_eq!(read, items);
            prop_assert_eq!(rest, json!({ "a": other, "d": { "items": [], "x": other }, "z": 1 }));
        }

        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = split(&bytes, &["a"]);
        }
    }

    #[test]
    fn a_list_that_is_not_there_or_twice_is_left_to_the_parser() {
        assert_eq!(split(b"{}", &["a"]), Ok(None));
        assert_eq!(split(b"{\"a\":1}", &["a"]), Ok(None));
        assert_eq!(split(b"{\"a\":[1],\"a\":[2]}", &["a"]), Ok(None));
        assert!(split(b"{\"a\":[1,2", &["a"]).is_err());
        assert_eq!(split(b"[1,2]", &[]).unwrap().unwrap().1, [1..2, 3..4]);
    }
}
