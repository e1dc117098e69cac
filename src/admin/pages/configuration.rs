//! How the configuration stands: what runs, what is wrong with the files, with the lines around it.

use axum::response::Response;
use maud::{Markup, html};

use super::{Drawn, Frame, Look, card};
use crate::{
    cli::text::one_line,
    config::Role,
    daemon::{
        protocol::{Failure, FailureKind, Request},
        reload::{ConfigNow, Mistake},
    },
};

/// Lines shown before and after the one that is meant.
const AROUND: usize = 2;
/// Longest file that is looked into, in bytes.
const LONGEST: u64 = 4 << 20;
/// Mistakes shown.
const MOST: usize = 50;

/// Draws it.
pub(super) async fn show(look: Look) -> Result<Response, Response> {
    let frame = Frame::of(look, "/configuration".to_owned()).await?;
    let body = draw(&frame);
    Ok(frame.answer("Configuration", body))
}

fn draw(frame: &Frame) -> Drawn {
    if !frame.visitor().scope.is_whole() {
        let text = "The configuration is of the daemon as a whole; you may see only some of its integrations.";
        return Err(Failure::new(FailureKind::NotPossible, text));
    }
    let Some(config) = frame.status.daemon.as_ref().and_then(|daemon| daemon.config.as_ref()) else {
        return Ok(html! { h1 { "Configuration" } p { "This daemon does not follow its files." } });
    };
    let pending = frame.status.daemon.iter().flat_map(|daemon| &daemon.integrations);
    let pending: Vec<_> = pending.filter_map(|now| Some((&now.integration, now.pending.as_ref()?))).collect();
    Ok(html! {
        h1 { "Configuration" }
        div #config data-live {
            section.card {
                p.say {
                    @if config.mistakes.is_empty() && pending.is_empty() { span.badge.good { "Sound" } " What runs is what the files say." }
                    @else { span.badge.warn { "Not taken whole" } " What was good before goes on; nothing stops because of a mistake." }
                }
                dl.facts {
                    dt { "Folder" } dd { code { (config.dir.display()) } }
                    dt { "Last read" } dd { (frame.ago(config.last_reload.at)) " (" (one_line(&config.last_reload.why)) ")" }
                    dt { "Came to" } dd { (one_line(&config.last_reload.text)) }
                    dt { "Generation" } dd { (config.generation) }
                }
                @if let Some(vanished) = &config.vanished { p.banner.warn { (one_line(vanished)) } }
                @if !config.needs_restart.is_empty() { p.banner.warn { "A restart is needed for: " (config.needs_restart.join(", ")) } }
                @if !config.watching { p.dim { "The files are not followed; edits are taken over when somebody says so." } }
                div.row { (frame.button(&Request::Reload { wait: false, force: false }, "Read the files now", "")) }
            }
            @if !config.mistakes.is_empty() {
                h2 { "Mistakes" }
                @for mistake in config.mistakes.iter().take(MOST) { (of_mistake(frame, config, mistake)) }
                @if config.mistakes.len() > MOST { p.dim { "… and " (config.mistakes.len() - MOST) " more" } }
            }
            @if !pending.is_empty() {
                h2 { "Running as before" }
                ul.plain { @for (name, why) in &pending { li { a href=(frame.link("/integration", &[("name", name.as_str())])) { (name) } ": " (one_line(why)) } } }
            }
            @for rollout in &frame.status.rollouts { (card::rollout(frame, rollout)) }
            @for edit in &frame.status.edits { (card::edit(frame, edit)) }
        }
    })
}

fn of_mistake(frame: &Frame, config: &ConfigNow, mistake: &Mistake) -> Markup {
    // Lines of files are for whoever may change them.
    let lines = if frame.visitor().may(Role::Admin) { snippet(config, mistake) } else { Vec::new() };
    html! {
        section.card.bad {
            p.say { (card::capital(&mistake.message)) }
            p.dim.small { (mistake.at) " · " (mistake.code) }
            @if !lines.is_empty() {
                pre { @for (number, line, hit) in &lines { span.hit[*hit] { (format!("{number:>5}  {line}\n")) } } }
            }
            @if let Some(help) = &mistake.help { p { "To do: " (help) } }
        }
    }
}

/// The lines around a mistake, as the file is now; what may be a secret is left out.
fn snippet(config: &ConfigNow, mistake: &Mistake) -> Vec<(usize, String, bool)> {
    let mut parts = mistake.at.rsplitn(3, ':');
    let (Some(_), Some(line), Some(file)) = (parts.next(), parts.next(), parts.next()) else { return Vec::new() };
    let Ok(line) = line.parse::<usize>() else { return Vec::new() };
    let path = config.dir.join(file);
    let inside = path.canonicalize().is_ok_and(|path| config.dir.canonicalize().is_ok_and(|dir| path.starts_with(dir)));
    if !inside || std::fs::metadata(&path).map_or(true, |data| !data.is_file() || data.len() > LONGEST) {
        return Vec::new();
    }
    let Ok(text) = std::fs::read_to_string(&path) else { return Vec::new() };
    let first = line.saturating_sub(AROUND).max(1);
    let numbered = text.lines().zip(1..);
    let around = numbered.skip_while(|(_, number)| *number < first).take_while(|(_, number)| *number <= line + AROUND);
    around.map(|(text, number)| (number, without_secrets(text), number == line)).collect()
}

/// A line without what follows a key that is usually a secret's.
fn without_secrets(line: &str) -> String {
    const KEYS: [&str; 6] = ["token", "password", "secret", "value", "key", "authorization"];
    let lower = line.to_ascii_lowercase();
    let found = KEYS.iter().filter_map(|key| {
        let at = lower.find(key)? + key.len();
        let sign = lower.get(at..)?.find([':', '='])?;
        Some(at + sign + 1)
    });
    match found.min().and_then(|end| line.get(..end)) {
        Some(begin) if !line.contains("${") => format!("{begin} …"),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_shown_without_its_secret() {
        assert_eq!(without_secrets("  shop: { auth: { token: abc } }"), "  shop: { auth: { token: …");
        assert_eq!(without_secrets("  - { source: $.first }"), "  - { source: $.first }");
        assert_eq!(without_secrets("  token: \"${env:SHOP}\""), "  token: \"${env:SHOP}\"");
        assert_eq!(without_secrets("password = 'x'"), "password = …");
    }
}
