//! Every example folder is sound, and says what is missing.

use std::{collections::HashMap, fs, path::Path};

use reconciled::config;

#[test]
fn every_example_folder_is_sound_and_has_its_page() {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/configs");
    let mut names = Vec::new();
    for folder in fs::read_dir(folders).unwrap() {
        let folder = folder.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(folder.join(format!("{name}.yaml"))).unwrap();
        let variables = text.split("${env:").skip(1).filter_map(|rest| rest.split([':', '}']).next());
        let known =
            |name: &str| (name.to_owned(), if name.ends_with("_URL") { "http://127.0.0.1:1" } else { "x" }.to_owned());
        let env: HashMap<String, String> = variables.map(known).collect();
        let loaded = config::load(&folder, &env);
        assert!(loaded.diagnostics.is_empty(), "{name}:\n{}", loaded.render(false));
        assert!(loaded.config.pipelines().count() > 0, "{name}");
        let page = fs::read_to_string(folder.join("README.md")).unwrap();
        for heading in ["## What travels", "## What is never done", "## What to fill in", "## What is uncertain"] {
            assert!(page.contains(heading), "{name} has no {heading}");
        }
        // Without its variables, each of them is named; but for secrets, which their connection tells when it is used.
        let secret = |name: &str| text.lines().any(|line| line.contains("auth:") && line.contains(name));
        let bare = config::load(&folder, &HashMap::<String, String>::new()).render(false);
        let plain = env.keys().filter(|name| !secret(name) && !text.contains(&format!("${{env:{name}:-")));
        for variable in plain {
            assert!(bare.contains(variable.as_str()), "{name} does not tell that {variable} is missing:\n{bare}");
        }
        names.push(name);
    }
    names.sort();
    for wanted in ["proposals-xero", "proposals-xpm", "website-xero", "website-xpm", "xpm-portal", "xpm-website"] {
        assert!(names.iter().any(|name| name == wanted), "{names:?}");
    }
}
