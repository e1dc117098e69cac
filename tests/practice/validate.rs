//! Every example folder is sound, and says what is missing.

use std::{collections::HashMap, fs, path::Path};

use reconciled::config;

/// The texts of all files of a configuration; its tests are no part of it.
fn texts(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            text.push_str(&texts(&path));
        } else if name.ends_with(".yaml") && !name.ends_with(".test.yaml") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
    text
}

#[test]
fn every_example_folder_is_sound_and_has_its_page() {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/configs");
    let mut names = Vec::new();
    for folder in fs::read_dir(folders).unwrap() {
        let folder = folder.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let text = texts(&folder);
        let variables = text.split("${env:").skip(1).filter_map(|rest| rest.split([':', '}']).next());
        let known = |name: &str| {
            (
                name.to_owned(),
                if ["_URL", "_LOGIN", "_XERO"].iter().any(|end| name.ends_with(end)) {
                    "http://127.0.0.1:1"
                } else {
                    "x"
                }
                .to_owned(),
            )
        };
        let env: HashMap<String, String> = variables.map(known).collect();
        let loaded = config::load(&folder, &env);
        assert!(loaded.diagnostics.is_empty(), "{name}:\n{}", loaded.render(false));
        assert!(loaded.config.pipelines().count() > 0, "{name}");
        let page = fs::read_to_string(folder.join("README.md")).unwrap();
        for heading in ["## What travels", "## What is never done", "## What to fill in", "## What is uncertain"] {
            assert!(page.contains(heading), "{name} has no {heading}");
        }
        // Without its variables, each of them is named; secrets are asked for when they are used.
        let secret =
            |name: &str| text.lines().any(|line| line.contains("auth:") && line.contains(&format!("env:{name}")));
        let bare = config::load(&folder, &HashMap::<String, String>::new()).render(false);
        for variable in env.keys().filter(|name| !secret(name) && !text.contains(&format!("${{env:{name}:-"))) {
            assert!(bare.contains(variable.as_str()), "{name} does not tell that {variable} is missing:\n{bare}");
        }
        names.push(name);
    }
    names.sort();
    for wanted in [
        "agency",
        "eventbrite-website",
        "proposals-xero",
        "proposals-xpm",
        "website-cliniko",
        "website-gosweetspot",
        "website-myob",
        "website-quickbooks",
        "website-simpro",
        "website-xero",
        "website-xpm",
        "website-zoho",
        "xpm-portal",
        "xpm-website",
    ] {
        assert!(names.iter().any(|name| name == wanted), "{names:?}");
    }
}
