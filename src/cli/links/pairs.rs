//! Pairs of ids in a file: two columns, or the report of a first run after somebody edited it.

use crate::{cli::text::count, config::PipelineName};

/// Two records that are the same thing, and the line that says so.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub line: u64,
    pub source: String,
    pub target: String,
}

/// Where the ids are.
struct Columns {
    source: usize,
    target: usize,
    /// Of a report: rows of other pipelines, and those that name one record only, are passed over.
    pipeline: Option<usize>,
}

/// Comma or semicolon; a heading is one that has `source` and `target`. What `match --report --csv` prints has more columns.
pub(super) fn read(text: &str, pipeline: &PipelineName) -> Result<Vec<Pair>, String> {
    let text = text.trim_start_matches('\u{feff}');
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let delimiter = if first.contains(';') && !first.contains(',') { b';' } else { b',' };
    let mut builder = csv::ReaderBuilder::new();
    builder.has_headers(false).flexible(true).delimiter(delimiter).trim(csv::Trim::All);
    let (mut columns, mut pairs) = (None, Vec::new());
    for row in builder.from_reader(text.as_bytes()).records() {
        let row = row.map_err(|error| format!("it cannot be read: {error}"))?;
        let line = row.position().map_or(0, csv::Position::line);
        if columns.is_none() && pairs.is_empty() {
            columns = heading(&row);
            if columns.is_some() {
                continue;
            }
        }
        if row.iter().all(str::is_empty) {
            continue;
        }
        let cells = row.len();
        let (source, target) = match &columns {
            Some(found) => (row.get(found.source), row.get(found.target)),
            None if cells == 2 => (row.get(0), row.get(1)),
            None => (None, None),
        };
        let (Some(source), Some(target)) = (source, target) else {
            let cells = count(cells as u64, "column", "columns");
            return Err(format!("line {line} has {cells}, where two are needed: the source's id and the target's id"));
        };
        let of = columns.as_ref().and_then(|found| row.get(found.pipeline?));
        if of.is_some_and(|of| of != pipeline.as_str() || source.is_empty() || target.is_empty()) {
            continue;
        }
        if source.is_empty() || target.is_empty() {
            return Err(format!("line {line} has an empty id"));
        }
        pairs.push(Pair { line, source: plain(source), target: plain(target) });
    }
    Ok(pairs)
}

fn heading(row: &csv::StringRecord) -> Option<Columns> {
    let column = |name: &str| row.iter().position(|cell| cell.eq_ignore_ascii_case(name));
    Some(Columns { source: column("source")?, target: column("target")?, pipeline: column("pipeline") })
}

/// Without the mark that keeps a spreadsheet from running a text as a formula.
fn plain(cell: &str) -> String {
    let bare = cell.strip_prefix('\'').filter(|rest| rest.starts_with(['=', '+', '-', '@']));
    bare.unwrap_or(cell).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&[(&str, &str)], &str>) {
        match (read(text, &PipelineName::parse("shop/contacts").unwrap()), expected) {
            (Ok(read), Ok(expected)) => {
                let read: Vec<_> = read.iter().map(|pair| (pair.source.as_str(), pair.target.as_str())).collect();
                assert_eq!(read, expected);
            }
            (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
            (Ok(_), Err(part)) => panic!("no error about {part}"),
            (Err(message), Ok(_)) => panic!("{message}"),
        }
    }

    #[test]
    fn a_file_of_pairs_is_read_with_or_without_a_heading() {
        check("1,a\n2,b\n", Ok(&[("1", "a"), ("2", "b")]));
        check("source,target\r\n\"1\",\"a\"\r\n\r\n", Ok(&[("1", "a")]));
        check("\u{feff}Source;Target\n1;a", Ok(&[("1", "a")]));
        check("1,a,b", Err("line 1 has 3 columns"));
        check("1,a\n2", Err("line 2 has 1 column"));
        check("1,\n", Err("empty id"));
    }

    #[test]
    fn an_edited_report_gives_the_pairs_of_its_pipeline() {
        let report = "pipeline,what,record,source,target,why\r\n\
            shop/contacts,link,\"Doe, Jane\",1,a,they match\r\n\
            shop/contacts,create,John,2,,new\r\n\
            shop/contacts,create,Joan,3,'-c,new\r\n\
            shop/sales,link,S-1,4,d,they match\r\n";
        check(report, Ok(&[("1", "a"), ("3", "-c")]));
    }
}
