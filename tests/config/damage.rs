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
