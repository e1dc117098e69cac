//! Sending one message, whichever way.

mod command;
mod mail;
mod webhook;

use super::Message;
use crate::config::{Channel, Notification};

/// Sends a message. The error says why it did not arrive, without any secret.
pub(in crate::daemon) async fn send(to: &Notification, message: &Message) -> Result<(), String> {
    match &to.channel {
        Channel::Webhook { url, secret } => webhook::send(url, secret.as_ref(), message).await,
        Channel::Email(email) => mail::send(email, message).await,
        Channel::Command(words) => {
            let (words, message) = (words.clone(), message.clone());
            let work = tokio::task::spawn_blocking(move || command::send(&words, &message));
            work.await.map_err(|error| format!("a mistake in the program: {error}"))?
        }
    }
}
