//! What an edit does to records, and a name that changes, from the outside: the built program as daemon and as command,
//! its store on disk, two practice systems over HTTP.

use std::process::Output;

use reconciled::daemon::protocol::{Request, Response};

use crate::support::{BY_HAND, Live, folder, practice::Practice, program};

const CONTACTS: usize = 25;

struct Whole {
    practice: Practice,
    live: Live,
}

impl Whole {
    /// So many contacts, all of them in Xero.
    async fn start() -> Self {
        let practice = Practice::start(CONTACTS).await;
        let home = folder(BY_HAND, &[("a.yaml", &yaml(&practice, "a", "\" \"", ""))]);
        std::fs::write(home.path().join("etc/connections.yaml"), practice.connections()).unwrap();
        let whole = Self { practice, live: Live::on(home).await };
        whole.rests("a").await;
        assert_eq!(whole.practice.in_xero(), CONTACTS);
        whole
    }

    /// The program as a command, beside its daemon.
    fn command(&self, args: &[&str]) -> Output {
        let mut command = program(self.live.home.path());
        command.args(args).env("RECONCILED_LOG", "error").env("NO_COLOR", "1").output().unwrap()
    }

    /// What a command says that ends with this code.
    fn says(&self, args: &[&str], code: i32) -> String {
        let output = self.command(args);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
        text
    }

    fn writes(&self) -> (u64, u64) {
        (self.practice.site.log().writes(), self.practice.xero.log().writes())
    }

    /// Syncs, and then once more: nothing is planned and nothing is written.
    async fn rests(&self, integration: &str) {
        self.says(&["sync", integration], 0);
        let before = self.writes();
        let plan = self.says(&["plan", integration], 0);
        self.says(&["sync", integration], 0);
        assert_eq!(self.writes(), before, "{plan}");
    }

    fn names(&self, glue: &str) -> usize {
        let all = self.practice.xero.list("Contacts");
        all.iter().filter(|c| c["Name"].as_str().is_some_and(|name| name.contains(&format!("{glue}Last")))).count()
    }

    /// The id of the edit that waits, if one does.
    async fn held(&self) -> Option<String> {
        match self.live.ask(Request::Status).await {
            Some(Response::Status(status)) => status.edits.first().map(|edit| edit.id.clone()),
            other => panic!("no status: {other:?}"),
        }
    }
}

/// An integration that is only run by hand and whose guard allows fifteen.
fn yaml(practice: &Practice, name: &str, join: &str, more: &str) -> String {
    let text = practice.integration(name).replace("join: \" \"", &format!("join: {join}"));
    let text = text.replace("    schedule: { poll: { website: 1s } }\n", &format!("    automatic: false\n{more}"));
    let text = text.replace("apply: automatic }", "apply: automatic, differences: source-wins }");
    text.replace("        fields:\n", "        guards: { config_edit: 15 }\n        fields:\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_of_many_records_waits_is_listed_and_goes_ahead_once_approved() {
    let mut whole = Whole::start().await;
    let (running, writes) = (whole.live.hashes().await["a"].clone(), whole.writes());
    whole.live.write("a.yaml", &yaml(&whole.practice, "a", "\"-\"", ""));
    let told = whole.says(&["reload", "--wait"], 5);
    assert!(told.contains("rewrites 25") && told.contains("allows 15"), "{told}");
    let id = whole.held().await.expect("an edit that waits");
    let diff = whole.says(&["config", "diff"], 5);
    assert!(diff.contains("First12 Last") && diff.contains("First12-Last"), "records with both values: {diff}");
    // Until then the old one runs, over a restart as well, and status says what to do.
    whole.rests("a").await;
    whole.live = Live::on(whole.live.kill()).await;
    let status = whole.says(&["status"], 0);
    assert!(status.contains(&format!("`reconciled approve {id}`")), "{status}");
    whole.rests("a").await;
    assert_eq!((whole.live.hashes().await["a"].clone(), whole.writes()), (running.clone(), writes));

    let told = whole.says(&["approve", &id], 0);
    assert!(told.contains("approved"), "{told}");
    whole.live.changed("a", &running).await;
    whole.rests("a").await;
    assert_eq!((whole.names("-"), whole.practice.in_xero()), (CONTACTS, CONTACTS));
    let now = whole.writes();
    assert_eq!(now.0, writes.0, "the source is never written");
    assert!(now.1 > writes.1 && now.1 <= writes.1 + CONTACTS as u64);
    assert_eq!(whole.held().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_a_person_rejects_is_not_asked_about_again_and_the_last_good_text_comes_back() {
    let mut whole = Whole::start().await;
    let (running, writes) = (whole.live.hashes().await["a"].clone(), whole.writes());
    whole.live.write("a.yaml", &yaml(&whole.practice, "a", "\"+\"", ""));
    whole.says(&["reload", "--wait"], 5);
    let id = whole.held().await.expect("an edit that waits");
    whole.says(&["reject", &id], 0);
    whole.live = Live::on(whole.live.stop().await).await;
    let told = whole.says(&["reload", "--wait"], 5);
    assert!(told.contains("rejected by a person"), "{told}");
    whole.says(&["config", "restore", "a.yaml", "--yes"], 0);
    assert_eq!(std::fs::read_to_string(whole.live.file("a.yaml")).unwrap(), yaml(&whole.practice, "a", "\" \"", ""));
    whole.says(&["reload", "--wait"], 0);
    whole.rests("a").await;
    assert_eq!((whole.live.hashes().await["a"].clone(), whole.writes()), (running, writes));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_name_keeps_every_link_over_a_kill() {
    let mut whole = Whole::start().await;
    let writes = whole.writes();
    let links = whole.says(&["links", "list", "a/contacts", "--json"], 0);
    whole.live.write("a.yaml", &yaml(&whole.practice, "b", "\" \"", "    moved_from: a\n"));
    whole.says(&["reload", "--wait"], 0);
    assert_eq!(whole.says(&["links", "list", "b/contacts", "--json"], 0), links);
    whole.rests("b").await;
    whole.live = Live::on(whole.live.kill()).await;
    whole.rests("b").await;
    assert_eq!((whole.writes(), whole.practice.in_xero()), (writes, CONTACTS));
    // A contact that is new crosses once.
    whole.practice.insert(CONTACTS + 1);
    whole.rests("b").await;
    assert_eq!((whole.writes(), whole.practice.in_xero()), ((writes.0, writes.1 + 1), CONTACTS + 1));
}
