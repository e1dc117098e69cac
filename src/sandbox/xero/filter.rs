//! `where` and `order` of a Xero list; pure.

use std::cmp::Ordering;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::shelf::Row;

/// One value as a filter compares it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Text(String),
    Number(Decimal),
    Flag(bool),
    /// Milliseconds since the epoch.
    Moment(i64),
}

impl Cell {
    fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Null, Self::Null) => Some(Ordering::Equal),
            (Self::Null, Self::Text(text)) | (Self::Text(text), Self::Null) if text.is_empty() => Some(Ordering::Equal),
            // Xero compares text without regard to case.
            (Self::Text(a), Self::Text(b)) => Some(a.to_lowercase().cmp(&b.to_lowercase())),
            (Self::Number(a), Self::Number(b)) => Some(a.cmp(b)),
            (Self::Flag(a), Self::Flag(b)) => Some(a.cmp(b)),
            (Self::Moment(a), Self::Moment(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

/// A parsed `where`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    Is { path: String, test: Test, value: Cell },
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Filter {
    /// Parses a `where` parameter; the error is a text for the client.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { tokens: tokens(text)?, at: 0 };
        let filter = parser.any()?;
        match parser.next() {
            None => Ok(filter),
            Some(token) => Err(format!("Syntax error near {token:?}")),
        }
    }

    /// Whether a record passes. A path that the record does not have is an error for the client.
    pub(crate) fn admits<T: Row>(&self, row: &T) -> Result<bool, String> {
        self.admits_cells(&|path| row.cell(path))
    }

    /// As [`Filter::admits`], for anything that has values at paths (in lower case).
    pub(crate) fn admits_cells(&self, cells: &dyn Fn(&str) -> Option<Cell>) -> Result<bool, String> {
        match self {
            Self::And(a, b) => Ok(a.admits_cells(cells)? && b.admits_cells(cells)?),
            Self::Or(a, b) => Ok(a.admits_cells(cells)? || b.admits_cells(cells)?),
            Self::Is { path, test, value } => {
                let cell = cells(&path.to_lowercase()).ok_or_else(|| unknown(path))?;
                let order = cell.compare(value);
                Ok(match test {
                    Test::Equal => order == Some(Ordering::Equal),
                    Test::Unequal => order != Some(Ordering::Equal),
                    Test::Less => order == Some(Ordering::Less),
                    Test::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
                    Test::Greater => order == Some(Ordering::Greater),
                    Test::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
                })
            }
        }
    }
}

fn unknown(path: &str) -> String {
    format!("No property or field '{path}' exists")
}

/// Sorts rows by an `order` parameter such as `Name ASC, UpdatedDateUTC DESC`.
pub(crate) fn sort<T: Row>(rows: &mut [&T], order: &str) -> Result<(), String> {
    let mut columns = Vec::new();
    for column in order.split(',') {
        let mut words = column.split_whitespace();
        let path = words.next().ok_or("Syntax error in order")?.to_lowercase();
        let descending = words.next().is_some_and(|word| word.eq_ignore_ascii_case("desc"));
        if rows.first().is_some_and(|row| row.cell(&path).is_none()) {
            return Err(unknown(&path));
        }
        columns.push((path, descending));
    }
    rows.sort_by(|a, b| {
        for (path, descending) in &columns {
            let order = match (a.cell(path), b.cell(path)) {
                (Some(Cell::Null), Some(Cell::Null)) => Ordering::Equal,
                (Some(Cell::Null), _) => Ordering::Less,
                (_, Some(Cell::Null)) => Ordering::Greater,
                (Some(a), Some(b)) => a.compare(&b).unwrap_or(Ordering::Equal),
                _ => Ordering::Equal,
            };
            let order = if *descending { order.reverse() } else { order };
            if order != Ordering::Equal {
                return order;
            }
        }
        a.id().cmp(&b.id())
    });
    Ok(())
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(Decimal),
    Sign(&'static str),
}

const SIGNS: [&str; 13] = ["&&", "||", "==", "!=", "<>", ">=", "<=", "=", ">", "<", "(", ")", ","];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            found.push(Token::Sign(sign));
            rest = rest.get(sign.len()..).unwrap_or_default();
        } else if first == '"' {
            // No escape for a quote is known, so the next one ends the text.
            let (inside, after) =
                rest.get(1..).and_then(|rest| rest.split_once('"')).ok_or("Unterminated string literal")?;
            found.push(Token::Text(inside.to_owned()));
            rest = after;
        } else if first.is_ascii_digit() || first == '-' {
            let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-')).unwrap_or(rest.len());
            let (digits, after) = rest.split_at(end);
            found.push(Token::Number(digits.parse().map_err(|_| format!("Invalid number '{digits}'"))?));
            rest = after;
        } else if first.is_alphabetic() {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '.' || c == '_')).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            found.push(Token::Word(word.to_owned()));
            rest = after;
        } else {
            return Err(format!("Syntax error '{first}'"));
        }
        rest = rest.trim_start();
    }
    Ok(found)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn takes(&mut self, sign: &str, word: &str) -> bool {
        let found = match self.tokens.get(self.at) {
            Some(Token::Sign(found)) => *found == sign,
            Some(Token::Word(found)) => found.eq_ignore_ascii_case(word),
            _ => false,
        };
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.takes(sign, sign) { Ok(()) } else { Err(format!("'{sign}' expected")) }
    }

    fn any(&mut self) -> Result<Filter, String> {
        let mut filter = self.all()?;
        while self.takes("||", "or") {
            filter = Filter::Or(Box::new(filter), Box::new(self.all()?));
        }
        Ok(filter)
    }

    fn all(&mut self) -> Result<Filter, String> {
        let mut filter = self.one()?;
        while self.takes("&&", "and") {
            filter = Filter::And(Box::new(filter), Box::new(self.one()?));
        }
        Ok(filter)
    }

    fn one(&mut self) -> Result<Filter, String> {
        if self.takes("(", "(") {
            let inside = self.any()?;
            self.expect(")")?;
            return Ok(inside);
        }
        let Some(Token::Word(path)) = self.next() else { return Err("Expression expected".to_owned()) };
        let test = match self.next() {
            Some(Token::Sign("=" | "==")) => Test::Equal,
            Some(Token::Sign("!=" | "<>")) => Test::Unequal,
            Some(Token::Sign("<")) => Test::Less,
            Some(Token::Sign("<=")) => Test::LessOrEqual,
            Some(Token::Sign(">")) => Test::Greater,
            Some(Token::Sign(">=")) => Test::GreaterOrEqual,
            _ => return Err("Operator expected".to_owned()),
        };
        let value = self.literal()?;
        Ok(Filter::Is { path, test, value })
    }

    fn literal(&mut self) -> Result<Cell, String> {
        match self.next() {
            Some(Token::Text(text)) => Ok(Cell::Text(text)),
            Some(Token::Number(number)) => Ok(Cell::Number(number)),
            Some(Token::Word(word)) => match word.to_lowercase().as_str() {
                "true" => Ok(Cell::Flag(true)),
                "false" => Ok(Cell::Flag(false)),
                "null" => Ok(Cell::Null),
                "guid" => {
                    self.expect("(")?;
                    let Some(Token::Text(text)) = self.next() else { return Err("Guid expected".to_owned()) };
                    self.expect(")")?;
                    Ok(Cell::Text(text))
                }
                "datetime" => {
                    self.expect("(")?;
                    let mut parts = [0_u32; 3];
                    for (index, part) in parts.iter_mut().enumerate() {
                        if index > 0 {
                            self.expect(",")?;
                        }
                        let Some(Token::Number(number)) = self.next() else { return Err("Number expected".to_owned()) };
                        *part = number.try_into().map_err(|_| "Invalid DateTime")?;
                    }
                    self.expect(")")?;
                    let [year, month, day] = parts;
                    let date = i32::try_from(year).ok().and_then(|year| NaiveDate::from_ymd_opt(year, month, day));
                    let date = date.ok_or("Invalid DateTime")?;
                    Ok(Cell::Moment(date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis()))
                }
                _ => Err(format!("Unknown identifier '{word}'")),
            },
            _ => Err("Expression expected".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use uuid::Uuid;

    use super::*;

    #[derive(Clone)]
    struct Sample;

    impl Row for Sample {
        fn id(&self) -> Uuid {
            Uuid::nil()
        }
        fn updated(&self) -> DateTime<Utc> {
            DateTime::UNIX_EPOCH
        }
        fn hidden(&self) -> bool {
            false
        }
        fn keys(&self) -> Vec<(u8, String)> {
            Vec::new()
        }
        fn cell(&self, path: &str) -> Option<Cell> {
            Some(match path {
                "name" => Cell::Text("Jane (Doe) & Co".to_owned()),
                "due" => Cell::Number(Decimal::new(1050, 2)),
                "date" => Cell::Moment(1_780_272_000_000),
                "open" => Cell::Flag(true),
                "email" => Cell::Null,
                _ => return None,
            })
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Result<bool, ()>) {
        let found = Filter::parse(text).and_then(|filter| filter.admits(&Sample));
        assert_eq!(found.clone().map_err(drop), expected, "{text}: {found:?}");
    }

    #[test]
    fn a_where_is_read_as_xero_reads_it() {
        check(r#"Name=="jane (doe) & co""#, Ok(true));
        check(r#"Name = "Jane""#, Ok(false));
        check(r#"Name!="x" AND Due>=10.5"#, Ok(true));
        check(r#"Name=="x" OR (Due<11 && Open==true)"#, Ok(true));
        check("Date>=DateTime(2026,06,01) and Date<DateTime(2026, 6, 2)", Ok(true));
        check("Email==null", Ok(true));
        check(r#"Email=="""#, Ok(true));
        check(r#"Name==guid("x")"#, Ok(false));
        check(r#"Colour=="x""#, Err(()));
        check(r#"Name=="x"#, Err(()));
        check("Name==", Err(()));
        check(r#"Name=="x" Due"#, Err(()));
        check(r#"(Name=="x""#, Err(()));
        check("Date==DateTime(2026,13,1)", Err(()));
    }
}
