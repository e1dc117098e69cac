//! Text in the forms in which it compares. Each is idempotent.

use std::borrow::Cow;

/// Every run of white space as one space.
#[must_use]
pub fn collapse_spaces(text: &str) -> Cow<'_, str> {
    let mut gap = false;
    let tidy = text.chars().all(|c| {
        let fine = !c.is_whitespace() || c == ' ' && !gap;
        gap = c.is_whitespace();
        fine
    });
    if tidy {
        return Cow::Borrowed(text);
    }
    let mut collapsed = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_whitespace() {
            collapsed.push(c);
        } else if !collapsed.ends_with(' ') {
            collapsed.push(' ');
        }
    }
    Cow::Owned(collapsed)
}

/// The digits of a telephone number, and a plus in front of them. Text without any digit is only trimmed: it is no
/// number, but it is not nothing either.
#[must_use]
pub fn phone(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find(char::is_numeric) else {
        return Cow::Borrowed(text.trim());
    };
    let (before, rest) = text.split_at(first);
    let plus = before.contains('+').then_some('+');
    Cow::Owned(plus.into_iter().chain(rest.chars().filter(|c| c.is_numeric())).collect())
}

/// The first `max` characters.
#[must_use]
pub fn cut(text: &str, max: usize) -> &str {
    text.char_indices().nth(max).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// Lower case, in all languages.
#[must_use]
pub fn lowercase(text: &str) -> Cow<'_, str> {
    if text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_text() {
        assert_eq!(collapse_spaces("  a \t b\u{a0}c  "), " a b c ");
        assert_eq!(collapse_spaces("a b"), "a b");
        assert_eq!(collapse_spaces("\n"), " ");
        assert_eq!(phone(" +64 (21) 123-456"), "+6421123456");
        assert_eq!(phone("021 123 x+4"), "0211234");
        assert_eq!(phone(" n/a "), "n/a");
        assert_eq!(cut("añb", 2), "añ");
        assert_eq!(cut("añ", 2), "añ");
        assert_eq!(lowercase("JANE@Éx"), "jane@éx");
    }
}
