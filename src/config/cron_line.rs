//! crontab(5) lines for the `cron` crate.
//!
//! Users write what crontab(5) says: five fields, Sunday is 0 or 7. The crate wants seconds first and counts Sunday
//! as 1, so weekdays are handed over by name, one by one. Where both the day of the month and the weekday are
//! restricted crontab(5) runs on either; the crate wants both to hold, so one line becomes two schedules.

use std::str::FromStr;

use super::Cron;

const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/// Translates one line.
///
/// # Errors
///
/// Says which field is wrong, and what it may hold.
pub(crate) fn parse(line: &str) -> Result<Vec<Cron>, String> {
    let written = line.trim();
    let expanded = match written {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        "@yearly" | "@annually" => "0 0 1 1 *",
        other => other,
    };
    let fields: Vec<&str> = expanded.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else {
        return Err(format!(
            "a crontab line has five fields (minute, hour, day of month, month, weekday); this one has {}",
            fields.len()
        ));
    };
    let numbers = |name, text, low, high, names| values(name, text, low, high, names).map(|v| list(&v, low, high));
    let minutes = numbers("minute", minute, 0, 59, &[])?;
    let hours = numbers("hour", hour, 0, 23, &[])?;
    let days = numbers("day of the month", day, 1, 31, &[])?;
    let months = numbers("month", month, 1, 12, &MONTHS)?;
    let mut weekdays: Vec<u32> = values("weekday", weekday, 0, 7, &DAYS)?.into_iter().map(|day| day % 7).collect();
    weekdays.sort_unstable();
    weekdays.dedup();
    let names = if weekdays.len() == 7 {
        "*".to_owned()
    } else {
        weekdays.iter().filter_map(|day| DAYS.get(*day as usize).copied()).collect::<Vec<_>>().join(",")
    };
    let both = !day.starts_with('*') && !weekday.starts_with('*');
    let schedules = if both { vec![(days, "*".to_owned()), ("*".to_owned(), names)] } else { vec![(days, names)] };
    schedules
        .into_iter()
        .map(|(days, names)| {
            let translated = format!("0 {minutes} {hours} {days} {months} {names}");
            let schedule = cron::Schedule::from_str(&translated).map_err(|error| error.to_string())?;
            Ok(Cron { written: written.to_owned(), schedule: Box::new(schedule) })
        })
        .collect()
}

fn list(values: &[u32], low: u32, high: u32) -> String {
    if values.len() == (high - low + 1) as usize {
        return "*".to_owned();
    }
    values.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

/// The values that a field names, sorted.
fn values(name: &str, text: &str, low: u32, high: u32, names: &[&str]) -> Result<Vec<u32>, String> {
    let wrong = |part: &str| {
        let words =
            if names.is_empty() { String::new() } else { format!(", or {} to {}", names[0], names[names.len() - 1]) };
        format!("`{part}` is no {name}: it goes from {low} to {high}{words}")
    };
    let number = |part: &str| -> Result<u32, String> {
        if let Some(at) = names.iter().position(|known| known.eq_ignore_ascii_case(part)) {
            return u32::try_from(at).map(|at| at + u32::from(low == 1)).map_err(|_| wrong(part));
        }
        part.parse().ok().filter(|value| (low..=high).contains(value)).ok_or_else(|| wrong(part))
    };
    let mut found = Vec::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                let step: u32 = step.parse().ok().filter(|step| *step > 0).ok_or_else(|| wrong(part))?;
                (range, Some(step))
            }
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (low, if high == 7 { 6 } else { high }),
            Some((from, to)) => (number(from)?, number(to)?),
            None => {
                let from = number(range)?;
                (from, if step.is_some() { high } else { from })
            }
        };
        if from > to {
            return Err(format!("`{part}` runs backwards: the first {name} of a range comes before the last"));
        }
        found.extend((from..=to).step_by(step.unwrap_or(1) as usize));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Datelike, TimeZone, Timelike, Utc};

    use super::*;

    /// The first instants after Sunday 2026-11-01 00:00, of all schedules of the line.
    #[track_caller]
    fn check(line: &str, expected: &[&str]) {
        let start = Utc.with_ymd_and_hms(2026, 11, 1, 0, 0, 0).unwrap() - chrono::Duration::seconds(1);
        let mut found: Vec<DateTime<Utc>> =
            parse(line).unwrap().iter().flat_map(|cron| cron.schedule.after(&start).take(expected.len())).collect();
        found.sort();
        found.dedup();
        let shown: Vec<String> = found
            .iter()
            .take(expected.len())
            .map(|at| format!("{}-{:02} {:02}:{:02}", at.month(), at.day(), at.hour(), at.minute()))
            .collect();
        assert_eq!(shown, expected, "{line}");
    }

    #[test]
    fn each_weekday_is_the_one_meant() {
        // 2026-11-01 is a Sunday.
        check("0 6 * * 0", &["11-01 06:00", "11-08 06:00"]);
        check("0 6 * * 7", &["11-01 06:00", "11-08 06:00"]);
        check("0 6 * * 1", &["11-02 06:00", "11-09 06:00"]);
        check("0 6 * * 2", &["11-03 06:00"]);
        check("0 6 * * 3", &["11-04 06:00"]);
        check("0 6 * * 4", &["11-05 06:00"]);
        check("0 6 * * 5", &["11-06 06:00"]);
        check("0 6 * * 6", &["11-07 06:00"]);
        check("0 6 * * sun", &["11-01 06:00"]);
        check("0 6 * * Mon", &["11-02 06:00"]);
        check(
            "0 6 * * 1-5",
            &["11-02 06:00", "11-03 06:00", "11-04 06:00", "11-05 06:00", "11-06 06:00", "11-09 06:00"],
        );
        check("0 6 * * 5-7", &["11-01 06:00", "11-06 06:00", "11-07 06:00", "11-08 06:00"]);
        check("0 6 * * fri-sat", &["11-06 06:00", "11-07 06:00", "11-13 06:00"]);
        check("0 6 * * */2", &["11-01 06:00", "11-03 06:00", "11-05 06:00", "11-07 06:00", "11-08 06:00"]);
        check("0 6 * * 0,3", &["11-01 06:00", "11-04 06:00"]);
    }

    #[test]
    fn the_other_fields_are_those_of_crontab() {
        check("0 6,18 * * *", &["11-01 06:00", "11-01 18:00", "11-02 06:00"]);
        check("*/20 * * * *", &["11-01 00:00", "11-01 00:20", "11-01 00:40"]);
        check("5/20 3 * * *", &["11-01 03:05", "11-01 03:25", "11-01 03:45"]);
        check("0 9-17/4 * * *", &["11-01 09:00", "11-01 13:00", "11-01 17:00"]);
        check("30 2 1 dec *", &["12-01 02:30"]);
        check("30 2 1 12 *", &["12-01 02:30"]);
        check("@daily", &["11-01 00:00", "11-02 00:00"]);
        // Both days given: either will do.
        check("0 0 3 * 6", &["11-03 00:00", "11-07 00:00", "11-14 00:00"]);
    }

    #[track_caller]
    fn refuses(line: &str, about: &str) {
        let message = parse(line).unwrap_err();
        assert!(message.contains(about), "{line}: {message}");
    }

    #[test]
    fn mistakes_are_named() {
        refuses("0 6", "has 2");
        refuses("0 0 6 * * *", "has 6");
        refuses("60 * * * *", "minute");
        refuses("0 24 * * *", "hour");
        refuses("0 0 0 * *", "day of the month");
        refuses("0 0 * 13 *", "month");
        refuses("0 0 * * 8", "weekday");
        refuses("0 0 * * 5-1", "backwards");
        refuses("*/0 * * * *", "minute");
        refuses("a * * * *", "minute");
        refuses("", "has 0");
    }
}
