//! How far a run is, for whoever watches it. Numbers that only grow; nothing depends on them.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};

use crate::config::PipelineName;

/// Counts while a run goes on; read by others at any time.
#[derive(Debug, Default)]
pub struct Meter {
    pages: AtomicU64,
    records: AtomicU64,
    planned: AtomicU64,
    done: AtomicU64,
    echoes: Mutex<BTreeMap<PipelineName, u64>>,
}

/// What a [`Meter`] shows at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Pages read.
    pub pages: u64,
    /// Records on them.
    pub records: u64,
    /// Records to be written or linked, as far as it is planned by now.
    pub planned: u64,
    /// Those of them that are done.
    pub done: u64,
}

impl Meter {
    /// What it shows now.
    #[must_use]
    pub fn reading(&self) -> Reading {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Reading {
            pages: read(&self.pages),
            records: read(&self.records),
            planned: read(&self.planned),
            done: read(&self.done),
        }
    }

    /// Linked records that a system reported as changed, and that were just as they were left: our own writes seen again,
    /// mostly.
    #[must_use]
    pub fn echoed(&self) -> BTreeMap<PipelineName, u64> {
        self.echoes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// So many more came.
    pub(super) fn echoes(&self, pipeline: &PipelineName, count: u64) {
        if count > 0 {
            let mut echoes = self.echoes.lock().unwrap_or_else(PoisonError::into_inner);
            *echoes.entry(pipeline.clone()).or_default() += count;
        }
    }

    /// A page came.
    pub(super) fn page(&self, records: usize) {
        self.pages.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(records as u64, Ordering::Relaxed);
    }

    /// So many more are to be done.
    pub(super) fn planned(&self, count: u64) {
        self.planned.fetch_add(count, Ordering::Relaxed);
    }

    /// So many more are done.
    pub(super) fn done(&self, count: usize) {
        self.done.fetch_add(count as u64, Ordering::Relaxed);
    }
}
