//! Lists, mapped element by element.

use super::{FORMS, Fields, Scope, short};
use crate::{
    config::{
        Content, Each, Field, Removes, WriteWhen,
        diagnostic::error,
        resolve::hash,
        source::Span,
        written::{At, FieldW, RemovesW, UnlinkedW},
    },
    record::{Kind, Path, Side},
};

impl Fields<'_, '_> {
    pub(super) fn list(&mut self, written: &FieldW, scope: &Scope<'_>) -> Option<Field> {
        let each = written.each.as_ref()?;
        if scope.element.is_some() {
            self.report(
                error(
                    "config::not_in_this_version",
                    each.span,
                    "a list inside an element of a list is not in this version",
                )
                .help("map the values of the outer list only"),
            );
            return None;
        }
        let Some(fields) = &written.fields else {
            self.report(error("config::missing_key", written.span, "`each` needs `fields`").help(FORMS));
            return None;
        };
        let flow = self.flow_of(written, scope)?;
        let mut paths: Vec<At<Path>> = Vec::new();
        for (side, path) in [(Side::Source, each.source.as_ref()?), (Side::Target, each.target.as_ref()?)] {
            let path = self.path(side, path, scope)?;
            let declared = self.declared(side, &path, scope)?;
            if !matches!(declared.canon.kind, Kind::Any | Kind::List) {
                self.report(
                    error("config::wrong_kind", path.span, format!("`{}` is no list", path.value.as_str()))
                        .help("name a list, or map the value without `each`"),
                );
                return None;
            }
            paths.push(path);
        }
        let [source, target] = paths.as_slice() else { return None };
        let tables = [
            self.declared(Side::Source, source, scope)?.children(),
            self.declared(Side::Target, target, scope)?.children(),
        ];
        let inner = Scope { tables, prefix: [None, None], element: Some(flow) };
        let key = each.key.as_ref()?;
        let (source_key, target_key) = (key.source.as_ref()?, key.target.as_ref()?);
        self.declared(Side::Source, source_key, &inner);
        self.declared(Side::Target, target_key, &inner);
        let mut found = Vec::new();
        self.some(fields, &inner, &mut found);
        self.check_elements(&found);
        let id = hash::field_id("each", &[source.value.as_str()], target.value.as_str());
        let name = format!("{}[] -> {}[]", short(&source.value), short(&target.value));
        let derived = tables[1].fields.iter().filter(|(_, kind)| !kind.derived_from.is_empty());
        let derived = derived.map(|(name, kind)| (name.clone(), kind.derived_from.clone())).collect();
        let content = Content::Each(Box::new(Each {
            source_key: source_key.value.clone(),
            target_key: target_key.value.clone(),
            fields: found.into_iter().map(|(field, _)| field).collect(),
            removes: match each.removes.as_ref().map(|removes| removes.value) {
                None | Some(RemovesW::Any(false)) => Removes::None,
                Some(RemovesW::Ours) => Removes::Ours,
                Some(RemovesW::Any(true)) => Removes::All,
            },
            leaves_out: each.unlinked.as_ref().is_some_and(|unlinked| unlinked.value == UnlinkedW::LeaveOut),
            derived,
        }));
        let source_end = self.end(Side::Source, std::slice::from_ref(source), scope, flow, written)?;
        let target_end = self.end(Side::Target, std::slice::from_ref(target), scope, flow, written)?;
        self.check_read_only(written, [&source_end, &target_end], flow);
        Some(self.finish(written, id, name, [source_end, target_end], flow, content))
    }

    /// No two fields may write one value of an element.
    fn check_elements(&self, found: &[(Field, Span)]) {
        for (at, (second, span)) in found.iter().enumerate() {
            for (first, first_span) in found.iter().take(at) {
                let clash = Side::BOTH.into_iter().find_map(|side| {
                    let writes = |field: &Field| field.flow.writes(side) && field.write == WriteWhen::Always;
                    let (a, b) = (first.end(side).paths.first()?, second.end(side).paths.first()?);
                    let one = a.as_str() == b.as_str() || a.is_whole() || b.is_whole();
                    (writes(first) && writes(second) && one).then_some(a)
                });
                if let Some(path) = clash {
                    self.report(
                        error(
                            "config::two_writers",
                            *span,
                            format!("two fields write `{}` of an element", path.as_str()),
                        )
                        .label("written here too")
                        .also(*first_span, "written here")
                        .help("remove one of them"),
                    );
                }
            }
        }
    }
}
