//! How everything stands, as what is wrong, fine, or not known.
#![expect(clippy::option_option, reason = "whether anything is expected to be verified, and when it was")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};

use super::judge::{Discreet, Fact, Facts, Wrong};
use crate::{
    config::{Config, ConnectionName, Integration, IntegrationName, Topic},
    daemon::{
        control::Shared,
        grants, paused,
        reload::{Rollout, RolloutStage, held, rollout},
        slot::Slot,
        status::ConnectionTrouble,
    },
    grant::{ConnectionNow, ConnectionState},
    store::{Approval, HeldRun, Hold, Ledger, Stage, StoreError},
};

/// How old what the store tells of an integration may be, if no run of it ended meanwhile: a person may have decided.
const OLD: Duration = Duration::from_mins(1);

/// How long the logins may keep their secrets to themselves.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long before a login ends somebody is told.
const ENDING: TimeDelta = TimeDelta::days(7);

/// Looks at everything; what takes reading is read again only where it may have changed.
#[derive(Default)]
pub(super) struct Watch {
    remembered: BTreeMap<IntegrationName, Remembered>,
}

/// What the store tells of an integration.
struct Remembered {
    /// The runs that had ended then.
    runs: u64,
    read: Duration,
    parked: u64,
    /// Pipelines whose first run waits for a person.
    unapproved: Vec<String>,
    /// The pipeline of which nothing was verified for longest, with when. `None`: none is expected to be.
    verified: Option<Option<DateTime<Utc>>>,
}

impl Watch {
    /// Looks.
    pub async fn look(&mut self, shared: &Shared, config: &Config) -> Facts {
        let mut facts = Facts::default();
        let slots = shared.slots();
        let slots: Vec<&Slot> = slots.values().map(AsRef::as_ref).collect();
        let logins = tokio::time::timeout(PATIENCE, grants::all(&shared.engine())).await;
        let left = logins.iter().flatten().filter(|login| login.state == ConnectionState::Disconnected);
        let left: BTreeMap<&ConnectionName, &ConnectionNow> = left.map(|login| (&login.connection, login)).collect();
        connections(&slots, &left, shared.clock.now(), &mut facts);
        match &logins {
            Ok(logins) => tokens(logins, &slots, shared.clock.now(), &mut facts),
            // One is just being renewed: whether somebody disconnected another is not known either.
            Err(_) => facts.blind.extend([Topic::Token, Topic::Connection]),
        }
        for slot in &slots {
            facts.put(Topic::Runs, slot.name.as_str(), runs(slot, &left, shared.clock.now()));
        }
        configuration(shared, &mut facts);
        let failing = shared.health.message();
        let works = failing.is_none();
        facts.put(Topic::Store, "store", failing.map_or(Fact::Fine, |cause| store(&cause, shared.clock.now())));
        // A store that fails tells nothing, and what it told before still holds.
        if !works || self.remembered(shared, config, &slots, &mut facts).await.is_err() {
            facts.blind.extend([Topic::Held, Topic::Edit, Topic::Parked, Topic::Unverified]);
        }
        facts
    }

    async fn remembered(
        &mut self,
        shared: &Shared,
        config: &Config,
        slots: &[&Slot],
        facts: &mut Facts,
    ) -> Result<(), StoreError> {
        let ledger = shared.ledger();
        let of = |pipeline| config.pipeline(pipeline).map(|(integration, _)| integration.name.clone());
        // A first run is over no guard; it is told of once for the whole integration, below.
        let is_first = |hold: &HeldRun| hold.guards.is_empty() && hold.message.is_none();
        // Who left records out of an approval knows.
        let told = |hold: &HeldRun| is_first(hold) || hold.what == Hold::LeftOut;
        let waits = |hold: &&HeldRun| hold.approval == Approval::Waiting && !told(hold);
        for hold in ledger.list_held().await?.iter().filter(waits) {
            if let Some(name) = of(&hold.pipeline) {
                facts.put(Topic::Held, &hold.id, hold_told(hold, name));
            }
        }
        for edit in held::all(&ledger).await?.iter().filter(|edit| edit.approval == Approval::Waiting) {
            let wrong = Wrong {
                integrations: vec![edit.integration.clone()],
                since: edit.since,
                lasting: true,
                by_person: false,
                count: 1,
                title: format!("an edit of `{}` waits for approval", edit.integration),
                detail: edit.told(),
                discreet: Discreet::Same,
            };
            facts.put(Topic::Edit, &edit.id, Fact::Wrong(wrong));
        }
        for rollout in rollout::all(&ledger).await? {
            if let Some(fact) = rollout_told(&rollout, shared.clock.now()) {
                facts.put(Topic::Edit, &rollout.id, fact);
            }
        }
        let now = shared.clock.monotonic();
        let names: BTreeSet<&IntegrationName> = slots.iter().map(|slot| &slot.name).collect();
        self.remembered.retain(|name, _| names.contains(name));
        for slot in slots {
            let (integration, runs, whole) = slot.peek(|state| {
                let integration = state.version.integration.clone();
                let whole = paused::is_whole(&state.pauses, &integration);
                (integration, state.runs, whole)
            });
            let known = self.remembered.get(&slot.name);
            if known.is_none_or(|known| known.runs != runs || now.saturating_sub(known.read) >= OLD) {
                let read = read(&ledger, &integration, (runs, now)).await?;
                self.remembered.insert(slot.name.clone(), read);
            }
            let Some(known) = self.remembered.get(&slot.name) else { continue };
            facts.put(Topic::Parked, slot.name.as_str(), parked(&slot.name, known.parked, shared.clock.now()));
            // Not before somebody could look at what it would do.
            if runs > 0 && !known.unapproved.is_empty() {
                facts.put(Topic::Held, slot.name.as_str(), first_runs(&slot.name, known, shared.clock.now()));
            }
            let by_itself = integration.automatic && !whole;
            let verified = known.verified.filter(|_| by_itself);
            facts.put(Topic::Unverified, slot.name.as_str(), unverified(&slot.name, verified, shared.started));
        }
        Ok(())
    }
}

async fn read(ledger: &Ledger, integration: &Integration, at: (u64, Duration)) -> Result<Remembered, StoreError> {
    let (mut parked, mut unapproved, mut verified) = (0, Vec::new(), None);
    for pipeline in &integration.pipelines {
        let mut after = None;
        loop {
            let (page, next) = ledger.list_parked(&pipeline.name, after.as_ref()).await?;
            let entries = page.iter().flat_map(|(_, _, entries)| entries);
            parked += entries.filter(|entry| !entry.ignored).count() as u64;
            match next {
                Some(key) => after = Some(key),
                None => break,
            }
        }
        let state = ledger.pipeline(&pipeline.name).await?;
        if state.stage == Stage::Unapproved {
            unapproved.push(pipeline.name.to_string());
        }
        if state.stage == Stage::Running {
            verified = Some(verified.map_or(state.verified, |least: Option<DateTime<Utc>>| least.min(state.verified)));
        }
    }
    Ok(Remembered { runs: at.0, read: at.1, parked, unapproved, verified })
}

fn first_runs(name: &IntegrationName, known: &Remembered, now: DateTime<Utc>) -> Fact {
    Fact::Wrong(Wrong {
        integrations: vec![name.clone()],
        since: now,
        lasting: true,
        by_person: false,
        count: known.unapproved.len() as u64,
        title: format!("first runs of `{name}` wait for approval"),
        detail: format!(
            "Nothing was written yet by: {}.\n`reconciled match {name} --report` shows what they would do, `reconciled approve \
             {name}` starts them.",
            known.unapproved.join(", ")
        ),
        discreet: Discreet::Same,
    })
}

/// Logins that end soon unless somebody uses or renews them.
fn tokens(logins: &[ConnectionNow], slots: &[&Slot], now: DateTime<Utc>, facts: &mut Facts) {
    for login in logins {
        let name = &login.connection;
        let ends = login.expires.filter(|ends| login.state == ConnectionState::Connected && *ends - now < ENDING);
        let fact = ends.map_or(Fact::Fine, |ends| {
            let users = slots.iter().filter(|slot| slot.connections().contains(name));
            let again = format!("`reconciled connect {}` asks its owner again.", login.grant);
            Fact::Wrong(Wrong {
                integrations: users.map(|slot| slot.name.clone()).collect(),
                since: now,
                lasting: true,
                by_person: false,
                count: 1,
                title: format!("the login of `{name}` ends on {}", ends.format("%-d %B %Y")),
                detail: format!("It is renewed whenever it is used, and was not for long.\n{again}"),
                discreet: Discreet::Same,
            })
        });
        facts.put(Topic::Token, name.as_str(), fact);
    }
}

/// `left` are those that a person disconnected.
fn connections(
    slots: &[&Slot],
    left: &BTreeMap<&ConnectionName, &ConnectionNow>,
    now: DateTime<Utc>,
    facts: &mut Facts,
) {
    let mut users: BTreeMap<ConnectionName, Vec<&Slot>> = BTreeMap::new();
    for slot in slots {
        for name in slot.connections() {
            users.entry(name).or_default().push(slot);
        }
    }
    for (name, users) in users {
        if let Some(login) = left.get(&name) {
            facts.put(Topic::Connection, name.as_str(), Fact::Wrong(disconnected(login, &users, now)));
            continue;
        }
        let mut worst: Option<ConnectionTrouble> = None;
        let (mut heard, mut hit) = (false, Vec::new());
        for slot in &users {
            slot.peek(|state| {
                heard |= state.heard.contains(&name);
                if let Some(trouble) = state.troubles.get(&name) {
                    hit.push(slot.name.clone());
                    let older = worst.as_ref().is_none_or(|known| trouble.since < known.since);
                    if older || !trouble.temporary {
                        worst = Some(trouble.clone());
                    }
                }
            });
        }
        let fact = match worst {
            Some(trouble) => Fact::Wrong(lost(&trouble, hit)),
            None if heard => Fact::Fine,
            None => Fact::Unknown,
        };
        facts.put(Topic::Connection, name.as_str(), fact);
    }
}

/// A person ended it: whoever is concerned hears that, and what stands still because of it.
fn disconnected(login: &ConnectionNow, users: &[&Slot], now: DateTime<Utc>) -> Wrong {
    let name = &login.connection;
    let integrations: Vec<IntegrationName> = users.iter().map(|slot| slot.name.clone()).collect();
    let names: Vec<&str> = integrations.iter().map(IntegrationName::as_str).collect();
    let (who, since) = login.parted.as_ref().map_or(("somebody", now), |parted| (parted.by.as_str(), parted.at));
    let detail = |stands_still: &str| {
        format!(
            "{who} disconnected it on {}.\nNothing is asked of it and nothing is written to it any more.{stands_still} Records \
             and links are kept; `reconciled connect {}` connects it again, and everything goes on from where it was.",
            since.format("%Y-%m-%d %H:%M UTC"),
            login.grant
        )
    };
    Wrong {
        since,
        lasting: true,
        by_person: true,
        count: 1,
        title: format!("the connection `{name}` was disconnected"),
        detail: detail(&format!(" What stands still: {}.", names.join(", "))),
        discreet: discreet(&integrations, || detail("")),
        integrations,
    }
}

fn lost(trouble: &ConnectionTrouble, integrations: Vec<IntegrationName>) -> Wrong {
    let ConnectionTrouble { connection, message, temporary, since, attempts } = trouble;
    let (what, next) = if *temporary {
        ("is lost", "It is tried again by itself; nothing needs to be done unless it lasts.")
    } else {
        (
            "needs a person",
            "It seldom passes by itself. It is asked again now and then, and at once when its login is changed.",
        )
    };
    let names: Vec<&str> = integrations.iter().map(IntegrationName::as_str).collect();
    let detail = |waits: &str| {
        format!(
            "{connection}: {message}\n{next} Attempts since {}: {attempts}.{waits} `reconciled status` shows more.",
            since.format("%Y-%m-%d %H:%M UTC")
        )
    };
    Wrong {
        since: *since,
        lasting: !temporary,
        by_person: false,
        count: u64::from(*attempts),
        title: format!("the connection `{connection}` {what}"),
        detail: detail(&format!("\nWhat waits for it: {}.", names.join(", "))),
        discreet: discreet(&integrations, || detail("")),
        integrations,
    }
}

/// What names several is told without their names to who may know of one.
fn discreet(integrations: &[IntegrationName], otherwise: impl FnOnce() -> String) -> Discreet {
    if integrations.len() > 1 { Discreet::Text(otherwise()) } else { Discreet::Same }
}

/// `left` are the connections that a person disconnected: that runs fail because of them alone is no news to anybody.
fn runs(slot: &Slot, left: &BTreeMap<&ConnectionName, &ConnectionNow>, now: DateTime<Utc>) -> Fact {
    let name = &slot.name;
    slot.peek(|state| match state.failed_in_row {
        0 if state.heard.is_empty() => Fact::Unknown,
        0 => Fact::Fine,
        _ if state.failure.is_none()
            && !state.troubles.is_empty()
            && state.troubles.keys().all(|trouble| left.contains_key(trouble)) =>
        {
            Fact::Unknown
        }
        failed => {
            let troubles =
                state.troubles.values().map(|trouble| format!("{}: {}", trouble.connection, trouble.message));
            let why: Vec<String> = state.failure.clone().into_iter().chain(troubles).collect();
            Fact::Wrong(Wrong {
                integrations: vec![name.clone()],
                since: now,
                lasting: false,
                by_person: false,
                count: u64::from(failed),
                title: format!("runs of `{name}` fail"),
                detail: format!(
                    "The last {failed} runs of `{name}` failed.\n{}\n`reconciled runs {name}` shows them.",
                    why.join("\n")
                ),
                discreet: Discreet::Same,
            })
        }
    })
}

fn configuration(shared: &Shared, facts: &mut Facts) {
    let now = shared.config_now.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let Some(now) = now else {
        // The files were not judged yet.
        facts.blind.insert(Topic::Config);
        return;
    };
    let file_of = |at: &str| at.split(':').next().unwrap_or_default().to_owned();
    let files: BTreeSet<String> = now.mistakes.iter().map(|mistake| file_of(&mistake.at)).collect();
    let wrong = |title: String, detail: String| {
        Fact::Wrong(Wrong {
            integrations: Vec::new(),
            since: now.last_reload.at,
            lasting: true,
            by_person: false,
            count: 1,
            title,
            detail,
            discreet: Discreet::Same,
        })
    };
    for file in files {
        let mistakes = now.mistakes.iter().filter(|mistake| file_of(&mistake.at) == file);
        let told: Vec<String> = mistakes
            .map(|mistake| {
                let help = mistake.help.as_ref().map(|help| format!("\n  help: {help}")).unwrap_or_default();
                format!("{}{help}", mistake.told())
            })
            .collect();
        let detail = format!("{}\nWhat ran before goes on. `reconciled validate` shows more.", told.join("\n"));
        facts.put(Topic::Config, &file, wrong(format!("the configuration file {file} is rejected"), detail));
    }
    if let Some(text) = &now.vanished {
        let title = "files of the configuration vanished".to_owned();
        facts.put(Topic::Config, "vanished files", wrong(title, text.clone()));
    }
}

fn store(cause: &str, now: DateTime<Utc>) -> Fact {
    Fact::Wrong(Wrong {
        integrations: Vec::new(),
        since: now,
        lasting: false,
        by_person: false,
        count: 1,
        title: "the store fails, nothing is written to any system".to_owned(),
        detail: format!("{cause}\nIf the disk is full, make room: everything goes on by itself then."),
        discreet: Discreet::Same,
    })
}

fn hold_told(hold: &HeldRun, integration: IntegrationName) -> Fact {
    let over =
        hold.guards.iter().map(|guard| format!("{} {} where {} are allowed", guard.count, guard.guard, guard.allowed));
    let guards: Vec<String> = over.collect();
    let title = format!("a run of `{}` is held", hold.pipeline);
    let why = hold.message.clone().unwrap_or_else(|| guards.join(", "));
    let detail = format!(
        "{why}\n`reconciled plan {}` shows what it would do, `reconciled approve {}` lets it go ahead, `reconciled reject {}` \
         does not.",
        hold.pipeline, hold.id, hold.id
    );
    Fact::Wrong(Wrong {
        integrations: vec![integration],
        since: hold.since,
        lasting: true,
        by_person: false,
        count: 1,
        title,
        detail,
        discreet: Discreet::Same,
    })
}

/// An edit of a template that does not go on without a person.
fn rollout_told(rollout: &Rollout, now: DateTime<Utc>) -> Option<Fact> {
    let template = &rollout.template;
    let title = match rollout.stage {
        RolloutStage::ForApproval => format!("the clients of the template `{template}` wait for approval of its edit"),
        RolloutStage::Stopped { .. } => format!("the rollout of the template `{template}` stopped"),
        _ => return None,
    };
    Some(Fact::Wrong(Wrong {
        integrations: rollout.first.iter().map(|trial| trial.integration.clone()).collect(),
        since: now,
        lasting: true,
        by_person: false,
        count: 1,
        title,
        detail: rollout.to_string(),
        // It names the other clients of the template.
        discreet: Discreet::Nothing,
    }))
}

fn parked(name: &IntegrationName, count: u64, now: DateTime<Utc>) -> Fact {
    if count == 0 {
        return Fact::Fine;
    }
    let entries = if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") };
    Fact::Wrong(Wrong {
        integrations: vec![name.clone()],
        since: now,
        lasting: true,
        by_person: false,
        count,
        title: format!("{entries} of `{name}` put aside"),
        detail: format!("`reconciled parked list {name}` says of each what is wrong and what to do."),
        discreet: Discreet::Same,
    })
}

fn unverified(name: &IntegrationName, verified: Option<Option<DateTime<Utc>>>, started: DateTime<Utc>) -> Fact {
    let Some(verified) = verified else { return Fact::Fine };
    // What never was counts from the start.
    let since = verified.unwrap_or(started);
    let last = verified.map_or_else(|| "never".to_owned(), |at| at.format("%Y-%m-%d %H:%M UTC").to_string());
    Fact::Wrong(Wrong {
        integrations: vec![name.clone()],
        since,
        lasting: false,
        by_person: false,
        count: 1,
        title: format!("nothing of `{name}` was verified for long"),
        detail: format!("Both sides were last found in agreement: {last}. `reconciled status` says what it waits for."),
        discreet: Discreet::Same,
    })
}
