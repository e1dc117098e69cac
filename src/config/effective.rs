//! What a configuration comes to, as numbers: two that are equal mean the same, whatever their files look like.
//!
//! Comments, the order of keys and the place of a definition do not count. Secrets do not enter here at all, so that a
//! number may be shown.

use std::{collections::HashMap, fmt::Write as _, sync::Arc};

use xxhash_rust::xxh3::xxh3_64;

use super::{Connection, Field, Integration};
use crate::{connector::Manifest, record::Side};

/// What an integration comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effective {
    /// What decides how records are treated, and where they are.
    pub meaning: u64,
    /// When things happen, and whether by themselves.
    pub tuning: u64,
}

impl Effective {
    /// Both in one, for people to compare.
    #[must_use]
    pub fn shown(self) -> String {
        let both = [self.meaning.to_le_bytes(), self.tuning.to_le_bytes()].concat();
        format!("{:016x}", xxh3_64(&both)).chars().take(12).collect()
    }
}

/// Makes the numbers. Manifests are large and shared by many connections, so each is looked at once.
#[derive(Debug, Default)]
pub struct Effects {
    manifests: HashMap<usize, (Arc<Manifest>, u64)>,
}

impl Effects {
    /// The numbers of an integration.
    pub fn of(&mut self, integration: &Integration) -> Effective {
        let mut meaning = String::new();
        // Writing into a string does not fail.
        let _ = write!(meaning, "{:?} {:?}", integration.name.as_str(), integration.timezone);
        for pipeline in &integration.pipelines {
            let first = pipeline.first_run.approve;
            let _ = write!(meaning, " {:?} {:x} {first}", pipeline.name.as_str(), pipeline.hash);
            for other in &pipeline.co_writers {
                let _ = write!(meaning, " {:?} {} {}", other.pipeline.as_str(), other.side, other.theirs);
            }
            // Which way a pipeline of another integration faces is said there.
            for reference in pipeline.fields.iter().flat_map(Field::references).filter(|to| to.turned) {
                let _ = write!(meaning, " turned {:?}", reference.pipeline.as_str());
            }
            for side in Side::BOTH {
                let end = pipeline.end(side);
                let name = end.connection.name.as_str();
                let _ = write!(meaning, " {name:?} {:x} {:?}", self.account(&end.connection), end.resource.name);
            }
        }
        let schedule = &integration.schedule;
        let crons: Vec<&str> = schedule.cron.iter().map(|cron| cron.written.as_str()).collect();
        let tuning = format!(
            "{} {:?} {:?} {:?} {:?} {:?} {crons:?} {:?} {:?}",
            integration.automatic,
            integration.apply,
            integration.debounce,
            integration.blackouts,
            schedule.poll,
            schedule.after_idle,
            schedule.full_read,
            schedule.spread
        );
        Effective { meaning: xxh3_64(meaning.as_bytes()), tuning: xxh3_64(tuning.as_bytes()) }
    }

    /// Which account a connection is, and how it is spoken to: all but its login and its limits.
    pub fn account(&mut self, connection: &Connection) -> u64 {
        let manifest = self.manifest(&connection.manifest);
        let Connection { base_url, tenant, settings, .. } = connection;
        let text = format!("{manifest:x} {:?} {tenant:?} {settings:?}", base_url.as_str());
        xxh3_64(text.as_bytes())
    }

    fn manifest(&mut self, manifest: &Arc<Manifest>) -> u64 {
        // The manifest is kept, so that no other one can come to its address.
        let known = self.manifests.entry(Arc::as_ptr(manifest).addr()).or_insert_with(|| {
            let spoken = Manifest { limits: Vec::new(), webhooks: None, ..Manifest::clone(manifest) };
            (Arc::clone(manifest), xxh3_64(format!("{spoken:?}").as_bytes()))
        });
        known.1
    }
}
