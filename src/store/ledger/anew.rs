//! Beginning anew with what is remembered: a store that was put back knows which records are the same, and no longer
//! what both sides last agreed on.

use chrono::{DateTime, Utc};

use super::{Changes, Ledger, SCAN};
use crate::{
    config::PipelineName,
    record::Side,
    store::{Due, Key, PipelineState, Space, Stage, StoreError},
    sync::Link,
};

impl Ledger {
    /// Has every pipeline begin as on a first run: links are kept, their agreements are not, both sides are read in full,
    /// and nothing is written until a person has looked. Gives the number of links.
    ///
    /// Doing it twice does no harm, so a crash in between does none.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn begin_anew(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let due = Due { at: now, why: "the store was put back".to_owned() };
        let mut links = 0;
        let mut after = None;
        loop {
            let (page, next) =
                self.list::<Link>(&Key::new(Space::Link, &[]), after.as_ref(), crate::store::frame::unpack).await?;
            let mut changes = Changes::new();
            for (parts, mut link) in page {
                let Some(name) = parts.first().and_then(|name| PipelineName::parse(name).ok()) else { continue };
                link.forget_agreements();
                links += 1;
                changes.together(|atomic| {
                    atomic.relink(&name, &link);
                    atomic.due(&name, Side::Source, &link.source, &due);
                });
            }
            self.commit(changes).await?;
            match next {
                Some(key) => after = Some(key),
                None => break,
            }
        }
        for space in [Space::Cursor, Space::Held, Space::Settling] {
            loop {
                let page = self.store.scan(&Key::new(space, &[]), None, SCAN).await?;
                if page.is_empty() {
                    break;
                }
                let mut changes = Changes::new();
                for (key, _) in page {
                    changes.together(|atomic| atomic.0.delete(key));
                }
                self.commit(changes).await?;
            }
        }
        let mut after = None;
        loop {
            let page = self.store.scan(&Key::new(Space::Pipeline, &[]), after.as_ref(), SCAN).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            let mut changes = Changes::new();
            for (key, _) in &page {
                let [name] = &*key.parts() else { continue };
                let Ok(name) = PipelineName::parse(name) else { continue };
                let state = self.pipeline(&name).await?;
                let anew =
                    PipelineState { stage: Stage::Unapproved, read: [0, 0], verified: None, put_back: true, ..state };
                changes.together(|atomic| atomic.pipeline(&name, &anew));
            }
            self.commit(changes).await?;
        }
        self.flush().await?;
        Ok(links)
    }
}
