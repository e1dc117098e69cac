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

/// A page says what the folder does, what travels where (a table), what is never done, what to fill in, and what is uncertain
/// about the remote; and it is one page.
fn check_page<'v>(name: &str, page: &str, variables: impl Iterator<Item = &'v String>) {
    let headings = ["## What travels", "## What is never done", "## What to fill in", "## What is uncertain"];
    let mut places: Vec<usize> = vec![page.find('\n').unwrap()];
    places.extend(headings.map(|heading| page.find(heading).unwrap_or_else(|| panic!("{name} has no {heading}"))));
    assert!(places.is_sorted(), "{name}: the parts are in another order than everywhere else");
    places.push(page.len());
    let parts: Vec<&str> = places.windows(2).map(|ends| page[ends[0]..ends[1]].trim()).collect();
    let words = |text: &str| text.split_whitespace().count();
    assert!(parts.iter().all(|part| words(part) >= 12), "{name} says next to nothing in one of its parts: {parts:#?}");
    assert!(parts[1].contains("| --- |"), "{name} has no table of what travels");
    assert!(parts[2].lines().any(|line| line.starts_with("- ")), "{name} does not list what is never done");
    for variable in variables {
        assert!(page.contains(&format!("`{variable}`")), "{name} does not tell what {variable} is");
    }
    assert!(page.lines().count() <= 70, "{name} has more than a page");
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
                if name == "GROUPS_FROM_XPM" {
                    "true"
                } else if name == "PROPOSALS_FROM" {
                    "proposals"
                } else if ["_URL", "_LOGIN", "_XERO"].iter().any(|end| name.ends_with(end)) {
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
        check_page(&name, &page, env.keys());
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

/// What the page of `xpm-website` says of WorkflowMax, done to its file.
#[test]
fn pp_06_the_variant_with_leads_of_workflowmax_is_sound_as_the_page_tells_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/configs/xpm-website");
    let yaml = fs::read_to_string(folder.join("xpm-website.yaml")).unwrap();
    let page = fs::read_to_string(folder.join("README.md")).unwrap();
    let block = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let mut lines: Vec<String> = Vec::new();
    let mut within = false;
    for line in yaml.lines() {
        // Without the endpoints, down to the next part, and without the address.
        within = line.starts_with("    endpoints:") || within && !line.is_empty();
        if !within && !line.contains("base_url: \"${env:XPM_URL") {
            lines.push(line.replace("connector: xpm", "connector: workflowmax"));
        }
    }
    lines.extend(block.lines().map(|line| format!("      {line}")));
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.yaml"), lines.join("\n")).unwrap();
    let names = ["XPM_APP_ID", "XPM_APP_SECRET", "WEBSITE_TOKEN", "XPM_LEAD_MANAGER", "XPM_PLAN_LEVEL"];
    let mut env: HashMap<String, String> = names.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
    env.insert("WEBSITE_URL".to_owned(), "https://site.example".to_owned());
    let loaded = config::load(dir.path(), &env);
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
    let pipelines: Vec<&str> = loaded.config.pipelines().map(|(_, one)| one.name.as_str()).collect();
    assert_eq!(pipelines.len(), 3, "{pipelines:?}");
    assert!(pipelines.contains(&"xpm-website/enquiries"), "{pipelines:?}");
}
