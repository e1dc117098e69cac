//! `edit`, `config diff` and `config restore`, through the built program, with an editor that is a script.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    process::{Output, Stdio},
};

use crate::support::{BY_HAND, Live, folder, integration, program};

/// Runs the program with an editor and these answers.
fn run(home: &Path, args: &[&str], editor: &str, answers: &str) -> Output {
    let script = home.join("editor.sh");
    fs::write(&script, editor).unwrap();
    let mut command = program(home);
    command.args(args).env_remove("VISUAL").env("EDITOR", format!("sh {}", script.display()));
    command.env("RECONCILED_LOG", "error").env("NO_COLOR", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who asks nothing has gone before it was answered.
    let _ = child.stdin.take().unwrap().write_all(answers.as_bytes());
    child.wait_with_output().unwrap()
}

/// With every hash of a configuration named `HASH`: it is another one whenever a configuration can say more than before.
fn named(text: &str) -> String {
    let is_hash = |word: &str| word.len() == 12 && word.chars().all(|c| c.is_ascii_hexdigit());
    let words = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    words
        .map(|word| match word.strip_suffix(|c: char| !c.is_ascii_alphanumeric()) {
            Some(bare) if is_hash(bare) => format!("HASH{}", &word[bare.len()..]),
            None if is_hash(word) => "HASH".to_owned(),
            _ => word.to_owned(),
        })
        .collect()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Nothing is left beside the files.
fn tidy(home: &Path) {
    let left = fs::read_dir(home.join("etc")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = left.filter(|name| name.starts_with('.')).collect();
    assert_eq!(left, [] as [String; 0]);
}

fn text(home: &Path) -> String {
    fs::read_to_string(home.join("etc/a.yaml")).unwrap()
}

const EDIT: [&str; 2] = ["edit", "a.yaml"];

#[tokio::test]
async fn an_edit_is_checked_moved_in_whole_and_taken_over() {
    let mut live = Live::start(BY_HAND, &[("a.yaml", &integration("a", "x"))]).await;
    let home = live.home.path().to_owned();
    let file = home.join("etc/a.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
    let before = live.hashes().await["a"].clone();
    // The copy is private while it is edited, and the file is as it was until it is moved in.
    let editor = format!(
        "stat -c %a \"$1\" > {0}/mode; cp {0}/etc/a.yaml {0}/meanwhile; sed -i 's/not_equals: x/not_equals: y/' \"$1\"",
        home.display()
    );
    let output = run(&home, &EDIT, &editor, "");
    assert_eq!(output.status.code(), Some(0), "{}", named(&said(&output)));
    assert_eq!(fs::read_to_string(home.join("mode")).unwrap().trim(), "600");
    assert_eq!(fs::read_to_string(home.join("meanwhile")).unwrap(), integration("a", "x"));
    assert_eq!(text(&home), integration("a", "y"));
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o604);
    tidy(&home);
    live.changed("a", &before).await;
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("edit_saved", named(&said(&output)));
    });
    // Nothing written is nothing saved.
    let output = run(&home, &EDIT, "true", "");
    assert_eq!((output.status.code(), said(&output).trim()), (Some(0), "a.yaml is unchanged"));
}

#[test]
fn an_edit_with_a_mistake_is_shown_and_only_saved_if_a_person_insists() {
    let home = folder("", &[("a.yaml", &integration("a", "x"))]);
    let (home, good) = (home.path(), integration("a", "x"));
    let broken = "sed -i s/direction/diretion/ \"$1\"";
    let output = run(home, &EDIT, broken, "what\nx\n");
    assert_eq!((output.status.code(), text(home)), (Some(0), good.clone()), "{}", named(&said(&output)));
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("edit_mistake", named(&said(&output)));
    });
    // Nobody answers.
    assert_eq!((run(home, &EDIT, broken, "").status.code(), text(home)), (Some(0), good.clone()));
    // The second time it is put right.
    let twice = "if grep -q diretion \"$1\"; then sed -i 's/diretion/direction/; s/: x }/: z }/' \"$1\"; \
                 else sed -i s/direction/diretion/ \"$1\"; fi";
    let output = run(home, &EDIT, twice, "e\n");
    assert_eq!((output.status.code(), text(home)), (Some(0), integration("a", "z")), "{}", named(&said(&output)));
    // A mistake elsewhere is no reason to refuse this one.
    fs::write(home.join("etc/b.yaml"), "integrations: [").unwrap();
    let output = run(home, &EDIT, "sed -i 's/: z }/: x }/' \"$1\"", "");
    assert_eq!(text(home), good, "{}", named(&said(&output)));
    fs::remove_file(home.join("etc/b.yaml")).unwrap();
    let output = run(home, &EDIT, broken, "Q\n");
    assert!(text(home).contains("diretion"), "{}", named(&said(&output)));
    tidy(home);
}

#[test]
fn nobody_overwrites_what_somebody_else_writes() {
    let home = folder("", &[("a.yaml", &integration("a", "x"))]);
    let home = home.path();
    // A second `edit` while the first is open.
    let inner = format!("{} --config {}/etc edit a.yaml", env!("CARGO_BIN_EXE_reconciled"), home.display());
    let editor = format!("EDITOR=false {inner} > {0}/inner 2>&1; echo $? >> {0}/inner", home.display());
    assert_eq!(run(home, &EDIT, &editor, "").status.code(), Some(0));
    let inner = fs::read_to_string(home.join("inner")).unwrap();
    assert!(inner.contains("edited by somebody else") && inner.ends_with("1\n"), "{inner}");
    // Another editor writes the file meanwhile: both texts are kept.
    let editor = format!("sed -i s/first_name/last_name/ \"$1\"; cp {0}/theirs {0}/etc/a.yaml", home.display());
    fs::write(home.join("theirs"), integration("a", "theirs")).unwrap();
    let output = run(home, &EDIT, &editor, "");
    assert_eq!((output.status.code(), text(home)), (Some(1), integration("a", "theirs")), "{}", named(&said(&output)));
    let kept = fs::read_to_string(home.join("etc/.edit-a.yaml")).unwrap();
    assert!(kept.contains("last_name"), "{kept}");
    let output = run(home, &EDIT, "true", "");
    assert!(output.status.code() == Some(1) && said(&output).contains("cut off"), "{}", named(&said(&output)));
    fs::remove_file(home.join("etc/.edit-a.yaml")).unwrap();
    // An editor that fails.
    let output = run(home, &EDIT, "echo broken > \"$1\"; exit 3", "");
    assert_eq!((output.status.code(), text(home)), (Some(1), integration("a", "theirs")), "{}", named(&said(&output)));
    // A new file, and one that is none of ours.
    let new = format!("cat {}/theirs > \"$1\"; sed -i 's/  a:/  b:/' \"$1\"", home.display());
    assert_eq!(run(home, &["edit", "b.yaml"], &new, "").status.code(), Some(0));
    assert!(home.join("etc/b.yaml").exists());
    for stranger in ["b.txt", "../b.yaml", ".b.yaml", "secret.txt"] {
        assert_ne!(run(home, &["edit", stranger], "true", "").status.code(), Some(0), "{stranger}");
    }
    tidy(home);
}

#[tokio::test]
async fn what_the_files_would_change_is_told_and_the_last_good_text_put_back() {
    let mut live =
        Live::start(BY_HAND, &[("a.yaml", &integration("a", "x")), ("b.yaml", &integration("b", "x"))]).await;
    let home = live.home.path().to_owned();
    let output = run(&home, &["config", "diff"], "", "");
    assert_eq!((output.status.code(), said(&output).trim()), (Some(0), "what runs is what the files say"));
    let added = integration("a", "y").replace("$.FirstName, write", "$.LastName, write");
    live.write("a.yaml", &added);
    live.write("b.yaml", &format!("# the same\n{}", integration("b", "x")));
    live.write("c.yaml", &integration("c", "x"));
    let output = run(&home, &["config", "diff"], "", "");
    assert_eq!(output.status.code(), Some(0));
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("config_diff", named(&said(&output)));
    });
    live.write("a.yaml", "integrations: [");
    let output = run(&home, &["config", "diff"], "", "");
    assert_eq!(output.status.code(), Some(78), "{}", named(&said(&output)));
    live.reload(false).await;
    // A person says no, then yes.
    let restore = ["config", "restore", "a.yaml"];
    let output = run(&home, &restore, "", "\n");
    assert_eq!((output.status.code(), text(&home).as_str()), (Some(1), "integrations: ["));
    let output = run(&home, &restore, "", "y\n");
    assert_eq!((output.status.code(), text(&home)), (Some(0), integration("a", "x")), "{}", named(&said(&output)));
    assert_eq!(fs::read_to_string(home.join("etc/a.yaml.rejected")).unwrap(), "integrations: [");
    tidy(&home);
    let status = live.passes(1).await;
    assert!(crate::support::config(&status).mistakes.is_empty());
    let home = live.stop().await;
    // Without a daemon, from what the last one ran.
    fs::write(home.path().join("etc/a.yaml"), "integrations: {").unwrap();
    let output = run(home.path(), &["config", "restore", "a.yaml", "--yes"], "", "");
    assert_eq!(
        (output.status.code(), text(home.path())),
        (Some(0), integration("a", "x")),
        "{}",
        named(&said(&output))
    );
    assert!(home.path().join("etc/a.yaml.rejected-2").exists());
}
