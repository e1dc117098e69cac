//! Configuration folders, read as a whole: what is sound is usable, and every mistake says where it is and what to do.

#[path = "config/broken.rs"]
mod broken;
#[path = "config/damage.rs"]
mod damage;
#[path = "config/editor.rs"]
mod editor;
#[path = "config/extends.rs"]
mod extends;
#[path = "config/meaning.rs"]
mod meaning;
#[path = "config/schemas.rs"]
mod schemas;
#[path = "config/templates.rs"]
mod templates;
#[path = "config/valid.rs"]
mod valid;
#[path = "config/whole.rs"]
mod whole;

use std::{collections::HashMap, path::PathBuf};

use reconciled::config::{Loaded, load};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn env() -> HashMap<String, String> {
    [("WEBSITE_URL", "https://shop.example/sync/v1"), ("XERO_APP_ID", "app")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// A folder with these files.
fn files(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

/// Two connections, for pipelines to use.
const CONNECTIONS: &str = r#"connections:
  shop: { connector: website, base_url: https://shop.example, auth: { token: "${env:SHOP_TOKEN}" } }
  xero: { connector: xero, auth: { token: "${env:XERO_TOKEN}" } }
"#;

fn folder(name: &str) -> Loaded {
    load(&root().join(name), &env())
}
