//! `render`: an integration with everything of its template filled in.

use std::path::Path;

use super::{
    args::RenderArgs,
    exit::{CliError, Exit},
    output::Output,
    text::Paint,
};
use crate::config::{self, ProcessEnv, RenderError};

/// Prints the YAML of one client. Has no effect on anything.
///
/// # Errors
///
/// When there is no such folder or client.
pub fn run(dir: &Path, args: &RenderArgs, out: &Output) -> Result<Exit, CliError> {
    if !dir.is_dir() {
        let message = format!("there is no configuration folder {}; `--config DIR` names another", dir.display());
        return Err(CliError::Config(message));
    }
    match config::render_client(dir, &ProcessEnv, &args.name, !args.plain) {
        Ok(text) => {
            if out.json {
                out.json(&serde_json::json!({ "client": args.name, "yaml": text }));
            } else {
                out.data(&text);
            }
            Ok(Exit::Done)
        }
        Err(RenderError::Mistakes { name, diagnostics, sources }) => {
            out.talk(&config::render(&diagnostics, &sources, out.talk_paint == Paint::Colour));
            Err(CliError::Config(format!("`{name}` cannot be put together from its template")))
        }
        Err(error @ RenderError::NoSuch { .. }) => Err(CliError::Usage(error.to_string())),
    }
}
