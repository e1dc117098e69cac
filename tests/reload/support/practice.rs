//! A practice website and a practice Xero in the test's process, for a daemon in its own.

use std::time::{Duration, Instant};

use reconciled::{
    clock::Clock,
    sandbox::{Website, WebsiteOptions, Xero, XeroOptions},
};
use serde_json::json;

/// The two systems.
pub struct Practice {
    pub site: Website,
    pub xero: Xero,
}

impl Practice {
    /// Both, with so many contacts on the website.
    pub async fn start(contacts: usize) -> Self {
        let clock = Clock::system();
        let site = Website::start(WebsiteOptions::new(clock.clone())).await.unwrap();
        let xero = Xero::start(XeroOptions::new(clock).unlimited()).await.unwrap();
        let practice = Self { site, xero };
        (1..=contacts).for_each(|number| practice.insert(number));
        practice
    }

    /// A new contact on the website.
    pub fn insert(&self, number: usize) {
        let contact = json!({ "first_name": format!("First{number}"), "last_name": "Last", "email": email(number) });
        self.site.insert("contacts", contact).unwrap();
    }

    /// How many contacts of the website are in Xero; the same one twice is a failed test.
    pub fn in_xero(&self) -> usize {
        let all = self.xero.list("Contacts");
        let mut emails: Vec<&str> = all.iter().filter_map(|contact| contact["EmailAddress"].as_str()).collect();
        emails.retain(|email| email.ends_with("@practice.example"));
        let before = emails.len();
        emails.sort_unstable();
        emails.dedup();
        assert_eq!(emails.len(), before, "a contact was made twice");
        before
    }

    pub async fn until(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !is(self) {
            assert!(began.elapsed() < Duration::from_mins(3), "waiting for {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn connections(&self) -> String {
        format!(
            "connections:
  website: {{ connector: website, base_url: \"{}\", auth: {{ token: \"{}\" }} }}
  xero: {{ connector: xero, base_url: \"{}\", tenant: \"{}\", auth: {{ token: \"{}\" }}, unlimited: true }}
",
            self.site.url(),
            self.site.token(),
            self.xero.url(),
            self.xero.tenant(),
            self.xero.token()
        )
    }

    /// An integration that looks every second.
    pub fn integration(&self, name: &str) -> String {
        format!(
            "integrations:
  {name}:
    first_run: {{ apply: automatic }}
    schedule: {{ poll: {{ website: 1s }} }}
    pipelines:
      contacts:
        source: website/contacts
        target: xero/contacts
        direction: source-to-target
        match: [ {{ source: $.email, target: $.EmailAddress }} ]
        fields:
          - {{ source: $.email, target: $.EmailAddress }}
          - {{ source: [$.first_name, $.last_name], target: $.Name, join: \" \" }}
"
        )
    }
}

fn email(number: usize) -> String {
    format!("contact{number}@practice.example")
}
