//! The resolved configuration: every name looked up, every path compiled, every default filled in.

mod connection;
mod elements;
mod field;
mod filter;
mod grant;
mod integration;
mod notification;
mod pipeline;
mod rollout;
mod settings;

use std::{collections::BTreeMap, sync::Arc};

pub use connection::{Auth, Connection};
pub use elements::{Count, Dates, EachElement, Elements, Interval};
pub use field::{
    Content, Each, Expectation, Field, FieldEnd, FieldId, Flow, Join, Lookup, Reference, Removes, Table, Transform,
    UnknownKey, WriteWhen,
};
pub use filter::{DateBound, Filter, Operator, Test};
pub use grant::{Grant, GrantFlow};
pub use integration::{ApplyMode, Cron, Debounce, Integration, Schedule, Spread};
pub use notification::{After, Channel, Email, MailSecurity, Notification, QuietHours, Topic};
pub use pipeline::{
    Amount, Blanks, CoWriter, Conflicts, Creates, CutOver, Deletes, Differences, Drift, End, Fallback, FirstRun,
    Guards, Keep, KeyPair, KnownConstant, OnLeave, Pipeline, Then, Tier, Unique,
};
pub use rollout::{MadeFrom, Rollout};
pub use settings::{
    Account, AdminSettings, BackupSettings, HistorySettings, PublicSettings, ReloadSettings, Role, RunSettings,
    Settings,
};

use super::{ConnectionName, IntegrationName, PipelineName};

/// Everything the daemon was told to do.
#[derive(Clone, Debug)]
pub struct Config {
    /// The daemon's own settings.
    pub settings: Settings,
    /// Every account, by name.
    pub connections: BTreeMap<ConnectionName, Arc<Connection>>,
    /// Every integration, by name. A pipeline written at the top level is an integration of its own, of one pipeline.
    pub integrations: BTreeMap<IntegrationName, Arc<Integration>>,
    /// Who is told what, by name.
    pub notifications: BTreeMap<String, Arc<Notification>>,
}

impl Config {
    /// The pipeline of this name and the integration it belongs to.
    #[must_use]
    pub fn pipeline(&self, name: &PipelineName) -> Option<(&Arc<Integration>, &Arc<Pipeline>)> {
        let integration = self.integrations.get(&name.integration())?;
        integration.pipelines.iter().find(|pipeline| pipeline.name == *name).map(|pipeline| (integration, pipeline))
    }

    /// Every pipeline, in the order of names and, within an integration, of references.
    pub fn pipelines(&self) -> impl Iterator<Item = (&Arc<Integration>, &Arc<Pipeline>)> {
        self.integrations.values().flat_map(|integration| integration.pipelines.iter().map(move |p| (integration, p)))
    }
}
