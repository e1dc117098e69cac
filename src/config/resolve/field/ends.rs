//! One end of a field.

use super::{Fields, Scope, Written1};
use crate::{
    config::{
        FieldEnd, Flow,
        diagnostic::error,
        resolve::Written,
        written::{FieldW, WriteW},
    },
    record::{Canon, Side},
};

impl Fields<'_, '_> {
    /// Makes the end on `side`: what is read, how it compares, and whether it can be written.
    pub(super) fn end(
        &mut self,
        side: Side,
        paths: &[Written1],
        scope: &Scope<'_>,
        flow: Flow,
        written: &FieldW,
    ) -> Option<FieldEnd> {
        let mut end = FieldEnd::default();
        for path in paths {
            let declared = self.declared(side, path, scope)?;
            end.read_only |= declared.read_only;
            end.create_only |= declared.create_only;
            end.masked |= declared.masked;
            // Several values are compared as a list; what one of them ignores says nothing of the others.
            end.canon = if paths.len() == 1 { declared.canon } else { Canon::default() };
            end.paths.push(path.value.clone());
        }
        if flow.writes(side) {
            // An element may be a plain value.
            let whole = |path: &&Written1| scope.element.is_some() && path.value.is_whole();
            for path in paths.iter().filter(|path| !whole(path)) {
                if let Err(cause) = path.value.check_writable() {
                    self.report(
                        error("config::not_writable", path.span, cause.to_string())
                            .label("written by this field")
                            .help("write a path of names, or select elements by equality: \"$.Phones[?(@.PhoneType=='MOBILE')].PhoneNumber\""),
                    );
                    return None;
                }
            }
        }
        if scope.element.is_some() {
            return Some(end);
        }
        let builder = &mut self.ends[side.index()];
        end.slots = paths.iter().map(|path| builder.value(&path.value)).collect();
        if flow.writes(side) {
            end.carry = paths.first().and_then(|path| path.value.carried_array()).map(|array| builder.value(&array));
            let always = matches!(written.write.as_ref().map(|write| write.value), None | Some(WriteW::Always));
            let shared = written.shared.as_ref().is_some_and(|shared| shared.value);
            self.writes.extend(paths.iter().map(|path| Written {
                side,
                path: path.value.clone(),
                always,
                shared,
                span: path.span,
            }));
        }
        Some(end)
    }
}
