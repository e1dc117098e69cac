//! Which values of a client stand where in a template, so that a mistake shows both.

use std::collections::BTreeMap;

use crate::config::{source::Span, tree::Key};

/// What belongs to what.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    /// Place of a client's value -> where the template uses it. The first use is enough.
    given: BTreeMap<Span, Span>,
    /// A template's place -> a client that uses it, and how many do.
    users: BTreeMap<Span, (Span, String, usize)>,
}

impl Origins {
    /// A value of a client was used.
    pub(super) fn given(&mut self, value: Span, used: Span) {
        self.given.entry(value).or_insert(used);
    }

    /// A client was made from a template.
    pub(super) fn used(&mut self, template: Span, client: &Key) {
        let user = self.users.entry(template).or_insert_with(|| (client.span, client.text.clone(), 0));
        user.2 += 1;
    }

    /// Another place to show beside a mistake, with what it is.
    pub(crate) fn beside(&self, mistake: Span) -> Option<(Span, String)> {
        if let Some(used) = self.given.get(&mistake) {
            return Some((*used, "the template uses it here".to_owned()));
        }
        let (_, (client, name, count)) = self.users.iter().find(|(template, _)| {
            template.file == mistake.file && template.start <= mistake.start && mistake.end <= template.end
        })?;
        let others = match count {
            1 => String::new(),
            2 => " and 1 other".to_owned(),
            count => format!(" and {} others", count - 1),
        };
        Some((*client, format!("used by `{name}`{others}")))
    }
}
