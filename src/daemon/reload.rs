//! Reloading: from "the folder may have changed" to the edited integrations running, and nothing else touched.

pub(super) mod admit;
