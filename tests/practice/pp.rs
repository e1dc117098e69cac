//! pp-01 to pp-06: the people of XPM's clients on a website, and its leads in XPM.

use serde_json::{Value, json};

use crate::systems::{Practice, told, writes};

async fn running() -> Practice {
    let practice = Practice::start("xpm-website").await;
    practice.first_sync().await;
    practice
}

#[tokio::test]
async fn pp_01_each_contact_of_each_client_becomes_a_contact_of_the_website() {
    let practice = running().await;
    practice.client("Kea Ltd", &[("Rua Kea", "rua@kea.example"), ("Ana Kea", "ana@kea.example"), ("Kim Kea", "")]);
    practice.client("Tui Ltd", &[("Tama Tui", "tama@tui.example")]);
    practice.client("Nobody Ltd", &[]);
    practice.sync().await;
    let names: Vec<Value> = practice.website.list("contacts").iter().map(|one| one["first_name"].clone()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(practice.found("company", "Kea Ltd").len(), 3);
    practice.settled().await;
    // A contact that is deleted in XPM stays on the website; an archived client brings no new ones.
    practice.xpm.delete("contacts", &practice.person("Ana Kea"));
    let old = practice.client("Old Ltd", &[("Olga Old", "olga@old.example")]);
    practice.xpm.archive(&old).unwrap();
    practice.sync_full().await;
    practice.one("first_name", "Ana");
    assert_eq!(practice.website.list("contacts").len(), 4);
    let before = writes(&practice.xpm.log().entries());
    practice.settled().await;
    assert_eq!(writes(&practice.xpm.log().entries()), before, "XPM is not written for it");
}

#[tokio::test]
async fn pp_02_each_carries_its_clients_data() {
    let practice = running().await;
    let kea = practice.client("Kea Ltd", &[("Rua Kea", "rua@kea.example"), ("Ana Kea", "ana@kea.example")]);
    let more = format!(
        "<Client><BusinessNumber>9429000000001</BusinessNumber><TaxNumber>123456789</TaxNumber><AccountManagerUUID>{}</AccountManagerUUID>\
         <BusinessStructure>Company</BusinessStructure><BalanceMonth>3</BalanceMonth></Client>",
        practice.manager
    );
    practice.xpm.edit("clients", &kea, &more).unwrap();
    practice.sync().await;
    for name in ["Rua", "Ana"] {
        let person = practice.one("first_name", name);
        assert_eq!(person["company"], "Kea Ltd");
        assert_eq!(person["tax_number"], "9429000000001");
        let custom = &person["custom"];
        assert_eq!((&custom["account_manager"], &custom["balance_month"]), (&json!("Jo Partner"), &json!("3")));
        assert_eq!(custom["business_structure"], "Company");
    }
    assert!(
        !practice.website.list("contacts").iter().any(|one| one.to_string().contains("789")),
        "not even a mask of it"
    );
    practice.settled().await;
    // One edit of the client is one of each of them.
    practice.xpm.edit("clients", &kea, "<Client><Name>Kea Limited</Name></Client>").unwrap();
    practice.sync().await;
    assert_eq!(practice.found("company", "Kea Limited").len(), 2);
    practice.settled().await;
}

#[tokio::test]
async fn pp_03_the_ids_of_client_and_contact_are_there_and_a_client_with_a_new_id_makes_nothing_twice() {
    let practice = running().await;
    let kea = practice.client("Kea Ltd", &[("Rua Kea", "rua@kea.example"), ("Kim Kea", "")]);
    practice.sync().await;
    let rua = practice.one("first_name", "Rua");
    assert_eq!((&rua["xpm_id"], &rua["xpm_contact_id"]), (&json!(kea), &json!(practice.person("Rua Kea"))));
    practice.settled().await;
    // The prospect becomes a client: XPM gives it another id, and its people are the same.
    let new = practice.xpm.convert(&kea).unwrap();
    let report = practice.sync().await;
    assert_eq!(practice.website.list("contacts").len(), 2, "{:?}", told(&report));
    for name in ["Rua", "Kim"] {
        assert_eq!(practice.one("first_name", name)["xpm_id"], new, "{:?}", told(&report));
    }
    practice.settled().await;
}

#[tokio::test]
async fn pp_04_the_first_of_an_e_mail_address_wins_in_a_stable_order_and_the_others_are_listed() {
    let practice = running().await;
    practice.client("Zebra Ltd", &[("Zoe Shared", "office@shared.example")]);
    practice.client("Alpha Ltd", &[("Abe Shared", "Office@Shared.example"), ("Abe Own", "abe@alpha.example")]);
    let report = practice.sync().await;
    assert_eq!(practice.one("last_name", "Shared")["first_name"], "Abe");
    practice.one("email", "abe@alpha.example");
    assert_eq!(practice.found("first_name", "Zoe"), Vec::<Value>::new());
    let skipped: Vec<String> = told(&report).into_iter().filter(|line| line.contains("is the one to keep")).collect();
    assert_eq!(skipped.len(), 1, "{:?}", told(&report));
    practice.settled().await;
    // A later one does not take its place, though it comes before it in the order.
    practice.client("Aaron Ltd", &[("Ada Shared", "office@shared.example")]);
    let report = practice.sync_full().await;
    assert_eq!(practice.found("first_name", "Ada"), Vec::<Value>::new());
    assert!(told(&report).iter().any(|line| line.contains("is the one to keep")), "{:?}", told(&report));
    practice.settled().await;
}

#[tokio::test]
async fn pp_05_chosen_custom_fields_are_brought_over_and_cost_calls_only_where_they_are_mapped() {
    let mut practice = running().await;
    let kea = practice.client("Kea Ltd", &[("Rua Kea", "rua@kea.example"), ("Ana Kea", "ana@kea.example")]);
    practice.client("Tui Ltd", &[("Tama Tui", "tama@tui.example")]);
    practice.xpm.customise(&kea, &practice.plan_level, "Gold").unwrap();
    practice
        .xpm
        .edit("clients", &kea, "<Client><Industry>Farming</Industry><GSTPeriod>2</GSTPeriod></Client>")
        .unwrap();
    let asked = |practice: &Practice| {
        let asked = practice.xpm.log().entries().iter().filter(|entry| entry.path.ends_with("/customfield")).count();
        practice.xpm.log().clear();
        asked
    };
    asked(&practice);
    practice.sync().await;
    assert_eq!(asked(&practice), 2, "one for each client that was read");
    for name in ["Rua", "Ana"] {
        let custom = practice.one("first_name", name)["custom"].clone();
        assert_eq!(custom["plan_level"], "Gold");
        assert_eq!((&custom["industry"], &custom["gst_period"]), (&json!("Farming"), &json!("2 Monthly")));
    }
    practice.settled().await;
    // XPM does not tell that a custom field changed: the daily full read finds it.
    practice.xpm.customise(&kea, &practice.plan_level, "Silver").unwrap();
    practice.clock.advance(std::time::Duration::from_secs(24 * 3600));
    practice.sync().await;
    assert_eq!(practice.one("first_name", "Rua")["custom"]["plan_level"], "Silver");
    practice.settled().await;
    // Not mapped: no call.
    practice.reconfigure(|text| {
        let lines: Vec<&str> = text.lines().filter(|line| !line.contains("CustomFields")).collect();
        assert!(lines.len() < text.lines().count());
        lines.join("\n")
    });
    asked(&practice);
    practice.sync_full().await;
    assert_eq!(asked(&practice), 0);
    practice.settled().await;
}

fn lead(practice: &Practice, first: &str, email: &str) -> String {
    let lead = json!({ "first_name": first, "last_name": "Lee", "email": email, "phone": "021 555 0103", "form": "contact-us" });
    practice.website.insert("leads", lead).unwrap()
}

#[tokio::test]
async fn pp_06_a_lead_becomes_a_prospect_of_the_configured_staff_member() {
    let practice = running().await;
    let sam = lead(&practice, "Sam", "sam@lee.example");
    practice.sync().await;
    let ids = practice.xpm.ids("clients");
    assert_eq!(ids.len(), 1);
    let client = practice.xpm.get("clients", &ids[0]).unwrap();
    for expected in [
        "<Name>Sam Lee</Name>",
        "<IsProspect>Yes</IsProspect>",
        "<Name>Jo Partner</Name>",
        "<ReferralSource>contact-us</ReferralSource>",
        "<IsPrimary>Yes</IsPrimary>",
    ] {
        assert!(client.contains(expected), "{expected} in {client}");
    }
    assert_eq!(
        client.matches("<Email>sam@lee.example</Email>").count(),
        2,
        "of the client and of its contact: {client}"
    );
    practice.sync().await;
    assert_eq!(practice.website.get("leads", &sam).unwrap()["xpm_id"], ids[0]);
    practice.settled().await;
    // A client who asks is no new prospect, and clients of XPM do not become leads.
    let known = practice.client("Known Ltd", &[("Kim Known", "kim@known.example")]);
    practice.xpm.edit("clients", &known, "<Client><Email>kim@known.example</Email></Client>").unwrap();
    let kim = lead(&practice, "Kim", "Kim@Known.example");
    practice.sync().await;
    assert_eq!(practice.xpm.ids("clients").len(), 2);
    assert_eq!(practice.website.get("leads", &kim).unwrap()["xpm_id"], known);
    assert_eq!(practice.element("clients", &known, "IsProspect"), "No");
    assert_eq!(practice.website.list("leads").len(), 2);
    practice.settled().await;
    // The prospect is won: under its new id it is still the lead's.
    let new = practice.xpm.convert(&ids[0]).unwrap();
    practice.sync().await;
    assert_eq!(practice.website.get("leads", &sam).unwrap()["xpm_id"], new);
    practice.settled().await;
    assert_eq!(writes(&practice.xpm.log().entries()), ["POST client.api/add"], "one lead, one call");
}

#[tokio::test]
async fn pp_06_a_wrong_staff_id_is_reported_before_anything_is_sent_and_the_lead_goes_when_it_is_corrected() {
    let mut practice = running().await;
    practice.set("XPM_LEAD_MANAGER", "5d0c0000-0000-4000-8000-00000000000a");
    practice.client("Kea Ltd", &[("Rua Kea", "rua@kea.example")]);
    lead(&practice, "Sam", "sam@lee.example");
    let report = practice.sync().await;
    let skipped = report.pipelines.iter().find_map(|pipeline| pipeline.skipped.clone()).unwrap();
    assert_eq!(
        skipped,
        "`AccountManager.UUID` is to be `5d0c0000-0000-4000-8000-00000000000a`, and xpm has no such record in `staff`; nothing was sent. Correct the value in the configuration"
    );
    assert_eq!(writes(&practice.xpm.log().entries()), Vec::<String>::new());
    practice.one("first_name", "Rua");
    let manager = practice.manager.clone();
    practice.set("XPM_LEAD_MANAGER", &manager);
    practice.sync().await;
    assert_eq!(writes(&practice.xpm.log().entries()), ["POST client.api/add"]);
    practice.settled().await;
    // Deleted in XPM meanwhile: known by then, and told.
    practice.xpm.delete("staff", &manager);
    lead(&practice, "Max", "max@lee.example");
    let report = practice.sync().await;
    assert!(report.pipelines.iter().any(|pipeline| pipeline.skipped.is_some()), "{report:#?}");
    assert_eq!(writes(&practice.xpm.log().entries()), ["POST client.api/add"]);
}
