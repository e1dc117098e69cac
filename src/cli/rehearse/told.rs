//! Results for people.

use std::fmt::Write as _;

use super::Results;
use crate::cli::text::{Paint, count};

/// Test by test, then what is not as it should be, then what no test exercises.
pub(super) fn render(results: &Results, paint: Paint) -> String {
    let mut out = String::new();
    let mut file = "";
    for test in &results.tests {
        if test.file != file {
            file = &test.file;
            let _ = writeln!(out, "{}", paint.bold(file));
        }
        let mark = if test.passed { paint.green("ok    ") } else { paint.red("FAILED") };
        let _ = writeln!(out, "  {mark}  {}", test.name);
    }
    for test in results.tests.iter().filter(|test| !test.passed) {
        let _ = writeln!(out, "\n{}", paint.red(&format!("{}: {}", test.file, test.name)));
        for failure in &test.failures {
            for line in failure.render().lines() {
                let painted = match line.trim_start().chars().next() {
                    Some('-') => paint.red(line),
                    Some('+') => paint.green(line),
                    _ => line.to_owned(),
                };
                let _ = writeln!(out, "  {painted}");
            }
        }
    }
    out.push('\n');
    let parts: usize = results.coverage.iter().map(|covered| covered.parts).sum();
    let never: usize = results.coverage.iter().map(|covered| covered.never.len()).sum();
    if parts > 0 {
        let _ = writeln!(out, "exercised: {} of {parts} fields, matches and filters", parts - never);
        for covered in results.coverage.iter().filter(|covered| !covered.never.is_empty()) {
            let _ = writeln!(out, "  {}", covered.pipeline);
            for what in &covered.never {
                let _ = writeln!(out, "    {what}");
            }
        }
    }
    let passed = format!("{} passed", count(results.passed as u64, "test", "tests"));
    let verdict = if results.failed == 0 {
        paint.green(&passed)
    } else {
        paint.red(&format!("{passed}, {} failed", results.failed))
    };
    let _ = writeln!(out, "{verdict}");
    out
}
