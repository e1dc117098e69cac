//! Records that are listed per record of another resource.

use super::{super::HttpConnector, spot::Spot};
use crate::{
    connector::{CallError, List, Page, Parents, PullCursor, Resource, Way},
    record::Cell,
};

impl HttpConnector {
    /// The children of one page of parents. The parents are always listed in full: that a parent did not change says
    /// nothing about its children.
    pub(super) async fn pull_children(
        &self,
        resource: &Resource,
        list: &List,
        parents: &Parents,
        cursor: &PullCursor,
    ) -> Result<Page, CallError> {
        let known = self.shared.connection.manifest.resources.get(&parents.resource);
        let parent = known.ok_or_else(|| {
            CallError::NotDone(format!("`{}` is listed per `{}`, which is not there", resource.name, parents.resource))
        })?;
        let of_parents = PullCursor { since: None, page: cursor.page.clone() };
        let found = Box::pin(self.pull_page(parent, &of_parents)).await?;
        let mut page =
            Page { records: Vec::new(), next: found.next, server_time: found.server_time, ..Page::default() };
        for parent in found.records.iter().filter(|parent| !parent.gone) {
            let mut at = PullCursor { since: cursor.since, page: None };
            let mut way = Way::default();
            loop {
                let spot = Spot::parse(at.page.as_deref());
                let mut part = match &spot {
                    Spot::Portion { ticket, from } => self.pull_portion(resource, ticket, *from).await?,
                    _ => self.list_page(resource, list, &at, &spot, Some(parent.id.as_str())).await?,
                };
                way.page(&resource.name, &part)?;
                if let Some(into) = &parents.into {
                    for record in &mut part.records {
                        into.write(&mut record.body, &Cell::from(parent.id.as_str()))
                            .map_err(|error| CallError::NotDone(error.to_string()))?;
                    }
                }
                page.records.append(&mut part.records);
                at.page = part.next;
                if at.page.is_none() {
                    break;
                }
            }
        }
        Ok(page)
    }
}
