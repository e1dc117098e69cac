//! Pipelines that use the same resource: what one of them makes, the others know at once.

use chrono::TimeDelta;

use super::{EngineError, pull::Attached, run::Run};
use crate::{config::Pipeline, connector::RemoteRecord, record::Side};

/// Records that a call made.
#[derive(Default)]
pub(super) struct Births {
    /// As the remote answered them.
    pub told: Vec<RemoteRecord>,
    /// Whether the remote named others by their ids alone.
    pub untold: bool,
}

impl Run<'_> {
    /// Tells the other pipelines of a resource what this one made there, so that they match it instead of making it
    /// once more. Where the answer says nothing but an id, they read what changed before they make anything.
    pub(super) async fn tell_neighbours(
        &mut self,
        pipeline: &Pipeline,
        side: Side,
        births: Births,
    ) -> Result<(), EngineError> {
        if births.told.is_empty() && !births.untold {
            return Ok(());
        }
        let end = pipeline.end(side);
        let key = (end.connection.name.clone(), end.resource.name.clone());
        let neighbours = self.ends_using(&key).into_iter().filter(|(neighbour, _)| neighbour.name != pipeline.name);
        for (neighbour, side) in neighbours {
            // What it reads by calls of its own was not part of the answer, which would look like values that are not there.
            let told = !neighbour.end(side).resource.reads_more();
            if births.untold || !told {
                self.outdated.insert((neighbour.name.clone(), key.clone()));
            }
            if told {
                self.deliver(&Attached { pipeline: neighbour, side, spill: false }, &births.told, TimeDelta::zero())
                    .await?;
            }
        }
        Ok(())
    }

    /// Whether another pipeline made something on a side of which it is not known what became of it.
    pub(super) fn neighbour_in_doubt(&self, pipeline: &Pipeline, side: Side) -> bool {
        let end = pipeline.end(side);
        self.open_creates.iter().filter(|(name, _, write)| write.is_none() && *name != pipeline.name).any(|open| {
            let (name, written, _) = open;
            let other = self.engine.config.pipeline(name).map(|(_, other)| other.end(*written));
            other.is_some_and(|o| o.connection.name == end.connection.name && o.resource.name == end.resource.name)
        })
    }
}
