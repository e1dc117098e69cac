//! Templates as they are written, for the schema: they are put together as trees, before anything is decoded.

use std::time::Duration;

use super::{
    ApplyW, At, BlackoutW, ConnectionW, DebounceW, FirstRunW, Named, NotificationW, OneOrMany, PipelineW, ScheduleW,
    TableW, words, written,
};
pub(crate) use crate::config::templates::{AnyNode, ParamW};

written! {
    /// An integration to be made many times. `${params.x}` and `${client}` may stand in any value.
    TemplateW as "a template" {
        /// What it is for.
        may description: At<String>,
        /// What each client gives.
        may params: Named<ParamW>,
        /// Clients listed here instead of each as an integration: { client: NAME, … } with values of parameters.
        may clients: Vec<AnyNode>,
        /// Another template to begin from.
        may template: At<String>,
        /// Values of that template's parameters.
        may with: Named<AnyNode>,
        /// What is otherwise than in that template.
        may overrides: Named<AnyNode>,
        /// Edits of the template go live at these clients first, and at the others when all was well there.
        may rollout: RolloutW,
        /// Accounts that each client has: `website` becomes `acme/website`.
        may connections: Named<ConnectionW>,
        /// Lookup tables that each client has.
        may tables: Named<TableW>,
        /// Who is told what goes wrong at a client, and of that client alone: `office` becomes `acme/office`.
        may notifications: Named<NotificationW>,
        /// Whether anything starts by itself. Default: true.
        may automatic: At<bool>,
        /// `automatic` plans and writes; `observe` plans and writes nothing. Default: automatic.
        may apply: At<ApplyW>,
        /// The time zone of schedules and of `today`. Default: UTC.
        may timezone: At<chrono_tz::Tz>,
        /// How long to gather changes before a run.
        may debounce: DebounceW,
        /// When to look.
        may schedule: ScheduleW,
        /// When nothing is written to any system, as the end of a month; reads and plans go on.
        may blackouts: OneOrMany<BlackoutW>,
        /// How the first run of its pipelines goes, unless they say otherwise.
        may first_run: FirstRunW,
        /// Its pipelines.
        may pipelines: Named<PipelineW>,
    }
}

words! {
    /// What happens when the first clients ran an edit for long enough.
    AfterFirstW as "choice for then" { Approve = "approve", Automatic = "automatic", }
}

written! {
    /// Edits of a template go live at some of its clients first.
    RolloutW as "rollout" {
        /// The clients that run an edit first.
        need first: OneOrMany<At<String>>,
        /// How long the others wait while all is well at the first ones. Default: 24h.
        may wait: At<Duration>,
        /// `approve`: then a person lets the others take it over. `automatic`: they do so by themselves. Default: approve.
        may then: At<AfterFirstW>,
        /// How many more records may be parked at one of the first clients before the rollout stops. Default: 0.
        may parked: At<u64>,
    }
}
