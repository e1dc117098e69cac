//! `${command:…}`: a program that prints a secret. No shell takes part, unless the program is one.
//!
//! What it printed is kept for a while in this process, so that a poll every two minutes of three hundred clients does
//! not start as many programs. Whoever names the same words shares it.

use std::{
    collections::HashMap,
    fmt,
    io::Read as _,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::{ExposeSecret as _, SecretString};

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(10);
/// The most it may print, in bytes.
const LONGEST: u64 = 64 * 1024;
/// How long what it printed is used before it is asked again.
const KEEP: Duration = Duration::from_mins(5);
/// How long after a system's refusal had it asked again the next one does not.
const REST: Duration = Duration::from_secs(30);

/// A program and its arguments, and what it printed last.
#[derive(Clone)]
pub struct SecretCommand {
    words: Arc<[String]>,
    kept: Arc<tokio::sync::Mutex<Kept>>,
    /// The number of what was printed last, to be read without waiting for the program.
    printed: Arc<Mutex<Option<SecretString>>>,
}

/// What came of asking.
#[derive(Default)]
struct Kept {
    asked: Option<Instant>,
    refused: Option<Instant>,
    text: Option<SecretString>,
    /// Why asking again failed, if it did.
    failed: Option<String>,
}

/// Every command of this process, so that the same words are the same one.
static ALL: LazyLock<Mutex<HashMap<Vec<String>, SecretCommand>>> = LazyLock::new(Mutex::default);

impl fmt::Debug for SecretCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Arguments may be secrets themselves.
        f.debug_tuple("SecretCommand").field(&self.program()).finish()
    }
}

impl PartialEq for SecretCommand {
    fn eq(&self, other: &Self) -> bool {
        self.words == other.words
    }
}

impl SecretCommand {
    /// The command of a text: words as a shell would tell them apart.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let words = shlex::split(text).ok_or("a quote in it does not end")?;
        if words.first().is_none_or(String::is_empty) {
            return Err("it names no program");
        }
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || Self { words: words.as_slice().into(), kept: Arc::default(), printed: Arc::default() };
        Ok(all.entry(words.clone()).or_insert_with(made).clone())
    }

    /// The program, without its arguments.
    #[must_use]
    pub fn program(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The words, and what it printed last: for noticing that it prints something else.
    pub(crate) fn known(&self) -> (Arc<[String]>, Option<SecretString>) {
        let printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (Arc::clone(&self.words), printed)
    }

    /// What it prints, or printed a short while ago. One that fails after it worked is no reason to give up what it said
    /// then: the system will tell if that is too old.
    pub(crate) async fn reveal(&self) -> Result<SecretString, String> {
        // Whoever comes while the program runs gets what it prints.
        let mut kept = self.kept.lock().await;
        if kept.asked.is_none_or(|asked| asked.elapsed() >= KEEP) || kept.text.is_none() {
            self.ask(&mut kept).await;
        }
        match (&kept.text, &kept.failed) {
            (Some(text), _) => Ok(text.clone()),
            (None, Some(why)) => Err(why.clone()),
            (None, None) => Err(format!("{} was not asked", self.program())),
        }
    }

    /// Asks again, but not again and again. Whether it prints something else by now.
    pub(crate) async fn was_refused(&self) -> bool {
        let mut kept = self.kept.lock().await;
        if kept.refused.is_some_and(|refused| refused.elapsed() < REST) {
            return false;
        }
        kept.refused = Some(Instant::now());
        let before = kept.text.take();
        self.ask(&mut kept).await;
        let shown = |text: &Option<SecretString>| text.as_ref().map(|text| text.expose_secret().to_owned());
        kept.text.is_some() && shown(&kept.text) != shown(&before)
    }

    async fn ask(&self, kept: &mut Kept) {
        kept.asked = Some(Instant::now());
        let words = Arc::clone(&self.words);
        let printed = tokio::task::spawn_blocking(move || run(&words)).await;
        match printed.unwrap_or_else(|error| Err(format!("a mistake in the program: {error}"))) {
            Ok(text) => {
                *self.printed.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.clone());
                (kept.text, kept.failed) = (Some(text), None);
            }
            Err(why) => {
                tracing::warn!(event = "secret.command_failed", program = self.program(), "{why}");
                kept.failed = Some(why);
            }
        }
    }
}

/// Runs a program to its end. Messages name the program alone: what it was given and what it printed may be secret.
fn run(words: &[String]) -> Result<SecretString, String> {
    let Some((program, arguments)) = words.split_first() else { return Err("there is no program".to_owned()) };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // What it starts itself ends with it.
        .process_group(0)
        .spawn()
        .map_err(|error| format!("the command {program} cannot be started: {error}"))?;
    let output = child.stdout.take();
    // Read beside: a program that prints more than a pipe holds would else wait for ever.
    let reader = std::thread::spawn(move || {
        let read = |output: std::process::ChildStdout| {
            let mut bytes = Vec::new();
            output.take(LONGEST + 1).read_to_end(&mut bytes).map(|_| bytes)
        };
        output.map(read).transpose()
    });
    let began = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if began.elapsed() < PATIENCE => std::thread::sleep(LOOK),
            Ok(None) => {
                end(&mut child);
                return Err(format!("the command {program} did not end within {} s", PATIENCE.as_secs()));
            }
            Err(error) => return Err(format!("the command {program} cannot be waited for: {error}")),
        }
    };
    // What it left behind may hold the pipe open.
    while !reader.is_finished() && began.elapsed() < PATIENCE {
        std::thread::sleep(LOOK);
    }
    if !reader.is_finished() {
        end(&mut child);
        let patience = PATIENCE.as_secs();
        return Err(format!("the command {program} left something running that did not end within {patience} s"));
    }
    let read = reader.join().map_err(|_| format!("what the command {program} printed cannot be read"))?;
    let bytes = read.map_err(|error| format!("what the command {program} printed cannot be read: {error}"))?;
    let bytes = bytes.unwrap_or_default();
    // Before how it ended: nobody reads on, which it may not like.
    if bytes.len() as u64 > LONGEST {
        return Err(format!("the command {program} printed more than {} KiB, so it is no secret", LONGEST / 1024));
    }
    if !status.success() {
        return Err(format!("the command {program} failed ({status}); run it as the user of the daemon to see why"));
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("the command {program} printed no text"))?;
    match text.trim() {
        "" => Err(format!("the command {program} printed nothing")),
        text => Ok(SecretString::from(text.to_owned())),
    }
}

/// Ends a program with all it started.
fn end(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // What has ended already needs no end.
    let _ = group.map(|group| kill_process_group(group, Signal::KILL));
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(text: &str) -> Result<String, String> {
        let command = SecretCommand::parse(text).unwrap();
        command.reveal().await.map(|text| text.expose_secret().to_owned())
    }

    #[tokio::test]
    async fn a_program_prints_a_secret_and_no_shell_takes_part() {
        assert_eq!(of("printf '%s\\n' 's3cr3t $HOME'").await, Ok("s3cr3t $HOME".to_owned()));
        assert_eq!(of("sh -c 'echo \" a b \"; exit 0'").await, Ok("a b".to_owned()));
    }

    #[tokio::test]
    async fn what_goes_wrong_names_the_program_alone() {
        for (text, cause) in [
            ("sh -c 'echo canary; exit 3'", "the command sh failed (exit status: 3)"),
            ("/nowhere/canary-less --token canary", "the command /nowhere/canary-less cannot be started"),
            ("true canary", "the command true printed nothing"),
            ("sh -c 'printf \"\\377canary\"'", "the command sh printed no text"),
            ("head -c 70000 /dev/zero", "the command head printed more than 64 KiB"),
        ] {
            let why = of(text).await.unwrap_err();
            assert!(why.starts_with(cause), "{text}: {why}");
            assert!(!why.replace("canary-less", "").contains("canary"), "{why}");
        }
        let command = SecretCommand::parse("echo canary").unwrap();
        assert!(!format!("{command:?}").contains("canary"));
        assert!(SecretCommand::parse("echo 'x").is_err() && SecretCommand::parse(" ").is_err());
    }

    #[tokio::test]
    async fn it_is_asked_once_for_all_and_again_when_a_system_refuses_what_it_said() {
        let dir = tempfile::tempdir().unwrap();
        let (count, text) = (dir.path().join("count"), dir.path().join("secret"));
        std::fs::write(&text, "one").unwrap();
        let line = format!("sh -c 'echo x >> {}; cat {}'", count.display(), text.display());
        let asked = || std::fs::read_to_string(&count).unwrap().lines().count();
        let reveals = (0..20).map(|_| of(&line));
        for one in futures_util::future::join_all(reveals).await {
            assert_eq!(one, Ok("one".to_owned()));
        }
        assert_eq!(asked(), 1, "whoever names the same words shares what was printed");
        let command = SecretCommand::parse(&line).unwrap();
        assert!(!command.was_refused().await, "it says the same");
        assert!(!command.was_refused().await, "it was asked just now");
        assert_eq!(asked(), 2);
        // Time goes by.
        std::fs::write(&text, "two").unwrap();
        command.kept.lock().await.refused = None;
        assert!(command.was_refused().await);
        assert_eq!(of(&line).await, Ok("two".to_owned()));
        // One that fails later leaves what it said, until a system refuses that.
        std::fs::remove_file(&text).unwrap();
        command.kept.lock().await.asked = Instant::now().checked_sub(KEEP);
        assert_eq!(of(&line).await, Ok("two".to_owned()));
        command.kept.lock().await.refused = None;
        assert!(!command.was_refused().await);
        assert!(of(&line).await.unwrap_err().contains("failed"));
    }
}
