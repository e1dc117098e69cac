//! Lists, element by element.

use serde::{Deserialize, Serialize};

/// Two elements that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElementPair {
    /// Key on the source.
    pub source: String,
    /// Key on the target, once learned.
    pub target: Option<String>,
}
