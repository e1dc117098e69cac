//! A new user's path: every file of the guide saved, and every command pasted as printed, in an empty folder.

use std::{fs, path::Path, process::Command};

/// What the guide has its reader do, in order.
#[derive(Debug)]
enum Step {
    Save(String, String),
    Type { line: String, shown: Vec<String> },
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match language {
            "console" => {
                for line in block {
                    if let Some(command) = line.strip_prefix("$ ") {
                        steps.push(Step::Type { line: command.to_owned(), shown: Vec::new() });
                    } else if let Some(Step::Type { shown, .. }) = steps.last_mut() {
                        shown.push(line.to_owned());
                    }
                }
            }
            "yaml" | "toml" => {
                let name = block[0].strip_prefix("# ").expect("a block that names its file").to_owned();
                steps.push(Step::Save(name, block.join("\n") + "\n"));
            }
            _ => {}
        }
    }
    steps
}

#[test]
fn every_command_of_the_guide_works_as_printed_in_an_empty_folder() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_reconciled")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let (mut typed, mut saved) = (0, 0);
    for step in steps(&text) {
        match step {
            Step::Save(name, text) => {
                saved += 1;
                fs::write(folder.path().join(name), text).unwrap();
            }
            Step::Type { line, shown } => {
                typed += 1;
                let mut command = Command::new("sh");
                command.args(["-c", &line]).current_dir(folder.path()).env("PATH", &path).env("NO_COLOR", "1");
                let output = command.env_remove("RECONCILED_CONFIG").env_remove("RECONCILED_LOG").output().unwrap();
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                let talk = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success(), "{line}: {}\n{said}{talk}", output.status);
                if !shown.is_empty() {
                    assert_eq!(said.trim_end(), shown.join("\n"), "{line}");
                }
            }
        }
    }
    assert!(typed > 10 && saved == 2, "the guide has lost its commands: {typed} typed, {saved} saved");
}

#[test]
fn the_commands_of_getting_started_work_while_the_demo_runs() {
    use std::io::{BufRead as _, BufReader};
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/getting-started.md")).unwrap();
    let typed = |step: Step| match step {
        Step::Type { line, .. } => Some(line),
        Step::Save(..) => None,
    };
    // What builds the program itself has been done.
    let lines: Vec<String> =
        steps(&text).into_iter().filter_map(typed).filter(|line| !line.starts_with("cargo run ")).collect();
    assert!(lines.len() >= 3 && lines.iter().all(|line| line.starts_with("reconciled ")), "{lines:?}");
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_reconciled"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut demo = Command::new(program);
    demo.arg("demo").current_dir(folder.path()).stdout(std::process::Stdio::piped()).env_remove("RECONCILED_CONFIG");
    let mut demo = Ended(demo.spawn().unwrap());
    let mut told = BufReader::new(demo.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(told.any(|line| line.contains("Ctrl-C ends the demo")), "the demo ended before it was ready");
    for line in lines {
        let mut command = Command::new("sh");
        command.args(["-c", &line]).current_dir(folder.path()).env("PATH", &path).env_remove("RECONCILED_CONFIG");
        let output = command.output().unwrap();
        let talk = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !output.stdout.is_empty(), "{line}: {}\n{talk}", output.status);
    }
}

/// A process that does not outlive the test.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
