use std::time::Duration;

use super::*;
use crate::config::{After, Channel, QuietHours};

fn at(minutes: i64) -> DateTime<Utc> {
    "2026-06-01T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
}

fn office() -> Notification {
    Notification {
        name: "office".to_owned(),
        client: None,
        channel: Channel::Command(vec!["/bin/true".to_owned()]),
        about: Topic::ALL.into(),
        integrations: None,
        quiet: None,
        after: After::default(),
    }
}

fn wrong(of: &[&str], since: i64, count: u64) -> Fact {
    Fact::Wrong(Wrong {
        integrations: of.iter().map(|name| IntegrationName::parse(name).unwrap()).collect(),
        since: at(since),
        lasting: false,
        by_person: false,
        count,
        title: "it is wrong".to_owned(),
        detail: "mend it".to_owned(),
        discreet: Discreet::Same,
    })
}

fn facts(all: impl IntoIterator<Item = (Topic, Fact)>) -> Facts {
    let mut facts = Facts::default();
    for (topic, fact) in all {
        facts.put(topic, "it", fact);
    }
    facts
}

/// What is put into the book, as events.
fn told(notification: &Notification, book: &mut Book, facts: &Facts, minutes: i64) -> Vec<String> {
    let before = book.waiting.len();
    judge(notification, book, facts, at(minutes));
    book.waiting.iter().skip(before).map(|waiting| waiting.message.event.clone()).collect()
}

/// Everything that waits was sent.
fn sent(book: &mut Book) {
    book.waiting.clear();
}

#[test]
fn a_lost_connection_is_told_after_a_while_once_and_once_more_when_it_is_back() {
    let (office, mut book) = (office(), Book::default());
    let lost = facts([(Topic::Connection, wrong(&["acme"], 0, 1))]);
    assert!(told(&office, &mut book, &lost, 14).is_empty(), "it may be a moment only");
    assert_eq!(told(&office, &mut book, &lost, 15), ["connection.lost"]);
    assert!(told(&office, &mut book, &lost, 16).is_empty(), "said once");
    sent(&mut book);
    let unknown = facts([(Topic::Connection, Fact::Unknown)]);
    assert!(told(&office, &mut book, &unknown, 17).is_empty(), "after a restart nobody knows");
    let back = facts([(Topic::Connection, Fact::Fine)]);
    assert_eq!(told(&office, &mut book, &back, 18), ["connection.restored"]);
    sent(&mut book);
    assert!(told(&office, &mut book, &back, 19).is_empty());
    assert_eq!(told(&office, &mut book, &lost, 40), ["connection.lost"], "and it may be lost again");
}

#[test]
fn a_person_who_disconnects_something_is_told_apart_from_a_loss() {
    let (office, mut book) = (office(), Book::default());
    let by_person = |of: &[&str]| match wrong(of, 0, 1) {
        Fact::Wrong(wrong) => Fact::Wrong(Wrong { by_person: true, lasting: true, ..wrong }),
        other => other,
    };
    let lost = facts([(Topic::Connection, wrong(&["acme"], -60, 1))]);
    let ended = facts([(Topic::Connection, by_person(&["acme"]))]);
    let fine = facts([(Topic::Connection, Fact::Fine)]);
    assert_eq!(told(&office, &mut book, &ended, 0), ["connection.disconnected"], "at once");
    assert!(told(&office, &mut book, &ended, 1).is_empty(), "said once");
    sent(&mut book);
    assert_eq!(told(&office, &mut book, &fine, 2), ["connection.connected"]);
    sent(&mut book);
    assert_eq!(told(&office, &mut book, &lost, 3), ["connection.lost"]);
    sent(&mut book);
    assert_eq!(told(&office, &mut book, &ended, 4), ["connection.disconnected"], "nothing was restored");
    assert_eq!(book.waiting.len(), 1);
    let mut blind = Facts::default();
    blind.blind.insert(Topic::Connection);
    assert!(told(&office, &mut book, &blind, 5).is_empty(), "nobody knows while a login is being renewed");
    sent(&mut book);
    assert_eq!(told(&office, &mut book, &fine, 6), ["connection.connected"]);
}

#[test]
fn what_ended_before_anybody_could_read_it_is_not_told_at_all() {
    let mut office = office();
    let time = |hour| chrono::NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
    let quiet = QuietHours { from: time(11), to: time(14), timezone: chrono_tz::UTC, except: [Topic::Store].into() };
    office.quiet = Some(quiet);
    let mut book = Book::default();
    let lost = facts([(Topic::Connection, wrong(&["acme"], 0, 1)), (Topic::Store, wrong(&[], 0, 1))]);
    assert_eq!(told(&office, &mut book, &lost, 20), ["connection.lost", "store.failing"]);
    let nexts: Vec<_> = book.waiting.iter().map(|waiting| waiting.next).collect();
    assert_eq!(nexts, [Some(at(120)), None], "one waits for the morning, one does not");
    let due = book.due(at(20)).unwrap();
    assert_eq!(due.event, "store.failing", "and does not stand behind the other");
    book.sent(&due.id, Ok(()), at(20));
    let back = facts([(Topic::Connection, Fact::Fine), (Topic::Store, Fact::Fine)]);
    judge(&office, &mut book, &back, at(30));
    let left: Vec<_> = book.waiting.iter().map(|waiting| waiting.message.event.as_str()).collect();
    assert_eq!(left, ["store.works"], "of the connection nobody has heard");
}

#[test]
fn runs_count_and_parked_records_are_told_once_a_day_while_they_become_more() {
    let (office, mut book) = (office(), Book::default());
    assert!(told(&office, &mut book, &facts([(Topic::Runs, wrong(&["acme"], 0, 2))]), 0).is_empty());
    assert_eq!(told(&office, &mut book, &facts([(Topic::Runs, wrong(&["acme"], 0, 3))]), 1), ["runs.failed"]);
    sent(&mut book);
    assert_eq!(told(&office, &mut book, &facts([(Topic::Runs, Fact::Fine)]), 2), ["runs.recovered"]);
    sent(&mut book);
    let parked = |count| facts([(Topic::Parked, wrong(&["acme"], 0, count))]);
    assert_eq!(told(&office, &mut book, &parked(3), 3), ["parked.grew"]);
    assert!(told(&office, &mut book, &parked(9), 60).is_empty(), "not within a day");
    let day = 24 * 60;
    assert_eq!(told(&office, &mut book, &parked(9), day + 3), ["parked.grew"]);
    assert!(told(&office, &mut book, &parked(9), 3 * day).is_empty(), "only while it grows");
    assert!(told(&office, &mut book, &parked(2), 4 * day).is_empty());
    assert_eq!(told(&office, &mut book, &parked(3), 5 * day), ["parked.grew"], "more than the fewest since");
    sent(&mut book);
    assert!(
        told(&office, &mut book, &facts([(Topic::Parked, Fact::Fine)]), 6 * day).is_empty(),
        "nobody waits for that"
    );
    assert!(book.told.is_empty());
}

#[test]
fn everybody_hears_of_their_own_clients_and_topics_only() {
    let mut acme = office();
    acme.integrations = Some([IntegrationName::parse("acme").unwrap()].into());
    acme.about.remove(&Topic::Held);
    let mut book = Book::default();
    let all = facts([
        (Topic::Runs, wrong(&["bolt"], 0, 9)),
        (Topic::Held, wrong(&["acme"], 0, 1)),
        (Topic::Connection, wrong(&["bolt", "acme"], -60, 1)),
        (Topic::Config, wrong(&[], 0, 1)),
    ]);
    assert_eq!(told(&acme, &mut book, &all, 0), ["connection.lost", "config.rejected"]);
}

#[test]
fn a_store_that_fails_takes_nothing_back() {
    let (office, mut book) = (office(), Book::default());
    let held = facts([(Topic::Held, wrong(&["acme"], 0, 1))]);
    assert_eq!(told(&office, &mut book, &held, 0), ["run.held"]);
    sent(&mut book);
    let mut blind = Facts::default();
    blind.blind.insert(Topic::Held);
    assert!(told(&office, &mut book, &blind, 1).is_empty());
    assert!(told(&office, &mut book, &held, 2).is_empty(), "it is not told a second time");
    assert!(told(&office, &mut book, &Facts::default(), 3).is_empty(), "a person decided, and knows");
    assert!(book.told.is_empty());
}

#[test]
fn nothing_verified_for_long_counts_from_the_last_time() {
    let (mut office, mut book) = (office(), Book::default());
    office.after.unverified = Duration::from_hours(1);
    let stale = facts([(Topic::Unverified, wrong(&["acme"], -59, 1))]);
    assert!(told(&office, &mut book, &stale, 0).is_empty());
    assert_eq!(told(&office, &mut book, &stale, 1), ["unverified"]);
    sent(&mut book);
    // It was verified a moment ago.
    let fresh = facts([(Topic::Unverified, wrong(&["acme"], 2, 1))]);
    assert_eq!(told(&office, &mut book, &fresh, 2), ["unverified.over"]);
}

#[test]
fn a_client_hears_of_itself_alone_and_of_nobody_who_shares_with_it() {
    let acme = Some(IntegrationName::parse("acme").unwrap());
    let office = Notification { client: acme.clone(), ..office() };
    let shared = |discreet: Discreet| match wrong(&["bravo", "acme"], -60, 1) {
        Fact::Wrong(wrong) => Fact::Wrong(Wrong { detail: "bravo waits".to_owned(), discreet, ..wrong }),
        other => other,
    };
    let mut book = Book::default();
    let others =
        [(Topic::Runs, wrong(&["bravo"], 0, 9)), (Topic::Store, wrong(&[], 0, 1)), (Topic::Config, wrong(&[], 0, 1))];
    assert!(told(&office, &mut book, &facts(others), 0).is_empty());
    assert_eq!(told(&office, &mut book, &facts([(Topic::Runs, wrong(&["acme"], 0, 9))]), 0), ["runs.failed"]);
    sent(&mut book);
    let known = Discreet::Text("something waits".to_owned());
    assert_eq!(
        told(&office, &mut book, &facts([(Topic::Connection, shared(known))]), 1).last().unwrap(),
        "connection.lost"
    );
    let message = &book.waiting.back().unwrap().message;
    assert_eq!(message.integration, acme);
    assert!(message.text.contains("something waits") && !message.text.contains("bravo"), "{}", message.text);
    assert!(told(&office, &mut Book::default(), &facts([(Topic::Edit, shared(Discreet::Nothing))]), 2).is_empty());
}
