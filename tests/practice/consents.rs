//! The folders with MYOB, QuickBooks and Zoho log in by consent: renewed by itself, told when it ended, taken up again.

use std::time::Duration;

use crate::{myob, office::Office, quickbooks, zoho};

async fn lives_ends_and_is_taken_up_again(office: Office) {
    let logins = office.system.logins().unwrap();
    office.clock.advance(Duration::from_mins(40));
    office.sync().await;
    assert_eq!(logins.refreshed().len(), 1, "an access token lives for half an hour");
    logins.withdraw_consent();
    let before = office.writes();
    let report = office.engine.run(office.by_hand()).await.unwrap();
    let told = format!("{report:?}");
    assert_eq!(report.troubles.len(), 1, "{told}");
    assert!(told.contains("reconciled connect office") && !told.contains("secret"), "{told}");
    assert_eq!(office.writes(), before);
    office.consent().await;
    office.settled().await;
}

#[tokio::test]
async fn myob_logs_in_by_consent_which_lives_ends_and_is_taken_up_again() {
    lives_ends_and_is_taken_up_again(myob::running().await).await;
}

#[tokio::test]
async fn quickbooks_logs_in_by_consent_which_lives_ends_and_is_taken_up_again() {
    lives_ends_and_is_taken_up_again(quickbooks::running().await).await;
}

#[tokio::test]
async fn zoho_logs_in_by_consent_which_lives_ends_and_is_taken_up_again() {
    lives_ends_and_is_taken_up_again(zoho::running().await).await;
}
