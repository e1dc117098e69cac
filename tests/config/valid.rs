//! Sound folders.

use std::fs;

use reconciled::config::{Flow, cost};

use super::{folder, root};

#[track_caller]
fn sound(name: &str) -> reconciled::config::Loaded {
    let loaded = folder(name);
    assert!(loaded.diagnostics.is_empty(), "{name}:\n{}", loaded.render(false));
    assert!(loaded.left_out.is_empty());
    loaded
}

#[test]
fn every_folder_of_valid_configurations_is_sound() {
    let mut folders = 0;
    for entry in fs::read_dir(root().join("tests/configs/valid")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!sound(&format!("tests/configs/valid/{name}")).config.integrations.is_empty(), "{name}");
        folders += 1;
    }
    assert!(folders >= 3, "the folder went missing");
}

#[test]
fn the_example_is_sound_and_says_what_it_costs() {
    let loaded = sound("examples/configs/website-xero");
    let names: Vec<&str> = loaded.config.pipelines().map(|(_, pipeline)| pipeline.name.as_str()).collect();
    let expected = ["contacts", "sales", "invoices", "receipts", "payments"].map(|name| format!("website-xero/{name}"));
    assert_eq!(names, expected, "referred to comes first");
    let (_, contacts) = loaded.config.pipelines().next().unwrap();
    assert_eq!(contacts.flow, Flow::TwoWay);
    assert_eq!(contacts.referenced_by.len(), 1);
    let costs = cost(&loaded.config);
    let shown: Vec<(&str, u64, Option<u64>)> =
        costs.iter().map(|cost| (cost.connection.as_str(), cost.calls_a_day, cost.limit)).collect();
    // Five resources of the website and three of Xero: the website's each polled 720 times a day, one sync when idle,
    // one full read.
    assert_eq!(shown, [("website", 3610, None), ("xero", 6, Some(5000))]);
}
