//! What is told about edits of the demo's configuration, as the daemon notices them.

use crate::{
    cli::text::{Paint, wrap},
    daemon::{DaemonStatus, reload::Mistake},
};

/// How the configuration stood when it was last told about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    passes: u64,
    running: Vec<String>,
    mistakes: Vec<Mistake>,
    pending: Vec<String>,
}

impl Seen {
    pub(super) fn of(status: &DaemonStatus) -> Self {
        let config = status.config.as_ref();
        Self {
            passes: config.map_or(0, |config| config.passes),
            running: status.integrations.iter().map(|now| now.running.clone()).collect(),
            mistakes: config.map(|config| config.mistakes.clone()).unwrap_or_default(),
            pending: status.integrations.iter().filter_map(|now| now.pending.clone()).collect(),
        }
    }

    /// What came of an edit since `before`; nothing if there was none.
    pub(super) fn told_since(&self, before: &Self, paint: Paint) -> Option<String> {
        let changed = self.running != before.running;
        if !self.mistakes.is_empty() {
            let mut text =
                paint.red("The file has a mistake, so nothing of it is taken; what ran before goes on:") + "\n";
            for mistake in &self.mistakes {
                text.push_str(&wrap(&mistake.told(), 2));
                text.push_str(&mistake.help.iter().map(|help| wrap(help, 2)).collect::<String>());
            }
            return (self.mistakes != before.mistakes).then_some(text);
        }
        if !before.mistakes.is_empty() {
            let end = if changed { "the edited configuration runs now" } else { "what runs is what it says" };
            return Some(paint.green(&format!("The file is sound again, and {end}.")) + "\n");
        }
        if changed {
            let number = self.running.first().map_or("", String::as_str);
            return Some(
                paint.green(&format!("The edited configuration runs now (`status` calls it {number}).")) + "\n",
            );
        }
        if let Some(why) = self.pending.first().filter(|_| self.pending != before.pending) {
            return Some(paint.yellow(&wrap(&format!("The edit does not run yet: {why}"), 0)));
        }
        let looked = self.passes != before.passes && self.pending.is_empty() && before.pending.is_empty();
        looked.then(|| paint.dim("The file was edited, but it means the same as before: nothing was touched.") + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(passes: u64, running: &str, wrong: bool) -> Seen {
        let mistake = Mistake {
            at: "demo.yaml:21:5".to_owned(),
            code: "config::unknown_key".to_owned(),
            message: "`debonce` is no key".to_owned(),
            help: Some("did you mean `debounce`?".to_owned()),
        };
        let mistakes = if wrong { vec![mistake] } else { Vec::new() };
        Seen { passes, running: vec![running.to_owned()], mistakes, pending: Vec::new() }
    }

    #[test]
    fn every_kind_of_edit_is_told_once() {
        let told = |before: &Seen, now: &Seen| now.told_since(before, Paint::Plain);
        let first = seen(0, "aa", false);
        assert_eq!(told(&first, &first), None);
        let comment = seen(1, "aa", false);
        assert!(told(&first, &comment).unwrap().contains("means the same"));
        let edited = seen(2, "bb", false);
        assert!(told(&comment, &edited).unwrap().contains("runs now (`status` calls it bb)"));
        let typo = seen(3, "bb", true);
        let text = told(&edited, &typo).unwrap();
        assert!(text.contains("goes on:\n  demo.yaml:21:5: `debonce` is no key\n  did you mean"), "{text}");
        assert_eq!(told(&typo, &seen(4, "bb", true)), None, "the same mistake is not told again");
        assert!(told(&typo, &seen(5, "bb", false)).unwrap().contains("sound again, and what runs is what it says"));
        assert!(told(&typo, &seen(5, "cc", false)).unwrap().contains("sound again, and the edited"));
        let held = Seen { passes: 3, pending: vec!["it would rewrite 40 records".to_owned()], ..edited.clone() };
        assert!(told(&edited, &held).unwrap().contains("does not run yet: it would rewrite"));
    }
}
