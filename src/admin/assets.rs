//! The style sheet, the script and the icon: parts of the program, under names that change with what they hold.

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use xxhash_rust::xxh3::xxh3_64;

/// One of them.
#[derive(Debug)]
pub(super) struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

pub(super) const STYLE: Asset =
    Asset { name: "console.css", kind: "text/css; charset=utf-8", text: include_str!("assets/console.css") };
pub(super) const SCRIPT: Asset =
    Asset { name: "console.js", kind: "text/javascript; charset=utf-8", text: include_str!("assets/console.js") };
pub(super) const ICON: Asset = Asset { name: "icon.svg", kind: "image/svg+xml", text: include_str!("assets/icon.svg") };

impl Asset {
    fn file(&self) -> String {
        format!("{:016x}-{}", xxh3_64(self.text.as_bytes()), self.name)
    }

    /// Where it is, below the base.
    pub fn path(&self) -> String {
        format!("/assets/{}", self.file())
    }
}

/// Gives one out; a browser may keep it for good.
pub(super) async fn serve(Path(name): Path<String>) -> Response {
    match [STYLE, SCRIPT, ICON].iter().find(|asset| asset.file() == name) {
        Some(asset) => {
            let headers =
                [(header::CONTENT_TYPE, asset.kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
            (headers, asset.text).into_response()
        }
        None => (StatusCode::NOT_FOUND, "there is no such file\n").into_response(),
    }
}
