//! The plain texts of what was sent, read from the exact bytes of a call without making a tree of values of them.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The members of one item that are texts: name and text.
pub(super) type Texts<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// The plain texts of each item of a batch: of the array that the body is, or that its member `array` is. `None` if
/// there is no such array.
pub(super) fn texts<'a>(body: &'a str, array: Option<&str>) -> Option<Vec<Texts<'a>>> {
    let mut from = serde_json::Deserializer::from_str(body);
    let items = match array {
        Some(name) => Member(name).deserialize(&mut from).ok()?,
        None => Vec::<Item<'a>>::deserialize(&mut from).ok(),
    }?;
    Some(items.into_iter().map(|item| item.0).collect())
}

/// The plain texts of one item.
pub(super) fn texts_of(item: &serde_json::Value) -> Texts<'_> {
    let members = item.as_object().into_iter().flatten();
    members.filter_map(|(name, value)| Some((name.as_str().into(), value.as_str()?.into()))).collect()
}

/// The items in the member of this name.
struct Member<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Option<Vec<Item<'de>>>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<Vec<Item<'de>>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with a member `{}`", self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut items = None;
        while let Some(name) = members.next_key::<Text<'de>>()? {
            if name.0 == self.0 {
                items = Some(members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(items)
    }
}

/// The texts of one item.
struct Item<'a>(Texts<'a>);

impl<'de> Deserialize<'de> for Item<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Members).map(Self)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Texts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(name) = members.next_key::<Text<'de>>()? {
            if let Plain(Some(text)) = members.next_value()? {
                texts.push((name.0, text));
            }
        }
        Ok(texts)
    }
}

/// A text, borrowed where nothing in it is escaped.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match from.deserialize_any(Any)? {
            Plain(Some(text)) => Ok(Self(text)),
            Plain(None) => Err(serde::de::Error::custom("a name is a text")),
        }
    }
}

/// Any value; only a text is kept.
struct Plain<'a>(Option<Cow<'a, str>>);

impl<'de> Deserialize<'de> for Plain<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Plain<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Plain(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Plain(Some(Cow::Owned(text.to_owned()))))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Plain(None))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Plain(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Plain(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Plain(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Plain(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Plain(None))
    }

    /// Numbers are such, too: `serde_json` keeps their text in a map of its own.
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Plain(None))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(body: &str, array: Option<&str>, expected: Option<&[&[(&str, &str)]]>) {
        let found = texts(body, array);
        let found: Option<Vec<Vec<(&str, &str)>>> = found.as_ref().map(|items| {
            items.iter().map(|item| item.iter().map(|(name, text)| (&**name, &**text)).collect()).collect()
        });
        let expected: Option<Vec<Vec<(&str, &str)>>> =
            expected.map(|items| items.iter().map(|item| item.to_vec()).collect());
        assert_eq!(found, expected, "{body}");
    }

    #[test]
    fn texts_are_found_and_everything_else_is_passed_over() {
        let item = json!({ "a": "x", "b": 1.50, "c": null, "d": [1, "no"], "e": { "f": "no", "g": -1e40f64 }, "h": true,
            "i": "line\nend", "j\"k": "", "l": -3, "m": 18_446_744_073_709_551_615_u64 });
        let texts: &[&[(&str, &str)]] = &[&[("a", "x"), ("i", "line\nend"), ("j\"k", "")], &[]];
        let items: Value = json!([item, {}]);
        check(&items.to_string(), None, Some(texts));
        check(&json!({ "before": [1], "items": items, "x": { "items": 7 } }).to_string(), Some("items"), Some(texts));
        check(r#"[{"n": 1234567890123456789012345678901234567890.10}]"#, None, Some(&[&[]]));
    }

    #[test]
    fn what_is_no_batch_is_none() {
        check("{}", Some("items"), None);
        check(r#"{"items":7}"#, Some("items"), None);
        check(r#"[{"a":"x"}, 7]"#, None, None);
        check(r#"{"a":"x"}"#, None, None);
        check("", None, None);
    }
}
