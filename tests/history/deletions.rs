//! Deletions that are carried over: each has a cause, and takes nothing with it that somebody typed.

use reconciled::{config::Pipeline, connector::WriteKind, record::Side, sync::Link};
use serde_json::Value;

use crate::people::{FIELDS, People, plain};

/// What is deleted on either side is deleted on the other.
pub const CARRIED: &str = r#"
pipelines:
  contacts:
    source: shop/contacts
    target: books/contacts
    direction: two-way
    match: [ { source: $.email, target: $.email, normalize: [trim, lowercase] } ]
    first_run: { apply: automatic }
    deletes: propagate
    guards: { deletes: unlimited }
    fields:
      - { source: $.name, target: $.name }
      - { source: $.email, target: $.email }
      - { source: $.phone, target: $.phone }
      - { source: $.city, target: $.city }
"#;

/// What is wrong with the deletions that were sent.
pub fn faults(people: &People, pipeline: &Pipeline, links: &[Link], wrong: &mut Vec<String>) {
    for side in Side::BOTH {
        let written = people.system(side).written();
        for (_, id, held) in written.iter().filter(|(kind, ..)| *kind == WriteKind::Delete) {
            let Some(link) = links.iter().find(|link| link.id(side).as_str() == id) else {
                // Somebody who came later, with the same key, has its place by now.
                let there = people.system(side).all("contacts");
                let has_its_place = |record: &Value| {
                    record["email"] == held["email"] && links.iter().any(|link| link.id(side).as_str() == record["id"])
                };
                if there.iter().any(has_its_place) {
                    continue;
                }
                wrong.push(format!("{id} on the {side} was deleted, and is not linked"));
                continue;
            };
            let other = (side.other(), link.id(side.other()).to_string());
            if !people.deleted.contains(&other) && !people.archived.contains(&other) {
                wrong.push(format!("{id} on the {side} was deleted, and nobody deleted {other:?}"));
            }
            for field in FIELDS {
                let path = format!("$.{field}");
                let mapped =
                    pipeline.fields.iter().find(|mapped| mapped.end(side).paths.iter().any(|p| p.as_str() == path));
                let (Some(mapped), Some((typed, _))) = (mapped, people.last.get(&(side, id.clone(), field))) else {
                    continue;
                };
                let state = &link.fields[&mapped.id];
                // Typed by a person on the one record and known on the other one, or blank.
                let known = [state.base.as_ref().map(|base| &base[side.index()]), state.present(side.other())];
                let alike = |value: &Value| plain(value) == plain(typed);
                let kept = known.into_iter().flatten().filter_map(|cell| cell.value()).any(alike);
                // Overwritten before by what was typed on the other side: the pair agreed on that.
                let agreed = state.base.is_some() && state.pending(side).is_none();
                if !kept && !agreed && !typed.is_null() && typed != "" {
                    wrong.push(format!(
                        "{field} of {id} on the {side}: {typed} was typed, and the record deleted: {state:?}"
                    ));
                }
            }
        }
    }
}
