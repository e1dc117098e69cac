//! Telling people what goes wrong, through the built daemon and what receives its messages.

use std::{fs, os::unix::fs::PermissionsExt, process::Output};

use reconciled::{
    daemon::protocol::{Request, Response},
    sandbox::{Fault, FaultRule},
};

use crate::support::{
    Live, QUICK, config,
    inbox::{Answers, Came, Inbox, MailServer},
    integration,
    practice::Practice,
    program,
};

const SECRET: &str = "hook-secret-canary";

/// A notification by web hook, with what is said besides.
fn hook(inbox: &Inbox, more: &str) -> String {
    format!(
        "notifications:\n  office:\n    webhook: {{ url: \"{}\", secret: {SECRET} }}\n    after: {{ connection: 0s, runs: 1 }}\n{more}",
        inbox.url
    )
}

fn broken() -> String {
    integration("a", "Two").replace("direction:", "direktion:")
}

/// Signed as the guide says, and without any secret.
fn sound(came: &Came) {
    let header = |name: &str| came.headers[name].to_str().unwrap().to_owned();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = ring::hmac::sign(&key, format!("{}.{}", header("reconciled-timestamp"), came.body).as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(header("reconciled-signature"), format!("v1={hex}"));
    assert_eq!(came.json["id"], header("reconciled-id"));
    assert_eq!(came.json["event"], header("reconciled-event"));
    assert!(!came.body.contains("canary"), "a secret in a message: {}", came.body);
}

#[tokio::test]
async fn a_rejected_file_is_told_once_and_once_more_when_it_is_mended() {
    let inbox = Inbox::start().await;
    let files = [("a.yaml", integration("a", "One")), ("notify.yaml", hook(&inbox, ""))];
    let mut live = Live::start(QUICK, &files.each_ref().map(|(name, text)| (*name, text.as_str()))).await;
    live.write("a.yaml", &broken());
    let came = inbox.until(1).await;
    sound(&came[0]);
    assert_eq!((&came[0].json["event"], &came[0].json["subject"]), (&"config.rejected".into(), &"a.yaml".into()));
    let text = came[0].json["text"].as_str().unwrap();
    assert!(text.contains("a.yaml:") && text.contains("did you mean `direction`"), "{text}");
    // The same mistakes, read again.
    let passes = config(&live.status().await.unwrap()).passes;
    live.write("a.yaml", &format!("# edited\n{}", broken()));
    live.passes(passes + 1).await;
    live.write("a.yaml", &integration("a", "Two"));
    let came = inbox.until(2).await;
    sound(&came[1]);
    assert_eq!(inbox.events(), ["config.rejected", "config.recovered"]);
    // A mistake in the very file that says who is told.
    live.write("notify.yaml", &format!("{}    quiet_hours: {{ from: \"18:00\" }}\n", hook(&inbox, "")));
    let came = inbox.until(3).await;
    assert_eq!(came[2].json["subject"], "notify.yaml");
    let home = live.stop().await;
    let mut live = Live::on(home).await;
    live.write("notify.yaml", &hook(&inbox, ""));
    inbox.until(4).await;
    live.wait_for("rest", |_| true).await;
    assert_eq!(inbox.events()[2..], ["config.rejected", "config.recovered"], "also over a restart");
}

#[tokio::test]
async fn a_message_outlives_a_kill_and_keeps_its_number() {
    let inbox = Inbox::start().await;
    inbox.answer(Answers::Hangs);
    let files = [("a.yaml", integration("a", "One")), ("notify.yaml", hook(&inbox, ""))];
    let live = Live::start(QUICK, &files.each_ref().map(|(name, text)| (*name, text.as_str()))).await;
    live.write("a.yaml", &broken());
    let came = inbox.until(1).await;
    // Nobody knows whether it arrived.
    let home = live.kill();
    inbox.answer(Answers::Ok);
    let live = Live::on(home).await;
    let again = inbox.until(2).await;
    assert_eq!(again[1].json["id"], came[0].json["id"], "the receiver can tell that it is the same");
    live.write("a.yaml", &integration("a", "Two"));
    inbox.until(3).await;
    assert_eq!(inbox.events(), ["config.rejected", "config.rejected", "config.recovered"]);
    let home = live.stop().await;
    // What arrived is not sent again.
    let live = Live::on(home).await;
    live.write("a.yaml", &broken());
    inbox.until(4).await;
    assert_eq!(inbox.events()[3..], ["config.rejected"]);
}

#[tokio::test]
async fn a_connection_is_told_as_lost_and_as_back_and_nothing_waits_for_the_receiver() {
    let (inbox, practice) = (Inbox::start().await, Practice::start(1).await);
    inbox.answer(Answers::Hangs);
    let slow = Inbox::start().await;
    let about = "    about: [connection]\n    integrations: [a]\n";
    let both =
        format!("{}{}", hook(&slow, about), hook(&inbox, about).replace("notifications:\n  office:", "  hanging:"));
    let files = [("a.yaml", practice.integration("a")), ("notify.yaml", both)];
    let mut live = {
        let home = crate::support::folder(QUICK, &files.each_ref().map(|(name, text)| (*name, text.as_str())));
        fs::write(home.path().join("etc/connections.yaml"), practice.connections()).unwrap();
        Live::on(home).await
    };
    practice.until("the first contact", |practice| practice.in_xero() == 1).await;
    practice.site.faults().add(FaultRule::new(Fault::Status(503)));
    let came = slow.until(1).await;
    assert_eq!((&came[0].json["event"], &came[0].json["subject"]), (&"connection.lost".into(), &"website".into()));
    assert_eq!(came[0].json["integration"], "a");
    practice.site.faults().clear();
    practice.insert(2);
    practice.until("the second contact, while a message hangs", |practice| practice.in_xero() == 2).await;
    slow.until(2).await;
    assert_eq!(slow.events(), ["connection.lost", "connection.restored"]);
    live.wait_for("its status", |_| true).await;
    let Some(Response::Notifications(all)) = live.ask(Request::Notifications).await else { panic!("no answer") };
    let names: Vec<_> = all.iter().map(|one| (one.name.as_str(), one.kind.as_str())).collect();
    assert_eq!(names, [("hanging", "webhook"), ("office", "webhook")]);
}

#[tokio::test]
async fn a_refused_login_is_told_once_and_as_over_only_when_a_run_has_shown_that_it_works() {
    let (inbox, practice) = (Inbox::start().await, Practice::start(1).await);
    let about = "    about: [connection]\n    integrations: [a]\n";
    let files = [("a.yaml", practice.integration("a")), ("notify.yaml", hook(&inbox, about))];
    let home = crate::support::folder(QUICK, &files.each_ref().map(|(name, text)| (*name, text.as_str())));
    let connections = practice.connections().replace(practice.site.token(), "${file:token.txt}");
    assert!(connections.contains("token.txt"));
    fs::write(home.path().join("etc/connections.yaml"), connections).unwrap();
    fs::write(home.path().join("etc/token.txt"), practice.site.token()).unwrap();
    let mut live = Live::on(home).await;
    practice.until("the first contact", |practice| practice.in_xero() == 1).await;
    live.write("token.txt", "not-the-token-canary\n");
    let came = inbox.until(1).await;
    assert_eq!((&came[0].json["event"], &came[0].json["subject"]), (&"connection.lost".into(), &"website".into()));
    let text = came[0].json["text"].as_str().unwrap();
    assert!(text.contains("at once when its login is changed"), "{text}");
    practice.insert(2);
    // Mended wrongly: nobody is told that all is well.
    let since = |status: &reconciled::daemon::DaemonStatus| {
        status.integrations[0].troubles.first().map(|trouble| (trouble.since, trouble.temporary))
    };
    let before = live.wait_for("the trouble", |status| since(status).is_some()).await;
    live.write("token.txt", "not-this-one-either-canary\n");
    let is = |status: &reconciled::daemon::DaemonStatus| {
        since(status).is_some_and(|(since_now, lasting)| !lasting && Some(since_now) != since(&before).map(|it| it.0))
    };
    let status = live.wait_for("another refusal", is).await;
    let asked = |wait: &reconciled::daemon::WaitReason| matches!(wait, reconciled::daemon::WaitReason::Refused { .. });
    assert!(status.integrations[0].waits.iter().any(asked), "{status:#?}");
    assert_eq!(inbox.events(), ["connection.lost"]);
    // Mended: what waited is written at once.
    live.write("token.txt", practice.site.token());
    practice.until("the second contact", |practice| practice.in_xero() == 2).await;
    inbox.until(2).await;
    live.wait_for("rest", |status| status.integrations[0].troubles.is_empty()).await;
    assert_eq!(inbox.events(), ["connection.lost", "connection.restored"]);
    live.stop().await;
}

#[tokio::test]
async fn a_held_first_run_goes_to_a_command_with_nothing_of_the_daemons_surroundings() {
    let practice = Practice::start(2).await;
    // Where one side is empty there is nothing to approve.
    practice.xero.insert("Contacts", serde_json::json!({ "Name": "Somebody" })).unwrap();
    let home =
        crate::support::folder(QUICK, &[("a.yaml", &practice.integration("a").replace("automatic }", "approve }"))]);
    let (script, out) = (home.path().join("tell"), home.path().join("told"));
    // Moved in whole, so that nobody reads half of it.
    let text = format!("#!/bin/sh\n{{ cat; env; echo \"$1\"; }} >{0}.part\nmv {0}.part {0}\n", out.display());
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let etc = home.path().join("etc");
    fs::write(etc.join("connections.yaml"), practice.connections()).unwrap();
    let notify = format!("notifications:\n  phone: {{ command: [ {}, --urgent ], about: [held] }}\n", script.display());
    fs::write(etc.join("notify.yaml"), notify).unwrap();
    let mut live = Live::on(home).await;
    practice.until("the message", |_| out.exists()).await;
    let told = fs::read_to_string(&out).unwrap();
    assert!(told.contains("\"event\":\"run.held\"") && told.contains("first runs of `a` wait"), "{told}");
    assert!(told.ends_with("--urgent\n") && told.contains("RECONCILED_EVENT=run.held"), "{told}");
    assert!(!told.contains("RECONCILED_LOG") && !told.contains("HOME="), "{told}");
    live.wait_for("its status", |_| true).await;
}

fn try_out(live: &Live, name: &str) -> Output {
    program(live.home.path()).args(["notifications", "test", name]).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_goes_by_mail_and_a_refusal_is_told() {
    let (server, inbox) = (MailServer::start().await, Inbox::start().await);
    inbox.answer(Answers::Refuses);
    let notify = format!(
        "{}  clerk:
    email:
      to: [ jane@practice.example, \"Joe Doe <joe@practice.example>\" ]
      from: reconciled@practice.example
      server: 127.0.0.1:{}
      security: none
      user: reconciled
      password: mail-secret-canary
",
        hook(&inbox, ""),
        server.port
    );
    let live = Live::start(QUICK, &[("a.yaml", &integration("a", "One")), ("notify.yaml", &notify)]).await;
    let sent = try_out(&live, "clerk");
    assert!(sent.status.success(), "{sent:?}");
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    for part in [
        "MAIL FROM:<reconciled@practice.example>",
        "RCPT TO:<jane@practice.example>",
        "RCPT TO:<joe@practice.example>",
        "Subject: reconciled: this is a test of the notification",
        "AUTH PLAIN",
    ] {
        assert!(mails[0].contains(part), "{part}: {}", mails[0]);
    }
    let refused = try_out(&live, "office");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("127.0.0.1 answered 503") && !said.contains("canary"), "{said}");
    let unknown = try_out(&live, "nobody");
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert_eq!(unknown.status.code(), Some(1), "{said}");
    assert!(said.contains("there are clerk, office"), "{said}");
    // Without a daemon the command sends by itself.
    let home = live.stop().await;
    let alone = program(home.path()).args(["notifications", "test", "clerk"]).output().unwrap();
    assert!(alone.status.success(), "{alone:?}");
    assert_eq!(server.mails().len(), 2);
}
