//! pi-07 and pi-08: clients and prospects of XPM for the proposals, accepted proposals as jobs.

use std::{collections::BTreeMap, fs};

use chrono::TimeDelta;
use reconciled::{
    clock::Clock,
    config::ConnectionName,
    connector::Post,
    sandbox::{Xpm, XpmOptions},
};
use serde_json::{Value, json};

use crate::{
    example::{Env, afternoon, until},
    posts::{Office, TOKEN},
    xpm_openapi::Watch,
};

struct Practice {
    office: Office,
    xpm: Xpm,
    folder: tempfile::TempDir,
    /// What XPM was asked and answered fits its own file, whatever the test is about.
    _watch: Watch,
}

impl Practice {
    async fn start() -> Self {
        let clock = Clock::manual(afternoon(14, 0));
        let xpm = Xpm::start(XpmOptions::new(clock.clone()).unlimited().keeping_answers()).await.unwrap();
        xpm.logins().let_in("app", "canary-app-secret");
        let folder = tempfile::tempdir().unwrap();
        let env = Env(BTreeMap::from([
            ("XPM_URL", xpm.url()),
            ("XPM_LOGIN", xpm.host()),
            ("XPM_APP_ID", "app".to_owned()),
            ("XPM_APP_SECRET", "canary-app-secret".to_owned()),
            ("PROPOSALS_FOLDER", folder.path().display().to_string()),
        ]));
        let office = Office::start("proposals-xpm", &clock, env).await;
        office.first_sync().await;
        let watch = Watch::over(xpm.log());
        Self { office, xpm, folder, _watch: watch }
    }

    fn rows(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("clients.csv")).unwrap_or_default();
        let mut rows: Vec<String> = text.lines().map(str::to_owned).collect();
        rows.sort();
        rows
    }

    /// Writes that XPM got.
    fn written(&self) -> Vec<String> {
        let entries = self.xpm.log().entries();
        let writes = entries.iter().filter(|entry| !entry.is_read());
        writes.map(|entry| format!("{} {}", entry.method, entry.path.split("/3.1/").last().unwrap())).collect()
    }

    async fn settled(&self) {
        self.office.settled_by(|| self.xpm.log().writes()).await;
        let rows = self.rows();
        self.office.sync().await;
        assert_eq!(self.rows(), rows);
    }
}

fn proposal(number: &str, client: &str, status: &str) -> Value {
    json!({
        "number": number, "client_id": client, "title": "Year end 2026", "status": status,
        "accepted_on": "2026-06-01", "ends_on": "2026-08-31",
    })
}

#[tokio::test]
async fn pi_07_clients_and_prospects_of_xpm_are_imported() {
    let practice = Practice::start().await;
    let insert = |xml: &str| practice.xpm.insert("clients", xml).unwrap();
    let kea =
        insert("<Client><Name>Kea Ltd</Name><Email>office@kea.example</Email><Phone>09 555 0101</Phone></Client>");
    let tui = insert("<Client><Name>Tui, Tama</Name><IsProspect>Yes</IsProspect></Client>");
    practice.office.sync().await;
    let line = |id: &str, rest: &str| format!("{id},{rest}");
    let mut expected = vec![
        line(&kea, "Kea Ltd,office@kea.example,09 555 0101,No"),
        line(&tui, "\"Tui, Tama\",,,Yes"),
        "id,name,email,phone,prospect".to_owned(),
    ];
    expected.sort();
    assert_eq!(practice.rows(), expected);
    practice.settled().await;
    practice.xpm.edit("clients", &kea, "<Client><Name>Kea Limited</Name></Client>").unwrap();
    practice.office.sync().await;
    assert!(practice.rows().iter().any(|row| row.contains("Kea Limited")), "{:?}", practice.rows());
    // An archived client stays in the file, and XPM is not written for any of it.
    practice.xpm.archive(&tui).unwrap();
    practice.settled().await;
    assert_eq!(practice.rows().len(), 3);
    assert_eq!(practice.written(), Vec::<String>::new());
}

#[tokio::test]
async fn pi_08_an_accepted_proposal_makes_a_job_and_pushes_its_clients_data() {
    let practice = Practice::start().await;
    let known = practice.xpm.insert("clients", "<Client><Name>Kea Ltd</Name><Phone>1</Phone></Client>").unwrap();
    practice.office.sync().await;
    let kea = json!({ "id": "C-1", "xpm_id": known, "name": "Kea Ltd", "email": "office@kea.example", "phone": "09 555 0101" });
    practice.office.post("clients", kea).await;
    practice.office.post("clients", json!({ "id": "C-2", "name": "Tui & Sons", "email": "tui@sons.example" })).await;
    practice.office.post("proposals", proposal("P-1", "C-1", "sent")).await;
    practice.office.post("proposals", proposal("P-2", "C-2", "sent")).await;
    practice.settled().await;
    assert_eq!(practice.written(), Vec::<String>::new(), "nothing before acceptance");
    // The post is a change that was seen: its window closes two minutes later, and nobody has to ask.
    let begin = practice.office.example.clock.now();
    practice.office.post("proposals", proposal("P-1", "C-1", "accepted")).await;
    practice.office.post("proposals", proposal("P-2", "C-2", "accepted")).await;
    until(&practice.office.daemon, begin + TimeDelta::minutes(3)).await;
    let mut written = practice.written();
    written.sort();
    assert_eq!(written, ["POST client.api/add", "POST job.api/add", "POST job.api/add", "PUT client.api/update"]);
    let client = practice.xpm.get("clients", &known).unwrap();
    assert!(
        client.contains("<Email>office@kea.example</Email>") && client.contains("<Phone>09 555 0101</Phone>"),
        "{client}"
    );
    let jobs: Vec<String> = practice.xpm.ids("jobs").iter().map(|id| practice.xpm.get("jobs", id).unwrap()).collect();
    assert_eq!(jobs.len(), 2);
    let job = jobs.iter().find(|job| job.contains(&known)).unwrap();
    for part in ["<Name>Year end 2026</Name>", "P-1", "2026-06-01", "2026-08-31"] {
        assert!(job.contains(part), "{part} in {job}");
    }
    practice.settled().await;
    // The same hook again, a proposal of somebody unknown, and a malformed one.
    practice.office.post("proposals", proposal("P-1", "C-1", "accepted")).await;
    practice.office.post("proposals", proposal("P-3", "C-9", "accepted")).await;
    let (status, text) = practice.office.offer("proposals", &json!({ "number": "P-4", "status": "accepted" })).await;
    assert_eq!((status, text.as_str()), (422, "it has no `client_id`"));
    practice.settled().await;
    assert_eq!(practice.written().len(), 4);
    assert_eq!(practice.xpm.ids("clients").len(), 2);
}

/// As after a crash between keeping a post and telling anybody: whoever posts it again must not wait for the next poll.
#[tokio::test]
async fn pi_08_a_post_that_nobody_was_told_of_is_looked_at_when_it_comes_again() {
    let practice = Practice::start().await;
    let connector = &practice.office.example.engine.connectors[&ConnectionName::parse("proposals").unwrap()];
    let posts =
        [("clients", json!({ "id": "C-1", "name": "Kea Ltd" })), ("proposals", proposal("P-1", "C-1", "accepted"))];
    for (resource, body) in &posts {
        let body = body.to_string();
        let header = |name: &str| (name == "content-type").then_some("application/json");
        let post = Post { secret: TOKEN, header: &header, body: body.as_bytes() };
        connector.inbox().unwrap().receive(resource, post).await.unwrap();
    }
    let begin = practice.office.example.clock.now();
    until(&practice.office.daemon, begin + TimeDelta::minutes(5)).await;
    assert_eq!(practice.written(), Vec::<String>::new(), "nobody was told, and the next poll is at the full hour");
    for (resource, body) in &posts {
        assert_eq!(practice.office.offer(resource, body).await, (200, "known already".to_owned()));
    }
    until(&practice.office.daemon, begin + TimeDelta::minutes(8)).await;
    assert_eq!(practice.written(), ["POST client.api/add", "POST job.api/add"]);
    practice.settled().await;
}
