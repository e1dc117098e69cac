//! Every pair of the built-in connectors, and what is asked.

use std::{cell::RefCell, collections::BTreeMap, collections::BTreeSet, path::Path, sync::Arc};

use clap::ValueEnum as _;

use super::{
    questions::{Asker, Connectors, Wish, main_resource, wish},
    written::{Texts, texts},
};
use crate::{
    cli::args::{Direction, InitArgs},
    config::{self, EnvSource, Loaded, SETTINGS_FILE, Snapshot},
};

/// No variable is set: what is written must be sound without any.
struct NoEnv;

impl EnvSource for NoEnv {
    fn var(&self, _: &str) -> Option<String> {
        None
    }
}

fn connectors() -> Connectors {
    config::load_snapshot(&Snapshot::of_texts(Path::new("/nowhere"), []), &NoEnv, &BTreeMap::new()).connectors
}

fn load(texts: &Texts) -> Loaded {
    let files = [
        (texts.file.clone(), Arc::from(texts.yaml.as_str())),
        (SETTINGS_FILE.to_owned(), Arc::from(texts.settings.as_str())),
    ];
    config::load_snapshot(&Snapshot::of_texts(Path::new("/nowhere"), files), &NoEnv, &BTreeMap::new())
}

fn args(source: &str, target: &str, direction: Direction) -> InitArgs {
    InitArgs {
        source: Some(source.to_owned()),
        target: Some(target.to_owned()),
        direction: Some(direction),
        ..InitArgs::default()
    }
}

fn wished(args: &InitArgs, known: &Connectors) -> Wish {
    wish(args, known, &mut Asker::nobody()).unwrap()
}

#[test]
fn what_is_written_is_sound_for_every_pair_of_connectors_and_every_direction_that_they_can() {
    let known = connectors();
    let mains: Vec<&String> =
        known.iter().filter(|(_, one)| main_resource(one).is_some()).map(|(name, _)| name).collect();
    assert_eq!(mains.len(), known.len() - 1, "but for parcels, all hold people: {mains:?}");
    let mut refused = BTreeSet::new();
    for source in &mains {
        for target in &mains {
            for direction in Direction::value_variants() {
                let wish = wished(&args(source, target, *direction), &known);
                let texts = match texts(&wish, false) {
                    Ok(texts) => texts,
                    Err(why) => {
                        assert!(why.contains("can be read, and not written"), "{source} {target}: {why}");
                        refused.insert((source.as_str(), target.as_str(), direction.word()));
                        continue;
                    }
                };
                let loaded = load(&texts);
                assert!(
                    loaded.diagnostics.is_empty(),
                    "{source} {target} {direction:?}\n{}\n{}",
                    texts.yaml,
                    loaded.render(false)
                );
                let (_, pipeline) = loaded.config.pipelines().next().unwrap();
                assert!(pipeline.fields.len() > 2, "{source} {target}: {}", texts.yaml);
            }
        }
    }
    // Attendees cannot be written: not as a target, and as a source only one way.
    let expected: BTreeSet<_> = mains
        .iter()
        .flat_map(|other| {
            let other = other.as_str();
            ["two-way", "target-to-source"]
                .map(|way| ("eventbrite", other, way))
                .into_iter()
                .chain(["two-way", "source-to-target"].map(|way| (other, "eventbrite", way)))
        })
        .collect();
    assert_eq!(refused, expected);
}

#[test]
fn a_first_integration_teaches_its_reader() {
    let known = connectors();
    let mut args = args("website", "xero", Direction::TwoWay);
    args.cut_over = "2026-07-01".parse().ok();
    args.source_url = Some("https://acme.example/sync/v1".to_owned());
    let texts = texts(&wished(&args, &known), false).unwrap();
    let next = texts.next(Path::new("shop"), &[&texts.file, SETTINGS_FILE]);
    insta::assert_snapshot!(format!("{}\n--- {SETTINGS_FILE}\n{}\n--- said\n{next}", texts.yaml, texts.settings));
}

#[test]
fn a_name_that_is_put_together_is_the_targets() {
    let known = connectors();
    let texts = texts(&wished(&args("xero", "website", Direction::TargetToSource), &known), false).unwrap();
    assert!(
        texts.yaml.contains("source: website/contacts") && texts.yaml.contains("direction: source-to-target"),
        "{}",
        texts.yaml
    );
    assert!(
        texts.yaml.contains("join: \" \"") && texts.yaml.contains("# website is the source, because"),
        "{}",
        texts.yaml
    );
}

#[test]
fn what_cannot_be_is_said_with_what_would_be_right() {
    let known = connectors();
    let refused = |args: &InitArgs| match wish(args, &known, &mut Asker::nobody()) {
        Ok(wish) => texts(&wish, false).unwrap_err(),
        Err(error) => error.to_string(),
    };
    let with = |source: &str, target: &str| refused(&args(source, target, Direction::TwoWay));
    assert!(with("webiste", "xero").contains("did you mean `website`?"));
    assert!(with("website/contcats", "xero").contains("it has contacts"));
    assert!(with("website/sales", "xero/invoices").contains("examples/configs"));
    assert!(with("gosweetspot", "website").contains("examples/configs"));
    let mut late = args("xero", "quickbooks", Direction::SourceToTarget);
    late.cut_over = "2026-07-01".parse().ok();
    assert!(refused(&late).contains("do not say when they were made"));
    assert!(refused(&InitArgs::default()).contains("say --source and --target"));
}

#[test]
fn what_is_not_said_is_asked_until_it_makes_sense() {
    let known = connectors();
    let answers = ["xro", "xero", "cliniko", "", "soon", "", ""];
    let asked = RefCell::new(Vec::new());
    let mut left = answers.into_iter();
    let ask = |question: &str| {
        asked.borrow_mut().push(question.to_owned());
        Ok(left.next().unwrap().to_owned())
    };
    let wish = wish(&InitArgs::default(), &known, &mut Asker::by(ask)).unwrap();
    let asked = asked.into_inner();
    assert_eq!(
        (wish.name.as_str(), wish.direction, wish.cut_over),
        ("xero-cliniko", Direction::TwoWay, None),
        "{asked:#?}"
    );
    assert!(asked[1].contains("did you mean `xero`?") && asked[3].contains("[two-way]"), "{asked:#?}");
    assert!(asked[5].contains("`soon` is no day"), "{asked:#?}");
}

#[test]
fn no_file_is_replaced_and_nothing_is_written_that_would_not_be_sound() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("shop");
    let out = crate::cli::output::Output::new(false);
    let args = args("website", "xero", Direction::TwoWay);
    super::run(&dir, &args, &out).unwrap();
    let file = dir.join("website-xero.yaml");
    let before = std::fs::read_to_string(&file).unwrap();
    assert!(dir.join("reconciled.toml").exists() && dir.join("config.schema.json").exists());
    assert!(super::run(&dir, &args, &out).unwrap_err().to_string().contains("is there already"));
    // Under another name: its connections are there already.
    let other = InitArgs { name: Some("again".to_owned()), ..args };
    assert!(super::run(&dir, &other, &out).unwrap_err().to_string().contains("nothing was written"));
    assert!(!dir.join("again.yaml").exists());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
}

#[test]
fn every_example_that_is_pointed_to_is_there() {
    let known = connectors();
    let folders = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/configs");
    let texts =
        |source, target| texts(&wished(&args(source, target, Direction::SourceToTarget), &known), false).unwrap();
    assert!(texts("myob", "website").yaml.contains("# examples/configs/website-myob goes further"));
    for (source, target, folder) in super::written::FURTHER {
        assert!(folders.join(folder).is_dir(), "{folder}");
        let named = format!("# examples/configs/{folder} goes further");
        assert!(texts(source, target).yaml.contains(&named), "{folder}");
    }
}
