//! A program that gets the message on its standard input.

use std::{
    io::{Read as _, Write as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::daemon::notices::Message;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(25);
/// How much of its complaint is repeated, in bytes.
const SHOWN: u64 = 300;

/// Runs it with nothing of the daemon's surroundings but `PATH`: what is secret there stays there.
pub(super) fn send(words: &[String], message: &Message) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else { return Err("there is no program".to_owned()) };
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("RECONCILED_ID", &message.id)
        .env("RECONCILED_EVENT", &message.event)
        .env("RECONCILED_TITLE", message.title.replace('\0', ""))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program} cannot be started: {error}"))?;
    if let Some(mut input) = child.stdin.take() {
        // One that does not read its input may still have done its part. A message fits into the pipe.
        let _ = input.write_all(format!("{}\n", message.to_json()).as_bytes());
    }
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => {
                let mut said = Vec::new();
                if let Some(errors) = child.stderr.take() {
                    let _ = errors.take(SHOWN).read_to_end(&mut said);
                }
                return Err(format!("{program}: {status}: {}", String::from_utf8_lossy(&said).trim()));
            }
            Ok(None) if began.elapsed() >= PATIENCE => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{program} did not end within {} s", PATIENCE.as_secs()));
            }
            Ok(None) => std::thread::sleep(LOOK),
            Err(error) => return Err(format!("{program} cannot be waited for: {error}")),
        }
    }
}
