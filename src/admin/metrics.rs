//! Numbers for Prometheus: in the text format of `OpenMetrics` for whoever asks for it, else in the older one.
//!
//! What is counted is counted by the daemon ([`crate::daemon::counts`]); everything else is read from its status when somebody
//! asks. No number is about one record, and no label names one.

mod families;

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet, text::encode},
    metrics::MetricType,
    registry::Registry,
};

pub use families::{Facts, families};

/// What every name begins with.
pub const PREFIX: &str = "reconciled";

/// How the numbers are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As Prometheus asks for it.
    OpenMetrics,
    /// As everything else reads it that knows the text format of Prometheus.
    Text,
}

impl Format {
    /// What a reader takes, by its `Accept`. Who does not ask for `OpenMetrics` by name may not know it.
    #[must_use]
    pub fn wanted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Text }
    }

    /// The type of the text.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The numbers as a text.
    #[must_use]
    pub fn text(self, families: Vec<Family>) -> String {
        let text = text(families);
        match self {
            Self::OpenMetrics => text,
            Self::Text => older(&text),
        }
    }
}

/// The older format differs in two things: a counter is declared under the name of its numbers, and there is no end.
fn older(text: &str) -> String {
    let counters: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut older = String::with_capacity(text.len());
    for line in text.lines().filter(|line| *line != "# EOF") {
        let declared = ["# HELP ", "# TYPE "].iter().find_map(|begin| Some((begin, line.strip_prefix(begin)?)));
        match declared.and_then(|(begin, rest)| Some((begin, rest.split_once(' ')?))) {
            Some((begin, (name, rest))) if counters.contains(name) => {
                // Writing to a text cannot fail.
                let _ = writeln!(older, "{begin}{name}_total {rest}");
            }
            _ => {
                older.push_str(line);
                older.push('\n');
            }
        }
    }
    older
}

/// A metric with all its numbers.
#[derive(Debug)]
pub struct Family {
    /// Its name, less [`PREFIX`] and less the `_total` of a counter.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// Its numbers, by their labels.
    pub numbers: Numbers,
}

/// Labels with their values.
pub type Labels = Vec<(&'static str, String)>;

/// The numbers of a metric.
#[derive(Debug)]
pub enum Numbers {
    /// They only grow.
    Counter(Vec<(Labels, u64)>),
    /// They come and go.
    Gauge(Vec<(Labels, f64)>),
    /// Counted in classes, each with its upper end.
    Histogram(Vec<(Labels, Histogram)>),
}

/// How many there are of each class, and all together.
#[derive(Debug)]
pub struct Histogram {
    /// Upper end and number of each class; the last one has no end.
    pub classes: Vec<(f64, u64)>,
    /// All together.
    pub sum: f64,
}

fn text(families: Vec<Family>) -> String {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Scrape(families)));
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _ = encode(&mut text, &registry);
    text
}

#[derive(Debug)]
struct Scrape(Vec<Family>);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        for family in &self.0 {
            let kind = match family.numbers {
                Numbers::Counter(_) => MetricType::Counter,
                Numbers::Gauge(_) => MetricType::Gauge,
                Numbers::Histogram(_) => MetricType::Histogram,
            };
            let help = family.help.trim_end_matches('.');
            let mut metric = encoder.encode_descriptor(family.name, help, None, kind)?;
            match &family.numbers {
                Numbers::Counter(numbers) => {
                    for (labels, number) in numbers {
                        metric.encode_family(labels)?.encode_counter::<NoLabelSet, _, u64>(number, None)?;
                    }
                }
                Numbers::Gauge(numbers) => {
                    for (labels, number) in numbers {
                        metric.encode_family(labels)?.encode_gauge(number)?;
                    }
                }
                Numbers::Histogram(numbers) => {
                    for (labels, histogram) in numbers {
                        let count = histogram.classes.iter().map(|(_, number)| number).sum();
                        metric.encode_family(labels)?.encode_histogram::<NoLabelSet>(
                            histogram.sum,
                            count,
                            &histogram.classes,
                            None,
                        )?;
                    }
                }
            }
        }
        Ok(())
    }
}
