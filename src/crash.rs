//! Places where a test has the program die, or hang.
//!
//! `kill -9` at a random moment seldom hits the few instructions between two steps that matter. A debug build ends itself,
//! as if it were killed, at the place that `RECONCILED_CRASH_AT` names (`intent-flushed:3` is the third time it comes by
//! there). At the one that `RECONCILED_HANG_AT` names, the thread that comes by never goes on. A release build does not
//! look at these variables.

/// Ends the process here, if a test asks for that, or hangs. Nothing is cleaned up, as after a kill.
#[cfg(debug_assertions)]
pub(crate) fn point(name: &str) {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    };

    static WANTED: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
        let text = std::env::var("RECONCILED_CRASH_AT").ok()?;
        let (name, times) = text.split_once(':').unwrap_or((&text, "1"));
        Some((name.to_owned(), times.parse().ok()?))
    });
    static PASSED: AtomicU64 = AtomicU64::new(0);
    static HANGS: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("RECONCILED_HANG_AT").ok());

    if let Some((wanted, times)) = &*WANTED
        && wanted == name
        && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *times
    {
        std::process::abort();
    }
    while HANGS.as_deref() == Some(name) {
        std::thread::park();
    }
}

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
pub(crate) const fn point(_name: &str) {}
