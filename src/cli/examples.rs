//! Examples for `--help` and the man pages, of every command. Data: a test parses each line and finds a command without any.

use clap::Command;

/// A line as one types it, and what it is for.
pub type Example = (&'static str, &'static str);

/// The examples of each command, by its words.
pub const EXAMPLES: &[(&str, &[Example])] = &[
    ("run", &[("reconciled run", "as the unit does"), ("reconciled --config ./shop run", "another folder")]),
    (
        "init",
        &[
            ("reconciled init shop", "asks, and writes a first integration into the folder `shop`"),
            ("reconciled init shop --source website --target xero --direction two-way", "asks nothing"),
        ],
    ),
    (
        "validate",
        &[
            ("reconciled validate", "all mistakes, with their places"),
            ("reconciled --config ./shop validate --json", "for an editor or a pipeline of deployment"),
            ("reconciled validate --online", "also asks the systems: login, rights, fields, clock"),
        ],
    ),
    (
        "plan",
        &[
            ("reconciled plan acme", "what a sync of `acme` would do"),
            ("reconciled plan acme/contacts --full", "after reading everything again"),
            ("reconciled plan --detailed-exitcode", "exits 2 if there is something to write"),
        ],
    ),
    (
        "sync",
        &[
            ("reconciled sync", "everything, now"),
            ("reconciled sync acme/contacts --limit 5", "five records, to see how it goes"),
        ],
    ),
    ("status", &[("reconciled status", "how everything stands"), ("reconciled status --json", "for a script")]),
    (
        "runs",
        &[
            ("reconciled runs acme -n 3", "the last three of `acme`"),
            ("reconciled runs --json", "for a script, the last ten of each"),
        ],
    ),
    (
        "explain",
        &[
            ("reconciled explain acme/contacts jane@example.com", "why this contact is as it is"),
            ("reconciled explain acme/sales 1042", "by number"),
            ("reconciled explain config::unknown_key", "what a code of a mistake means"),
        ],
    ),
    (
        "forget",
        &[
            ("reconciled forget acme", "shows what is remembered of `acme`, asks, and erases it"),
            ("reconciled forget acme --yes --json", "for a script"),
        ],
    ),
    (
        "secrets check",
        &[
            ("reconciled secrets check", "which are missing, and for which clients"),
            ("reconciled secrets check --client acme", "of one client"),
        ],
    ),
    (
        "match",
        &[
            ("reconciled match acme --report", "what a first run would link, record by record"),
            ("reconciled match acme/contacts --report --csv", "for a spreadsheet"),
        ],
    ),
    (
        "test",
        &[
            ("reconciled test", "the tests of the configuration folder"),
            ("reconciled test examples/configs/website-xero", "those of another folder"),
            ("reconciled test --record acme > acme.test.yaml", "the next sync of acme as a test"),
        ],
    ),
    (
        "replay",
        &[("reconciled --config ./shop replay acme.test.yaml", "what an edited configuration would write instead")],
    ),
    ("access password", &[("reconciled access password", "asks for it and prints its hash, for [admin.users]")]),
    ("access token", &[("reconciled access token", "prints a token, and its hash for [admin.tokens]")]),
    ("links list", &[("reconciled links list acme/contacts", "which records are the same thing")]),
    ("links add", &[("reconciled links add acme/contacts 17 5ac1e3f0", "the source's id, then the target's")]),
    ("links remove", &[("reconciled links remove acme/contacts 17", "both records stay as they are")]),
    ("links import", &[("reconciled links import pairs.csv acme/contacts", "two columns: source,target")]),
    ("parked list", &[("reconciled parked list acme", "what is put aside, and what to do")]),
    (
        "parked retry",
        &[
            ("reconciled parked retry acme/sales", "all of them, in the next run"),
            ("reconciled parked retry acme/sales 1042", "one of them"),
        ],
    ),
    ("parked ignore", &[("reconciled parked ignore acme/sales 1042", "off the list until its trouble changes")]),
    ("conflicts list", &[("reconciled conflicts list", "fields whose sides disagree")]),
    (
        "conflicts resolve",
        &[
            ("reconciled conflicts resolve acme/contacts 17 --source", "the source's values win"),
            ("reconciled conflicts resolve acme/contacts 17 --field phone --target", "of one field only"),
        ],
    ),
    (
        "approve",
        &[
            ("reconciled approve acme", "the first runs of `acme`"),
            ("reconciled approve h4f2 --except 17 18", "a held edit, but for two records"),
        ],
    ),
    ("doctor", &[("reconciled doctor", "this machine only"), ("reconciled doctor --online", "the systems too")]),
    ("connect", &[("reconciled connect office", "have the owner of an account consent")]),
    ("disconnect", &[("reconciled disconnect acme-xero", "one connection")]),
    ("connections", &[("reconciled connections", "which logins by consent there are, and how they stand")]),
    ("reject", &[("reconciled reject h4f2", "it stays held")]),
    (
        "revert",
        &[
            ("reconciled revert acme-7 --plan", "what would be put back"),
            ("reconciled revert acme-7 acme/contacts 17", "one record only"),
        ],
    ),
    (
        "export",
        &[
            ("reconciled export state.jsonl", "everything that is remembered"),
            ("reconciled export", "the same, into a new file beside the snapshots"),
        ],
    ),
    ("import", &[("reconciled import --replace state.jsonl", "in place of what is remembered now")]),
    ("render", &[("reconciled render acme", "the client with its template filled in")]),
    ("connectors", &[("reconciled connectors", "list them")]),
    ("connectors list", &[("reconciled connectors list --json", "for a script")]),
    ("connectors show", &[("reconciled connectors show xero", "its resources and their fields")]),
    (
        "connectors try",
        &[("reconciled connectors try acme-xero contacts --limit 1", "one record, as a pipeline sees it")],
    ),
    (
        "schema",
        &[
            ("reconciled schema > config.schema.json", "for an editor"),
            ("reconciled schema --tests > test.schema.json", "for files of tests"),
        ],
    ),
    (
        "completions",
        &[
            ("reconciled completions bash > /etc/bash_completion.d/reconciled", "for everybody on this machine"),
            ("reconciled completions fish > ~/.config/fish/completions/reconciled.fish", "for oneself"),
        ],
    ),
    (
        "demo",
        &[
            ("reconciled demo", "two practice systems, to play with"),
            ("reconciled demo --once", "a minute's tour"),
            ("reconciled demo website-myob", "one of the examples, on practice systems"),
        ],
    ),
    ("pause", &[("reconciled pause acme", "nothing of it starts by itself"), ("reconciled pause", "everything")]),
    ("resume", &[("reconciled resume acme", "let it go on")]),
    (
        "log-level",
        &[
            ("reconciled log-level daemon=debug", "more, of one module"),
            ("reconciled log-level reset", "as at the start"),
        ],
    ),
    ("reload", &[("reconciled reload --wait", "says what came of every file")]),
    ("edit", &[("reconciled edit acme.yaml", "checked and shown before it takes effect")]),
    ("config diff", &[("reconciled config diff", "what the files would change")]),
    ("config restore", &[("reconciled config restore acme.yaml", "the last text that took effect")]),
    ("notifications list", &[("reconciled notifications list", "who is told what, and what waits to be sent")]),
    ("notifications test", &[("reconciled notifications test office", "sends one message")]),
];

/// The command line with its examples.
#[must_use]
pub fn with_examples(command: Command) -> Command {
    fill(command, "")
}

fn fill(command: Command, path: &str) -> Command {
    let examples = EXAMPLES.iter().find(|(words, _)| *words == path).map(|(_, examples)| shown(examples));
    let mut command = match examples {
        Some(text) => command.after_help(text),
        None => command,
    };
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names {
        let inner = if path.is_empty() { name.clone() } else { format!("{path} {name}") };
        command = command.mut_subcommand(name, |sub| fill(sub, &inner));
    }
    command
}

fn shown(examples: &[Example]) -> String {
    let mut text = String::from("Examples:");
    for (line, what) in examples {
        text.push_str("\n  ");
        text.push_str(line);
        text.push_str("\n      ");
        text.push_str(what);
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser, error::ErrorKind};

    use super::*;
    use crate::cli::args::CommandLine;

    #[test]
    fn every_example_is_a_command_line_of_its_command() {
        for (words, examples) in EXAMPLES {
            assert!(!examples.is_empty(), "{words}");
            for (line, what) in *examples {
                let typed = line.split(" > ").next().unwrap_or_default();
                CommandLine::try_parse_from(typed.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
                let without = typed.replace(" --config ./shop", "");
                assert!(without.starts_with(&format!("reconciled {words}")), "{line} is no example of {words}");
                assert!(!what.is_empty() && line.len() < 90, "{line}");
            }
        }
    }

    #[test]
    fn every_command_has_an_example() {
        fn walk(command: &Command, path: &str, lacking: &mut Vec<String>) {
            for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
                let words = format!("{path} {}", sub.get_name()).trim().to_owned();
                // A command that must be followed by another has its examples there.
                let known = EXAMPLES.iter().any(|(known, _)| *known == words);
                if !known && !sub.is_subcommand_required_set() {
                    lacking.push(words.clone());
                }
                walk(sub, &words, lacking);
            }
        }
        let mut lacking = Vec::new();
        walk(&CommandLine::command(), "", &mut lacking);
        assert!(lacking.is_empty(), "no examples: {lacking:?}");
    }

    #[test]
    fn no_option_for_every_command_goes_by_the_name_of_what_one_takes() {
        fn walk(command: &Command, path: &str, known: &[String], same: &mut Vec<String>) {
            for sub in command.get_subcommands() {
                let words = format!("{path} {}", sub.get_name());
                let own = sub.get_arguments().map(|arg| arg.get_id().to_string());
                same.extend(own.filter(|id| known.contains(id)).map(|id| format!("{words}: {id}")));
                walk(sub, &words, known, same);
            }
        }
        let command = CommandLine::command();
        let global = command.get_arguments().filter(|arg| arg.is_global_set());
        let known: Vec<String> = global.map(|arg| arg.get_id().to_string()).collect();
        assert!(known.contains(&"client".to_owned()), "{known:?}");
        let mut same = Vec::new();
        walk(&command, "", &known, &mut same);
        assert!(same.is_empty(), "what is given to one would be taken for the other: {same:?}");
    }

    /// The words of a line as a shell makes them, as far as documentation needs it: up to a redirection or the next command.
    fn typed(line: &str) -> Vec<String> {
        shlex::Shlex::new(line).take_while(|word| !word.starts_with(['>', '|', '&'])).collect()
    }

    const PROSE: [ErrorKind; 3] = [
        ErrorKind::MissingRequiredArgument,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
        ErrorKind::DisplayHelp,
    ];

    fn pages(dir: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
        for path in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                pages(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "md") || path.ends_with("alerts.yaml") {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_command_that_the_documentation_names_can_be_typed() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = vec![root.join("README.md")];
        pages(&root.join("docs"), &mut found);
        pages(&root.join("examples"), &mut found);
        let named = regex::Regex::new(r"`reconciled(\s[^`]+)`|(?m)^\s*\$ reconciled(.*)$").unwrap();
        let label = regex::Regex::new(r"\{\{[^}]*\}\}").unwrap();
        let mut checked = 0;
        for page in found {
            let text = std::fs::read_to_string(&page).unwrap();
            let text = label.replace_all(&text, "LABEL");
            for found in named.captures_iter(&text) {
                let rest = found.get(1).or(found.get(2)).unwrap().as_str();
                let line = std::iter::once("reconciled".to_owned()).chain(typed(rest));
                checked += 1;
                match CommandLine::try_parse_from(line) {
                    Ok(_) => {}
                    // Prose names a command without what it takes.
                    Err(error) if PROSE.contains(&error.kind()) => {}
                    Err(error) => panic!("{}: reconciled{rest}: {error}", page.display()),
                }
            }
        }
        assert!(checked > 100, "only {checked} commands are named");
    }
}
