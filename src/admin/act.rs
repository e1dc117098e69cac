//! What people click: a request of the protocol in a form, carried out, and told on the page they came from.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Form,
    response::{IntoResponse, Redirect, Response},
};

use super::{pages::Look, session::Told};
use crate::{
    daemon::protocol::{Failure, FailureKind, Request, Response as Answer},
    engine::Retried,
    store::Approval,
};

/// What is said to a form that this visitor's pages did not make.
pub(super) const STALE: &str = "This page was too old, and nothing was done. Try again.";

/// A run that takes longer goes on while its page tells how far it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// Carries out what was clicked.
pub(super) async fn act(look: Look, Form(form): Form<BTreeMap<String, String>>) -> Response {
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let back_to = own_path(field("back")).to_owned();
    let told = match carry_out(&look, field("csrf"), field("request")).await {
        Ok(told) => told,
        Err(failure) => Told::failed(super::pages::sentence(&failure.message)),
    };
    back(&look, &back_to, Some(told))
}

/// Leads back to a page, where something is told.
pub(super) fn back(look: &Look, path: &str, told: Option<Told>) -> Response {
    if let Some(told) = told {
        look.lobby.sessions.tell(look.visitor.secret(), told);
    }
    Redirect::to(&format!("{}{path}", look.lobby.base)).into_response()
}

/// A path of this console: browsers take some characters for others, or for none. Whatever else was given leads to the overview.
pub(super) fn own_path(path: &str) -> &str {
    let own = path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains(|part: char| part == '\\' || part.is_control());
    if own { path } else { "/" }
}

async fn carry_out(look: &Look, csrf: &str, request: &str) -> Result<Told, Failure> {
    if !look.visitor.is_own_form(csrf) {
        return Err(Failure::new(FailureKind::NotPossible, STALE));
    }
    let request = Request::from_line(request)?;
    let (lobby, visitor) = (look.lobby.clone(), look.visitor.clone());
    if !matches!(request, Request::Run(_) | Request::Reload { .. }) {
        return Ok(told(lobby.carry_out(&visitor, request).await?));
    }
    let work = tokio::spawn(async move { lobby.carry_out(&visitor, request).await });
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(answer)) => Ok(told(answer?)),
        Ok(Err(error)) => Err(Failure::new(FailureKind::NotPossible, format!("a mistake in the program: {error}"))),
        // Dropping the handle does not end the work.
        Err(_) => Ok(Told::done("It is under way.")),
    }
}

/// What came of it, in a sentence.
fn told(answer: Answer) -> Told {
    Told::done(match answer {
        Answer::Run(report) => match report.exit_code() {
            0 => "Done: both sides agree.",
            4 => "Done. Something was put aside; it is listed under For you.",
            5 => "It is held: somebody has to approve it.",
            _ => return Told::failed("A system did not do its part; this page says which."),
        },
        Answer::Linked(_) => "Done: these two are one from now on, and the next run makes them the same.",
        Answer::Unlinked(_) => "Done: these two are no pair any more. Both records stay.",
        Answer::Retried(Retried { entries: 0, .. }) => {
            "A person took this back or left it out, so it is not tried again by itself: choose a value."
        }
        Answer::Retried(Retried { kept: 0, .. }) => "It is looked at again with the next run, which begins soon.",
        Answer::Retried(_) => {
            "It is looked at again with the next run, which begins soon. What a person took back or left out stays as it \
             is until somebody chooses a value."
        }
        Answer::Ignored => "It is off the list until something about it changes.",
        Answer::Resolved(_) => "Decided. The value goes to the other side with the next run, which begins soon.",
        Answer::Approved(_) => "Approved. It begins now.",
        Answer::Rejected(_) => "Rejected. Nothing of it is written.",
        Answer::EditAnswered(edit) if edit.approval == Approval::Approved => {
            "Approved. The edited configuration takes over."
        }
        Answer::EditAnswered(_) => "Rejected. What runs stays as it is.",
        Answer::RolloutAnswered(rollout) if rollout.answer == Approval::Rejected => {
            "Rejected. The first clients go back to what they ran before."
        }
        Answer::RolloutAnswered(_) => "Approved. The edit of the template takes over.",
        Answer::Paused(_) => "Paused: nothing of it starts by itself.",
        Answer::Resumed(_) => "It goes on.",
        Answer::Reloaded(report) if report.is_rejected() => {
            return Told::failed("The files were read, and not all of them could be taken over; this page says why.");
        }
        Answer::Reloaded(_) => "The files were read.",
        Answer::Disconnected(text) => return Told::done(super::pages::sentence(&text)),
        Answer::ConnectLink(link) => {
            let text = "Open this link, or send it to the owner of the account; it works once, for 15 minutes:";
            return Told { good: true, text: text.to_owned(), link: Some(link) };
        }
        _ => "Done.",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_leads_nowhere_else() {
        for path in ["/", "/todo?integration=acme", "/record?pipeline=a%2Fb&record=1"] {
            assert_eq!(own_path(path), path);
        }
        for path in [
            "",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example/",
            "javascript:alert(1)",
            "/a\r\nb",
        ] {
            assert_eq!(own_path(path), "/");
        }
    }
}
