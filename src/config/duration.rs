//! Durations as people write them: `90s`, `2m`, `24h`, `1d`, `1h 30m`.

use std::time::Duration;

/// Reads a duration.
///
/// # Errors
///
/// Says what is wrong with the text.
pub(crate) fn parse(text: &str) -> Result<Duration, &'static str> {
    let text = text.trim();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("a number needs a unit");
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    if rest.is_empty() {
        return Err("it is empty");
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        let number: u64 = number.parse().map_err(|_| "it must be a whole number and a unit")?;
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            _ => return Err("the unit is none of ms, s, m, h, d, w"),
        };
        let part = number.checked_mul(milliseconds).ok_or("it is too long")?;
        total = total.checked_add(Duration::from_millis(part)).ok_or("it is too long")?;
        rest = after.trim_start();
    }
    // Ten years; longer is a slip of the pen, and keeps arithmetic on instants safe.
    if total > Duration::from_hours(10 * 366 * 24) {
        return Err("it is longer than ten years");
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(parse(text).ok(), expected.map(Duration::from_millis), "{text}");
    }

    #[test]
    fn durations_are_whole_numbers_with_units() {
        check("2m", Some(120_000));
        check("24h", Some(86_400_000));
        check("1d", Some(86_400_000));
        check("1h 30m", Some(5_400_000));
        check("1h30m", Some(5_400_000));
        check("500ms", Some(500));
        check("0", Some(0));
        check("0s", Some(0));
        check("2w", Some(14 * 86_400_000));
        check("2", None);
        check("", None);
        check("2 minutes", None);
        check("1.5h", None);
        check("-2m", None);
        check("m", None);
        check("99999999999999999999h", None);
        check("9999w", None);
        check("18446744073709551615w", None);
    }
}
