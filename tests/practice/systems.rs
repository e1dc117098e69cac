//! A practice XPM and a practice website, and an example folder between them.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
};

use chrono::{DateTime, Utc};
use reconciled::{
    clock::Clock,
    engine::RunReport,
    sandbox::{LogEntry, Website, WebsiteOptions, Xpm, XpmOptions},
};
use serde_json::Value;

use crate::{
    example::{Env, Example, afternoon},
    xpm_openapi::Watch,
};

/// An example folder between XPM and a website (or a portal, which serves the same contract).
pub struct Practice {
    pub xpm: Xpm,
    pub website: Website,
    /// The UUID of the custom field `Plan level`.
    pub plan_level: String,
    /// The UUID of the one who manages leads.
    pub manager: String,
    example: Example,
    /// What XPM was asked and answered fits its own file, whatever the test is about.
    _watch: Watch,
}

impl Deref for Practice {
    type Target = Example;
    fn deref(&self) -> &Example {
        &self.example
    }
}

impl DerefMut for Practice {
    fn deref_mut(&mut self) -> &mut Example {
        &mut self.example
    }
}

impl Practice {
    /// Starts at 2:00 pm on 1 June 2026 in Auckland.
    pub async fn start(name: &'static str) -> Self {
        Self::start_at(name, afternoon(14, 0)).await
    }

    pub async fn start_at(name: &'static str, now: DateTime<Utc>) -> Self {
        let practice = Self::before_consent(name, now).await;
        practice.consent().await;
        practice
    }

    /// As [`Practice::start_at`], before its owner consents.
    pub async fn before_consent(name: &'static str, now: DateTime<Utc>) -> Self {
        let clock = Clock::manual(now);
        let xpm = Xpm::start(XpmOptions::new(clock.clone()).unlimited().keeping_answers()).await.unwrap();
        let website = Website::start(WebsiteOptions::new(clock.clone())).await.unwrap();
        xpm.logins().let_in("app", "canary-app-secret");
        let plan_level = xpm.define("Plan level", "Text");
        let manager = xpm.insert("staff", "<Staff><Name>Jo Partner</Name></Staff>").unwrap();
        let env = Env(BTreeMap::from([
            ("XPM_URL", xpm.url()),
            ("XPM_APP_ID", "app".to_owned()),
            ("XPM_APP_SECRET", "canary-app-secret".to_owned()),
            ("XPM_LOGIN", xpm.host()),
            ("WEBSITE_URL", website.url()),
            ("WEBSITE_TOKEN", website.token().to_owned()),
            ("PORTAL_URL", website.url()),
            ("PORTAL_TOKEN", website.token().to_owned()),
            ("XPM_LEAD_MANAGER", manager.clone()),
            ("XPM_PLAN_LEVEL", plan_level.clone()),
        ]));
        let example = Example::start(name, &clock, env);
        let watch = Watch::over(xpm.log());
        Self { xpm, website, plan_level, manager, example, _watch: watch }
    }

    /// Writes received by both.
    pub fn writes(&self) -> u64 {
        writes(&self.xpm.log().entries()).len() as u64 + self.website.log().writes()
    }

    /// Syncs until nothing is left, then shows that nothing is.
    pub async fn settled(&self) {
        self.settled_by(|| self.writes()).await;
    }

    /// A client of XPM with contacts: name, e-mail; the first is the primary one.
    pub fn client(&self, name: &str, contacts: &[(&str, &str)]) -> String {
        let company = name.replace('&', "&amp;");
        let contacts: String = contacts
            .iter()
            .enumerate()
            .map(|(at, (name, email))| {
                let primary = if at == 0 { "Yes" } else { "No" };
                format!("<Contact><Name>{name}</Name><Email>{email}</Email><IsPrimary>{primary}</IsPrimary></Contact>")
            })
            .collect();
        self.xpm
            .insert("clients", &format!("<Client><Name>{company}</Name><Contacts>{contacts}</Contacts></Client>"))
            .unwrap()
    }

    /// The id of the XPM contact of this name.
    #[track_caller]
    pub fn person(&self, name: &str) -> String {
        let tag = format!("<Name>{name}</Name>");
        let found: Vec<_> = self
            .xpm
            .ids("contacts")
            .into_iter()
            .filter(|id| self.xpm.get("contacts", id).unwrap().contains(&tag))
            .collect();
        assert_eq!(found.len(), 1, "{name}");
        found[0].clone()
    }

    /// The website's contacts that have this text at a member.
    pub fn found(&self, member: &str, text: &str) -> Vec<Value> {
        self.website.list("contacts").into_iter().filter(|record| record[member] == text).collect()
    }

    /// The one of them.
    #[track_caller]
    pub fn one(&self, member: &str, text: &str) -> Value {
        let found = self.found(member, text);
        assert_eq!(found.len(), 1, "{member} {text} among {:#?}", self.website.list("contacts"));
        found[0].clone()
    }

    /// The text of an element of an XPM record, outside of its lists.
    #[track_caller]
    pub fn element(&self, resource: &str, id: &str, name: &str) -> String {
        let xml = self.xpm.get(resource, id).unwrap();
        let xml = xml.split("<Contacts>").next().unwrap();
        let text = xml.split(&format!("<{name}>")).nth(1).and_then(|rest| rest.split(&format!("</{name}>")).next());
        text.unwrap_or_default().to_owned()
    }
}

/// The writes of a log, as `PUT client.api/update`.
pub fn writes(entries: &[LogEntry]) -> Vec<String> {
    let path = |path: &str| path.split("/3.1/").last().unwrap_or(path).to_owned();
    entries
        .iter()
        .filter(|entry| !entry.is_read())
        .map(|entry| format!("{} {}", entry.method, path(&entry.path)))
        .collect()
}

/// The findings of all pipelines of a report, a line each.
pub fn told(report: &RunReport) -> Vec<String> {
    let findings = report.pipelines.iter().flat_map(|pipeline| &pipeline.findings);
    findings.map(|finding| format!("{}: {}", finding.label, finding.message)).collect()
}
