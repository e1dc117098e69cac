//! The request for a page.

use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta, Utc};

use super::{super::HttpConnector, super::address, spot::Spot};
use crate::{
    config::Connection,
    connector::{CallError, List, PageSize, Paging, PullCursor, SinceFormat, SincePlace, Windows},
    record::time::earliest_wall,
};

/// A time without a zone.
const WALL: &str = "%Y-%m-%dT%H:%M:%S";

type Pairs = Vec<(String, String)>;

/// A request for a page.
pub(super) struct PageRequest {
    /// Path and query below the base URL.
    pub(super) target: String,
    pub(super) headers: Pairs,
    /// Number or offset of the page, where it has one.
    pub(super) number: u64,
    /// The window of dates that it reads.
    pub(super) window: Option<Window>,
}

/// A window of dates.
pub(super) struct Window {
    from: NaiveDate,
    to: NaiveDate,
    /// The last day that there can be records of.
    last: NaiveDate,
}

impl Window {
    /// The page after one of this window: the next in it, or the first of the window after it.
    pub(super) fn after(&self, inner: Option<String>) -> Option<String> {
        if inner.is_some() {
            return Some(Spot::Page { window: Some(self.from), inner }.to_string());
        }
        let next = self.to.succ_opt().filter(|next| *next <= self.last)?;
        Some(Spot::Page { window: Some(next), inner: None }.to_string())
    }
}

impl HttpConnector {
    /// The request for a page.
    pub(super) fn listing(
        &self,
        list: &List,
        cursor: &PullCursor,
        spot: &Spot,
        parent: Option<&str>,
    ) -> Result<PageRequest, CallError> {
        let connection = &self.shared.connection;
        if let (Paging::Link { .. }, Some(link)) = (&list.paging, spot.inner()) {
            let headers = Self::since(list, cursor).header.into_iter().collect();
            return Ok(PageRequest {
                target: link.to_owned(),
                headers,
                number: 0,
                window: self.window(list, cursor, spot)?,
            });
        }
        let place = page_place(&list.paging, spot.inner())?;
        let since = Self::since(list, cursor);
        let window = self.window(list, cursor, spot)?;
        let mut parameters = list.query.clone();
        parameters.extend(since.param);
        // A page of a keyset takes the place of the feed's own beginning.
        for (name, value) in place.parameters {
            parameters.retain(|(known, _)| *known != name);
            parameters.push((name, value));
        }
        if let (Some(windows), Some(window)) = (&list.windows, &window) {
            parameters.push((windows.from.clone(), day(window.from, windows.format)));
            parameters.push((windows.to.clone(), day(window.to, windows.format)));
        }
        let put = |text: &str, encode: fn(&str) -> String| {
            let mut text = text.to_owned();
            let size = size_of(&list.paging).map(|size| size.value.to_string());
            let values = [
                ("{page}", place.page.as_deref()),
                ("{size}", size.as_deref()),
                ("{changed_since}", since.text.as_deref()),
                ("{parent}", parent),
            ];
            for (name, value) in values {
                if text.contains(name) {
                    text = text.replace(name, &encode(value.unwrap_or_default()));
                }
            }
            text
        };
        let path = address::fill_path(&list.path, connection)
            .ok_or_else(|| CallError::NotDone(format!("`{}` needs a setting that is not given", list.path)))?;
        let path = put(&path, address::encoded);
        let mut query = Vec::new();
        for (name, value) in connection.manifest.query.iter().chain(&parameters) {
            query.extend(address::fill(value, connection).map(|value| (name.clone(), put(&value, str::to_owned))));
        }
        let target = address::with_query(&path, &query);
        Ok(PageRequest { target, headers: since.header.into_iter().collect(), number: place.number, window })
    }

    fn since(list: &List, cursor: &PullCursor) -> Since {
        let (Some(changed), Some(since)) = (&list.changed_since, cursor.since) else { return Since::default() };
        let beginning = match changed.format {
            SinceFormat::IsoLocal(zone) => earliest_wall(since, zone).format(WALL).to_string(),
            format => written(since, format),
        };
        let text = changed.text.replace("{since}", &beginning);
        match &changed.place {
            SincePlace::Param(name) => Since { param: Some((name.clone(), text)), ..Since::default() },
            SincePlace::Header(name) => Since { header: Some((name.clone(), text)), ..Since::default() },
            SincePlace::Text => Since { text: Some(text), ..Since::default() },
            SincePlace::NewestFirst | SincePlace::Windows => Since::default(),
        }
    }

    fn window(&self, list: &List, cursor: &PullCursor, spot: &Spot) -> Result<Option<Window>, CallError> {
        let (Some(windows), Spot::Page { window, .. }) = (&list.windows, spot) else { return Ok(None) };
        let feed = list.changed_since.as_ref().is_some_and(|changed| changed.place == SincePlace::Windows);
        let from = match (window, cursor.since.filter(|_| feed)) {
            (Some(day), _) => *day,
            // A day earlier: the remote's days may begin before ours.
            (None, Some(since)) => since.date_naive() - TimeDelta::days(1),
            (None, None) => self.first_day(windows)?,
        };
        let today = self.shared.clock.now().date_naive() + TimeDelta::days(1);
        let span = TimeDelta::from_std(windows.span).unwrap_or_else(|_| TimeDelta::days(360)).num_days().max(1);
        let to = (from + TimeDelta::days(span - 1)).min(today.max(from));
        Ok(Some(Window { from, to, last: today }))
    }

    fn first_day(&self, windows: &Windows) -> Result<NaiveDate, CallError> {
        let text = address::fill(&windows.start, &self.shared.connection);
        let day = text.as_deref().and_then(|text| text.trim().parse().ok());
        day.ok_or_else(|| CallError::NotDone(format!("`start: {}` is no date as 2020-01-01", windows.start)))
    }
}

/// Where an instant goes.
#[derive(Default)]
struct Since {
    param: Option<(String, String)>,
    header: Option<(String, String)>,
    text: Option<String>,
}

/// What asks for a page.
struct PagePlace {
    number: u64,
    /// What stands for `{page}`.
    page: Option<String>,
    parameters: Pairs,
}

fn page_place(paging: &Paging, page: Option<&str>) -> Result<PagePlace, CallError> {
    let mut place = PagePlace { number: 0, page: None, parameters: Vec::new() };
    match paging {
        Paging::None | Paging::Link { .. } => {}
        Paging::Number { param, first, then, .. } => match (page.and_then(cursor_of), then) {
            (Some(cursor), Some(then)) => place.parameters.push((then.param.clone(), cursor.to_owned())),
            _ => place.count(param.as_ref(), *first, page)?,
        },
        Paging::Offset { param, first, .. } => place.count(param.as_ref(), *first, page)?,
        Paging::Cursor { param, .. } => {
            place.page = page.map(str::to_owned);
            place.parameters.extend(param.clone().zip(page.map(str::to_owned)));
        }
        Paging::Keyset { param, id_param, .. } => {
            if let Some((stamp, id)) = page.and_then(|page| page.split_once('\u{2}')) {
                place.parameters.extend([(param.clone(), stamp.to_owned()), (id_param.clone(), id.to_owned())]);
            }
        }
    }
    if let Some(PageSize { param: Some(param), value }) = size_of(paging) {
        place.parameters.push((param.clone(), value.to_string()));
    }
    Ok(place)
}

impl PagePlace {
    fn count(&mut self, param: Option<&String>, first: u64, page: Option<&str>) -> Result<(), CallError> {
        self.number = match page {
            None => first,
            Some(page) => page.parse().map_err(|_| CallError::PageExpired)?,
        };
        self.page = Some(self.number.to_string());
        self.parameters.extend(param.map(|param| (param.clone(), self.number.to_string())));
        Ok(())
    }
}

/// The cursor that follows numbered pages; it is told from a number by its first character.
pub(super) fn cursor_of(page: &str) -> Option<&str> {
    page.strip_prefix('\u{2}')
}

const fn size_of(paging: &Paging) -> Option<&PageSize> {
    match paging {
        Paging::None => None,
        Paging::Number { size, .. }
        | Paging::Offset { size, .. }
        | Paging::Cursor { size, .. }
        | Paging::Link { size, .. }
        | Paging::Keyset { size, .. } => size.as_ref(),
    }
}

/// The query parameters that every request has.
pub(in crate::connector::http) fn static_query(connection: &Connection) -> Pairs {
    let fill = |(name, value): &(String, String)| Some((name.clone(), address::fill(value, connection)?));
    connection.manifest.query.iter().filter_map(fill).collect()
}

/// An instant as a remote wants it.
pub(super) fn written(since: DateTime<Utc>, format: SinceFormat) -> String {
    match format {
        SinceFormat::Rfc3339 => since.to_rfc3339_opts(SecondsFormat::Millis, true),
        SinceFormat::Rfc3339Seconds => since.to_rfc3339_opts(SecondsFormat::Secs, true),
        SinceFormat::IsoSeconds => since.format(WALL).to_string(),
        SinceFormat::IsoLocal(zone) => since.with_timezone(&zone).format(WALL).to_string(),
        SinceFormat::Date => since.format("%Y-%m-%d").to_string(),
        SinceFormat::CompactDate => since.format("%Y%m%d").to_string(),
        SinceFormat::EpochSeconds => since.timestamp().to_string(),
        SinceFormat::EpochMillis => since.timestamp_millis().to_string(),
        SinceFormat::HttpDate => since.format("%a, %d %b %Y %H:%M:%S GMT").to_string(),
    }
}

/// A day as a remote wants it.
fn day(day: NaiveDate, format: SinceFormat) -> String {
    match format {
        SinceFormat::CompactDate => day.format("%Y%m%d").to_string(),
        SinceFormat::Date => day.to_string(),
        other => {
            day.and_hms_opt(0, 0, 0).map_or_else(|| day.to_string(), |midnight| written(midnight.and_utc(), other))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_as_each_remote_wants_it() {
        let at = "2026-06-01T12:00:00.250Z".parse().unwrap();
        let forms = [
            (SinceFormat::Rfc3339, "2026-06-01T12:00:00.250Z"),
            (SinceFormat::Rfc3339Seconds, "2026-06-01T12:00:00Z"),
            (SinceFormat::IsoSeconds, "2026-06-01T12:00:00"),
            (SinceFormat::IsoLocal(chrono_tz::Pacific::Auckland), "2026-06-02T00:00:00"),
            (SinceFormat::Date, "2026-06-01"),
            (SinceFormat::CompactDate, "20260601"),
            (SinceFormat::EpochSeconds, "1780315200"),
            (SinceFormat::EpochMillis, "1780315200250"),
            (SinceFormat::HttpDate, "Mon, 01 Jun 2026 12:00:00 GMT"),
        ];
        for (format, expected) in forms {
            assert_eq!(written(at, format), expected);
        }
    }
}
