//! How the configuration stands: what runs, what is wrong with the files, with the lines around it.

use std::path::Path;

use axum::response::Response;
use maud::{Markup, html};

use super::{Drawn, Frame, Look, card};
use crate::{
    cli::text::one_line,
    config::{Role, without_secrets},
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
                ul.plain { @for (name, why) in pending.iter().take(MOST) { li { a href=(frame.link("/integration", &[("name", name.as_str())])) { (name) } ": " (one_line(why)) } } }
            }
            @for rollout in &frame.status.rollouts { (card::rollout(frame, rollout)) }
            @for edit in &frame.status.edits { (card::edit(frame, edit)) }
        }
    })
}

fn of_mistake(frame: &Frame, config: &ConfigNow, mistake: &Mistake) -> Markup {
    // Lines of files are for whoever may change them.
    let lines = if frame.visitor().may(Role::Admin) { snippet(&config.dir, mistake) } else { Vec::new() };
    html! {
        section.card.bad {
            p.say { (card::capital(&mistake.message)) }
            p.dim.small { (mistake.at) " · " (mistake.code) }
            @if !lines.is_empty() {
                pre { @for (number, line, hit) in &lines { span.hit[*hit] { (format!("{number:>5}  {line}")) } "\n" } }
            }
            @if let Some(help) = &mistake.help { p { "To do: " (help) } }
        }
    }
}

/// The lines around a mistake, as the file is now; what may be a secret is left out.
fn snippet(dir: &Path, mistake: &Mistake) -> Vec<(usize, String, bool)> {
    let mut parts = mistake.at.rsplitn(3, ':');
    let (Some(_), Some(line), Some(file)) = (parts.next(), parts.next(), parts.next()) else { return Vec::new() };
    let Ok(line) = line.parse::<usize>() else { return Vec::new() };
    let path = dir.join(file);
    let inside = path.canonicalize().is_ok_and(|path| dir.canonicalize().is_ok_and(|dir| path.starts_with(dir)));
    if !inside || std::fs::metadata(&path).map_or(true, |data| !data.is_file() || data.len() > LONGEST) {
        return Vec::new();
    }
    let Ok(text) = std::fs::read_to_string(&path) else { return Vec::new() };
    let text = without_secrets(file, &text);
    let first = line.saturating_sub(AROUND).max(1);
    let numbered = text.lines().zip(1..);
    let around = numbered.skip_while(|(_, number)| *number < first).take_while(|(_, number)| *number <= line + AROUND);
    around.map(|(text, number)| (number, text.to_owned(), number == line)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_lines_around_a_mistake_are_shown_without_their_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let text = "connections:\n  shop: { base_url: \"${env:B}\", auth: { token: canary } }\n  books:\n    auth:\n      header:\n        canary\n";
        fs::write(dir.path().join("a.yaml"), text).unwrap();
        fs::write(dir.path().join("reconciled.toml"), "[notifications.x]\npassword = 'canary'\nlog = \"info\"\n")
            .unwrap();
        for (at, seen) in [("a.yaml:2:1", "${env:B}"), ("a.yaml:5:1", "header:"), ("reconciled.toml:2:1", "\"info\"")] {
            let mistake = Mistake { at: at.to_owned(), code: String::new(), message: String::new(), help: None };
            let lines = snippet(dir.path(), &mistake);
            let shown = lines.iter().map(|(_, line, _)| line.as_str()).collect::<Vec<_>>().join("\n");
            assert!(shown.contains(seen) && !shown.contains("canary"), "{at}: {shown}");
            assert_eq!(lines.iter().filter(|(_, _, hit)| *hit).count(), 1, "{at}");
        }
    }
}
