//! How a manifest lists a collection and reads one record.

use std::time::Duration;

use serde_json::Value;

use super::{
    answers::answer_match,
    calls::{pairs, whole},
};
use crate::{
    config::{
        diagnostic::{Report, error},
        nearest::suggest,
        resolve::value,
        written::{
            At, ChangedSinceW, DeletedW, DetailMapW, EndMapW, EndWordW, GetMapW, ListW, PageKindW, PageW, SinceW,
            WindowsW,
        },
    },
    connector::{
        ChangedSince, DeletedFeed, Detail, FieldTable, GetOne, List, PageEnd, PageSize, Paging, Parents, Place,
        SinceFormat, SincePlace, ThenCursor, Windows,
    },
    record::{Kind, Path},
};

const PAGE_FORMS: &str = "write { kind: number, param: page, size: { param: per_page, value: 100 }, end: short-page }, { kind: cursor, param: cursor, next: $.next } or { kind: link, next: $.links.next }";

/// The list of a resource with these fields and this id.
pub(super) fn list(written: &ListW, fields: &FieldTable, id: &Path, report: &Report) -> Option<List> {
    let path = written.get.as_ref()?.value.clone();
    let query = pairs(written.query.as_ref());
    let texts: Vec<&str> =
        std::iter::once(&path).chain(query.iter().map(|(_, value)| value)).map(String::as_str).collect();
    let stands = |name: &str| texts.iter().any(|text| text.contains(name));
    let records = written.records.as_ref().map(|path| path.value.clone()).or_else(whole)?;
    let paging = match &written.page {
        Some(page) => paging(page, stands("{page}"), report)?,
        None => Paging::None,
    };
    let changed_since = written
        .changed_since
        .as_ref()
        .and_then(|since| changed_since(since, fields, stands("{changed_since}"), written.windows.is_some(), report));
    let deleted = written.deleted.as_ref().and_then(|feed| deleted(feed, &records, id, changed_since.as_ref(), report));
    let newest_first = matches!(&changed_since, Some(since) if matches!(since.place, SincePlace::NewestFirst));
    if newest_first && (written.parents.is_some() || written.windows.is_some()) {
        // The first page of old records ends the listing, and with it all that other parents or windows hold.
        let span = written.changed_since.as_ref().map_or(written.span, |since| since.span);
        report.add(
            error(
                "config::bad_value",
                span,
                "`newest_first` lists one collection, not one per parent or window of dates",
            )
            .help("leave `newest_first` out: everything is listed then, and compared by its content"),
        );
    }
    if written.parents.is_some()
        && let Some(windows) = &written.windows
    {
        report.add(
            error("config::bad_value", windows.span, "a list per parent cannot be cut into windows of dates")
                .help("leave `windows` or `parents` out"),
        );
    }
    Some(List {
        detail: written.detail.as_ref().and_then(|detail| self::detail(&detail.0, &records, report)),
        path,
        query,
        records,
        paging,
        empty: written.empty.as_ref().and_then(|empty| answer_match(empty, report)),
        expired: written.expired.as_ref().and_then(|expired| answer_match(expired, report)),
        windows: written.windows.as_ref().and_then(|windows| self::windows(windows, report)),
        changed_since,
        parents: written.parents.as_ref().and_then(|parents| {
            Some(Parents {
                resource: parents.resource.as_ref()?.value.clone(),
                into: parents.into.as_ref().map(|path| path.value.clone()),
            })
        }),
        deleted,
    })
}

fn paging(written: &PageW, stands: bool, report: &Report) -> Option<Paging> {
    let need = |given: bool, key: &str| {
        if !given {
            report.add(
                error("config::missing_key", written.span, format!("this kind of paging needs `{key}`"))
                    .help(PAGE_FORMS),
            );
        }
        given.then_some(())
    };
    let size = written.size.as_ref().and_then(|size| {
        Some(PageSize {
            param: size.param.as_ref().map(|param| param.value.clone()),
            value: size.value.as_ref()?.value,
        })
    });
    let param = written.param.as_ref().map(|param| param.value.clone());
    let first = |default: u64| written.first.as_ref().map_or(default, |first| first.value.into());
    let kind = written.kind.as_ref()?.value;
    let end = |size: &Option<PageSize>| {
        let end = written.end.as_ref().map_or(Some(PageEnd::ShortPage), |end| self::end(&end.0, report))?;
        let counted = match (&end, kind) {
            (PageEnd::PageCount(_) | PageEnd::Total(_), PageKindW::Number) => written.then.is_none(),
            (PageEnd::Total(_), PageKindW::Offset) => true,
            (PageEnd::PageCount(_) | PageEnd::Total(_), _) => false,
            _ => true,
        };
        if !counted {
            report.add(
                error("config::bad_value", written.span, "of such pages no count says which is the last")
                    .help("write end: short-page, end: empty-page or end: { more: $.has_more }"),
            );
            return None;
        }
        let sized = matches!((&end, kind), (PageEnd::ShortPage, _) | (PageEnd::Total(_), PageKindW::Number));
        if sized {
            need(size.is_some(), "size")?;
        }
        Some(end)
    };
    Some(match kind {
        PageKindW::None => Paging::None,
        PageKindW::Number => {
            need(param.is_some() || stands, "param")?;
            let then = written.then.as_ref().and_then(|then| {
                Some(ThenCursor {
                    param: then.param.as_ref()?.value.clone(),
                    next: then.next.as_ref()?.value.clone(),
                    after: then.after.as_ref()?.value.into(),
                })
            });
            Paging::Number { param, first: first(1), end: end(&size)?, size, then }
        }
        PageKindW::Offset => {
            need(param.is_some() || stands, "param")?;
            Paging::Offset { param, first: first(0), end: end(&size)?, size }
        }
        PageKindW::Cursor => {
            need(param.is_some() || stands, "param")?;
            need(written.next.is_some(), "next")?;
            let end = match &written.end {
                Some(_) => Some(end(&size)?),
                None => None,
            };
            Paging::Cursor { param, next: written.next.as_ref()?.value.clone(), size, end }
        }
        PageKindW::Link => {
            let next = match (&written.next, &written.next_header) {
                (Some(path), None) => Place::Body(path.value.clone()),
                (None, Some(header)) => Place::Header(header.value.clone()),
                _ => {
                    need(false, "next` or `next_header")?;
                    return None;
                }
            };
            Paging::Link { next, size, stable: written.stable.as_ref().is_some_and(|stable| stable.value) }
        }
        PageKindW::Keyset => {
            need(param.is_some(), "param")?;
            need(written.id_param.is_some(), "id_param")?;
            let id_param = written.id_param.as_ref()?.value.clone();
            Paging::Keyset { param: param?, id_param, end: end(&size)?, size }
        }
    })
}

fn end(written: &EndMapW, report: &Report) -> Option<PageEnd> {
    let body = |path: &At<Path>| Place::Body(path.value.clone());
    let header = |name: &At<String>| Place::Header(name.value.clone());
    let flag = |path: &At<Path>, last: bool| PageEnd::Flag {
        path: path.value.clone(),
        values: written
            .equals
            .as_ref()
            .map_or_else(|| vec![Value::Bool(true), Value::from("true")], |raw| value::forms(Kind::Any, raw, report)),
        last,
    };
    let word = written.word.as_ref().map(|word| match word.value {
        EndWordW::ShortPage => PageEnd::ShortPage,
        EndWordW::EmptyPage => PageEnd::EmptyPage,
    });
    let said = [
        word,
        written.page_count.as_ref().map(|path| PageEnd::PageCount(body(path))),
        written.page_count_header.as_ref().map(|name| PageEnd::PageCount(header(name))),
        written.total.as_ref().map(|path| PageEnd::Total(body(path))),
        written.total_header.as_ref().map(|name| PageEnd::Total(header(name))),
        written.more.as_ref().map(|path| flag(path, false)),
        written.last.as_ref().map(|path| flag(path, true)),
    ];
    let mut said = said.into_iter().flatten();
    if let (Some(end), None) = (said.next(), said.next()) {
        return Some(end);
    }
    report.add(
        error("config::bad_value", written.span, "one thing says how the last page is known")
            .help("write short-page, empty-page, { page_count: $.pages }, { total: $.count } or { more: $.has_more }"),
    );
    None
}

/// How an instant is written.
fn since_format(format: Option<&At<SinceW>>, zone: Option<&At<chrono_tz::Tz>>, report: &Report) -> SinceFormat {
    match format.map(|format| (format.value, format.span)) {
        None | Some((SinceW::Rfc3339, _)) => SinceFormat::Rfc3339,
        Some((SinceW::Rfc3339Seconds, _)) => SinceFormat::Rfc3339Seconds,
        Some((SinceW::IsoSeconds, _)) => SinceFormat::IsoSeconds,
        Some((SinceW::IsoLocal, span)) => {
            if zone.is_none() {
                report.add(
                    error("config::missing_key", span, "a local time needs `zone`").help("add zone: Pacific/Auckland"),
                );
            }
            SinceFormat::IsoLocal(zone.map_or(chrono_tz::UTC, |zone| zone.value))
        }
        Some((SinceW::Date, _)) => SinceFormat::Date,
        Some((SinceW::CompactDate, _)) => SinceFormat::CompactDate,
        Some((SinceW::EpochSeconds, _)) => SinceFormat::EpochSeconds,
        Some((SinceW::EpochMillis, _)) => SinceFormat::EpochMillis,
        Some((SinceW::HttpDate, _)) => SinceFormat::HttpDate,
    }
}

fn changed_since(
    written: &ChangedSinceW,
    fields: &FieldTable,
    stands: bool,
    windowed: bool,
    report: &Report,
) -> Option<ChangedSince> {
    let yes = |flag: &Option<At<bool>>| flag.as_ref().is_some_and(|flag| flag.value);
    let place = match (&written.param, &written.header) {
        (Some(param), None) => Some(SincePlace::Param(param.value.clone())),
        (None, Some(header)) => Some(SincePlace::Header(header.value.clone())),
        (None, None) if yes(&written.newest_first) => Some(SincePlace::NewestFirst),
        (None, None) if yes(&written.windows) && windowed => Some(SincePlace::Windows),
        (None, None) if written.text.is_some() && stands => Some(SincePlace::Text),
        _ => None,
    };
    let Some(place) = place else {
        report.add(
            error("config::bad_value", written.span, "either `param` or `header` says where the instant goes")
                .help("write { param: updated_since } or { header: If-Modified-Since }; or put {changed_since} into the query and give `text`; or newest_first: true; or windows: true beside `windows`"),
        );
        return None;
    };
    let text = written.text.as_ref().map_or("{since}", |text| text.value.as_str());
    if let Some(at) = written.text.as_ref().filter(|text| !text.value.contains("{since}")) {
        report.add(
            error("config::bad_value", at.span, "this text does not say where the instant goes")
                .label("no {since}")
                .help("write it as \"LastModified gt datetime'{since}'\""),
        );
    }
    let misses = written.misses.as_deref().unwrap_or_default();
    for missed in misses {
        let first = missed.value.split('.').next().unwrap_or_default();
        if !fields.open && !fields.fields.contains_key(first) {
            report.add(
                error("config::unknown_field", missed.span, format!("there is no field `{}`", missed.value))
                    .maybe_help(suggest(first, fields.fields.keys().map(String::as_str))),
            );
        }
    }
    Some(ChangedSince {
        place,
        text: text.to_owned(),
        format: since_format(written.format.as_ref(), written.zone.as_ref(), report),
        overlap: written.overlap.as_ref().map_or(Duration::ZERO, |overlap| overlap.value),
        misses: misses.iter().map(|missed| missed.value.clone()).collect(),
    })
}

fn windows(written: &WindowsW, report: &Report) -> Option<Windows> {
    let span = written.longest.as_ref()?;
    if span.value < Duration::from_hours(24) {
        report.add(error("config::bad_value", span.span, "a window is at least a day").help("write span: 360d"));
    }
    let start = written.start.as_ref()?;
    if !start.value.contains("${") && start.value.parse::<chrono::NaiveDate>().is_err() {
        report.add(
            error("config::bad_date", start.span, format!("`{}` is not a date", start.value))
                .help("write year-month-day: 2020-01-01"),
        );
    }
    let format = match &written.format {
        None => SinceFormat::Date,
        format => since_format(format.as_ref(), None, report),
    };
    Some(Windows {
        from: written.from.as_ref()?.value.clone(),
        to: written.to.as_ref()?.value.clone(),
        format,
        span: span.value,
        start: start.value.clone(),
    })
}

fn detail(written: &DetailMapW, records: &Path, report: &Report) -> Option<Detail> {
    if written.word.is_some() {
        return Some(Detail::One);
    }
    let (Some(get), Some(param), Some(max)) = (&written.get, &written.param, &written.max) else {
        report.add(
            error("config::bad_value", written.span, "`get`, `param` and `max` say how many records are read at once")
                .help("write detail: one-by-one, or detail: { get: /contacts, param: ids, max: 50 }"),
        );
        return None;
    };
    Some(Detail::Many {
        path: get.value.clone(),
        param: param.value.clone(),
        max: usize::try_from(max.value).ok().filter(|max| *max > 0)?,
        records: written.records.as_ref().map_or_else(|| records.clone(), |path| path.value.clone()),
    })
}

fn deleted(
    written: &DeletedW,
    records: &Path,
    id: &Path,
    changed: Option<&ChangedSince>,
    report: &Report,
) -> Option<DeletedFeed> {
    let (path, query) = (written.get.as_ref()?.value.clone(), pairs(written.query.as_ref()));
    let stands = |name: &str| path.contains(name) || query.iter().any(|(_, value)| value.contains(name));
    let place = match (&written.param, &written.header) {
        (Some(param), _) => Some(SincePlace::Param(param.value.clone())),
        (None, Some(header)) => Some(SincePlace::Header(header.value.clone())),
        (None, None) => stands("{changed_since}").then_some(SincePlace::Text),
    };
    let text = written.text.as_ref().map_or("{since}", |text| text.value.as_str()).to_owned();
    let format = changed.map_or(SinceFormat::Rfc3339, |changed| changed.format);
    let since = |place| ChangedSince { place, text, format, overlap: Duration::ZERO, misses: Vec::new() };
    let paging = match &written.page {
        Some(page) => paging(page, stands("{page}"), report)?,
        None => Paging::None,
    };
    let list = List {
        records: written.records.as_ref().map_or_else(|| records.clone(), |path| path.value.clone()),
        paging,
        empty: written.empty.as_ref().and_then(|empty| answer_match(empty, report)),
        changed_since: place.map(since),
        path,
        query,
        expired: None,
        windows: None,
        detail: None,
        parents: None,
        deleted: None,
    };
    Some(DeletedFeed {
        list: Box::new(list),
        id: written.id.as_ref().map_or_else(|| id.clone(), |path| path.value.clone()),
        when: written.when.as_ref().and_then(|when| answer_match(when, report)),
        reaches: written.reaches.as_ref().map(|reaches| reaches.value),
    })
}

pub(super) fn get(written: &GetMapW, report: &Report) -> Option<GetOne> {
    Some(GetOne {
        path: written.path.as_ref()?.value.clone(),
        record: written.record.as_ref().map(|path| path.value.clone()).or_else(whole)?,
        missing: written.missing.as_ref().and_then(|missing| answer_match(missing, report)),
    })
}
