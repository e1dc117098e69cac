//! op-02, the other way: XPM's client groups and a website's groups with the contacts of their clients.

use serde_json::{Value, json};

use crate::{
    example::{afternoon, sync_by_hand, until},
    systems::{Practice, told, writes},
};

/// The folder as it is, with the one variable that turns groups round.
async fn turned() -> Practice {
    let mut practice = Practice::start("website-xpm").await;
    practice.set("GROUPS_FROM_XPM", "true");
    practice.first_sync().await;
    practice
}

fn group(practice: &Practice, name: &str, client: &str) -> String {
    let made = format!("<Group><Name>{name}</Name><ClientUUID>{client}</ClientUUID></Group>");
    practice.xpm.insert("groups", &made).unwrap()
}

/// What a person does to a group at XPM's screen.
fn edit(practice: &Practice, group: &str, change: &str) {
    practice.xpm.edit("groups", group, &format!("<Group><UUID>{group}</UUID>{change}</Group>")).unwrap();
}

/// The website's contact of a client.
fn contact(practice: &Practice, company: &str) -> String {
    practice.one("company", company)["id"].as_str().unwrap().to_owned()
}

/// The one group of the website that came from this one of XPM: its name, and who is in it.
#[track_caller]
fn on_site(practice: &Practice, group: &str) -> (String, Vec<String>) {
    let found: Vec<Value> = practice.website.list("groups").into_iter().filter(|one| one["xpm_id"] == group).collect();
    assert_eq!(found.len(), 1, "{group} among {:#?}", practice.website.list("groups"));
    let members = found[0]["contact_ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned());
    (found[0]["name"].as_str().unwrap().to_owned(), members.collect())
}

/// The writes that both received since the last time, XPM first.
fn received(practice: &Practice) -> [Vec<String>; 2] {
    [practice.xpm.log(), practice.website.log()].map(|log| {
        let calls = writes(&log.entries());
        log.clear();
        calls
    })
}

const NOTHING: [Vec<String>; 2] = [Vec::new(), Vec::new()];

#[tokio::test]
async fn op_02_the_other_way_names_and_members_reach_the_website_and_nothing_goes_back() {
    let practice = turned().await;
    let [kea, tui] = [("Kea Ltd", "rua@kea.example"), ("Tui Ltd", "tama@tui.example")]
        .map(|(name, email)| practice.client(name, &[("Some Body", email)]));
    let old = practice.client("Old Ltd", &[("No Body", "no@old.example")]);
    practice.xpm.archive(&old).unwrap();
    practice.sync().await;
    practice.settled().await;
    let [kea_here, tui_here] = ["Kea Ltd", "Tui Ltd"].map(|company| contact(&practice, company));

    // A group comes with the contacts of its clients; a client that is no contact is left out, and listed.
    received(&practice);
    let vip = group(&practice, "VIP", &kea);
    edit(&practice, &vip, &format!("<add uuid=\"{old}\"/>"));
    let report = practice.sync().await;
    assert_eq!(on_site(&practice, &vip), ("VIP".to_owned(), vec![kea_here.clone()]));
    assert!(
        told(&report).iter().any(|line| line.starts_with("VIP:") && line.contains("waits for")),
        "{:#?}",
        told(&report)
    );
    assert_eq!(received(&practice), [vec![], vec!["POST /groups".to_owned()]]);
    practice.settled().await;

    // Renamed, and a member more: one call.
    edit(&practice, &vip, &format!("<Name>Very important</Name><add uuid=\"{tui}\"/>"));
    practice.sync().await;
    assert_eq!(on_site(&practice, &vip), ("Very important".to_owned(), vec![kea_here.clone(), tui_here.clone()]));
    let [there, here] = received(&practice);
    assert_eq!((there.len(), here.len()), (0, 1), "{here:?}");
    practice.settled().await;

    // Who leaves it there leaves it here; whom somebody put into it here stays.
    let by_hand = practice.website.insert("contacts", json!({ "first_name": "By", "last_name": "Hand" })).unwrap();
    let here = practice.website.list("groups")[0]["id"].as_str().unwrap().to_owned();
    let members = json!([kea_here, by_hand, tui_here]);
    practice.website.edit("groups", &here, json!({ "contact_ids": members, "name": "Our own name" })).unwrap();
    practice.sync().await;
    practice.settled().await;
    assert_eq!(received(&practice), NOTHING, "an edit of the website goes nowhere");
    edit(&practice, &vip, &format!("<remove uuid=\"{kea}\"/>"));
    practice.sync().await;
    assert_eq!(on_site(&practice, &vip), ("Our own name".to_owned(), vec![by_hand.clone(), tui_here]));
    practice.settled().await;
    edit(&practice, &vip, &format!("<remove uuid=\"{tui}\"/>"));
    practice.sync().await;
    assert_eq!(on_site(&practice, &vip).1, [by_hand]);
    practice.settled().await;

    // Nothing is deleted on either side, whatever is deleted on the other, nor made again. A group without anybody stays.
    let other = group(&practice, "Other", &kea);
    practice.sync().await;
    assert_eq!(on_site(&practice, &other).1.len(), 1);
    edit(&practice, &other, &format!("<remove uuid=\"{kea}\"/>"));
    practice.sync().await;
    assert_eq!(on_site(&practice, &other), ("Other".to_owned(), vec![]), "the last one leaves, too");
    practice.settled().await;
    received(&practice);
    practice.xpm.delete("groups", &vip);
    let gone = practice.website.list("groups").into_iter().find(|one| one["xpm_id"] == other).unwrap();
    practice.website.remove("groups", gone["id"].as_str().unwrap()).unwrap();
    practice.sync_full().await;
    practice.sync_full().await;
    assert_eq!(received(&practice), NOTHING);
    on_site(&practice, &vip);
    practice.settled().await;
}

#[tokio::test]
async fn op_02_the_other_way_a_client_that_becomes_a_contact_joins_its_groups() {
    let practice = turned().await;
    let kea = practice.client("Kea Ltd", &[("Rua Kea", "rua@kea.example")]);
    let vip = group(&practice, "VIP", &kea);
    // Both are new: the contact is made first, and the group has it at once.
    practice.sync().await;
    assert_eq!(on_site(&practice, &vip).1, [contact(&practice, "Kea Ltd")]);
    practice.settled().await;
    let tui = practice.client("Tui Ltd", &[("Tama Tui", "tama@tui.example")]);
    practice.xpm.archive(&tui).unwrap();
    edit(&practice, &vip, &format!("<add uuid=\"{tui}\"/>"));
    practice.sync().await;
    practice.settled().await;
    assert_eq!(on_site(&practice, &vip).1.len(), 1);
    // The website knows them all along, by their address: now they are linked, and in the group.
    let tama = json!({ "first_name": "Tama", "last_name": "Tui", "company": "Tui Ltd", "email": "tama@tui.example", "xpm_id": tui });
    let tama = practice.website.insert("contacts", tama).unwrap();
    practice.sync().await;
    practice.sync().await;
    assert_eq!(on_site(&practice, &vip).1, [contact(&practice, "Kea Ltd"), tama]);
    practice.settled().await;
}

#[tokio::test]
async fn op_02_the_other_way_may_be_chosen_later_and_makes_no_group_twice() {
    let mut practice = Practice::start("website-xpm").await;
    practice.first_sync().await;
    let site =
        json!({ "first_name": "Jane", "last_name": "Site", "company": "Site Ltd", "email": "jane@site.example" });
    let jane = practice.website.insert("contacts", site).unwrap();
    practice.website.insert("groups", json!({ "name": "VIP", "contact_ids": [jane] })).unwrap();
    practice.sync().await;
    practice.sync().await;
    let vip = practice.xpm.ids("groups")[0].clone();
    let known = practice.client("Kea Ltd", &[("Rua Kea", "rua@kea.example")]);
    let by_name = group(&practice, " gold", &known);
    let gold = practice.website.insert("groups", json!({ "name": "Gold", "contact_ids": [] })).unwrap();
    practice.settled().await;

    practice.set("GROUPS_FROM_XPM", "true");
    received(&practice);
    practice.first_sync().await;
    practice.sync().await;
    assert_eq!(practice.website.list("groups").len(), 2, "{:#?}", practice.website.list("groups"));
    assert_eq!(on_site(&practice, &vip), ("VIP".to_owned(), vec![jane.clone()]));
    assert_eq!(practice.website.get("groups", &gold).unwrap()["xpm_id"], json!(by_name));
    assert_eq!(on_site(&practice, &by_name).1, [contact(&practice, "Kea Ltd")]);
    assert_eq!(received(&practice)[0], [""; 0]);
    practice.settled().await;
    // From now on the website's groups are XPM's.
    practice.website.insert("groups", json!({ "name": "Here alone", "contact_ids": [jane] })).unwrap();
    let client = practice.one("company", "Site Ltd")["xpm_id"].as_str().unwrap().to_owned();
    edit(&practice, &vip, &format!("<Name>VIPs</Name><add uuid=\"{known}\"/><remove uuid=\"{client}\"/>"));
    practice.sync().await;
    assert_eq!(on_site(&practice, &vip), ("VIPs".to_owned(), vec![contact(&practice, "Kea Ltd")]));
    assert_eq!(received(&practice)[0], [""; 0]);
    assert_eq!(practice.xpm.ids("groups").len(), 2);
    practice.settled().await;
}

#[tokio::test]
async fn op_02_the_other_way_groups_come_with_the_run_of_an_edit_on_the_website_or_by_hand() {
    let practice = turned().await;
    let kea = practice.client("Kea Ltd", &[("Rua Kea", "rua@kea.example")]);
    let tui = practice.client("Tui Ltd", &[("Tama Tui", "tama@tui.example")]);
    let vip = group(&practice, "VIP", &kea);
    let daemon = practice.daemon().await;
    sync_by_hand(&practice, &daemon).await;
    assert_eq!(on_site(&practice, &vip), ("VIP".to_owned(), vec![contact(&practice, "Kea Ltd")]));

    edit(&practice, &vip, "<Name>Friends</Name>");
    until(&daemon, afternoon(15, 0)).await;
    assert_eq!(on_site(&practice, &vip).0, "VIP", "nobody asks XPM as long as nothing happens");
    practice.website.edit("contacts", &contact(&practice, "Kea Ltd"), json!({ "mobile": "021 555 0101" })).unwrap();
    until(&daemon, afternoon(15, 5)).await;
    assert_eq!(on_site(&practice, &vip).0, "Friends");
    edit(&practice, &vip, &format!("<add uuid=\"{tui}\"/><remove uuid=\"{kea}\"/>"));
    sync_by_hand(&practice, &daemon).await;
    assert_eq!(on_site(&practice, &vip).1, [contact(&practice, "Tui Ltd")]);
    let sent = writes(&practice.xpm.log().entries());
    assert!(sent.iter().all(|call| !call.contains("clientgroup")), "groups are only read there: {sent:?}");
    daemon.stop().await;
    practice.settled().await;
}
