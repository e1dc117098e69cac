//! Mails over TLS, through the built program: with STARTTLS and from the first byte; whom it trusts, and whom it does not.

use std::{fs, path::Path, process::Output};

use crate::support::{
    folder, integration,
    mail::{Authority, MailServer, Speaks},
    program,
};

/// A folder whose clerk is told by this server, as `name`.
fn clerk(server: &MailServer, name: &str, security: &str) -> tempfile::TempDir {
    let notify = format!(
        "notifications:
  clerk:
    email:
      to: [ jane@practice.example ]
      from: reconciled@practice.example
      server: {name}:{}
      security: {security}
      user: reconciled
      password: mail-secret-canary
",
        server.port
    );
    folder("", &[("a.yaml", &integration("a", "One")), ("notify.yaml", &notify)])
}

/// Sends a message to try it out; the machine trusts `authority` and nobody else.
async fn try_out(home: &Path, authority: &Authority) -> Output {
    let trusted = home.join("authorities.pem");
    fs::write(&trusted, &authority.pem).unwrap();
    let mut command = program(home);
    command.args(["notifications", "test", "clerk"]).env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR");
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn said(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("canary"), "a secret is told: {said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_goes_over_tls_to_a_server_whose_authority_the_machine_trusts() {
    let authority = Authority::new("ours");
    let config = authority.certify("localhost");
    for (security, speaks) in [("starttls", Speaks::StartTls(config.clone())), ("tls", Speaks::Tls(config))] {
        let server = MailServer::speaking(speaks).await;
        let home = clerk(&server, "localhost", security);
        let sent = try_out(home.path(), &authority).await;
        assert!(sent.status.success(), "{security}: {}", said(&sent));
        let mails = server.mails();
        assert_eq!(mails.len(), 1, "{security}");
        assert!(
            mails[0].contains("AUTH PLAIN") && mails[0].contains("RCPT TO:<jane@practice.example>"),
            "{}",
            mails[0]
        );
        let clear = server.in_the_clear();
        assert!(clear.iter().all(|line| line.starts_with("EHLO") || line == "STARTTLS"), "{security}: {clear:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_the_one_that_is_meant_gets_no_password_and_no_mail() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("a stranger"));
    let (other, unknown) = (authority.certify("mail.other.example"), stranger.certify("localhost"));
    let cases = [
        ("starttls", Speaks::StartTls(other.clone()), "not valid for name"),
        ("tls", Speaks::Tls(other), "not valid for name"),
        ("starttls", Speaks::StartTls(unknown.clone()), "UnknownIssuer"),
        ("tls", Speaks::Tls(unknown), "UnknownIssuer"),
        // Somebody in between takes the offer away.
        ("starttls", Speaks::Plain, "STARTTLS"),
    ];
    for (security, speaks, why) in cases {
        let server = MailServer::speaking(speaks).await;
        let home = clerk(&server, "localhost", security);
        let refused = try_out(home.path(), &authority).await;
        let said = said(&refused);
        assert_eq!(refused.status.code(), Some(1), "{security}, {why}: {said}");
        assert!(said.contains("localhost:") && said.contains(why), "{security}, {why}: {said}");
        assert!(server.mails().is_empty(), "{security}, {why}");
        let clear = server.in_the_clear();
        assert!(!clear.iter().any(|line| line.starts_with("AUTH")), "{security}, {why}: {clear:?}");
    }
}
