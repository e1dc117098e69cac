//! An effect in words.

use std::fmt;

use super::{EditEffect, EffectCounts, PipelineEffect};

impl fmt::Display for EffectCounts {
    /// `rewrites 1,430, releases 212, adds 9`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = [
            (self.rewrites, "rewrites "),
            (self.parks, "puts aside "),
            (self.releases, "releases "),
            (self.pauses, "pauses "),
            (self.adds, "adds "),
            (self.unread, "unknown until read: up to "),
            (self.moved, "links into another account: "),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{word}{}", grouped(count)))
        .collect();
        if parts.is_empty() { f.write_str("changes no record") } else { f.write_str(&parts.join(", ")) }
    }
}

impl fmt::Display for PipelineEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pipeline, self.counts)
    }
}

impl fmt::Display for EditEffect {
    /// `acme/contacts rewrites 1,430, releases 212; acme/sales adds 9`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pipelines.is_empty() {
            return f.write_str("changes no record");
        }
        let parts: Vec<String> = self.pipelines.iter().map(ToString::to_string).collect();
        f.write_str(&parts.join("; "))
    }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_is_told_in_one_line() {
        let counts = EffectCounts { rewrites: 1_430, releases: 212, adds: 9, ..EffectCounts::default() };
        assert_eq!(counts.to_string(), "rewrites 1,430, releases 212, adds 9");
        let counts = EffectCounts { unread: 1_000_000, ..EffectCounts::default() };
        assert_eq!(counts.to_string(), "unknown until read: up to 1,000,000");
        assert_eq!(EffectCounts::default().to_string(), "changes no record");
    }
}
