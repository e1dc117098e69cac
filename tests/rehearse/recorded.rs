//! Recording what the next sync is about to do, and replaying it with an edited configuration; between practice systems, with
//! the built program.

use std::{fs, path::Path};

use reconciled::{
    clock::Clock,
    sandbox::{Website, WebsiteOptions},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{CONFIG, folder, plays, reconciled};

/// Two practice websites and a folder that keeps them the same.
struct Scene {
    dir: TempDir,
    shop: Website,
    books: Website,
    _runtime: Runtime,
}

/// The token of the shop.
const CANARY: &str = "canary-7f3a";

impl Scene {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let start = |token: &str| {
            let options = WebsiteOptions { token: token.to_owned(), ..WebsiteOptions::new(Clock::system()) };
            runtime.block_on(Website::start(options)).unwrap()
        };
        let (shop, books) = (start(CANARY), start("books-token"));
        let config = CONFIG.replace("/v1\"", "\"");
        let settings = "state_dir = \"state\"\nsocket = \"daemon.sock\"\n";
        let dir = folder(&[("main.yaml", &config), ("secret-canary", CANARY), ("reconciled.toml", settings)]);
        Self { dir, shop, books, _runtime: runtime }
    }

    #[track_caller]
    fn exits(&self, args: &[&str], code: i32) -> (String, String) {
        self.exits_in(self.dir.path(), args, code)
    }

    #[track_caller]
    fn exits_in(&self, dir: &Path, args: &[&str], code: i32) -> (String, String) {
        let mut command = reconciled();
        command.env("SHOP_URL", self.shop.url()).env("BOOKS_URL", self.books.url()).env("TOKEN", "books-token");
        let output = command.arg("--config").arg(dir).args(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, said) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}\n{said}");
        (out, said)
    }

    fn records(&self) -> [Vec<Value>; 2] {
        [self.shop.list("contacts"), self.books.list("contacts")]
    }

    fn id(&self, of: &Website, email: &str) -> String {
        let all = of.list("contacts");
        let found = all.iter().find(|record| record["email"] == email).unwrap();
        found["id"].as_str().unwrap().to_owned()
    }
}

/// Synced, and then something happened on both sides.
fn edited() -> Scene {
    let scene = Scene::new();
    let person = |first: &str, email: &str, phone: &str| json!({ "first_name": first, "email": email, "phone": phone });
    scene.shop.insert("contacts", person("Jane Quill", "jane@quill.example", "021 555 0101")).unwrap();
    scene.shop.insert("contacts", person("Joe Marsh", "joe@marsh.example", "021 555 0102")).unwrap();
    scene.shop.insert("contacts", person("Kim Stone", "kim@stone.example", "021 555 0103")).unwrap();
    scene.books.insert("contacts", person("Joe Marsh", "Joe@marsh.example", "021 555 0102")).unwrap();
    scene.exits(&["sync"], 5);
    scene.exits(&["approve", "main"], 0);
    scene.exits(&["sync"], 0);
    let jane = scene.id(&scene.shop, "jane@quill.example");
    scene.shop.edit("contacts", &jane, json!({ "phone": "021 555 0199", "notes": CANARY })).unwrap();
    let joe = scene.id(&scene.books, "Joe@marsh.example");
    scene.books.edit("contacts", &joe, json!({ "first_name": "Joseph Marsh" })).unwrap();
    scene.shop.insert("contacts", person(CANARY, "ann@vale.example", "021 555 0104")).unwrap();
    scene
}

#[test]
fn the_next_sync_is_recorded_with_stand_ins_and_passes_as_it_is() {
    let scene = edited();
    let before = scene.records();
    let (text, said) = scene.exits(&["test", "--record", "main"], 0);
    assert_eq!(scene.records(), before, "recording wrote something");
    assert!(said.contains("3 writes") && !said.contains("the plan has"), "{said}");
    // What somebody typed, and what is secret, is not in it.
    for word in ["Jane", "Quill", "quill", "Joe", "Joseph", "Marsh", "Kim", "Stone", "vale", "0199", "0101", CANARY] {
        assert!(!text.contains(word), "{word} is in what was recorded:\n{text}");
    }
    for (id, _) in before.iter().flatten().map(|record| (record["id"].as_str().unwrap(), ())) {
        assert!(!text.contains(id), "{id} is in what was recorded:\n{text}");
    }
    let expected = text.split("expect:").nth(1).unwrap();
    assert_eq!((expected.matches("{ update: ").count(), expected.matches("{ create: ").count()), (2, 1), "{text}");
    // The shop's phone is another in the same places.
    let steps = text.split("steps:").nth(1).unwrap();
    assert!(steps.contains("phone: \"0"), "{text}");

    let (code, out, said) = plays(&text, &[]);
    assert_eq!(code, 0, "{text}\n{out}\n{said}");
    assert!(out.contains("ok      recorded-of-main"), "{out}");

    // It is what the sync then does.
    scene.exits(&["sync"], 0);
    assert_eq!(scene.books.count("contacts"), 4);
    let jane = scene.id(&scene.books, "jane@quill.example");
    assert_eq!(scene.books.get("contacts", &jane).unwrap()["phone"], "021 555 0199");
    let (_, said) = scene.exits(&["test", "--record", "main"], 1);
    assert!(said.contains("nothing to record"), "{said}");
}

#[test]
fn a_recording_is_replayed_with_an_edited_configuration() {
    let scene = edited();
    let (text, _) = scene.exits(&["test", "--record", "main/main"], 64);
    assert_eq!(text, "");
    let (text, _) = scene.exits(&["test", "--record", "main/contacts"], 0);
    let file = scene.dir.path().join("main.test.yaml");
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let (out, _) = scene.exits(&["replay"], 0);
    assert!(out.ends_with("3 writes as recorded, 0 changed\n"), "{out}");

    let config = fs::read_to_string(scene.dir.path().join("main.yaml")).unwrap();
    let without = config.replace("          - { source: $.phone, target: $.phone }\n", "");
    let upper = without.replace(
        "          - { source: $.first_name, target: $.first_name }\n",
        "          - { source: $.first_name, target: $.company, direction: source-to-target, write: on-create }\n",
    );
    assert_ne!(upper, without);
    let edit = folder(&[("main.yaml", &upper)]);
    let (out, _) = scene.exits_in(edit.path(), &["replay", file], 2);
    // The new phone of one and the new name of the other cross no more; a third is made otherwise.
    assert_eq!(out.matches("is not sent any more").count(), 2, "{out}");
    assert!(out.contains("books/contacts: create is another"), "{out}");
    assert!(out.contains("+ company: ") && out.contains("- first_name: ") && out.contains("- phone: "), "{out}");
    assert!(out.ends_with("0 writes as recorded, 3 changed\n"), "{out}");
    let (out, _) = scene.exits_in(edit.path(), &["--json", "replay", file], 2);
    let all: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&all[0]["same"], all[0]["changes"].as_array().unwrap().len()), (&json!(0), 3));
}
