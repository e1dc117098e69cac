//! What a look at something found, for `doctor` and `validate --online`.

use serde::Serialize;

use super::text::{Paint, wrap};

/// How a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Worth a look; nothing fails because of it now.
    Warning,
    /// Something fails because of it.
    Bad,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it stands.
    pub level: Level,
    /// What was looked at: `state folder`, `acme-xero/contacts`.
    pub about: String,
    /// What was found.
    pub found: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Finding {
    /// As it should be.
    #[must_use]
    pub fn ok(about: impl Into<String>, found: impl Into<String>) -> Self {
        Self { level: Level::Ok, about: about.into(), found: found.into(), help: None }
    }

    /// Worth a look.
    #[must_use]
    pub fn warning(about: impl Into<String>, found: impl Into<String>, help: impl Into<String>) -> Self {
        Self { level: Level::Warning, about: about.into(), found: found.into(), help: Some(help.into()) }
    }

    /// Something fails because of it.
    #[must_use]
    pub fn bad(about: impl Into<String>, found: impl Into<String>, help: impl Into<String>) -> Self {
        Self { level: Level::Bad, about: about.into(), found: found.into(), help: Some(help.into()) }
    }
}

/// Whether something fails.
#[must_use]
pub fn is_bad(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.level == Level::Bad)
}

/// One finding after the other, as people read them.
#[must_use]
pub fn render(findings: &[Finding], paint: Paint) -> String {
    let mut text = String::new();
    for finding in findings {
        let line = format!("{}: {}", finding.about, finding.found);
        match finding.level {
            Level::Ok => text.push_str(&wrap(&format!("ok {line}"), 0)),
            Level::Warning => text.push_str(&paint.yellow(&wrap(&format!("? {line}"), 0))),
            Level::Bad => text.push_str(&paint.red(&wrap(&format!("! {line}"), 0))),
        }
        if let Some(help) = &finding.help {
            text.push_str(&wrap(&format!("help: {help}"), 4));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_say_what_to_do() {
        let findings = [
            Finding::ok("daemon", "runs"),
            Finding::warning("clock", "is 3 min ahead", "let it follow a time server"),
            Finding::bad("disk", "is full", "make room"),
        ];
        assert_eq!(
            render(&findings, Paint::Plain),
            "ok daemon: runs\n? clock: is 3 min ahead\n    help: let it follow a time server\n! disk: is full\n    help: make room\n"
        );
        assert!(is_bad(&findings) && !is_bad(&findings[..2]));
    }
}
