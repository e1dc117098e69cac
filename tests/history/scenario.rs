//! A history as data: what both systems hold at first, how they behave, and what happens, step by step.
//!
//! A step names its record by a number, which stands for one of those that are there, or, in what a played history tells
//! of itself, by the id. So a history can be cut down, written as YAML, and played again.

use reconciled::{engine::Mode, record::Side};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One of the two systems, by the name of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum System {
    Shop,
    Books,
}

impl System {
    pub const BOTH: [Self; 2] = [Self::Shop, Self::Books];

    pub const fn side(self) -> Side {
        match self {
            Self::Shop => Side::Source,
            Self::Books => Side::Target,
        }
    }
}

/// Which record a step is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Pick {
    /// That many from the first, again from the first after the last.
    Nth(usize),
    Id(String),
}

/// What a person does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Deed {
    Create {
        on: System,
        values: Value,
    },
    Edit {
        on: System,
        record: Pick,
        field: String,
        value: Value,
    },
    /// An edit that is taken back before anybody looks.
    BackAndForth {
        on: System,
        record: Pick,
        field: String,
        value: Value,
    },
    /// Changes what is not kept the same; in a listing by time the record moves to the end.
    Touch {
        on: System,
        record: Pick,
        note: String,
    },
    /// Has `customer` be the other way round; the feed tells nothing of it.
    Silently {
        on: System,
        record: Pick,
    },
    /// Archives, or takes out of the archive.
    Archive {
        on: System,
        record: Pick,
    },
    Delete {
        on: System,
        record: Pick,
    },
    /// The record goes, and the same is there under another id.
    Rekey {
        on: System,
        record: Pick,
    },
    /// The record goes, and says which one it went into.
    Merge {
        on: System,
        record: Pick,
        into: Pick,
    },
    Sale {
        number: String,
        contact: Pick,
        total: u64,
    },
    SaleTotal {
        sale: Pick,
        total: u64,
    },
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mishap {
    /// The connection is refused.
    NotDone,
    /// It is lost before the remote does anything.
    LostBefore,
    /// It is done, and the answer is lost.
    LostAfter,
    /// The answer lacks its last item.
    ShortAnswer,
    /// The answer is lost, and the call is carried out so many seconds later.
    LostLate(u64),
}

/// What happens around the calls of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Happens {
    Mishap(Mishap),
    Milliseconds(u64),
    Person(Deed),
}

/// The same, with the moment: calls begin and end, and each of that is one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meanwhile {
    pub at: u32,
    pub happens: Happens,
}

/// Where the daemon dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crash {
    /// From this operation of the store on, every one fails.
    Store(u64),
    /// The run is dropped where it waits for the so many-th time.
    Await(u64),
}

/// One run of the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    pub mode: Mode,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub full: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<System>,
    /// Only the last pipeline.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub last: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meanwhile: Vec<Meanwhile>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash: Option<Crash>,
    /// After it the daemon is gone, and of what was not flushed a part is, as this number decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub killed: Option<u64>,
    /// What it wrote, for whoever reads this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wrote: Vec<String>,
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    Person(Deed),
    /// Seconds go by.
    Advance(u64),
    /// The clock of the daemon's machine is set, by so many seconds.
    Jump(i64),
    /// The configuration is edited.
    Config(String),
    Run(Run),
}

/// How a system behaves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manners {
    pub page: usize,
    /// Records have versions, and a write of an older one is refused.
    pub versions: bool,
    /// Its clock is ahead of the daemon's by so many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ahead: Option<i64>,
    /// Writes what it is given in a form of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reshapes: Option<Reshape>,
    /// Takes no value for this field, and says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignores: Option<String>,
    /// Shows a mask in place of this field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masks: Option<String>,
    /// Its readings show everything as it was so many seconds ago; the connector says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// The order of a listing is another one for every page.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unstable: bool,
}

/// What a system makes of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reshape {
    Upper,
    Trimmed,
}

/// A history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    pub seed: u64,
    /// Which configuration of `kinds.rs` it begins with.
    pub config: String,
    /// How many seconds both systems remember keys, if they do.
    pub keys: Option<u64>,
    pub shop: Manners,
    pub books: Manners,
    pub given: Given,
    pub steps: Vec<Step>,
    /// What is wrong at the end.
    #[serde(default)]
    pub expect: Vec<String>,
}

/// What both systems hold at first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Given {
    pub shop: Vec<Value>,
    pub books: Vec<Value>,
}

impl Scenario {
    pub const fn manners(&self, system: System) -> &Manners {
        match system {
            System::Shop => &self.shop,
            System::Books => &self.books,
        }
    }
}
