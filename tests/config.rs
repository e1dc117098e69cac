//! Configuration folders, read as a whole: what is sound is usable, and every mistake says where it is and what to do.

#[path = "config/broken.rs"]
mod broken;
#[path = "config/schemas.rs"]
mod schemas;
#[path = "config/valid.rs"]
mod valid;

use std::{collections::HashMap, path::PathBuf};

use reconciled::config::{Loaded, load};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn env() -> HashMap<String, String> {
    [("WEBSITE_URL", "https://shop.example/sync/v1"), ("XERO_TENANT", "fe1c0d61-0000-4000-8000-000000000001")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn folder(name: &str) -> Loaded {
    load(&root().join(name), &env())
}
