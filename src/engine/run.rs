//! The order of events of one run.

use std::{
    collections::{BTreeMap, HashMap, HashSet, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::{
    Engine, EngineError, Listing, Meter, Mode, PipelineReport, RunReport, RunRequest, Trouble,
    deliver::keys_of,
    lookups::{Known, Questions},
    news,
    plan::KeyCount,
    pull::{Attached, PullOrder, Pulled, ResourceKey},
    step::Newcomer,
};
use crate::{
    config::{Config, ConnectionName, Integration, IntegrationName, Pipeline, PipelineName},
    connector::{Connector, Requests},
    crash,
    record::{RecordId, Side},
    store::{Changes, Intent, PipelineState, RunRecord, Spill, Stage, run_id},
    sync::{Damage, RecordWrite},
};

/// A two-way run plans again from its own answers until nothing is left, but not for ever.
const ROUNDS: usize = 3;

/// Items and findings of a pipeline that are kept of a run.
const KEPT: usize = 100;

/// A resource to read: its account, who gets the records, and whether everything is read.
type Wanted = (Arc<crate::config::Connection>, Vec<Attached>, bool);

/// A run under way.
pub(super) struct Run<'e> {
    pub engine: &'e Engine,
    pub integration: Arc<Integration>,
    pub pipelines: Vec<Arc<Pipeline>>,
    pub request: RunRequest,
    pub started: DateTime<Utc>,
    pub pulled: BTreeMap<ResourceKey, Pulled>,
    pub states: BTreeMap<PipelineName, PipelineState>,
    pub spills: HashMap<PipelineName, Spill<Newcomer>>,
    pub spilled_keys: HashMap<PipelineName, KeyCount>,
    /// Records with an open intent: what became of them is not known, so nothing is decided about them.
    pub busy: HashSet<(PipelineName, Side, RecordId)>,
    /// Creates whose outcome is not known: pipeline and written side. What appears there may be what they made, and
    /// has no counterpart made for it: nothing at all while they are fresh, later what holds the values sent.
    pub open_creates: Vec<(PipelineName, Side, Option<RecordWrite>)>,
    /// Records listed because nobody can tell whether their counterpart was made.
    pub unknown: HashSet<(PipelineName, Side, RecordId)>,
    /// Creates that can no longer take effect; they are looked up after the pull.
    pub doubtful: Vec<(String, Intent)>,
    /// Records without a link that were read again while a plan was under way, and whether they are gone: the store
    /// knows them better.
    pub read_meanwhile: HashMap<(PipelineName, Side, RecordId), bool>,
    /// Pipelines that dissolved links: both sides are read in full by the next run.
    pub released: HashSet<PipelineName>,
    /// Pipelines whose links speak of another account than a connection of theirs stands for: nothing is read or written
    /// for them.
    pub foreign: HashSet<PipelineName>,
    /// Links read by id in this run because a value had never been read.
    pub read_by_id: HashSet<(PipelineName, RecordId)>,
    /// Pipelines whose constants were looked up in this run, and why nothing may be sent for them.
    pub constants: HashMap<PipelineName, Option<String>>,
    pub reports: BTreeMap<PipelineName, PipelineReport>,
    /// Who is told of every item and finding.
    pub listing: Option<Listing>,
    /// What earlier rounds of this run wrote without a person's approval, per side: guards judge a run as a whole.
    pub damage: HashMap<PipelineName, [Damage; 2]>,
    /// Pipelines, and resources on which another one made records that they were not told of.
    pub outdated: HashSet<(PipelineName, ResourceKey)>,
    pub troubles: Vec<Trouble>,
    pub changes_seen: bool,
    pub pulled_again: u64,
    /// Listings that were read once more because they may have lacked something.
    pub looked_again: u64,
    pub written: u64,
    /// Bytes of before-images that were remembered.
    pub overwritten_bytes: u64,
    pub keys: fastrand::Rng,
    pub meter: Arc<Meter>,
}

impl Engine {
    /// Runs an integration.
    ///
    /// # Errors
    ///
    /// When the store fails, or the request names something that does not exist. A remote that fails is no error of
    /// the run: it is in the report.
    pub async fn run(&self, request: RunRequest) -> Result<RunReport, EngineError> {
        self.run_telling(request, Arc::default(), None).await
    }

    /// As [`Engine::run`], for somebody who watches how far it is.
    ///
    /// # Errors
    ///
    /// As [`Engine::run`].
    pub async fn run_metered(&self, request: RunRequest, meter: Arc<Meter>) -> Result<RunReport, EngineError> {
        self.run_telling(request, meter, None).await
    }

    /// As [`Engine::run_metered`]; where the request wants a list, `listing` is told of every item and finding.
    ///
    /// # Errors
    ///
    /// As [`Engine::run`].
    pub async fn run_telling(
        &self,
        request: RunRequest,
        meter: Arc<Meter>,
        listing: Option<Listing>,
    ) -> Result<RunReport, EngineError> {
        let integration = self
            .config
            .integrations
            .get(&request.integration)
            .cloned()
            .ok_or_else(|| EngineError::NoSuch { what: "integration", name: request.integration.to_string() })?;
        let pipelines: Vec<_> = integration
            .pipelines
            .iter()
            .filter(|pipeline| request.pipelines.is_empty() || request.pipelines.contains(&pipeline.name))
            .cloned()
            .collect();
        let before = self.requests();
        let started = self.clock.now();
        let mut run = Run {
            engine: self,
            integration,
            pipelines,
            started,
            pulled: BTreeMap::new(),
            states: BTreeMap::new(),
            spills: HashMap::new(),
            spilled_keys: HashMap::new(),
            busy: HashSet::new(),
            open_creates: Vec::new(),
            unknown: HashSet::new(),
            doubtful: Vec::new(),
            read_meanwhile: HashMap::new(),
            released: HashSet::new(),
            foreign: HashSet::new(),
            read_by_id: HashSet::new(),
            constants: HashMap::new(),
            reports: BTreeMap::new(),
            listing: listing.filter(|_| request.list),
            damage: HashMap::new(),
            outdated: HashSet::new(),
            troubles: Vec::new(),
            changes_seen: false,
            pulled_again: 0,
            looked_again: 0,
            written: 0,
            overwritten_bytes: 0,
            keys: fastrand::Rng::with_seed(self.seed_of(&request.integration, started)),
            request,
            meter,
        };
        run.go().await?;
        run.finish(&before).await
    }

    /// Runs of several integrations may begin at the same instant; their keys must differ all the same.
    fn seed_of(&self, integration: &IntegrationName, started: DateTime<Utc>) -> u64 {
        let name = xxhash_rust::xxh3::xxh3_64(integration.as_str().as_bytes());
        self.seed ^ name ^ u64::try_from(started.timestamp_micros()).unwrap_or_default()
    }

    fn requests(&self) -> BTreeMap<ConnectionName, Requests> {
        self.connectors.iter().map(|(name, connector)| (name.clone(), connector.requests())).collect()
    }
}

impl Run<'_> {
    async fn go(&mut self) -> Result<(), EngineError> {
        let pipelines = self.pipelines.clone();
        for pipeline in &pipelines {
            self.reports.insert(pipeline.name.clone(), PipelineReport::new(pipeline.name.clone()));
        }
        self.check_accounts().await?;
        for pipeline in pipelines.iter().filter(|pipeline| !self.foreign.contains(&pipeline.name)).collect::<Vec<_>>() {
            self.prepare(pipeline).await?;
        }
        if self.request.mode == Mode::Sync && self.blacked_out().is_none() {
            self.recover().await?;
        } else {
            self.load_busy().await?;
        }
        let failed = self.pull_all().await?;
        self.look_up_creates(&failed).await?;
        self.read_settled().await?;
        if self.request.mode == Mode::Poll {
            return Ok(());
        }
        if let Some(revert) = self.request.revert.clone() {
            return self.take_back(&pipelines, &failed, &revert.run).await;
        }
        self.note_whose_days_have_come(&pipelines).await?;
        for round in 0..ROUNDS {
            let mut wrote = false;
            for pipeline in &pipelines {
                if self.foreign.contains(&pipeline.name) {
                    continue;
                }
                let reason = match Self::unready(pipeline, &failed) {
                    Some(reason) => Some(reason),
                    None => self.unknown_constant(pipeline).await?,
                };
                if let Some(reason) = reason {
                    self.report_of(&pipeline.name).skipped = Some(reason);
                    self.keep_spilled(pipeline).await?;
                    continue;
                }
                wrote |= self.plan_and_apply(pipeline, round).await?;
            }
            let used_up = self.request.limit.is_some_and(|limit| self.written >= limit);
            if !wrote || used_up || self.request.mode == Mode::Plan || self.blacked_out().is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Takes a run back, in place of a plan of what changed; that is remembered, and decided about by the next run.
    async fn take_back(
        &mut self,
        pipelines: &[Arc<Pipeline>],
        failed: &HashSet<ResourceKey>,
        run: &str,
    ) -> Result<(), EngineError> {
        let mut had_part = false;
        for pipeline in pipelines.iter().rev() {
            if self.foreign.contains(&pipeline.name) {
                had_part = true;
                continue;
            }
            self.keep_spilled(pipeline).await?;
            if let Some(reason) = Self::unready(pipeline, failed) {
                self.report_of(&pipeline.name).skipped = Some(reason);
                had_part = true;
                continue;
            }
            had_part |= self.revert(pipeline, run).await?;
        }
        if had_part {
            return Ok(());
        }
        let name = run.to_owned();
        Err(EngineError::NoSuch { what: "run whose before-images are still kept", name })
    }

    /// The name of this run.
    pub(super) fn id(&self) -> String {
        run_id(&self.integration.name, self.started)
    }

    /// Pulls every resource the run needs, sides that are written first so that matching knows them. Returns what
    /// could not be read.
    async fn pull_all(&mut self) -> Result<HashSet<ResourceKey>, EngineError> {
        let mut orders: BTreeMap<(bool, ResourceKey), Wanted> = BTreeMap::new();
        for pipeline in &self.pipelines.clone() {
            if self.foreign.contains(&pipeline.name) {
                continue;
            }
            for side in Side::BOTH {
                let end = pipeline.end(side);
                if !pipeline.reads(side) || self.request.connection.as_ref().is_some_and(|c| *c != end.connection.name)
                {
                    continue;
                }
                let key = (end.connection.name.clone(), end.resource.name.clone());
                if orders.keys().any(|(_, known)| *known == key) {
                    continue;
                }
                let attached = self.attached(&key);
                let originates = attached.iter().any(|a| a.spill);
                let full = self.needs_full(&key, &attached).await?;
                orders.insert((originates, key), (end.connection.clone(), attached, full));
            }
        }
        let mut failed = HashSet::new();
        for ((_, key), (connection, attached, full)) in orders {
            let Some(resource) = connection.manifest.resources.get(&key.1).cloned() else { continue };
            let order = PullOrder { connection: &connection, resource: &resource, attached, full, since: None };
            if let Err(error) = self.pull(&order).await? {
                self.trouble(&key.0, &error);
                failed.insert(key);
            }
        }
        Ok(failed)
    }

    /// Every end, of any pipeline of the configuration, that uses a resource.
    pub(super) fn ends_using(&self, key: &ResourceKey) -> Vec<(Arc<Pipeline>, Side)> {
        let mut ends = Vec::new();
        for (_, pipeline) in self.engine.config.pipelines().filter(|(_, p)| !self.foreign.contains(&p.name)) {
            for side in Side::BOTH {
                let end = pipeline.end(side);
                if end.connection.name == key.0 && end.resource.name == key.1 && pipeline.reads(side) {
                    ends.push((pipeline.clone(), side));
                }
            }
        }
        ends
    }

    /// Who gets the records of a pull, and whether newcomers are spilled: on the originating side of a pipeline that
    /// is planned in this run.
    fn attached(&self, key: &ResourceKey) -> Vec<Attached> {
        let ends = self.ends_using(key).into_iter();
        ends.map(|(pipeline, side)| {
            let origin = if pipeline.writes(Side::Target) { Side::Source } else { Side::Target };
            let spill = side == origin && self.is_planned(&pipeline.name);
            Attached { pipeline, side, spill }
        })
        .collect()
    }

    async fn needs_full(&mut self, key: &ResourceKey, attached: &[Attached]) -> Result<bool, EngineError> {
        if self.request.full {
            return Ok(true);
        }
        let cursor = self.engine.ledger.cursor(&key.0, &key.1).await?.unwrap_or_default();
        // (A cursor of another account is no reason to read less: `pull` does not use it.)
        if self.request.mode != Mode::Poll
            && let (Some(every), Some(at)) = (self.integration.schedule.full_read, cursor.full_at)
            && self.engine.clock.now() - at >= TimeDelta::from_std(every).unwrap_or(TimeDelta::MAX)
        {
            return Ok(true);
        }
        for attached in attached {
            if !self.is_planned(&attached.pipeline.name) {
                continue;
            }
            let read = self.state_mut(&attached.pipeline.name).await?.read[attached.side.index()];
            if read != attached.pipeline.read_mark(attached.side) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Why a pipeline cannot be planned now.
    fn unready(pipeline: &Pipeline, failed: &HashSet<ResourceKey>) -> Option<String> {
        Side::BOTH.iter().find_map(|side| {
            let end = pipeline.end(*side);
            let key = (end.connection.name.clone(), end.resource.name.clone());
            (pipeline.reads(*side) && failed.contains(&key)).then(|| format!("{}/{} could not be read", key.0, key.1))
        })
    }

    pub(super) fn is_planned(&self, pipeline: &PipelineName) -> bool {
        self.request.mode != Mode::Poll && self.pipelines.iter().any(|planned| planned.name == *pipeline)
    }

    /// Whether `referred` lets records in because `referring` refers to them.
    pub(super) fn counts_references(&self, referred: &PipelineName, referring: &PipelineName) -> bool {
        self.engine.config.pipeline(referred).is_some_and(|(_, pipeline)| pipeline.referenced_by.contains(referring))
    }

    pub(super) fn connector(&self, name: &ConnectionName) -> Result<Arc<dyn Connector>, EngineError> {
        self.engine.connectors.get(name).cloned().ok_or_else(|| EngineError::NoConnector(name.clone()))
    }

    pub(super) async fn state_mut(&mut self, name: &PipelineName) -> Result<&mut PipelineState, EngineError> {
        if !self.states.contains_key(name) {
            let state = self.engine.ledger.pipeline(name).await?;
            self.states.insert(name.clone(), state);
        }
        Ok(self.states.entry(name.clone()).or_default())
    }

    pub(super) fn report_of(&mut self, name: &PipelineName) -> &mut PipelineReport {
        self.reports.entry(name.clone()).or_insert_with(|| PipelineReport::new(name.clone()))
    }

    pub(super) fn today(&self) -> NaiveDate {
        self.engine.clock.now().with_timezone(&self.integration.timezone).date_naive()
    }

    pub(super) async fn fetch(&self, questions: Questions<'_>) -> Result<Known, EngineError> {
        let config: &Config = &self.engine.config;
        let mark_of = |name: &PipelineName| config.pipeline(name).map_or(0, |(_, p)| p.read_mark(Side::Source));
        let zone = self.integration.timezone;
        Ok(questions.fetch(&self.engine.ledger, &self.states, mark_of, (self.today(), zone)).await?)
    }

    pub(super) fn spill(&mut self, pipeline: &Pipeline, newcomer: &Newcomer) -> Result<(), EngineError> {
        let seen = &newcomer.fresh.observation;
        let keys = if seen.gone { Vec::new() } else { keys_of(pipeline, newcomer.side, &seen.projection) };
        self.spilled_keys.entry(pipeline.name.clone()).or_default().count(
            newcomer.side,
            &newcomer.fresh.observation.id,
            &keys,
        );
        let spill = match self.spills.entry(pipeline.name.clone()) {
            Entry::Occupied(spill) => spill.into_mut(),
            Entry::Vacant(place) => place.insert(Spill::new(&self.engine.temp)),
        };
        Ok(spill.push(newcomer)?)
    }

    /// Stores what the run leaves behind, cursors last.
    async fn finish(mut self, before: &BTreeMap<ConnectionName, Requests>) -> Result<RunReport, EngineError> {
        // A plan does not apply what it spilled, so the next run must read it again.
        let keep_cursors = self.request.mode != Mode::Plan || self.spills.values().all(Spill::is_empty);
        let ended = self.engine.clock.now();
        let blackout = self.blacked_out();
        let mut changes = Changes::new();
        for (name, state) in &mut self.states {
            if self.released.contains(name) {
                state.read = [0, 0];
            }
            let Some(report) = self.reports.get(name) else { continue };
            if self.request.mode == Mode::Sync && report.skipped.is_none() && report.held.is_none() {
                // What is wrong with others' systems does not keep guards from judging this pipeline.
                let pipeline = self.pipelines.iter().find(|pipeline| pipeline.name == *name);
                let ends = pipeline.into_iter().flat_map(|pipeline| &pipeline.ends);
                let sound = ends
                    .into_iter()
                    .all(|end| self.troubles.iter().all(|trouble| trouble.connection != end.connection.name));
                let whole = sound && self.request.limit.is_none() && blackout.is_none();
                if whole && report.tally.unknown == 0 {
                    state.verified = Some(ended);
                }
                if state.stage == Stage::Approved && whole {
                    state.stage = Stage::Running;
                }
            }
            if keep_cursors {
                changes.together(|atomic| atomic.pipeline(name, state));
            }
        }
        if keep_cursors {
            for ((connection, resource), pulled) in &self.pulled {
                changes.together(|atomic| atomic.cursor(connection, resource, &pulled.cursor));
                news::forget(&mut changes, &pulled.told);
            }
        }
        self.weigh_troubles();
        let requests = self.engine.requests();
        let requests = requests
            .into_iter()
            .filter_map(|(name, now)| {
                let then = before.get(&name).copied().unwrap_or_default();
                let made = Requests {
                    reads: now.reads.saturating_sub(then.reads),
                    writes: now.writes.saturating_sub(then.writes),
                };
                (made != Requests::default()).then_some((name, made))
            })
            .collect();
        let mut pipelines: Vec<PipelineReport> =
            self.pipelines.iter().filter_map(|pipeline| self.reports.remove(&pipeline.name)).collect();
        for pipeline in &mut pipelines {
            pipeline.cut_to(PipelineReport::MOST);
        }
        let report = RunReport {
            integration: self.integration.name.clone(),
            mode: self.request.mode,
            why: self.request.why.clone(),
            started: self.started,
            ended,
            pipelines,
            requests,
            pulled_again: self.pulled_again + self.looked_again,
            changes_seen: self.changes_seen,
            troubles: std::mem::take(&mut self.troubles),
            blackout,
        };
        if report.mode == Mode::Sync {
            self.keep_record(&mut changes, &report).await?;
        }
        crash::point("run-ending");
        self.engine.ledger.commit(changes).await?;
        crash::point("cursors-moved");
        if report.mode == Mode::Sync {
            self.bound_history().await?;
        }
        self.engine.ledger.flush().await?;
        crash::point("run-ended");
        if report.mode != Mode::Plan {
            self.tell_settled().await?;
        }
        Ok(report)
    }

    async fn keep_record(&self, changes: &mut Changes, report: &RunReport) -> Result<(), EngineError> {
        let mut short = report.clone();
        for pipeline in &mut short.pipelines {
            pipeline.cut_to(KEPT);
        }
        let record = RunRecord {
            id: self.id(),
            started: report.started,
            ended: report.ended,
            why: report.why.clone(),
            report: serde_json::to_value(&short).unwrap_or_default(),
        };
        let kept = self.engine.config.settings.runs;
        Ok(self.engine.ledger.keep_run(changes, &self.integration.name, &record, kept).await?)
    }

    /// How long ago a resource was read in this run; `None` if it was not.
    pub(super) fn age_of(&self, key: &ResourceKey) -> Option<Duration> {
        self.pulled.get(key).map(|pulled| self.engine.clock.monotonic().saturating_sub(pulled.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_send<T: Send>(_: &T) {}

    #[allow(dead_code, reason = "compiling it is the test: a daemon runs integrations on its runtime's threads")]
    fn a_run_can_move_between_threads(engine: &Engine, request: RunRequest) {
        is_send(&engine.run(request));
    }
}
