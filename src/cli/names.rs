//! Names of connections in place of "source" and "target".

use std::collections::BTreeMap;

use crate::{
    config::{Config, PipelineName},
    record::Side,
};

/// Which connection is on which side of each pipeline.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<PipelineName, [String; 2]>);

impl Names {
    /// The names of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let ends = |pipeline: &crate::config::Pipeline| {
            [&pipeline.ends[0], &pipeline.ends[1]].map(|end| end.connection.name.to_string())
        };
        Self(config.pipelines().map(|(_, pipeline)| (pipeline.name.clone(), ends(pipeline))).collect())
    }

    #[cfg(test)]
    /// Names given one by one: pipeline, source connection, target connection.
    #[must_use]
    pub fn from_pairs(pairs: &[(PipelineName, [&str; 2])]) -> Self {
        Self(pairs.iter().map(|(name, ends)| (name.clone(), ends.map(str::to_owned))).collect())
    }

    /// The connection on this side of a pipeline; `the source` or `the target` of one that is not known.
    #[must_use]
    pub fn on(&self, pipeline: &PipelineName, side: Side) -> &str {
        match (self.0.get(pipeline), side) {
            (Some([source, _]), Side::Source) => source,
            (Some([_, target]), Side::Target) => target,
            (None, Side::Source) => "the source",
            (None, Side::Target) => "the target",
        }
    }
}
