//! `explain CODE`: what stands behind a mistake. The texts are those of `docs/troubleshooting.md`.

use super::{
    args::ExplainArgs,
    exit::{CliError, Exit},
    output::Output,
};

/// The page, one section for each code.
const PAGE: &str = include_str!("../../docs/troubleshooting.md");

/// Whether a code was asked for, and no record.
#[must_use]
pub fn is_code(args: &ExplainArgs) -> bool {
    args.record.is_none() && args.pipeline.contains("::")
}

/// Prints the section of a code.
///
/// # Errors
///
/// When there is no such code.
pub fn run(code: &str, out: &Output) -> Result<Exit, CliError> {
    let Some(text) = section(code) else {
        let nearest = codes().max_by(|a, b| strsim::jaro(a, code).total_cmp(&strsim::jaro(b, code)));
        let hint = nearest.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(CliError::Usage(format!("there is no mistake with the code `{code}`{hint}")));
    };
    if out.json {
        out.json(&serde_json::json!({ "code": code, "text": text }));
    } else {
        out.data(&format!("{code}\n\n{text}\n"));
    }
    Ok(Exit::Done)
}

/// Every code that is explained.
fn codes() -> impl Iterator<Item = &'static str> {
    PAGE.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'))
}

/// The section of a code.
fn section(code: &str) -> Option<&'static str> {
    let (_, rest) = PAGE.split_once(&format!("### `{code}`\n"))?;
    Some(rest.split("\n#").next().unwrap_or(rest).trim())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use regex::Regex;

    use super::*;

    fn used(dir: &Path, wanted: &Regex, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                used(&path, wanted, found);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                found.extend(wanted.captures_iter(&text).map(|code| code[1].to_owned()));
            }
        }
    }

    #[test]
    fn every_code_is_explained_and_nothing_else_is() {
        let mut found = BTreeSet::new();
        used(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config"),
            &Regex::new("\"(config::[a-z_]+)\"").unwrap(),
            &mut found,
        );
        assert!(found.len() > 60, "{found:?}");
        let explained: BTreeSet<String> = codes().map(str::to_owned).collect();
        let lacking: Vec<_> = found.difference(&explained).collect();
        assert!(lacking.is_empty(), "add a section to docs/troubleshooting.md for each of {lacking:?}");
        let gone: Vec<_> = explained.difference(&found).collect();
        assert!(gone.is_empty(), "docs/troubleshooting.md explains what no code says any more: {gone:?}");
        assert!(codes().all(|code| section(code).is_some_and(|text| text.len() > 20 && !text.contains("###"))));
    }
}
