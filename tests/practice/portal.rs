//! tg-01 to tg-04: XPM to a practice portal, one way.

use chrono::{TimeDelta, TimeZone, Utc};
use reconciled::{
    daemon::{
        Phase,
        protocol::{Progress, Request, Response},
    },
    sandbox::{Fault, FaultRule},
};
use serde_json::json;

use crate::{
    example::{afternoon, sync_by_hand, until},
    systems::{Practice, told, writes},
};

/// A portal whose first run is done: Kea with two people, Tui with one.
async fn settled() -> (Practice, String) {
    let practice = Practice::start("xpm-portal").await;
    let kea = practice.client("Kea Ltd", &[("Rua Kea", "rua@kea.example"), ("Ana Maria Kea", "ana@kea.example")]);
    practice.client("Tui & Sons", &[("Tama Tui", "tama@tui.example")]);
    practice.first_sync().await;
    practice.settled().await;
    (practice, kea)
}

#[tokio::test]
async fn tg_01_runs_twice_a_day_at_local_times_also_when_the_clocks_change() {
    // On Saturday 26 September 2026 noon; on Sunday at 2:00 Auckland's clocks go forward.
    let noon = chrono_tz::Pacific::Auckland.with_ymd_and_hms(2026, 9, 26, 12, 0, 0).unwrap().with_timezone(&Utc);
    let practice = Practice::start_at("xpm-portal", noon).await;
    let kea = practice.client("Kea Ltd", &[("Rua Kea", "rua@kea.example")]);
    practice.first_sync().await;
    let earlier = practice.runs().await.len();
    let daemon = practice.daemon().await;
    practice.xpm.edit("clients", &kea, "<Client><Name>Kea Limited</Name></Client>").unwrap();
    until(&daemon, noon + TimeDelta::hours(6) - TimeDelta::seconds(1)).await;
    assert_eq!(practice.runs().await.len(), earlier, "nothing before six in the evening");
    until(&daemon, noon + TimeDelta::hours(6)).await;
    assert_eq!(practice.one("first_name", "Rua")["company"], "Kea Limited");
    practice.xpm.log().clear();
    until(&daemon, noon + TimeDelta::hours(48)).await;
    let runs = practice.runs().await.split_off(earlier);
    let at: Vec<&str> = runs.iter().map(|run| run.get(..11).unwrap()).collect();
    assert_eq!(at, ["26 18:00:00", "27 06:00:00", "27 18:00:00", "28 06:00:00"], "{runs:?}");
    // Eleven hours lie between the evening and the morning of that night.
    let asked = practice.xpm.log().entries();
    assert_eq!(asked.first().unwrap().at, noon + TimeDelta::hours(17));
    assert_eq!(writes(&asked), Vec::<String>::new());
    daemon.stop().await;
    practice.settled().await;
}

#[tokio::test]
async fn tg_02_an_edit_on_the_portal_is_put_back_and_xpm_is_never_written() {
    let (practice, kea) = settled().await;
    let rua = practice.one("first_name", "Rua");
    let id = rua["id"].as_str().unwrap();
    practice
        .website
        .edit("contacts", id, json!({ "email": "mine@other.example", "primary": false, "notes": "ours" }))
        .unwrap();
    practice.sync().await;
    let now = practice.one("first_name", "Rua");
    assert_eq!((&now["email"], &now["primary"]), (&json!("rua@kea.example"), &json!(true)));
    assert_eq!(now["notes"], "ours", "what is not imported is the portal's own");
    practice.settled().await;
    // XPM's own edit beats one of the portal, whichever came last.
    practice
        .xpm
        .edit("contacts", &practice.person("Rua Kea"), "<Contact><Email>new@kea.example</Email></Contact>")
        .unwrap();
    practice.website.edit("contacts", id, json!({ "email": "mine@other.example" })).unwrap();
    practice.sync_full().await;
    assert_eq!(practice.one("first_name", "Rua")["email"], "new@kea.example");
    // What is deleted in XPM stays on the portal, and what is deleted on the portal stays deleted.
    practice.xpm.delete("clients", &kea);
    practice.website.remove("contacts", practice.one("first_name", "Tama")["id"].as_str().unwrap()).unwrap();
    practice.sync_full().await;
    practice.sync_full().await;
    practice.one("first_name", "Rua");
    assert_eq!(practice.found("first_name", "Tama"), Vec::<serde_json::Value>::new());
    practice.settled().await;
    assert_eq!(writes(&practice.xpm.log().entries()), Vec::<String>::new());
}

#[tokio::test]
async fn tg_03_a_sync_by_hand_says_that_it_started_how_far_it_is_and_when_it_is_complete() {
    let (practice, _) = settled().await;
    practice.client("Weka Ltd", &[("Wiremu Weka", "wiremu@weka.example"), ("Aroha Weka", "aroha@weka.example")]);
    let daemon = practice.daemon().await;
    // The portal takes longer to answer than it takes the daemon to tell.
    let slow = Fault::SlowBefore(std::time::Duration::from_secs(3));
    practice.website.faults().add(FaultRule::new(slow).on("WRITE", "*").times(1));
    let (told, mut steps) = tokio::sync::mpsc::unbounded_channel();
    let asked = Request::Run(practice.by_hand());
    let ended = tokio::time::timeout(std::time::Duration::from_secs(60), daemon.stream(asked, told)).await;
    let Response::Run(report) = ended.expect("this must not take so long").unwrap() else { panic!("no run") };
    let mut seen = Vec::new();
    while let Ok(step) = steps.try_recv() {
        seen.push(step);
    }
    let started = seen.iter().position(|step| matches!(step, Progress::Started { .. }));
    let at_work = seen.iter().position(|step| {
        let Progress::Working { reading, .. } = step else { return false };
        reading.records > 0 && reading.planned == 2 && reading.done < reading.planned
    });
    assert!(started.is_some() && at_work > started, "{seen:#?}");
    assert!(report.started <= report.ended && report.troubles.is_empty(), "{report:#?}");
    assert_eq!(report.pipelines[0].tally.created, [0, 2], "complete: {report:#?}");
    assert_eq!(practice.website.list("contacts").len(), 5);
    // While nothing runs, it says when it was complete, and how it went.
    let status = daemon.status();
    let one = status.integrations.iter().find(|one| one.integration.as_str() == "xpm-portal").unwrap();
    assert!(!matches!(one.phase, Phase::Running { .. }) && one.last_run == Some(report.ended), "{one:#?}");
    // Asked twice, it is complete twice, and nothing is sent.
    let before = practice.writes();
    let again = sync_by_hand(&practice, &daemon).await;
    assert_eq!((again.pipelines[0].planned, practice.writes()), (0, before));
    daemon.stop().await;
    practice.settled().await;
    assert_eq!(writes(&practice.xpm.log().entries()), Vec::<String>::new(), "XPM is never written");
}

#[tokio::test]
async fn tg_04_names_phones_mails_and_who_is_primary_are_imported() {
    let (practice, kea) = settled().await;
    practice
        .xpm
        .edit("contacts", &practice.person("Rua Kea"), "<Contact><Phone>03 555 0101</Phone></Contact>")
        .unwrap();
    practice.sync_full().await;
    let rua = practice.one("first_name", "Rua");
    for (member, expected) in [
        ("company", json!("Kea Ltd")),
        ("last_name", json!("Kea")),
        ("phone", json!("03 555 0101")),
        ("email", json!("rua@kea.example")),
        ("primary", json!(true)),
        ("xpm_id", json!(kea)),
        ("xpm_contact_id", json!(practice.person("Rua Kea"))),
    ] {
        assert_eq!(rua[member], expected, "{member}: {rua:#}");
    }
    let ana = practice.one("first_name", "Ana");
    assert_eq!((&ana["last_name"], &ana["primary"]), (&json!("Maria Kea"), &json!(false)));
    assert_eq!(practice.one("first_name", "Tama")["company"], "Tui & Sons");
    assert_eq!(practice.website.list("contacts").len(), 3);
    practice.settled().await;
    // Somebody else becomes the primary contact.
    let body = format!("<Contact><Client><UUID>{kea}</UUID></Client><IsPrimary>No</IsPrimary></Contact>");
    practice.xpm.edit("contacts", &practice.person("Rua Kea"), &body).unwrap();
    let body = format!("<Contact><Client><UUID>{kea}</UUID></Client><IsPrimary>Yes</IsPrimary></Contact>");
    practice.xpm.edit("contacts", &practice.person("Ana Maria Kea"), &body).unwrap();
    practice.sync_full().await;
    assert_eq!(practice.one("first_name", "Ana")["primary"], true);
    assert_eq!(practice.one("first_name", "Rua")["primary"], false);
    practice.settled().await;
}

#[tokio::test]
async fn tg_04_a_contact_of_two_clients_is_two_records_and_a_new_id_of_a_client_makes_no_third() {
    let (practice, kea) = settled().await;
    let tui = practice.xpm.ids("clients")[1].clone();
    practice.xpm.share(&practice.person("Rua Kea"), &tui).unwrap();
    practice.sync().await;
    let companies: Vec<_> = practice.found("first_name", "Rua").iter().map(|one| one["company"].clone()).collect();
    assert_eq!(companies, ["Kea Ltd", "Tui & Sons"]);
    practice.settled().await;
    let before = practice.website.list("contacts").len();
    let id = practice.found("company", "Kea Ltd")[0]["id"].clone();
    let new = practice.xpm.convert(&kea).unwrap();
    practice.xpm.edit("clients", &new, "<Client><Name>Kea Ltd</Name></Client>").unwrap();
    let report = practice.sync().await;
    assert_eq!(practice.website.list("contacts").len(), before, "{:?}", told(&report));
    let rua = practice.website.get("contacts", id.as_str().unwrap()).unwrap();
    assert_eq!(rua["xpm_id"], new, "{:?}", told(&report));
    // The pair goes on under the new id.
    practice.xpm.edit("clients", &new, "<Client><Name>Kea Limited</Name></Client>").unwrap();
    practice.sync().await;
    assert_eq!(practice.website.get("contacts", id.as_str().unwrap()).unwrap()["company"], "Kea Limited");
    practice.settled().await;
    assert_eq!(writes(&practice.xpm.log().entries()), Vec::<String>::new());
    assert!(practice.clock.now() > afternoon(14, 0));
}
