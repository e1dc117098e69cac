//! A program that gets the message on its standard input.

use std::{
    io::{self, Read as _, Write as _},
    process::{ChildStderr, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use crate::daemon::notices::Message;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(25);
/// How long is waited for the rest of its complaint once it has ended: a child of it may keep the pipe open.
const REST: Duration = Duration::from_secs(1);
/// How much of its complaint is repeated, in bytes.
const SHOWN: usize = 300;

/// Runs it with nothing of the daemon's surroundings but `PATH`: what is secret there stays there.
pub(super) fn send(words: &[String], message: &Message) -> Result<(), String> {
    send_within(PATIENCE, words, message)
}

fn send_within(patience: Duration, words: &[String], message: &Message) -> Result<(), String> {
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
        let text = format!("{}\n", message.to_json());
        // On a thread of its own: one that does not read its input may still have done its part, and holds up nobody.
        thread::spawn(move || drop(input.write_all(text.as_bytes())));
    }
    let complaint = child.stderr.take().map(complaint);
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => {
                let said = complaint.map(|complaint| gathered(&complaint)).unwrap_or_default();
                return Err(format!("{program}: {status}: {}", said.trim()));
            }
            Ok(None) if began.elapsed() >= patience => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{program} did not end within {} s", patience.as_secs()));
            }
            Ok(None) => thread::sleep(LOOK),
            Err(error) => return Err(format!("{program} cannot be waited for: {error}")),
        }
    }
}

/// What it complains of, as it comes. All of it is read: a full pipe would keep the program from ending.
fn complaint(mut errors: ChildStderr) -> Receiver<Vec<u8>> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let (mut piece, mut left) = ([0; SHOWN], SHOWN);
        while left > 0 {
            match errors.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(read) => {
                    let shown = piece.get(..read.min(left)).unwrap_or_default();
                    left -= shown.len();
                    if tell.send(shown.to_vec()).is_err() {
                        break;
                    }
                }
            }
        }
        let _ = io::copy(&mut errors, &mut io::sink());
    });
    told
}

/// The beginning of what it complained of, as far as it has come.
fn gathered(complaint: &Receiver<Vec<u8>>) -> String {
    let until = Instant::now() + REST;
    let mut said = Vec::new();
    while said.len() < SHOWN {
        match complaint.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(more) => said.extend(more),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::notices::State;

    /// More than a pipe holds.
    fn long() -> Message {
        Message {
            id: "1".to_owned(),
            event: "config.rejected".to_owned(),
            state: State::Begun,
            topic: None,
            integration: None,
            subject: "a.yaml".to_owned(),
            at: chrono::DateTime::UNIX_EPOCH,
            title: "no".to_owned(),
            text: "x".repeat(200_000),
            missed: 0,
        }
    }

    fn shell(script: &str, patience: Duration) -> Result<(), String> {
        send_within(patience, &["sh", "-c", script].map(str::to_owned), &long())
    }

    #[test]
    fn a_program_that_neither_reads_nor_ends_is_given_up() {
        let told = shell("exec sleep 1000", Duration::from_millis(200)).unwrap_err();
        assert!(told.contains("did not end within"), "{told}");
    }

    #[test]
    fn a_long_complaint_and_a_child_that_goes_on_hold_up_nobody() {
        let told = shell("head -c 200000 /dev/zero | tr '\\0' y >&2; exit 3", PATIENCE).unwrap_err();
        assert!(told.contains("exit status: 3") && told.ends_with('y') && told.len() < 2 * SHOWN, "{told}");
        let told = shell("echo 'no such number' >&2; sleep 5 & exit 4", PATIENCE).unwrap_err();
        assert!(told.contains("exit status: 4: no such number"), "{told}");
    }
}
