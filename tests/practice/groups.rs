//! op-02: a website's groups and XPM's client groups with their members, which are a second call.

use reconciled::sandbox::{Fault, FaultRule};
use serde_json::json;

use crate::systems::{Practice, told, writes};

async fn running() -> Practice {
    let practice = Practice::start("website-xpm").await;
    practice.first_sync().await;
    practice
}

fn contact(practice: &Practice, first: &str, company: &str) -> String {
    let email = format!("{}@site.example", first.to_lowercase());
    let contact = json!({ "first_name": first, "last_name": "Site", "company": company, "email": email });
    practice.website.insert("contacts", contact).unwrap()
}

fn group(practice: &Practice, name: &str, members: &[&str]) -> String {
    practice.website.insert("groups", json!({ "name": name, "contact_ids": members })).unwrap()
}

/// The client that a contact of the website is linked with.
fn client(practice: &Practice, contact: &str) -> String {
    practice.website.get("contacts", contact).unwrap()["xpm_id"].as_str().unwrap().to_owned()
}

/// The clients of the one group of this name, in XPM's order.
#[track_caller]
fn members(practice: &Practice, name: &str) -> Vec<String> {
    let tag = format!("<Name>{name}</Name>");
    let groups = practice.xpm.ids("groups").into_iter().map(|id| practice.xpm.get("groups", &id).unwrap());
    let found: Vec<String> = groups.filter(|group| group.split("<Clients>").next().unwrap().contains(&tag)).collect();
    assert_eq!(found.len(), 1, "groups named {name}: {found:#?}");
    let clients = found[0].split("<Clients>").nth(1).unwrap_or_default();
    clients.split("<UUID>").skip(1).map(|rest| rest.split("</UUID>").next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn op_02_a_group_of_the_website_arrives_with_its_members_and_each_comes_and_goes_once() {
    let practice = running().await;
    let [jane, max] = [contact(&practice, "Jane", "Site Ltd"), contact(&practice, "Max", "Other Ltd")];
    let bare = contact(&practice, "Bare", "");
    let vip = group(&practice, "VIP", &[&bare, &jane, &max]);
    group(&practice, "Nobody", &[]);
    group(&practice, "Waiting", &[&bare]);
    let first = practice.sync().await;
    practice.sync().await;
    let [jane_there, max_there] = [client(&practice, &jane), client(&practice, &max)];
    assert_eq!(members(&practice, "VIP"), [jane_there.clone(), max_there.clone()]);
    let made = writes(&practice.xpm.log().entries());
    let of_groups: Vec<&String> = made.iter().filter(|call| call.contains("clientgroup")).collect();
    assert_eq!(of_groups, ["POST clientgroup.api/add", "PUT clientgroup.api/members"], "two calls, each once");
    assert_eq!(practice.xpm.ids("groups").len(), 1, "a group without a client cannot be made");
    let vip_there = practice.xpm.ids("groups")[0].clone();
    assert_eq!(practice.website.get("groups", &vip).unwrap()["xpm_id"], json!(vip_there));
    let waiting = told(&first);
    assert!(waiting.iter().any(|line| line.starts_with("VIP:") && line.contains("waits for")), "{waiting:#?}");
    practice.settled().await;

    // Whoever was left out joins when there is a client for them, in one call; and the group that waited is made.
    practice.xpm.log().clear();
    practice.website.edit("contacts", &bare, json!({ "company": "Bare Ltd" })).unwrap();
    practice.sync().await;
    practice.sync().await;
    let bare_there = client(&practice, &bare);
    assert_eq!(members(&practice, "VIP"), [jane_there.clone(), max_there.clone(), bare_there.clone()]);
    assert_eq!(members(&practice, "Waiting"), std::slice::from_ref(&bare_there));
    let mut made = writes(&practice.xpm.log().entries());
    made.sort();
    assert_eq!(made, ["POST client.api/add", "POST clientgroup.api/add", "PUT clientgroup.api/members"]);
    practice.settled().await;

    // Whoever leaves the group leaves it there; whom somebody put into it there stays.
    let kea = practice.client("Kea Ltd", &[("Rua Kea", "rua@kea.example")]);
    let by_hand = format!("<Group><UUID>{vip_there}</UUID><add uuid=\"{kea}\"/></Group>");
    practice.xpm.edit("groups", &vip_there, &by_hand).unwrap();
    practice.sync_full().await;
    practice.settled().await;
    practice.xpm.log().clear();
    practice.website.edit("groups", &vip, json!({ "contact_ids": [bare, jane] })).unwrap();
    practice.sync().await;
    let sent = practice.xpm.log().matching("PUT", "*/clientgroup.api/members");
    assert_eq!(sent.len(), 1);
    let body = &sent[0].body;
    assert!(body.contains(&format!("<remove uuid=\"{max_there}\"")) && !body.contains("<add"), "{body}");
    assert_eq!(members(&practice, "VIP"), [jane_there, bare_there, kea]);
    assert_eq!(writes(&practice.xpm.log().entries()), ["PUT clientgroup.api/members"]);
    practice.settled().await;
}

#[tokio::test]
async fn op_02_a_group_that_is_there_already_keeps_its_members_and_nothing_is_deleted() {
    let practice = Practice::start("website-xpm").await;
    let jane = contact(&practice, "Jane", "Site Ltd");
    let tui = practice.client("Tui Ltd", &[("Tama Tui", "tama@tui.example")]);
    let there = format!("<Group><Name>vip </Name><ClientUUID>{tui}</ClientUUID></Group>");
    practice.xpm.insert("groups", &there).unwrap();
    let vip = group(&practice, "VIP", &[&jane]);
    practice.first_sync().await;
    practice.sync().await;
    let jane_there = client(&practice, &jane);
    assert_eq!(members(&practice, "vip"), [tui.clone(), jane_there.clone()], "found by its name, and added to");
    practice.settled().await;
    // Deletions cross in neither direction (op-03), and a group is nobody's to delete.
    practice.xpm.log().clear();
    practice.website.log().clear();
    practice.website.remove("groups", &vip).unwrap();
    practice.sync_full().await;
    practice.sync_full().await;
    assert_eq!(practice.writes(), 0);
    assert_eq!(members(&practice, "vip"), [tui, jane_there]);
    practice.settled().await;
}

/// A run in which the second call ends as `fault` says, and what came of it when its doubt is over.
async fn cut_off_between(fault: Fault) {
    let practice = running().await;
    let [jane, max] = [contact(&practice, "Jane", "Site Ltd"), contact(&practice, "Max", "Other Ltd")];
    practice.sync().await;
    practice.sync().await;
    let vip = group(&practice, "VIP", &[&jane, &max]);
    practice.xpm.faults().add(FaultRule::new(fault.clone()).on("PUT", "*/clientgroup.api/members").times(1));
    let request = practice.by_hand();
    let report = practice.engine.run(request).await.unwrap();
    assert_eq!(practice.xpm.ids("groups").len(), 1, "{report:#?}");
    for _ in 0..4 {
        practice.clock.advance(std::time::Duration::from_secs(600));
        practice.sync().await;
    }
    assert_eq!(members(&practice, "VIP"), [client(&practice, &jane), client(&practice, &max)], "{fault:?}");
    let made = practice.xpm.log().matching("POST", "*/clientgroup.api/add");
    assert_eq!(made.len(), 1, "{fault:?}: the group is made once");
    assert_eq!(practice.website.get("groups", &vip).unwrap()["xpm_id"], json!(practice.xpm.ids("groups")[0]));
    let report = practice.sync().await;
    assert!(report.pipelines.iter().all(|pipeline| pipeline.tally.parked == 0), "{report:#?}");
    practice.settled().await;
}

#[tokio::test]
async fn op_02_a_second_call_that_never_arrived_is_made_later() {
    cut_off_between(Fault::DropBefore).await;
}

#[tokio::test]
async fn op_02_a_second_call_whose_answer_was_lost_is_not_made_again() {
    cut_off_between(Fault::DropAfter).await;
}

#[tokio::test]
async fn op_02_a_refused_member_is_parked_with_xpms_words_and_the_group_stays_made() {
    let practice = running().await;
    let [jane, max] = [contact(&practice, "Jane", "Site Ltd"), contact(&practice, "Max", "Other Ltd")];
    practice.sync().await;
    practice.sync().await;
    let max_there = client(&practice, &max);
    // XPM has no such client any more, and the website does not know.
    let vip = group(&practice, "VIP", &[&jane, &max]);
    practice.xpm.faults().add(FaultRule::new(Fault::Status(400)).on("PUT", "*/clientgroup.api/members").times(1));
    let report = practice.sync().await;
    assert_eq!(practice.xpm.ids("groups").len(), 1);
    let parked: Vec<_> = report.pipelines.iter().filter(|pipeline| pipeline.tally.parked > 0).collect();
    assert_eq!(parked.len(), 1, "{report:#?}");
    // An edit is a reason to try again.
    practice.website.edit("groups", &vip, json!({ "contact_ids": [max, jane], "description": "both" })).unwrap();
    practice.clock.advance(std::time::Duration::from_secs(7200));
    practice.sync().await;
    assert!(members(&practice, "VIP").contains(&max_there));
    practice.settled().await;
}
