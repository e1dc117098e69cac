//! A mail through a mail server.

use std::{error::Error as _, fmt::Write as _, time::Duration};

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message as Mail, Tokio1Executor,
    message::header::ContentType,
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
    },
};
use secrecy::ExposeSecret as _;

use crate::{
    config::{Email, MailSecurity},
    daemon::notices::Message,
};

/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn send(to: &Email, message: &Message) -> Result<(), String> {
    let mut mail = Mail::builder()
        .from(to.from.clone())
        // The same mail sent twice is one for those who keep mails by their number.
        .message_id(Some(format!("<{}@{}>", message.id, to.from.email.domain())))
        .date(message.at.into())
        .subject(message.title.clone())
        .header(ContentType::TEXT_PLAIN);
    for person in &to.to {
        mail = mail.to(person.clone());
    }
    let mail = mail.body(message.whole_text()).map_err(|error| format!("the mail cannot be written: {error}"))?;
    let parameters = || TlsParameters::new(to.host.clone()).map_err(|error| format!("TLS cannot be used: {error}"));
    let tls = match to.security {
        MailSecurity::StartTls => Tls::Required(parameters()?),
        MailSecurity::Tls => Tls::Wrapper(parameters()?),
        MailSecurity::None => Tls::None,
    };
    let mut server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&to.host)
        .port(to.port)
        .tls(tls)
        .timeout(Some(PATIENCE));
    if let Some((user, password)) = &to.login {
        let password = password.reveal().await?;
        server = server.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
    }
    let sent = tokio::time::timeout(PATIENCE, server.build().send(mail)).await;
    match sent {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => {
            let mut text = format!("{}:{}: {error}", to.host, to.port);
            let mut cause = error.source();
            while let Some(next) = cause {
                // Writing to a string does not fail.
                let _ = write!(text, ": {next}");
                cause = next.source();
            }
            Err(text)
        }
        Err(_) => Err(format!("{}:{} did not take the mail within {} s", to.host, to.port, PATIENCE.as_secs())),
    }
}
