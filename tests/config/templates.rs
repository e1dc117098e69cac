//! Templates: clients made from them, what is told of mistakes, and that nothing a client gives breaks out of its place.

use std::collections::HashMap;

use proptest::prelude::*;
use reconciled::config::{Auth, Channel, Loaded, RenderError, Secret, Topic, load, render, render_client};

use super::files;

const SHOP: &str = r#"templates:
  shop:
    description: a web shop and its books
    params:
      site: { type: url, description: where the shop's sync API is }
      tenant: { type: string, pattern: "[a-z]+" }
      token: { type: secret, default: "${file:secrets/${client}/website}" }
      poll: { type: duration, default: 2m }
      pull_payments: { type: boolean, default: false }
      accounts: { type: map, default: { goods: 200, freight: 260 } }
      region: { type: enum, values: [ au, nz ], default: nz }
    timezone: Pacific/Auckland
    debounce: 2m
    schedule: { poll: { website: "${params.poll}" } }
    connections:
      website: { connector: website, base_url: "${params.site}/sync/v1", auth: { token: "${params.token}" } }
      xero: { connector: xero, tenant: "${params.tenant}", auth: { token: "${env:XERO_TOKEN}" } }
    tables:
      income: { rows: "${params.accounts}" }
    pipelines:
      contacts:
        source: website/contacts
        target: xero/contacts
        direction: two-way
        match: [ { source: $.email, target: $.EmailAddress } ]
        fields:
          - { source: $.first_name, target: $.FirstName }
          - { source: $.email, target: $.EmailAddress }
      payments:
        when: "${params.pull_payments}"
        source: xero/payments
        target: website/payments
        direction: source-to-target
        match: { source: $.Reference, target: $.reference }
        fields: [ { source: $.Amount, target: $.amount } ]
"#;

fn env() -> HashMap<String, String> {
    [("XERO_TOKEN", "x"), ("SITE", "https://env.example")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn with(client: &str) -> Loaded {
    load(files(&[("shop.yaml", SHOP), ("acme.yaml", client)]).path(), &env())
}

fn pipelines(loaded: &Loaded) -> Vec<&str> {
    loaded.config.pipelines().map(|(_, pipeline)| pipeline.name.as_str()).collect()
}

fn connection(loaded: &Loaded, name: &str) -> std::sync::Arc<reconciled::config::Connection> {
    loaded.config.connections.iter().find(|(known, _)| known.as_str() == name).map(|(_, found)| found.clone()).unwrap()
}

#[track_caller]
fn sound(loaded: &Loaded) {
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
}

#[test]
fn a_client_is_an_integration_with_connections_of_its_own() {
    let loaded = with(
        "integrations:
  acme: { template: shop, with: { site: https://acme.example, tenant: acme } }
  bravo:
    template: shop
    with: { site: \"${env:SITE}\", tenant: bravo, token: \"${file:elsewhere}\", pull_payments: true, poll: 5m }
    timezone: Australia/Sydney
",
    );
    sound(&loaded);
    assert_eq!(pipelines(&loaded), ["acme/contacts", "bravo/contacts", "bravo/payments"]);
    let names: Vec<&str> = loaded.config.connections.keys().map(reconciled::config::ConnectionName::as_str).collect();
    assert_eq!(names, ["acme/website", "acme/xero", "bravo/website", "bravo/xero"]);
    let website = connection(&loaded, "acme/website");
    assert_eq!(website.base_url.as_str(), "https://acme.example/sync/v1");
    let Auth::Bearer(Secret::File(path)) = &website.auth else { panic!("{:?}", website.auth) };
    assert!(path.ends_with("secrets/acme/website"), "{}", path.display());
    assert_eq!(connection(&loaded, "bravo/website").base_url.as_str(), "https://env.example/sync/v1");
    assert_eq!(connection(&loaded, "bravo/xero").tenant.as_deref(), Some("bravo"));
    let bravo = loaded.config.integrations.values().find(|found| found.name.as_str() == "bravo").unwrap();
    assert_eq!(bravo.timezone.name(), "Australia/Sydney", "the client's own key wins");
    let polls: Vec<_> = bravo.schedule.poll.iter().map(|(name, every)| (name.as_str(), every.as_secs())).collect();
    assert_eq!(polls, [("bravo/website", 300)]);
    let contacts = loaded.config.pipelines().find(|(_, found)| found.name.as_str() == "bravo/contacts").unwrap().1;
    assert_eq!(contacts.ends[0].connection.name.as_str(), "bravo/website");
}

#[test]
fn clients_may_be_listed_in_the_template() {
    let listed = SHOP.replace(
        "    timezone: Pacific",
        "    clients:\n      - { client: acme, site: https://acme.example, tenant: acme }\n      - { client: bravo, site: https://bravo.example, tenant: bravo, region: au }\n    timezone: Pacific",
    );
    let loaded = load(files(&[("shop.yaml", &listed)]).path(), &env());
    sound(&loaded);
    assert_eq!(pipelines(&loaded), ["acme/contacts", "bravo/contacts"]);
}

#[test]
fn clients_may_be_rows_of_a_table() {
    let table = "client,site,tenant,pull_payments,region\nacme, https://acme.example ,acme,,\n\"bravo\",https://bravo.example,bravo,true,au\n";
    let loaded = load(files(&[("shop.yaml", SHOP), ("clients/shop.clients.csv", table)]).path(), &env());
    sound(&loaded);
    assert_eq!(pipelines(&loaded), ["acme/contacts", "bravo/contacts", "bravo/payments"]);
    assert_eq!(connection(&loaded, "acme/website").base_url.as_str(), "https://acme.example/sync/v1");
    assert!(loaded.written.values().all(|written| written.file == "clients/shop.clients.csv"));
    // As spreadsheets write it where a comma stands in numbers; and the same client may not be in another file as well.
    let semicolons = table.replace(',', ";");
    let again = "integrations: { acme: { template: shop, with: { site: https://acme.example, tenant: acme } } }\n";
    let both = [("shop.yaml", SHOP), ("shop.clients.csv", &semicolons), ("acme.yaml", again)];
    let loaded = load(files(&both).path(), &env());
    let [found] = loaded.diagnostics.as_slice() else { panic!("{}", loaded.render(false)) };
    assert!(found.message.contains("acme"), "{}", loaded.render(false));
    assert_eq!(pipelines(&loaded), ["bravo/contacts", "bravo/payments"]);
}

#[test]
fn a_mistake_in_a_table_of_clients_is_at_its_cell() {
    let table = "client,site,tenant\nacme,https://acme.example,acme\nbravo,https://bravo.example,BRAVO\n";
    let loaded = load(files(&[("shop.yaml", SHOP), ("shop.clients.csv", table)]).path(), &env());
    let [found] = loaded.diagnostics.as_slice() else { panic!("{}", loaded.render(false)) };
    assert_eq!(found.position().as_deref(), Some("shop.clients.csv:3:29"));
    assert_eq!(pipelines(&loaded), ["acme/contacts"], "one row takes no other along");
}

#[test]
fn overrides_change_one_client_and_nothing_else() {
    let loaded = with(
        "integrations:
  acme:
    template: shop
    with: { site: https://acme.example, tenant: acme }
    overrides:
      pipelines.contacts.fields: { $.LastName: { source: $.last_name }, $.FirstName: { direction: source-to-target } }
      pipelines.contacts.fields.$.EmailAddress: { normalize: [ trim, lowercase ] }
      pipelines.contacts.conflicts: source-wins
      tables.income: { rows: { fees: 270 } }
  bravo: { template: shop, with: { site: https://bravo.example, tenant: bravo } }
",
    );
    sound(&loaded);
    let fields = |name: &str| {
        let (_, pipeline) = loaded.config.pipelines().find(|(_, found)| found.name.as_str() == name).unwrap();
        pipeline.fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(fields("acme/contacts").len(), 3);
    assert_eq!(fields("bravo/contacts").len(), 2);
    let shown = |client: &str| {
        let dir = files(&[
            ("shop.yaml", SHOP),
            (
                "acme.yaml",
                "integrations: { acme: { template: shop, with: { site: https://a.example, tenant: a }, overrides: { pipelines.contacts.fields.$.FirstName: } } }",
            ),
        ]);
        render_client(dir.path(), &env(), client, false).unwrap()
    };
    assert!(!shown("acme").contains("$.FirstName"), "nothing removes a field");
}

#[test]
fn overrides_leave_out_what_their_when_says() {
    let off = |key: &str| format!("{{ pipelines.payments.when: false, {key}: {{ $.FirstName: {{ when: false }} }} }}");
    let with = |overrides: &str| {
        with(&format!(
            "templates:
  big:
    params: {{ paid: {{ type: boolean }} }}
    template: shop
    with: {{ site: https://big.example, tenant: big, pull_payments: true }}
    overrides: {{ pipelines.payments.when: \"${{params.paid}}\" }}
integrations:
  acme:
    template: shop
    with: {{ site: https://acme.example, tenant: acme, pull_payments: true }}
    overrides: {overrides}
  bravo: {{ template: big, with: {{ paid: true }} }}
  cleo: {{ template: big, with: {{ paid: false }} }}
"
        ))
    };
    let loaded = with(&off("pipelines.contacts.fields"));
    sound(&loaded);
    assert_eq!(pipelines(&loaded), ["acme/contacts", "bravo/contacts", "bravo/payments", "cleo/contacts"]);
    let fields = loaded.config.pipelines().map(|(_, pipeline)| pipeline.fields.len()).collect::<Vec<_>>();
    assert_eq!(fields, [1, 2, 1, 2], "a field as well");
    let loaded = with("{ pipelines.payments.when: maybe }");
    let [found] = loaded.diagnostics.as_slice() else { panic!("{}", loaded.render(false)) };
    assert_eq!(found.message, "`when` is true or false, not `maybe`");
}

#[test]
fn a_template_may_begin_from_another() {
    let more = "templates:
  big:
    params: { site: { type: url }, size: { type: integer, default: 30 } }
    template: shop
    with: { site: \"${params.site}\", tenant: big, pull_payments: true }
    overrides: { pipelines.contacts.conflicts: source-wins }
    pipelines:
      leads:
        source: website/leads
        target: xero/contacts
        direction: source-to-target
        match: { source: $.email, target: $.EmailAddress }
        filters: { target: { path: $.ContactStatus, equals: X } }
        fields: [ { source: $.email, target: $.EmailAddress, write: on-create } ]
integrations:
  acme: { template: big, with: { site: https://acme.example } }
";
    let loaded = with(more);
    sound(&loaded);
    let mut names = pipelines(&loaded);
    names.sort_unstable();
    assert_eq!(names, ["acme/contacts", "acme/leads", "acme/payments"]);
    let deeper = format!(
        "{}  one: {{ template: three, with: {{ site: https://x.example }} }}\n",
        more.replace(
            "  big:\n",
            "  three: { template: big, params: { site: }, with: { site: \"${params.site}\" } }\n  big:\n"
        )
    );
    let loaded = with(&deeper);
    assert!(loaded.diagnostics.iter().any(|found| found.code == "config::template_depth"), "{}", loaded.render(false));
    assert_eq!(loaded.config.integrations.len(), 1, "a client with mistakes takes nobody along");
}

#[test]
fn a_template_gives_each_client_receivers_who_are_told_of_it_alone() {
    let told = SHOP.replace(
        "    pipelines:\n      contacts:",
        "    notifications:
      owner: { email: { to: [ \"${params.owner}\" ], from: sync@x.example, server: mail.x.example }, about: [ held, parked ] }
      office: { webhook: { url: \"${params.hook}\" }, when: \"${params.hooked}\" }
    pipelines:\n      contacts:",
    );
    let told = told.replace(
        "      region:",
        "      owner: { type: string }\n      hook: { type: secret, default: \"${env:HOOK}\" }\n      hooked: { type: boolean, default: true }\n      region:",
    );
    let clients = "integrations:
  acme: { template: shop, with: { site: https://acme.example, tenant: acme, owner: jane@acme.example } }
  bravo:
    template: shop
    with: { site: https://bravo.example, tenant: bravo, owner: joe@bravo.example, hooked: false }
    overrides: { notifications.owner.about: [ runs ] }
notifications:
  desk: { command: [ /usr/local/bin/tell ] }
";
    let dir = files(&[("shop.yaml", &told), ("all.yaml", clients)]);
    let loaded = load(dir.path(), &env());
    sound(&loaded);
    let all = &loaded.config.notifications;
    assert_eq!(
        all.keys().map(String::as_str).collect::<Vec<_>>(),
        ["acme/office", "acme/owner", "bravo/owner", "desk"]
    );
    let integration = |name: &str| loaded.config.integrations.keys().find(|known| known.as_str() == name).unwrap();
    let hears = |who: &str, topic, of: Option<&str>| all[who].wants(topic, of.map(integration));
    assert!(hears("acme/owner", Topic::Held, Some("acme")) && hears("acme/office", Topic::Runs, Some("acme")));
    assert!(!hears("acme/owner", Topic::Held, Some("bravo")), "nothing of others");
    assert!(!hears("acme/office", Topic::Store, None) && !hears("acme/office", Topic::Token, None), "nor of all");
    assert!(hears("bravo/owner", Topic::Runs, Some("bravo")) && !hears("bravo/owner", Topic::Held, Some("bravo")));
    assert!(hears("desk", Topic::Store, None) && hears("desk", Topic::Runs, Some("bravo")));
    let Channel::Email(mail) = &all["bravo/owner"].channel else { panic!() };
    assert_eq!(mail.to[0].to_string(), "joe@bravo.example");
    assert!(render_client(dir.path(), &env(), "acme", false).unwrap().contains("acme/owner"));
}

#[test]
fn a_mistake_shows_the_clients_file_and_the_templates_line() {
    let loaded = with(
        "integrations:\n  acme: { template: shop, with: { site: https://acme.example, tenant: acme, poll: 0s } }\n",
    );
    let [found] = loaded.diagnostics.as_slice() else { panic!("{}", loaded.render(false)) };
    assert_eq!(found.position().as_deref(), Some("acme.yaml:2:83"));
    assert!(found.related.iter().any(|(place, _)| place.file == "shop.yaml" && place.line == 14), "{found:?}");
    // A mistake of the template itself is told once, however many clients use it.
    let broken = SHOP.replace("direction: two-way", "direction: both");
    let clients = "integrations:
  acme: { template: shop, with: { site: https://acme.example, tenant: acme } }
  bravo: { template: shop, with: { site: https://bravo.example, tenant: bravo } }
";
    let loaded = load(files(&[("shop.yaml", &broken), ("all.yaml", clients)]).path(), &env());
    let [found] = loaded.diagnostics.as_slice() else { panic!("{}", loaded.render(false)) };
    assert_eq!(found.place.as_ref().unwrap().file, "shop.yaml");
    assert!(found.related.iter().any(|(place, text)| place.file == "all.yaml" && text == "used by `acme` and 1 other"));
}

#[test]
fn render_shows_where_each_value_came_from() {
    let client = "integrations:\n  acme: { template: shop, with: { site: https://acme.example, tenant: acme } }\n";
    let dir = files(&[("shop.yaml", SHOP), ("acme.yaml", client)]);
    insta::assert_snapshot!("render_client", render_client(dir.path(), &env(), "acme", true).unwrap());
    let error = render_client(dir.path(), &env(), "acne", true).unwrap_err();
    assert_eq!(error.to_string(), "there is no integration `acne`; did you mean `acme`?");
}

#[test]
fn a_parameter_of_each_kind_takes_what_is_of_its_kind() {
    for (kind, right, wrong, wanted) in [
        ("type: string, pattern: '[a-z]+'", "abc", "abC", "text like /[a-z]+/"),
        ("type: integer", "-30", "3.5", "a whole number"),
        ("type: boolean", "true", "yes", "true or false"),
        ("type: duration", "90s", "fast", "a duration"),
        ("type: url", "https://a.example", "a.example", "an http or https address"),
        ("type: list", "[ a, b ]", "a", "a list"),
        ("type: map", "{ a: b }", "[ a ]", "a map"),
        ("type: secret", "\"${file:x}\"", "[ a ]", "a secret"),
        ("type: enum, values: [ au, nz ]", "au", "uk", "one of au, nz"),
    ] {
        let shop = SHOP.replace("    params:\n", &format!("    params:\n      own: {{ {kind} }}\n"));
        let client = |value: &str| {
            format!(
                "integrations:\n  acme: {{ template: shop, with: {{ site: https://a.example, tenant: acme, own: {value} }} }}\n"
            )
        };
        let loaded = |value: &str| load(files(&[("shop.yaml", &shop), ("acme.yaml", &client(value))]).path(), &env());
        sound(&loaded(right));
        let loaded = loaded(wrong);
        let [found] = loaded.diagnostics.as_slice() else { panic!("{kind}: {}", loaded.render(false)) };
        assert!(found.message.contains(&format!("`own` is {wanted}, and ")), "{kind}: {}", found.message);
        assert_eq!(found.position().as_deref(), Some("acme.yaml:2:79"), "{kind}");
        assert!(
            found.related.iter().any(|(place, _)| place.file == "shop.yaml" && place.line == 5),
            "{kind}: {found:?}"
        );
    }
}

#[test]
fn a_literal_secret_is_never_shown() {
    let client = "integrations:\n  acme: { template: shop, with: { site: 1, tenant: acme, token: s3cr3t-v4lue } }\n";
    let loaded = with(client);
    assert!(loaded.has_errors());
    assert!(!loaded.render(false).contains("s3cr3t"), "{}", loaded.render(false));
    for (from, to) in [
        ("site: 1", "site: https://a.example"),
        (
            "site: 1, tenant: acme, token: s3cr3t-v4lue }",
            "site: https://a.example, tenant: acme }, overrides: { connections.website.auth.token: s3cr3t }",
        ),
        (
            "site: 1, tenant: acme, token: s3cr3t-v4lue",
            "site: https://a.example, tenant: acme, token: \"${env:SHOP_TOKEN:-s3cr3t}\"",
        ),
    ] {
        let dir = files(&[("shop.yaml", SHOP), ("acme.yaml", &client.replace(from, to))]);
        for places in [true, false] {
            let shown = render_client(dir.path(), &env(), "acme", places).unwrap();
            assert!(shown.contains("token: \"(secret)\"") && !shown.contains("s3cr3t"), "{shown}");
            assert!(shown.contains("token: \"${env:XERO_TOKEN}\""), "{shown}");
        }
    }
}

/// The template says what is a secret, and may not be there, or not be read.
#[test]
fn a_literal_secret_is_not_shown_where_nobody_says_that_it_is_one() {
    let more = |lines: &str| SHOP.replace("      token: {", &format!("{lines}      token: {{"));
    let key = more("      key: { type: secret }\n");
    let client = |rest: &str| format!("integrations:\n  acme: {{ {rest} }}\n");
    let given = "with: { site: https://a.example, tenant: acme, key: s3cr3t }";
    let cases = [
        (key.clone(), "a.yaml", client(&format!("template: shpo, {given}"))),
        (key.clone(), "a.yaml", client(&format!("template: [ shop ], {given}"))),
        (key.clone(), "a.yaml", client("template: shop, with: [ s3cr3t ]")),
        (key.clone(), "a.yaml", client("template: shop, with: { site: https://a.example, tenant: acme, kee: s3cr3t }")),
        (
            key.replace("    timezone", "    colour: red\n    timezone"),
            "a.yaml",
            client(&format!("template: shop, {given}")),
        ),
        (key.replace("    timezone", "    clients: [ { key: s3cr3t } ]\n    timezone"), "a.yaml", String::new()),
        (key.clone(), "a.yaml", format!("templates:\n  big: {{ colour: red, template: shpo, {given} }}\n")),
        (key.clone(), "a.yaml", format!("templates:\n  big: {{ colour: red, template: shop, {given} }}\n")),
        (key.clone(), "shpo.clients.csv", "client,key\nacme,s3cr3t\n".to_owned()),
        (key.clone(), "shop.clients.csv", "client,site,tenant,key\n,https://a.example,acme,s3cr3t\n".to_owned()),
        (
            key.clone(),
            "shop.clients.csv",
            "client,site,tenant,key\na,https://a.example,a,s3cr3t\na,https://a.example,a,s3cr3t\n".to_owned(),
        ),
        (key, "shop.clients.csv", "client,tenant,key\nacme,acme,\"s3cr3t \"\"s3cr3t\"\"\"\n".to_owned()),
        (more("      key: { type: secret, default: s3cr3t }\n      size: { type: big }\n"), "a.yaml", String::new()),
        (more("      key: { type: secrt, default: s3cr3t }\n"), "a.yaml", String::new()),
    ];
    for (shop, name, text) in cases {
        let loaded = load(files(&[("shop.yaml", &shop), (name, &text)]).path(), &env());
        let shown = loaded.render(false);
        assert!(loaded.has_errors() && !shown.contains("s3cr3t"), "{text}\n{shown}");
    }
    // Of two clients in one file the other one stands in the lines beside a mistake.
    let two = client("template: shop, with: { site: 1, tenant: acme }");
    let two = format!("{two}  bravo: {{ template: shop, {given} }}\n");
    let dir = files(&[("shop.yaml", &more("      key: { type: secret, required: false }\n")), ("a.yaml", &two)]);
    let Err(RenderError::Mistakes { diagnostics, sources, .. }) = render_client(dir.path(), &env(), "acme", false)
    else {
        panic!()
    };
    let shown = render(&diagnostics, &sources, false);
    assert!(shown.contains("bravo") && !shown.contains("s3cr3t"), "{shown}");
}

/// What a rendered client means, without places.
fn meaning(loaded: &Loaded) -> Vec<String> {
    let pipelines = loaded.config.pipelines().map(|(integration, pipeline)| {
        format!("{} {:x} {:?} {:?}", pipeline.name, pipeline.hash, integration.debounce, integration.schedule)
    });
    let connections =
        loaded.config.connections.values().map(|connection| format!("{} {}", connection.name, connection.base_url));
    connections.chain(pipelines).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever text a client gives, it stays the one value that the template asked for, and the rendered YAML reads
    /// back as what was rendered.
    #[test]
    fn a_value_cannot_break_out_of_its_place(value in "[ -~äλ😀]{0,24}|\\$\\{env:SITE\\}|\\*x|- a|a: b|'|\"|true|0x1F|~") {
        let template = "templates:
  t:
    params: { word: { type: string } }
    connections:
      a: { connector: website, base_url: https://a.example, auth: { token: x } }
    pipelines:
      p:
        source: a/contacts
        target: a/leads
        direction: source-to-target
        match: { source: $.email, target: $.email }
        fields: [ { value: \"<${params.word}>\", target: $.message }, { source: $.email, target: $.email } ]
";
        let json = serde_json::Value::String(value.clone()).to_string();
        let client = format!("integrations:\n  c: {{ template: t, with: {{ word: {json} }} }}\n");
        let dir = files(&[("t.yaml", template), ("c.yaml", &client)]);
        let loaded = load(dir.path(), &env());
        if value.contains("${") {
            // Placeholders are filled in where they are written, and never a second time.
            let known = value == "${env:SITE}";
            prop_assert_eq!(known, loaded.diagnostics.is_empty(), "{}", loaded.render(false));
            return Ok(());
        }
        prop_assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
        let again = render_client(dir.path(), &env(), "c", false).unwrap();
        prop_assert_eq!(&again, &render_client(dir.path(), &env(), "c", false).unwrap());
        let whole = files(&[("c.yaml", &again)]);
        let read = load(whole.path(), &env());
        prop_assert!(read.diagnostics.is_empty(), "{}\n{}", again, read.render(false));
        prop_assert_eq!(meaning(&loaded), meaning(&read));
        let constants: Vec<String> = loaded.config.pipelines().flat_map(|(_, p)| &p.fields).map(|f| format!("{:?}", f.content)).collect();
        prop_assert!(constants.iter().any(|text| text.contains(&format!("{:?}", format!("<{value}>")))), "{:?}", constants);
    }
}
