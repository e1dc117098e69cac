//! Finding a record by what a person knows of it, and saying everything about it.

use serde::{Deserialize, Serialize};

use super::{BeforeImage, Desk, DeskError, field_name};
use crate::{
    config::{FieldId, Pipeline, PipelineName},
    mapping::{Verdict, admit},
    record::{Cell, RecordId, Side},
    store::{Due, Parked},
    sync::{Fresh, Link},
};

/// Everything about one field of a linked record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FieldExplanation {
    /// The field's name for people.
    pub field: String,
    /// The values at which both sides last agreed; `None` if they never did.
    pub agreed: Option<[Cell; 2]>,
    /// The present value on the source, if ever seen.
    pub source: Option<Cell>,
    /// The present value on the target, if ever seen.
    pub target: Option<Cell>,
    /// Why it is put aside.
    pub parked: Option<String>,
    /// Why the sides may differ for good, a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Where a record stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whereabouts {
    /// Linked.
    Linked {
        /// Source id.
        source: RecordId,
        /// Target id.
        target: RecordId,
        /// How the link came to be, a sentence.
        born: String,
        /// The fields.
        fields: Vec<FieldExplanation>,
        /// A side on which it is gone.
        gone: Option<Side>,
        /// The side on which we deleted it because it was deleted on the other.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deleted: Option<Side>,
        /// What the next run does, in sentences.
        next: Vec<String>,
    },
    /// Seen, not linked.
    Seen {
        /// Its side.
        side: Side,
        /// Its id.
        id: RecordId,
        /// What the filter says of it.
        filter: String,
    },
}

/// Everything about one record in one pipeline.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// The pipeline.
    pub pipeline: PipelineName,
    /// Name for people.
    pub label: String,
    /// Where it stands.
    pub stands: Whereabouts,
    /// What is parked of it.
    pub parked: Vec<Parked>,
    /// When and why it is looked at again.
    pub due: Option<Due>,
    /// What was last overwritten of it, newest first.
    #[serde(default)]
    pub overwritten: Vec<BeforeImage>,
}

impl Desk<'_> {
    /// Everything about the records that `text` names: an id of either side, or a label or value (e-mail, number)
    /// that equals it, case aside. At most 20.
    ///
    /// # Errors
    ///
    /// When the store fails, or no record of the pipeline is named so.
    pub async fn explain(&self, name: &PipelineName, text: &str) -> Result<Vec<Explanation>, DeskError> {
        let pipeline = self.pipeline(name)?;
        let mut found = Vec::new();
        for named in self.named(name, &RecordId::from(text)).await? {
            if let Some(link) = &named.link {
                found.push(self.explain_link(pipeline, link).await?);
                continue;
            }
            let known = self.engine.ledger.fresh(name, named.side, std::slice::from_ref(&named.id)).await?;
            if let Some(fresh) = known.into_iter().next().flatten() {
                found.push(self.explain_fresh(pipeline, named.side, &fresh).await?);
            }
        }
        if found.is_empty() {
            self.search(pipeline, text, &mut found).await?;
        }
        if found.is_empty() {
            return Err(DeskError::NoSuch(format!(
                "{name} knows no record with the id, name or value `{text}`; if it exists on a system, it has not been \
                 read yet, or it was deleted before it was linked"
            )));
        }
        Ok(found)
    }

    async fn search(&self, pipeline: &Pipeline, text: &str, found: &mut Vec<Explanation>) -> Result<(), DeskError> {
        const MOST: usize = 20;
        let wanted = text.trim().to_lowercase();
        let mut after = None;
        loop {
            let (links, next) = self.engine.ledger.list_links(&pipeline.name, after.as_ref()).await?;
            for link in links {
                let cells = link.fields.values().flat_map(|state| Side::BOTH.map(|side| state.present(side)));
                if found.len() < MOST && (link.label.to_lowercase() == wanted || any_is(cells.flatten(), &wanted)) {
                    found.push(self.explain_link(pipeline, &link).await?);
                }
            }
            match next {
                Some(key) => after = Some(key),
                None => break,
            }
        }
        for side in Side::BOTH {
            let mut after = None;
            loop {
                let (page, next) = self.engine.ledger.list_fresh(&pipeline.name, side, after.as_ref()).await?;
                for fresh in page {
                    let seen = &fresh.observation;
                    let is = seen.label.to_lowercase() == wanted || any_is(seen.projection.cells.iter(), &wanted);
                    if found.len() < MOST && is {
                        found.push(self.explain_fresh(pipeline, side, &fresh).await?);
                    }
                }
                match next {
                    Some(key) => after = Some(key),
                    None => break,
                }
            }
        }
        Ok(())
    }

    async fn explain_link(&self, pipeline: &Pipeline, link: &Link) -> Result<Explanation, DeskError> {
        // In the order in which a person wrote them.
        let place = |id: FieldId| pipeline.fields.iter().position(|field| field.id == id);
        let mut known: Vec<_> = link.fields.iter().collect();
        known.sort_by_key(|(id, _)| place(**id).unwrap_or(usize::MAX));
        let fields = known
            .into_iter()
            .map(|(id, state)| FieldExplanation {
                field: field_name(pipeline, *id),
                agreed: state.base.clone(),
                source: state.present(Side::Source).cloned(),
                target: state.present(Side::Target).cloned(),
                parked: state.parked.as_ref().map(|park| format!("{}: {}", park.code, park.message)),
                note: state.uneven.then(|| uneven(pipeline, *id)).flatten(),
            })
            .collect();
        let born = match link.born {
            crate::sync::Born::Matched => "both records existed and matched",
            crate::sync::Born::OnSource => "the source had it, and we created it on the target",
            crate::sync::Born::OnTarget => "the target had it, and we created it on the source",
            crate::sync::Born::ByHand => "a person linked them",
        };
        Ok(Explanation {
            pipeline: pipeline.name.clone(),
            label: link.label.clone(),
            stands: Whereabouts::Linked {
                source: link.source.clone(),
                target: link.target.clone(),
                born: born.to_owned(),
                fields,
                gone: Side::BOTH.into_iter().find(|side| link.mark(*side).gone),
                deleted: link.deleted.filter(|_| link.marks.iter().all(|mark| mark.gone)),
                next: self.next_steps(pipeline, link),
            },
            parked: self.engine.ledger.parked(&pipeline.name, Side::Source, &link.source).await?,
            due: self.engine.ledger.due(&pipeline.name, Side::Source, &link.source).await?,
            overwritten: self.before_images(pipeline, &link.source).await?,
        })
    }

    async fn explain_fresh(&self, pipeline: &Pipeline, side: Side, fresh: &Fresh) -> Result<Explanation, DeskError> {
        let seen = &fresh.observation;
        let known = Asked { desk: self, referenced: self.referenced(pipeline, &seen.id).await? };
        let filter = match admit(&pipeline.end(side).filter, &seen.id, &seen.projection, &known) {
            Verdict::Admitted => "the filter admits it".to_owned(),
            Verdict::Rejected { reason, .. } => format!("the filter does not admit it: {reason}"),
            Verdict::Unknown { waits_for } => format!("not known until {waits_for} has been read in full"),
        };
        Ok(Explanation {
            pipeline: pipeline.name.clone(),
            label: seen.label.clone(),
            stands: Whereabouts::Seen { side, id: seen.id.clone(), filter },
            parked: self.engine.ledger.parked(&pipeline.name, side, &seen.id).await?,
            due: self.engine.ledger.due(&pipeline.name, side, &seen.id).await?,
            overwritten: Vec::new(),
        })
    }

    async fn referenced(&self, pipeline: &Pipeline, id: &RecordId) -> Result<Vec<(PipelineName, bool)>, DeskError> {
        let mut all = Vec::new();
        for referring in &pipeline.referenced_by {
            all.push((referring.clone(), self.engine.ledger.is_referenced(referring, &pipeline.name, id).await?));
        }
        Ok(all)
    }
}

/// Answers what a filter asks about one record.
struct Asked<'a, 'e> {
    desk: &'a Desk<'e>,
    referenced: Vec<(PipelineName, bool)>,
}

impl crate::mapping::Lookups for Asked<'_, '_> {
    fn linked(&self, pipeline: &PipelineName, side: Side, id: &RecordId) -> Option<RecordId> {
        super::super::lookups::Known::default().linked(pipeline, side, id)
    }

    fn referenced(&self, pipeline: &PipelineName, _: &RecordId) -> Option<bool> {
        self.referenced.iter().find(|(name, _)| name == pipeline).map(|(_, answer)| *answer)
    }

    fn today(&self) -> chrono::NaiveDate {
        self.desk.engine.clock.now().date_naive()
    }
}

/// Why a field differs since one record was made from the other.
fn uneven(pipeline: &Pipeline, id: FieldId) -> Option<String> {
    let field = pipeline.fields.iter().find(|field| field.id == id)?;
    let to = Side::BOTH.into_iter().find(|side| field.flow.writes(*side))?;
    let from = to.other();
    Some(format!(
        "differs since the {from} record was made from the {to} record: this field flows to the {to} only, whose value \
         stays until somebody edits the {from}"
    ))
}

fn any_is<'c>(mut cells: impl Iterator<Item = &'c Cell>, wanted: &str) -> bool {
    cells.any(|cell| match cell.value() {
        Some(serde_json::Value::String(text)) => text.to_lowercase() == wanted,
        Some(serde_json::Value::Number(number)) => number.to_string() == wanted,
        _ => false,
    })
}
