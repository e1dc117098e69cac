//! Decimal numbers of any length, compared by value and never through floating point.

use std::fmt;

/// A number in the one form that its value has: digits without zeros at either end, times a power of ten. No digits
/// is zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Number {
    /// Reads a decimal number: `-1.50`, `007`, `1e3`. `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() && fraction.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let digits = whole.bytes().chain(fraction.bytes()).skip_while(|byte| *byte == b'0').collect();
        let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        Self { negative, digits, exponent }.normal()
    }

    /// Takes the zeros off the end. `None` if the exponent leaves its range.
    fn normal(mut self) -> Option<Self> {
        while self.digits.last() == Some(&b'0') {
            self.digits.pop();
            self.exponent = self.exponent.checked_add(1)?;
        }
        if self.digits.is_empty() {
            (self.negative, self.exponent) = (false, 0);
        }
        Some(self)
    }

    /// Rounds to this many places, half away from zero.
    pub(super) fn round(mut self, places: u32) -> Option<Self> {
        let Some(drop) = self.exponent.checked_neg().and_then(|fraction| fraction.checked_sub(i64::from(places)))
        else {
            return Some(self);
        };
        if drop <= 0 {
            return Some(self);
        }
        let length = i64::try_from(self.digits.len()).ok()?;
        let keep = usize::try_from(length - drop).ok();
        // With more places to drop than digits the first one dropped is a zero in front.
        let up = keep.and_then(|keep| self.digits.get(keep)).is_some_and(|digit| *digit >= b'5');
        self.digits.truncate(keep.unwrap_or_default());
        self.exponent = self.exponent.checked_add(drop)?;
        if up {
            self.increment();
        }
        self.normal()
    }

    /// Adds one to the last digit.
    fn increment(&mut self) {
        for digit in self.digits.iter_mut().rev() {
            if *digit == b'9' {
                *digit = b'0';
            } else {
                *digit += 1;
                return;
            }
        }
        self.digits.insert(0, b'1');
    }
}

/// A decimal number in the form that its value has, as `0.00001` of `1e-05`; with an exponent only where it would have
/// more than forty zeros. `None` for anything else.
pub(crate) fn plain(text: &str) -> Option<String> {
    Number::parse(text).map(|number| number.to_string())
}

/// Plainly (`-1.5`) up to this many zeros, else with an exponent (`15e-99`).
const PLAIN: i64 = 40;

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = std::str::from_utf8(&self.digits).map_err(|_| fmt::Error)?;
        if self.negative {
            f.write_str("-")?;
        }
        let length = i64::try_from(digits.len()).map_err(|_| fmt::Error)?;
        let point = length.saturating_add(self.exponent);
        match self.exponent {
            _ if digits.is_empty() => f.write_str("0"),
            0..=PLAIN => {
                f.write_str(digits)?;
                (0..self.exponent).try_for_each(|_| f.write_str("0"))
            }
            _ if point > 0 && self.exponent < 0 => {
                let (whole, fraction) = digits.split_at(usize::try_from(point).map_err(|_| fmt::Error)?);
                write!(f, "{whole}.{fraction}")
            }
            _ if self.exponent < 0 && point > -PLAIN => {
                f.write_str("0.")?;
                (0..-point).try_for_each(|_| f.write_str("0"))?;
                f.write_str(digits)
            }
            exponent => write!(f, "{digits}e{exponent}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let number = Number::parse(text).unwrap();
        assert_eq!(number.to_string(), expected, "{text}");
        assert_eq!(Number::parse(expected), Some(number), "{expected} is not read back");
    }

    #[test]
    fn a_value_has_one_form() {
        check("1.10", "1.1");
        check("-0.0", "0");
        check("007", "7");
        check("+1e3", "1000");
        check("1.5E-3", "0.0015");
        check("-120.50", "-120.5");
        check("1e99", "1e99");
        check("123e-99", "123e-99");
        check("12345678901234567890123456789012345.60", "12345678901234567890123456789012345.6");
        for text in ["", "-", ".", "1,5", "1e", "0x1", "1.2.3", "NaN", "1 ", "1e99999999999999999999", "٣"] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }

    #[track_caller]
    fn rounds(text: &str, places: u32, expected: &str) {
        assert_eq!(Number::parse(text).unwrap().round(places).unwrap().to_string(), expected, "{text}");
    }

    #[test]
    fn half_rounds_away_from_zero() {
        rounds("1.005", 2, "1.01");
        rounds("-1.005", 2, "-1.01");
        rounds("1.0049999999999999999999999999999999", 2, "1");
        rounds("9.995", 2, "10");
        rounds("0.5", 0, "1");
        rounds("0.49", 0, "0");
        rounds("0.05", 0, "0");
        rounds("0.009", 2, "0.01");
        rounds("1e3", 2, "1000");
        rounds("1e-9223372036854775807", 2, "0");
    }
}
