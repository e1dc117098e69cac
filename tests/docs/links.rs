//! Every link and anchor inside the documentation leads somewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md"), root().join("ARCHITECTURE.md"), root().join("CHANGELOG.md")];
    for folder in ["docs", "docs/decisions"] {
        let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    pages.sort();
    pages
}

/// The text without blocks of code.
fn prose(text: &str) -> String {
    let mut inside = false;
    let mut kept = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            kept.push(line);
        }
    }
    kept.join("\n")
}

/// The anchors of a page, as GitHub and mdBook make them of headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text);
    let headings = headings.lines().filter(|line| line.starts_with('#'));
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    headings
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
            let count = seen.entry(anchor.clone()).or_default();
            *count += 1;
            if *count > 1 { format!("{anchor}-{}", *count - 1) } else { anchor }
        })
        .collect()
}

#[test]
fn every_link_and_anchor_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let (mut bad, mut checked) = (Vec::new(), 0);
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let name = page.strip_prefix(root()).unwrap().display().to_string();
        for found in link.captures_iter(&prose(&text)) {
            let to = &found[1];
            if to.starts_with("http://") || to.starts_with("https://") || to.starts_with("mailto:") {
                continue;
            }
            checked += 1;
            let (file, anchor) = to.split_once('#').unwrap_or((to, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            if !target.exists() {
                bad.push(format!("{name}: there is no {to}"));
            } else if !anchor.is_empty() && !anchors(&fs::read_to_string(&target).unwrap()).contains(anchor) {
                bad.push(format!("{name}: no heading becomes {to}"));
            }
        }
    }
    assert!(checked > 20, "only {checked} links");
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn no_page_holds_two_versions_of_itself() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let marker = text.lines().find(|line| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> "));
        assert_eq!(marker, None, "{} was merged by half", page.display());
    }
}

#[test]
fn every_page_is_in_the_book() {
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    let pages = pages();
    let of_book = pages.iter().filter(|page| page.parent() == Some(&root().join("docs")));
    let names = of_book.map(|page| page.file_name().unwrap().to_str().unwrap().to_owned());
    let lacking: Vec<String> =
        names.filter(|name| name != "SUMMARY.md" && !summary.contains(&format!("({name})"))).collect();
    assert!(lacking.is_empty(), "not in docs/SUMMARY.md: {lacking:?}");
}

#[test]
fn anchors_are_made_as_readers_expect() {
    let made = anchors("# When a `code::is_wrong`, then\n```\n# no heading\n```\n## Twice\n## Twice\n");
    let expected = ["when-a-codeis_wrong-then", "twice", "twice-1"].map(str::to_owned);
    assert_eq!(made, BTreeSet::from(expected));
}
