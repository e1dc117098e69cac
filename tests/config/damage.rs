//! Whatever is in a file, loading ends, does not panic, and what it says can be shown.

use std::{collections::HashMap, fs};

use proptest::{prelude::*, test_runner::Config as Runs};
use reconciled::config::load;

use super::{files, root};

fn survives(text: &str) {
    let dir = files(&[("a.yaml", text)]);
    let loaded = load(dir.path(), &HashMap::new());
    for diagnostic in &loaded.diagnostics {
        assert!(diagnostic.help.is_some(), "no remedy: {diagnostic:?}\n{text}");
    }
    assert!(loaded.render(false).len() >= loaded.diagnostics.len());
}

/// Whether a file is refused for its size.
fn too_big(text: &str) -> bool {
    let loaded = load(files(&[("a.yaml", text)]).path(), &HashMap::new());
    loaded.diagnostics.iter().any(|found| found.code == "config::too_big")
}

#[test]
fn each_value_counts_once_and_again_for_what_stands_for_it() {
    let rows = |count: usize| (0..count).map(|at| format!("   k{at}: x\n")).collect::<Vec<_>>().concat();
    let table = |count: usize| format!("tables:\n long:\n  rows:\n{}", rows(count));
    assert!(!too_big(&table(49_000)), "however deep they are");
    assert!(too_big(&table(51_000)));
    assert!(too_big(&format!("a: &a\n{}b: [ *a, *a ]\n", rows(20_000))), "aliases");
    let (open, close): (String, String) = (0..30).map(|at| (format!("&a{at} ["), "]")).unzip();
    assert!(too_big(&format!("a: {open}{}{close}\n", "x,".repeat(4_000))), "anchors within anchors");
}

fn example() -> String {
    fs::read_to_string(root().join("examples/configs/website-xero/website-xero.yaml")).unwrap()
}

proptest! {
    #![proptest_config(Runs { cases: 256, ..Runs::default() })]

    #[test]
    fn any_text(text in "(?s).{0,200}") {
        survives(&text);
    }

    #[test]
    fn yaml_like_text(parts in prop::collection::vec(
        prop::sample::select(vec![
            "pipelines", "connections", "integrations", "fields", "source", "target", "match", ":", ": ", "- ", "[", "]", "{", "}",
            "\n", "\n  ", "\n    ", ", ", "$.a", "${env:X}", "&a ", "*a", "!t ", "\"", "'", "|", ">", "#", "? ", "\t", "0", "~", "é",
        ]), 0..60)) {
        survives(&parts.concat());
    }

    #[test]
    fn the_example_with_a_piece_cut_out(from in 0_usize..4000, length in 0_usize..60, put in "[ \\n\\[\\]{}:,\"'$*&!-]{0,3}") {
        let mut text = example();
        let from = from.min(text.len());
        let to = (from + length).min(text.len());
        if text.is_char_boundary(from) && text.is_char_boundary(to) {
            text.replace_range(from..to, &put);
        }
        survives(&text);
    }
}
