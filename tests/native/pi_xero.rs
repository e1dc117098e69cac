//! pi-01 to pi-06: accepted proposals as invoices in Xero.

use std::fs;

use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use reconciled::{
    clock::Clock,
    config::PipelineName,
    engine::Desk,
    record::RecordId,
    sandbox::{Xero, XeroOptions},
};
use serde_json::{Value, json};

use crate::{
    example::until,
    posts::{Office, xero_by_grant},
    xero_openapi::Watch,
};

struct Firm {
    office: Office,
    xero: Xero,
    /// What Xero was asked and answered fits its official file, whatever the test is about.
    _watch: Watch,
}

/// Noon in Auckland on a day of June 2026 or later.
fn noon(month: u32, day: u32) -> DateTime<Utc> {
    chrono_tz::Pacific::Auckland.with_ymd_and_hms(2026, month, day, 12, 0, 0).unwrap().to_utc()
}

impl Firm {
    /// On 1 June 2026 at noon, with the first run approved.
    async fn start() -> Self {
        let clock = Clock::manual(noon(6, 1));
        let xero = Xero::start(XeroOptions::new(clock.clone()).unlimited().keeping_answers()).await.unwrap();
        let env = xero_by_grant(&xero);
        let office = Office::start("proposals-xero", &clock, env).await;
        office.first_sync().await;
        Self::of(office, xero)
    }

    fn of(office: Office, xero: Xero) -> Self {
        let watch = Watch::over(xero.log());
        Self { office, xero, _watch: watch }
    }

    fn writes(&self) -> u64 {
        self.xero.log().writes()
    }

    async fn settled(&self) {
        self.office.settled_by(|| self.writes()).await;
    }

    fn contacts(&self) -> Vec<String> {
        self.xero.list("Contacts").iter().map(|contact| contact["Name"].as_str().unwrap().to_owned()).collect()
    }

    /// Number, date and total of every invoice, in the order of numbers.
    fn invoices(&self) -> Vec<String> {
        let text = |invoice: &Value, name: &str| invoice[name].as_str().unwrap_or_default().to_owned();
        let mut lines: Vec<String> = self
            .xero
            .list("Invoices")
            .iter()
            .map(|invoice| {
                format!(
                    "{} on {} for {:.2} to {}",
                    text(invoice, "InvoiceNumber"),
                    text(invoice, "DateString").split('T').next().unwrap(),
                    invoice["SubTotal"].as_f64().unwrap(),
                    text(&invoice["Contact"], "Name"),
                )
            })
            .collect();
        lines.sort();
        lines
    }

    async fn kea(&self) {
        self.office
            .post(
                "clients",
                json!({ "id": "C-1", "name": "Kea Ltd", "email": "new@kea.example", "phone": "021 555 0101" }),
            )
            .await;
    }
}

/// A proposal of two services at once, $1,500 together.
fn upfront(number: &str, client: &str, status: &str) -> Value {
    json!({
        "number": number, "client_id": client, "title": "Year end", "status": status, "accepted_on": "2026-06-01", "due_on": "2026-06-20",
        "upfront": [
            { "line_no": 1, "title": "Annual accounts", "quantity": "1", "price": "1200.00", "service": "accounts" },
            { "line_no": 2, "title": "Advice", "quantity": 2, "price": 150, "service": "advice" },
        ],
    })
}

#[tokio::test]
async fn pi_01_invoices_are_pushed_once_a_day_and_at_once_by_hand_and_nothing_comes_back() {
    let firm = Firm::start().await;
    firm.kea().await;
    firm.office.post("proposals", upfront("P-1", "C-1", "accepted")).await;
    let six = noon(6, 1) + TimeDelta::hours(18);
    until(&firm.office.daemon, six - TimeDelta::seconds(1)).await;
    assert_eq!(firm.invoices(), Vec::<String>::new(), "a post alone starts no run here");
    until(&firm.office.daemon, six + TimeDelta::seconds(1)).await;
    assert_eq!(firm.invoices(), ["P-1 on 2026-06-01 for 1500.00 to Kea Ltd"]);
    firm.settled().await;
    firm.office.post("proposals", upfront("P-2", "C-1", "accepted")).await;
    firm.office.sync().await;
    assert_eq!(firm.invoices().len(), 2, "by hand it is there at once");
    firm.settled().await;
    // One way: what is done to an invoice in Xero stays as it is done.
    let id = firm.xero.list("Invoices").iter().find(|one| one["InvoiceNumber"] == "P-1").unwrap()["InvoiceID"].clone();
    let id = id.as_str().unwrap();
    firm.xero.edit("Invoices", id, json!({ "Reference": "paid in cash" })).unwrap();
    let writes = firm.writes();
    firm.office.sync().await;
    assert_eq!(firm.writes(), writes);
    assert_eq!(firm.xero.get("Invoices", id).unwrap()["Reference"], "paid in cash");
    // The same post again, as hooks do, makes nothing.
    firm.office.post("proposals", upfront("P-2", "C-1", "accepted")).await;
    firm.settled().await;
    assert_eq!(firm.writes(), writes);
}

#[tokio::test]
async fn pi_02_the_clients_name_goes_with_the_invoice_and_its_e_mail_overwrites_nothing() {
    let firm = Firm::start().await;
    let known =
        firm.xero.insert("Contacts", json!({ "Name": "KEA LTD", "EmailAddress": "accounts@kea.example" })).unwrap();
    firm.kea().await;
    firm.office.post("proposals", upfront("P-1", "C-1", "accepted")).await;
    firm.office.sync().await;
    assert_eq!(firm.contacts(), ["Kea Ltd"], "one contact, by the name of the client");
    assert_eq!(firm.xero.get("Contacts", &known).unwrap()["EmailAddress"], "accounts@kea.example");
    assert_eq!(firm.invoices(), ["P-1 on 2026-06-01 for 1500.00 to Kea Ltd"]);
    firm.settled().await;
    firm.office
        .post(
            "clients",
            json!({ "id": "C-1", "name": "Kea Limited", "email": "newest@kea.example", "phone": "021 555 0101" }),
        )
        .await;
    firm.office.sync().await;
    let contact = firm.xero.get("Contacts", &known).unwrap();
    assert_eq!((&contact["Name"], &contact["EmailAddress"]), (&json!("Kea Limited"), &json!("accounts@kea.example")));
    firm.settled().await;
}

#[tokio::test]
async fn pi_03_a_client_that_is_mapped_by_hand_gets_its_invoices_there() {
    let firm = Firm::start().await;
    let holding = firm
        .xero
        .insert("Contacts", json!({ "Name": "Kea Holdings (old)", "EmailAddress": "old@kea.example" }))
        .unwrap();
    firm.kea().await;
    firm.office.post("proposals", upfront("P-1", "C-1", "sent")).await;
    firm.office.sync().await;
    let pipeline = PipelineName::parse("proposals-xero/contacts").unwrap();
    let desk = Desk::new(&firm.office.example.engine);
    desk.add_link(&pipeline, &RecordId::from("C-1"), &RecordId::from(holding.as_str())).await.unwrap();
    firm.office.post("proposals", upfront("P-1", "C-1", "accepted")).await;
    firm.office.sync().await;
    let invoices = firm.xero.list("Invoices");
    assert_eq!(invoices.len(), 1);
    assert_eq!(invoices[0]["Contact"]["ContactID"], holding);
    assert_eq!(firm.xero.list("Contacts").len(), 1, "and no other contact was made");
    assert_eq!(firm.xero.get("Contacts", &holding).unwrap()["EmailAddress"], "old@kea.example");
    firm.settled().await;
}

#[tokio::test]
async fn pi_04_a_contact_is_made_only_when_a_proposal_was_accepted() {
    let firm = Firm::start().await;
    firm.kea().await;
    firm.office.post("clients", json!({ "id": "C-2", "name": "Tui & Sons" })).await;
    firm.office.post("proposals", upfront("P-1", "C-1", "sent")).await;
    firm.office.post("proposals", upfront("P-2", "C-2", "lost")).await;
    firm.office.sync().await;
    firm.settled().await;
    assert_eq!((firm.contacts(), firm.writes()), (vec![], 0), "nobody before acceptance");
    firm.office.post("proposals", upfront("P-1", "C-1", "accepted")).await;
    firm.office.sync().await;
    assert_eq!(firm.contacts(), ["Kea Ltd"]);
    let contact = &firm.xero.list("Contacts")[0];
    assert_eq!(contact["EmailAddress"], "new@kea.example", "a contact that is made has what the client has");
    assert_eq!(firm.invoices(), ["P-1 on 2026-06-01 for 1500.00 to Kea Ltd"]);
    firm.settled().await;
}

#[tokio::test]
async fn pi_04_a_client_whose_first_month_is_to_come_becomes_a_contact_on_acceptance() {
    let firm = Firm::start().await;
    firm.kea().await;
    let monthly = |status: &str| {
        json!({
            "number": "P-1", "client_id": "C-1", "title": "Books", "status": status, "accepted_on": "2026-06-01",
            "monthly_from": "2026-07-01", "months": 2,
            "monthly": [{ "line_no": 1, "title": "Bookkeeping", "quantity": 1, "price": "200", "service": "accounts" }],
        })
    };
    firm.office.post("proposals", monthly("sent")).await;
    firm.office.sync().await;
    firm.settled().await;
    assert_eq!((firm.contacts(), firm.writes()), (vec![], 0), "nobody before acceptance");
    firm.office.post("proposals", monthly("accepted")).await;
    firm.office.sync().await;
    assert_eq!(firm.contacts(), ["Kea Ltd"], "on acceptance, and not a month later");
    assert_eq!(firm.invoices(), Vec::<String>::new(), "no month has come");
    firm.settled().await;
    until(&firm.office.daemon, noon(7, 1)).await;
    assert_eq!(firm.invoices(), ["P-1-1 on 2026-07-01 for 200.00 to Kea Ltd"]);
    assert_eq!(firm.contacts(), ["Kea Ltd"]);
    firm.settled().await;
}

#[tokio::test]
async fn pi_05_each_service_is_a_line_of_the_invoice() {
    let firm = Firm::start().await;
    firm.kea().await;
    firm.office.post("proposals", upfront("P-1", "C-1", "accepted")).await;
    firm.office.sync().await;
    let invoice = firm.xero.list("Invoices").remove(0);
    let lines: Vec<String> = invoice["LineItems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            let number = |name: &str| line[name].as_f64().unwrap();
            let text = |name: &str| line[name].as_str().unwrap();
            format!(
                "{} {} x {:.2} to {}",
                text("Description"),
                number("Quantity"),
                number("UnitAmount"),
                text("AccountCode")
            )
        })
        .collect();
    assert_eq!(lines, ["Annual accounts 1 x 1200.00 to 200", "Advice 2 x 150.00 to 260"]);
    assert_eq!(
        (&invoice["Type"], &invoice["Status"], &invoice["Reference"]),
        (&json!("ACCREC"), &json!("AUTHORISED"), &json!("Year end"))
    );
    firm.settled().await;
    // A proposal that is edited later leaves the invoice alone.
    let mut edited = upfront("P-1", "C-1", "accepted");
    edited["upfront"][0]["price"] = json!(999);
    let writes = firm.writes();
    firm.office.post("proposals", edited).await;
    firm.office.sync().await;
    firm.settled().await;
    assert_eq!(firm.writes(), writes);
}

#[tokio::test]
async fn pi_05_a_service_that_is_added_later_becomes_a_line_as_long_as_xero_takes_it() {
    let firm = Firm::start().await;
    firm.kea().await;
    firm.office.post("proposals", upfront("P-1", "C-1", "accepted")).await;
    firm.office.sync().await;
    firm.settled().await;
    let with = |lines: &[(u32, &str)]| {
        let mut proposal = upfront("P-1", "C-1", "accepted");
        for (line, title) in lines {
            let more = json!({ "line_no": line, "title": title, "quantity": 1, "price": "80.00", "service": "advice" });
            proposal["upfront"].as_array_mut().unwrap().push(more);
        }
        proposal["upfront_total"] = json!(format!("{}.00", 1500 + 80 * lines.len()));
        proposal
    };
    firm.office.post("proposals", with(&[(3, "Trust deed")])).await;
    firm.office.sync().await;
    assert_eq!(firm.invoices(), ["P-1 on 2026-06-01 for 1580.00 to Kea Ltd"], "each service line is a line item");
    firm.settled().await;
    // A paid invoice is not changed any more; Xero says so, and everything else goes on.
    let invoice = firm.xero.list("Invoices").remove(0);
    let paid = json!({ "Invoice": { "InvoiceID": invoice["InvoiceID"] }, "Account": { "Code": "090" }, "Date": "2026-06-02", "Amount": invoice["Total"] });
    firm.xero.insert("Payments", paid).unwrap();
    firm.office.post("proposals", with(&[(3, "Trust deed"), (4, "Lodgement")])).await;
    firm.office.post("proposals", upfront("P-2", "C-1", "accepted")).await;
    firm.office.sync().await;
    let both = ["P-1 on 2026-06-01 for 1580.00 to Kea Ltd", "P-2 on 2026-06-01 for 1500.00 to Kea Ltd"];
    assert_eq!(firm.invoices(), both);
    let parked = firm.office.parked().await;
    assert!(
        parked.iter().any(|line| line.contains("P-1") && line.contains("Invoice not of valid status")),
        "{parked:#?}"
    );
    firm.settled().await;
}

#[tokio::test]
async fn pi_05_a_price_below_a_cent_makes_the_total_that_was_proposed() {
    let firm = Firm::start().await;
    firm.kea().await;
    let mut proposal = upfront("P-1", "C-1", "accepted");
    proposal["upfront"] =
        json!([{ "line_no": 1, "title": "Lines", "quantity": 1000, "price": "0.1234", "service": "accounts" }]);
    proposal["upfront_total"] = json!("123.40");
    firm.office.post("proposals", proposal).await;
    firm.office.sync().await;
    assert_eq!(firm.invoices(), ["P-1 on 2026-06-01 for 123.40 to Kea Ltd"]);
    assert_eq!(firm.office.parked().await, Vec::<String>::new());
    firm.settled().await;
    // A total that the lines do not make is told, and no longer overlooked.
    let mut wrong = upfront("P-2", "C-1", "accepted");
    wrong["upfront_total"] = json!("1499.00");
    firm.office.post("proposals", wrong).await;
    let report = firm.office.sync().await;
    let told = serde_json::to_string(&report).unwrap();
    assert!(told.contains("1499.00 on the source, 1500.00 on the target"), "{told}");
    firm.settled().await;
}

#[tokio::test]
async fn pi_06_upfront_on_acceptance_and_each_month_on_its_day_though_nothing_changed() {
    let mut firm = Firm::start().await;
    firm.kea().await;
    let mut proposal = upfront("P-1", "C-1", "accepted");
    proposal["monthly_from"] = json!("2026-06-30");
    proposal["months"] = json!(3);
    proposal["monthly"] =
        json!([{ "line_no": 1, "title": "Bookkeeping", "quantity": 1, "price": "200", "service": "accounts" }]);
    firm.office.post("proposals", proposal).await;
    firm.office.sync().await;
    assert_eq!(firm.invoices(), ["P-1 on 2026-06-01 for 1500.00 to Kea Ltd"], "the months have not come");
    firm.settled().await;
    until(&firm.office.daemon, noon(6, 29)).await;
    assert_eq!(firm.invoices().len(), 1);
    until(&firm.office.daemon, noon(6, 30)).await;
    let june = "P-1-1 on 2026-06-30 for 200.00 to Kea Ltd";
    assert_eq!(firm.invoices(), ["P-1 on 2026-06-01 for 1500.00 to Kea Ltd", june]);
    firm.settled().await;
    // Also when the daemon was restarted in between.
    firm.office = firm.office.restart().await;
    until(&firm.office.daemon, noon(8, 5)).await;
    let july = "P-1-2 on 2026-07-30 for 200.00 to Kea Ltd";
    assert_eq!(firm.invoices(), ["P-1 on 2026-06-01 for 1500.00 to Kea Ltd", june, july]);
    until(&firm.office.daemon, noon(10, 5)).await;
    assert_eq!(
        firm.invoices().last().unwrap(),
        "P-1-3 on 2026-08-30 for 200.00 to Kea Ltd",
        "three months, and no more"
    );
    assert_eq!(firm.invoices().len(), 4);
    assert_eq!(firm.xero.list("Contacts").len(), 1);
    firm.settled().await;
}

#[tokio::test]
async fn pi_bad_input_is_refused_or_parked_with_a_sentence_and_the_rest_goes_on() {
    let firm = Firm::start().await;
    firm.kea().await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut proposal = upfront("P-9", "C-1", "accepted");
        change(&mut proposal);
        proposal
    };
    let refused = [
        (with(&|p| p["upfront"][1]["price"] = json!("0.00")), "`upfront[1].price` is 0.00, and must be above zero"),
        (with(&|p| p["client_id"] = json!("")), "`client_id` is empty"),
        (with(&|p| drop(p.as_object_mut().unwrap().remove("client_id"))), "it has no `client_id`"),
        (with(&|p| p["upfront"][0]["price"] = json!("a lot")), "`upfront[0].price`: `a lot` is no decimal"),
        (with(&|p| p["accepted_on"] = json!("yesterday")), "`accepted_on`: `yesterday` is no date as `%Y-%m-%d`"),
        (with(&|p| drop(p.as_object_mut().unwrap().remove("number"))), "it has no id at `$.number`"),
        (json!("P-9"), "the body is no object"),
    ];
    for (body, reason) in &refused {
        let (status, text) = firm.office.offer("proposals", body).await;
        assert_eq!(text, *reason);
        assert!(status == 422 || status == 400, "{status}");
    }
    // A client that nobody posted, and a service without an account: each waits, and says for what.
    firm.office.post("proposals", upfront("P-8", "C-8", "accepted")).await;
    firm.office.post("proposals", with(&|p| p["upfront"][0]["service"] = json!("gardening"))).await;
    firm.office.post("proposals", upfront("P-1", "C-1", "accepted")).await;
    firm.office.sync().await;
    assert_eq!(firm.invoices(), ["P-1 on 2026-06-01 for 1500.00 to Kea Ltd"], "the good one is there");
    let parked = firm.office.parked().await;
    assert!(
        parked.iter().any(|line| line.contains("7 posts were refused") && line.contains("the body is no object")),
        "{parked:?}"
    );
    assert!(parked.iter().any(|line| line.starts_with("Proposal P-9") && line.contains("gardening")), "{parked:?}");
    firm.settled().await;
    firm.office.post("clients", json!({ "id": "C-8", "name": "Weka Ltd" })).await;
    firm.office.sync().await;
    assert_eq!(firm.contacts(), ["Kea Ltd", "Weka Ltd"]);
    assert_eq!(firm.invoices().len(), 2, "the client came, and so did its invoice");
    firm.settled().await;
}

#[tokio::test]
async fn pi_05_proposals_may_be_dropped_as_files_instead() {
    let clock = Clock::manual(noon(6, 1));
    let xero = Xero::start(XeroOptions::new(clock.clone()).unlimited().keeping_answers()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut env = xero_by_grant(&xero);
    env.0.insert("PROPOSALS_FROM", "proposal-files".to_owned());
    env.0.insert("PROPOSALS_FOLDER", folder.path().display().to_string());
    let firm = Firm::of(Office::start("proposals-xero", &clock, env).await, xero);
    let drop_file = |name: &str, lines: &[Value]| {
        let path = folder.path().join(name);
        fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        // It was left alone for an hour.
        let then = std::time::SystemTime::from(clock.now() - TimeDelta::hours(1));
        fs::File::options().write(true).open(&path).unwrap().set_modified(then).unwrap();
    };
    let kea = json!({ "id": "C-1", "name": "Kea Ltd", "email": "office@kea.example" });
    drop_file("clients-1.jsonl", &[kea, json!({ "id": "C-2", "name": "Nobody yet" })]);
    let bare = json!({ "number": "P-3", "title": "Nobody's", "status": "accepted", "accepted_on": "2026-06-01",
        "upfront": [{ "line_no": 1, "title": "Advice", "quantity": 1, "price": 10, "service": "advice" }] });
    let mut free = upfront("P-4", "C-1", "accepted");
    free["upfront"][1]["price"] = json!("0.00");
    drop_file("proposals-1.jsonl", &[upfront("P-1", "C-1", "accepted"), upfront("P-2", "C-1", "sent"), bare]);
    drop_file("proposals-free.jsonl", &[free]);
    firm.office.first_sync().await;
    let listed = firm.office.parked().await;
    let what = "`upfront[1].price` is 0.00, and must be above zero";
    assert!(listed.iter().any(|one| one.contains(what)), "{listed:#?}");
    firm.settled().await;
    assert_eq!(firm.invoices(), ["P-1 on 2026-06-01 for 1500.00 to Kea Ltd"]);
    assert_eq!(firm.contacts(), ["Kea Ltd"], "nobody without an accepted proposal");
    assert!(folder.path().join("done/proposals-1.jsonl").exists());
    let results = || fs::read_to_string(folder.path().join("results/proposals-1.jsonl.csv")).unwrap();
    assert!(results().contains("P-1,proposals-xero/upfront,linked,"), "{}", results());
    assert!(results().contains("P-3,proposals-xero/upfront,parked,"), "{}", results());
    assert!(folder.path().join("proposals-free.jsonl").exists(), "it stays where it can be corrected");
    // A later file knows better.
    drop_file("proposals-2.jsonl", &[upfront("P-2", "C-1", "accepted")]);
    firm.office.sync().await;
    assert_eq!(firm.invoices().len(), 2);
    assert!(results().contains("P-2,proposals-xero/upfront,linked,"), "{}", results());
    firm.settled().await;
}
