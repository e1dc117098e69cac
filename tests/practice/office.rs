//! A practice system of those that are alike, a practice website, and an example folder between them.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
    pin::pin,
    time::Duration,
};

use chrono::{DateTime, Utc};
use reconciled::{
    clock::Clock,
    engine::RunReport,
    sandbox::{PracticeKind, PracticeOptions, PracticeSystem, Website, WebsiteOptions},
};
use serde_json::Value;

use crate::example::{Env, Example, afternoon};

pub struct Office {
    pub system: PracticeSystem,
    pub website: Website,
    example: Example,
}

impl Deref for Office {
    type Target = Example;
    fn deref(&self) -> &Example {
        &self.example
    }
}

impl DerefMut for Office {
    fn deref_mut(&mut self) -> &mut Example {
        &mut self.example
    }
}

impl Office {
    /// Starts at 2:00 pm on 1 June 2026 in Auckland. `more` names further variables once the system runs.
    pub async fn start(
        name: &'static str,
        kind: PracticeKind,
        [url, token, tenant]: [&'static str; 3],
        more: impl Fn(&PracticeSystem) -> Vec<(&'static str, String)>,
    ) -> Self {
        Self::start_at(name, (kind, afternoon(14, 0)), [url, token, tenant], more).await
    }

    pub async fn start_at(
        name: &'static str,
        (kind, now): (PracticeKind, DateTime<Utc>),
        [url, token, tenant]: [&'static str; 3],
        more: impl Fn(&PracticeSystem) -> Vec<(&'static str, String)>,
    ) -> Self {
        let clock = Clock::manual(now);
        let system = PracticeSystem::start(PracticeOptions::new(kind, clock.clone()).unlimited()).await.unwrap();
        let website = Website::start(WebsiteOptions::new(clock.clone())).await.unwrap();
        let mut env = BTreeMap::from([
            (url, system.url()),
            ("WEBSITE_URL", website.url()),
            ("WEBSITE_TOKEN", website.token().to_owned()),
        ]);
        if !token.is_empty() {
            env.insert(token, system.token().to_owned());
        }
        if !tenant.is_empty() {
            env.insert(tenant, system.tenant().to_owned());
        }
        env.extend(more(&system));
        let example = Example::start(name, &clock, Env(env));
        example.consent().await;
        Self { system, website, example }
    }

    /// The variables of a login by consent, of an app that may ask for it: where, its id and its secret.
    pub fn app(
        system: &PracticeSystem,
        [login, app, secret]: [&'static str; 3],
        id: &str,
    ) -> Vec<(&'static str, String)> {
        system.logins().unwrap().let_in(id, "canary-app-secret");
        vec![(login, system.host()), (app, id.to_owned()), (secret, "canary-app-secret".to_owned())]
    }

    /// Writes received by both.
    pub fn writes(&self) -> u64 {
        self.system.log().writes() + self.website.log().writes()
    }

    /// Time passes while something is done: these systems count calls by the second.
    async fn driven<T>(&self, done: impl Future<Output = T>) -> T {
        let mut done = pin!(done);
        let step = Duration::from_millis(2);
        let driven = async {
            loop {
                tokio::select! {
                    biased;
                    outcome = &mut done => return outcome,
                    () = tokio::time::sleep(step) => self.clock.advance(step * 50),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), driven).await.expect("this must not take so long")
    }

    /// A sync by hand, then a minute passes.
    pub async fn sync(&self) -> RunReport {
        self.driven(self.example.sync()).await
    }

    /// A sync that reads everything, then a minute passes.
    pub async fn sync_full(&self) -> RunReport {
        self.driven(self.example.sync_full()).await
    }

    /// First contact: looked at, approved, carried out.
    pub async fn first_sync(&self) {
        self.driven(self.example.first_sync()).await;
    }

    /// Syncs until nothing is left, then shows that nothing is.
    pub async fn settled(&self) {
        self.driven(self.example.settled_by(|| self.writes())).await;
    }

    /// The one record of a resource of the website that has this at a member.
    #[track_caller]
    pub fn on_site(&self, resource: &str, member: &str, value: &str) -> Value {
        one(self.website.list(resource), member, value)
    }

    /// The one record of a resource of the system that has this at a member.
    #[track_caller]
    pub fn there(&self, resource: &str, member: &str, value: &str) -> Value {
        one(self.system.list(resource), member, value)
    }

    /// The methods of the writes that the system received.
    pub fn received(&self) -> Vec<String> {
        let entries = self.system.log().entries();
        entries.iter().filter(|entry| !entry.is_read()).map(|entry| entry.method.clone()).collect()
    }
}

#[track_caller]
fn one(records: Vec<Value>, member: &str, value: &str) -> Value {
    let found: Vec<&Value> = records.iter().filter(|record| record[member] == value).collect();
    assert_eq!(found.len(), 1, "{member} {value} among {records:#?}");
    found[0].clone()
}
