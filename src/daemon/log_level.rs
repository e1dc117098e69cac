//! How much is logged, and changing that while the process runs. The logger is the process's own, so this is too.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::protocol::{Failure, FailureKind};

/// Gives the logger another filter.
type Apply = Box<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

struct Control {
    apply: Apply,
    at_start: String,
    /// One directive each: a level for everything, or `module=level`.
    now: Mutex<Vec<String>>,
}

static CONTROL: OnceLock<Control> = OnceLock::new();

/// From now on `change` works. `at_start` is the filter that the logger began with.
pub fn install(at_start: &str, apply: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static) {
    let now = at_start.split(',').map(|part| part.trim().to_owned()).collect();
    // A second logger of a process takes no effect either.
    let _ = CONTROL.set(Control { apply: Box::new(apply), at_start: at_start.to_owned(), now: Mutex::new(now) });
}

/// Changes the filter by one directive: `debug`, `daemon=debug`, or `reset` for the filter of the start. Without one,
/// nothing changes. Gives the filter as it is then.
///
/// # Errors
///
/// When this is no directive, or this process logs nothing.
pub(super) fn change(directive: Option<&str>) -> Result<String, Failure> {
    let control = CONTROL.get();
    let control = control.ok_or_else(|| Failure::new(FailureKind::NotPossible, "this process writes no log"))?;
    let mut now = control.now.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = match directive {
        None => return Ok(now.join(",")),
        Some("reset") => control.at_start.split(',').map(|part| part.trim().to_owned()).collect(),
        Some(directive) => with(&now, directive).map_err(|text| Failure::new(FailureKind::NotPossible, text))?,
    };
    let text = wanted.join(",");
    (control.apply)(&text).map_err(|error| Failure::new(FailureKind::NotPossible, error))?;
    tracing::info!(event = "log.level", filter = text, "the log was changed");
    *now = wanted;
    Ok(text)
}

/// The directives with one more, which takes the place of one about the same module.
fn with(now: &[String], directive: &str) -> Result<Vec<String>, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    const ROOMS: [&str; 10] =
        ["record", "mapping", "sync", "config", "connector", "store", "engine", "daemon", "cli", "sandbox"];
    let (module, level) = directive.split_once('=').map_or((None, directive), |(module, level)| (Some(module), level));
    if !LEVELS.contains(&level) {
        return Err(format!("`{level}` is no level; there are {}, and `reset`", LEVELS.join(", ")));
    }
    let module = match module {
        None => None,
        Some(module) => {
            let first = module.split("::").next().unwrap_or_default();
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
            if module.is_empty() || !module.chars().all(is_word) {
                return Err(format!("`{module}` is no module; one of this program is `{}`", ROOMS.join("`, `")));
            }
            // People write `daemon=debug` for the module of this program.
            Some(if ROOMS.contains(&first) { format!("reconciled::{module}") } else { module.to_owned() })
        }
    };
    let about = |directive: &str| directive.split_once('=').map(|(module, _)| module.to_owned());
    let mut all: Vec<String> = now.iter().filter(|known| about(known) != module).cloned().collect();
    all.push(module.map_or_else(|| level.to_owned(), |module| format!("{module}={level}")));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_replaces_the_one_about_the_same_and_no_other() {
        let now = vec!["info".to_owned(), "reconciled::engine=debug".to_owned()];
        assert_eq!(with(&now, "warn").unwrap(), ["reconciled::engine=debug", "warn"]);
        assert_eq!(with(&now, "engine=trace").unwrap(), ["info", "reconciled::engine=trace"]);
        assert_eq!(with(&now, "hyper=off").unwrap(), ["info", "reconciled::engine=debug", "hyper=off"]);
        for wrong in ["inof", "engine=", "=info", "engine=loud", "a,b=info", "[x]=info"] {
            assert!(with(&now, wrong).is_err(), "{wrong}");
        }
    }
}
