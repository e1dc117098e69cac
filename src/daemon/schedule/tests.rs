use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use chrono::TimeDelta;
use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;
use crate::config::{ApplyMode, Cron, Debounce, IntegrationName, Schedule, Spread};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(text: &str) -> DateTime<Utc> {
    format!("{text}Z").replace(' ', "T").parse().unwrap()
}

fn name(text: &str) -> ConnectionName {
    ConnectionName::parse(text).unwrap()
}

fn cron(written: &str, translated: &str) -> Cron {
    Cron { written: written.to_owned(), schedule: Box::new(cron::Schedule::from_str(translated).unwrap()) }
}

fn integration(zone: Tz, poll: &[(&str, u64)], debounce: Option<(u64, u64)>) -> Integration {
    Integration {
        moved_from: None,
        name: IntegrationName::parse("shop").unwrap(),
        made: None,
        blackouts: Vec::new(),
        automatic: true,
        apply: ApplyMode::Automatic,
        timezone: zone,
        debounce: debounce.map(|(wait, max_wait)| Debounce { wait: secs(wait), max_wait: secs(max_wait) }),
        schedule: Schedule {
            poll: poll.iter().map(|(connection, every)| (name(connection), secs(*every))).collect(),
            ..Schedule::default()
        },
        pipelines: Vec::new(),
    }
}

fn ran(last_run: &str) -> Remembered {
    Remembered { last_run: Some(at(last_run)), ..Remembered::default() }
}

/// What happens around the agenda while time goes on.
#[derive(Clone, Copy)]
enum World {
    /// A poll at or after this instant finds a change that was made then.
    Edit(&'static str),
    /// Someone runs it by hand.
    ByHand(&'static str),
    /// A webhook.
    Hook(&'static str),
}

/// Drives an agenda from `from` to `to` with runs and polls that take no time, and tells what it did.
fn drive(agenda: &mut Agenda, from: &str, to: &str, world: &[World]) -> Vec<String> {
    let (mut now, end) = (at(from), at(to));
    let mut edits: Vec<_> =
        world.iter().filter_map(|w| if let World::Edit(t) = w { Some(at(t)) } else { None }).collect();
    let mut events: Vec<_> = world
        .iter()
        .filter_map(|w| match w {
            World::ByHand(t) => Some((at(t), true)),
            World::Hook(t) => Some((at(t), false)),
            World::Edit(_) => None,
        })
        .collect();
    let mut did = Vec::new();
    while now < end {
        events.retain(|(when, by_hand)| {
            if *when == now && *by_hand {
                agenda.run_began(now);
                did.push(format!("{} by hand", now.format("%H:%M:%S")));
                agenda.run_ended(now, &Ended { read_in_full: agenda.read_in_full, ..Ended::default() });
            } else if *when == now {
                agenda.saw_change(now);
            }
            *when > now
        });
        while let Some(action) = agenda.fire(now) {
            let stamp = now.format("%H:%M:%S");
            match action {
                Action::Poll { connection, at } => {
                    did.push(format!("{stamp} poll {connection}"));
                    let before = edits.len();
                    edits.retain(|edit| *edit > now);
                    if edits.len() < before {
                        agenda.saw_change(at);
                    }
                    agenda.poll_ended(&connection, true, now);
                }
                Action::Run { why, full } => {
                    let taken = edits.iter().filter(|edit| **edit <= now).count();
                    edits.retain(|edit| *edit > now);
                    // As the engine does: an overdue full read makes any run a full one.
                    let every = agenda.integration.schedule.full_read;
                    let overdue = agenda.read_in_full.zip(every).is_some_and(|(read, every)| plus(read, every) <= now);
                    let read_in_full = if full || overdue { Some(now) } else { agenda.read_in_full };
                    did.push(format!("{stamp} {why}{}", if taken > 0 { format!(" +{taken}") } else { String::new() }));
                    agenda.run_ended(now, &Ended { read_in_full, ..Ended::default() });
                }
            }
        }
        let wake = agenda.next_wake(now).unwrap_or(end);
        assert!(wake > now, "the agenda wants to be asked again at once, and has nothing to do: {agenda:?}");
        now = events.iter().map(|(when, _)| *when).fold(wake, DateTime::min);
    }
    did
}

fn runs(did: &[String]) -> Vec<&str> {
    did.iter().map(String::as_str).filter(|line| !line.contains(" poll ")).collect()
}

#[test]
fn ox_18_an_edit_after_the_poll_at_four_is_written_at_four_past_with_what_came_meanwhile() {
    let shop = integration(Tz::UTC, &[("website", 2 * MINUTE)], Some((2 * MINUTE, 2 * MINUTE)));
    let mut agenda = Agenda::new(Arc::new(shop), &ran("2026-06-01 15:00:00"), at("2026-06-01 15:59:00"));
    let world = [World::Edit("2026-06-01 16:00:01"), World::Edit("2026-06-01 16:03:00")];
    let did = drive(&mut agenda, "2026-06-01 15:59:00", "2026-06-01 16:07:00", &world);
    assert_eq!(
        did,
        ["16:00:00 poll website", "16:02:00 poll website", "16:04:00 window closed +1", "16:06:00 poll website"]
    );
}

#[test]
fn the_status_tells_what_waits_and_until_when() {
    let mut shop = integration(Tz::UTC, &[("website", 2 * MINUTE)], Some((2 * MINUTE, 10 * MINUTE)));
    shop.schedule.after_idle = Some(secs(24 * HOUR));
    let mut agenda = Agenda::new(Arc::new(shop), &ran("2026-06-01 04:04:00"), at("2026-06-01 16:01:30"));
    agenda.saw_change(at("2026-06-01 16:01:00"));
    agenda.saw_change(at("2026-06-01 16:02:00"));
    assert_eq!(
        agenda.waits(),
        [
            WaitReason::Poll { connection: name("website"), at: at("2026-06-01 16:02:00") },
            WaitReason::Window { changes: 2, closes: at("2026-06-01 16:04:00") },
            WaitReason::Idle { at: at("2026-06-02 04:04:00") },
        ]
    );
}

#[test]
fn a_window_restarts_with_each_change_and_closes_at_the_latest_after_max_wait() {
    let shop = || integration(Tz::UTC, &[], Some((60, 150)));
    let start = "2026-06-01 10:00:00";
    let check = |hooks: &[&'static str], expected: &[&str]| {
        let mut agenda = Agenda::new(Arc::new(shop()), &ran(start), at(start));
        let world: Vec<_> = hooks.iter().map(|hook| World::Hook(hook)).collect();
        assert_eq!(drive(&mut agenda, start, "2026-06-01 11:00:00", &world), expected);
    };
    check(&["2026-06-01 10:00:10"], &["10:01:10 window closed"]);
    check(&["2026-06-01 10:00:10", "2026-06-01 10:01:00"], &["10:02:00 window closed"]);
    check(
        &["2026-06-01 10:00:10", "2026-06-01 10:01:00", "2026-06-01 10:01:50", "2026-06-01 10:02:30"],
        &["10:02:40 window closed"],
    );
    check(&["2026-06-01 10:00:10", "2026-06-01 10:01:20"], &["10:01:10 window closed", "10:02:20 window closed"]);
}

#[test]
fn without_a_window_a_change_runs_at_once() {
    let shop = integration(Tz::UTC, &[("website", 2 * MINUTE), ("xero", 2 * MINUTE)], None);
    let mut agenda = Agenda::new(Arc::new(shop), &ran("2026-06-01 10:00:00"), at("2026-06-01 10:00:00"));
    let did = drive(&mut agenda, "2026-06-01 10:00:00", "2026-06-01 10:05:00", &[World::Edit("2026-06-01 10:01:00")]);
    assert_eq!(
        did,
        ["10:02:00 poll website", "10:02:00 changes were seen", "10:04:00 poll website", "10:04:00 poll xero"],
        "the run at 10:02 is the poll of xero"
    );
}

#[test]
fn ox_19_a_quiet_day_ends_in_a_run_and_any_run_restarts_the_day() {
    let mut shop = integration(Tz::UTC, &[("website", HOUR)], Some((60, 60)));
    shop.schedule.after_idle = Some(secs(24 * HOUR));
    let mut agenda = Agenda::new(Arc::new(shop), &ran("2026-06-01 10:30:00"), at("2026-06-01 10:30:00"));
    let did = drive(
        &mut agenda,
        "2026-06-01 10:30:00",
        "2026-06-05 00:00:00",
        &[World::ByHand("2026-06-02 09:15:00"), World::Edit("2026-06-03 12:10:00")],
    );
    assert_eq!(
        runs(&did),
        ["09:15:00 by hand", "09:15:00 idle for 1day", "13:01:00 window closed", "13:01:00 idle for 1day"],
        "a poll that saw nothing is no run"
    );
}

#[test]
fn an_overdue_idle_run_comes_at_the_start_and_so_does_the_first_run() {
    let mut shop = integration(Tz::UTC, &[], None);
    shop.schedule.after_idle = Some(secs(24 * HOUR));
    let shop = Arc::new(shop);
    let check = |remembered: Remembered, expected: &str| {
        let mut agenda = Agenda::new(shop.clone(), &remembered, at("2026-06-03 10:00:00"));
        let did = drive(&mut agenda, "2026-06-03 10:00:00", "2026-06-04 09:59:00", &[]);
        assert_eq!(did, [expected]);
    };
    check(ran("2026-06-01 09:00:00"), "10:00:00 idle for 1day");
    check(ran("2026-06-02 22:00:00"), "22:00:00 idle for 1day");
    check(Remembered::default(), "10:00:00 first start");
}

#[test]
fn a_restart_in_the_middle_of_a_window_opens_it_again() {
    let shop = Arc::new(integration(Tz::UTC, &[], Some((120, 120))));
    let remembered = Remembered { changes_wait: true, ..ran("2026-06-01 09:00:00") };
    let mut agenda = Agenda::new(shop, &remembered, at("2026-06-01 10:00:30"));
    let did = drive(&mut agenda, "2026-06-01 10:00:30", "2026-06-01 11:00:00", &[]);
    assert_eq!(did, ["10:02:30 window closed"]);
}

#[test]
fn nothing_starts_by_itself_when_it_is_off_and_a_pause_is_not_made_up_for() {
    let mut by_hand = integration(Tz::UTC, &[("website", 60)], None);
    by_hand.automatic = false;
    let mut agenda = Agenda::new(Arc::new(by_hand), &Remembered::default(), at("2026-06-01 10:00:00"));
    agenda.saw_change(at("2026-06-01 10:00:00"));
    agenda.ask("approved by hand");
    assert_eq!(agenda.fire(at("2026-06-01 12:00:00")), None);
    assert_eq!(agenda.next_wake(at("2026-06-01 12:00:00")), None);
    assert_eq!(agenda.waits().last(), Some(&WaitReason::ByHand));

    let mut shop = integration(Tz::UTC, &[("website", 2 * MINUTE)], None);
    shop.schedule.cron = vec![cron("0 11 * * *", "0 0 11 * * *")];
    let mut agenda = Agenda::new(Arc::new(shop), &ran("2026-06-01 10:00:00"), at("2026-06-01 10:00:00"));
    agenda.pause(true, at("2026-06-01 10:00:00"));
    assert_eq!(agenda.fire(at("2026-06-01 12:00:30")), None);
    assert_eq!(agenda.waits(), [WaitReason::Paused]);
    agenda.pause(false, at("2026-06-01 12:00:30"));
    let did = drive(&mut agenda, "2026-06-01 12:00:30", "2026-06-01 12:03:00", &[]);
    assert_eq!(did, ["12:02:00 poll website"]);
}

#[test]
fn a_spread_moves_every_start_by_the_same_time_that_follows_from_the_name() {
    let spread = |name: &str| Spread::of(&IntegrationName::parse(name).unwrap(), secs(30 * MINUTE));
    let mut shop = integration(Tz::UTC, &[], None);
    shop.schedule.cron = vec![cron("0 6 * * *", "0 0 6 * * *")];
    shop.schedule.spread = Some(Spread { over: secs(30 * MINUTE), offset: secs(10 * MINUTE + 7) });
    let mut agenda = Agenda::new(Arc::new(shop), &ran("2026-06-01 05:00:00"), at("2026-06-01 05:00:00"));
    let did = drive(&mut agenda, "2026-06-01 05:00:00", "2026-06-03 05:00:00", &[]);
    assert_eq!(did, ["06:10:07 timetable `0 6 * * *`", "06:10:07 timetable `0 6 * * *`"]);
    // Begun between the time and its own moment, it still starts today.
    let mut late = agenda.clone();
    late.pause(true, at("2026-06-03 05:00:00"));
    late.pause(false, at("2026-06-03 06:05:00"));
    assert_eq!(late.next_wake(at("2026-06-03 06:05:00")), Some(at("2026-06-03 06:10:07")));

    // Written down: another place for a name would move every integration that is out there.
    assert_eq!(spread("acme"), spread("acme"));
    let offsets: BTreeSet<u64> = (0..300).map(|n| spread(&format!("client-{n}")).offset.as_secs()).collect();
    assert!(offsets.len() > 240 && offsets.iter().all(|offset| *offset < 30 * MINUTE), "{offsets:?}");
    let thirds = [0, 1, 2].map(|third| offsets.iter().filter(|offset| *offset / (10 * MINUTE) == third).count());
    assert!(thirds.iter().all(|count| *count > 60), "no part of the time is left out: {thirds:?}");
}

#[test]
fn polls_missed_during_a_long_run_are_made_up_for_by_one() {
    let shop = integration(Tz::UTC, &[("website", 2 * MINUTE)], None);
    let mut agenda = Agenda::new(Arc::new(shop), &ran("2026-06-01 10:00:00"), at("2026-06-01 10:00:00"));
    agenda.run_began(at("2026-06-01 10:01:00"));
    assert_eq!(agenda.next_wake(at("2026-06-01 10:03:00")), None);
    assert_eq!(agenda.fire(at("2026-06-01 10:04:00")), None, "one thing at a time");
    agenda.run_ended(at("2026-06-01 10:07:30"), &Ended::default());
    let late = Action::Poll { connection: name("website"), at: at("2026-06-01 10:06:00") };
    assert_eq!(agenda.fire(at("2026-06-01 10:07:30")), Some(late));
    assert_eq!(agenda.fire(at("2026-06-01 10:07:30")), None);
    assert_eq!(agenda.next_wake(at("2026-06-01 10:07:30")), Some(at("2026-06-01 10:08:00")));
}

#[test]
fn an_overdue_full_read_starts_a_run_unless_a_window_is_open_and_does_not_press_a_remote_that_fails() {
    let mut shop = integration(Tz::UTC, &[], Some((300, 300)));
    shop.schedule.full_read = Some(secs(24 * HOUR));
    let shop = Arc::new(shop);
    let remembered = Remembered { read_in_full: Some(at("2026-06-01 10:00:00")), ..ran("2026-06-01 12:00:00") };
    let mut agenda = Agenda::new(shop, &remembered, at("2026-06-02 09:00:00"));
    let did = drive(&mut agenda.clone(), "2026-06-02 09:00:00", "2026-06-03 09:00:00", &[]);
    assert_eq!(did, ["10:00:00 full read"]);
    let did =
        drive(&mut agenda.clone(), "2026-06-02 09:00:00", "2026-06-02 10:10:00", &[World::Hook("2026-06-02 09:58:00")]);
    assert_eq!(did, ["10:03:00 window closed"], "the engine makes it a full one");

    let mut shop = integration(Tz::UTC, &[], None);
    shop.schedule = Schedule { full_read: Some(secs(24 * HOUR)), after_idle: Some(secs(24 * HOUR)), ..shop.schedule };
    let remembered = Remembered { read_in_full: Some(at("2026-06-01 10:00:00")), ..ran("2026-06-01 12:00:00") };
    let mut idle = Agenda::new(Arc::new(shop), &remembered, at("2026-06-02 09:00:00"));
    let did = drive(&mut idle, "2026-06-02 09:00:00", "2026-06-03 09:00:00", &[]);
    assert_eq!(did, ["12:00:00 idle for 1day"], "the engine makes this one full too");

    assert!(matches!(agenda.fire(at("2026-06-02 10:00:00")), Some(Action::Run { full: true, .. })));
    let old = Some(at("2026-06-01 10:00:00"));
    agenda.run_ended(at("2026-06-02 10:00:10"), &Ended { read_in_full: old, ..Ended::default() });
    assert_eq!(agenda.next_wake(at("2026-06-02 10:00:10")), Some(at("2026-06-02 10:15:10")));
}

#[test]
fn trouble_that_passes_is_tried_again_with_back_off_until_it_has_passed() {
    let shop = Arc::new(integration(Tz::UTC, &[], None));
    let mut agenda = Agenda::new(shop, &Remembered::default(), at("2026-06-01 10:00:00"));
    let mut now = at("2026-06-01 10:00:00");
    let mut waits = Vec::new();
    for _ in 0..8 {
        assert!(matches!(agenda.fire(now), Some(Action::Run { .. })));
        agenda.run_ended(now, &Ended { again: true, ..Ended::default() });
        let next = agenda.next_wake(now).unwrap();
        waits.push((next - now).num_seconds());
        now = next;
    }
    assert_eq!(waits, [30, 60, 120, 240, 480, 900, 900, 900]);
    assert!(agenda.fire(now).is_some());
    agenda.run_ended(now, &Ended::default());
    assert_eq!(agenda.next_wake(now), None);
}

#[test]
fn a_poll_that_fails_is_tried_again_besides_the_schedule() {
    let shop = integration(Tz::UTC, &[("website", HOUR), ("xero", HOUR)], None);
    let mut agenda = Agenda::new(Arc::new(shop), &ran("2026-06-01 09:30:00"), at("2026-06-01 09:30:00"));
    let mut now = at("2026-06-01 10:00:00");
    for connection in ["website", "xero"] {
        assert_eq!(agenda.fire(now), Some(Action::Poll { connection: name(connection), at: now }));
        agenda.poll_ended(&name(connection), false, now);
    }
    now = agenda.next_wake(now).unwrap();
    assert_eq!(now, at("2026-06-01 10:01:00"), "the second failure doubled the wait");
    for connection in ["website", "xero"] {
        assert_eq!(agenda.fire(now), Some(Action::Poll { connection: name(connection), at: now }));
        agenda.poll_ended(&name(connection), true, now);
    }
    assert_eq!(agenda.next_wake(now), Some(at("2026-06-01 11:00:00")));
}

#[test]
fn a_store_that_failed_leaves_what_was_to_be_done() {
    let shop = Arc::new(integration(Tz::UTC, &[], Some((60, 60))));
    let mut agenda = Agenda::new(shop, &ran("2026-06-01 09:30:00"), at("2026-06-01 10:00:00"));
    agenda.saw_change(at("2026-06-01 10:00:00"));
    let Some(Action::Run { why, .. }) = agenda.fire(at("2026-06-01 10:01:00")) else { panic!("no run") };
    agenda.run_failed(&why);
    assert_eq!(agenda.fire(at("2026-06-01 10:01:05")), Some(Action::Run { why, full: false }));
}

#[test]
fn a_clock_put_back_does_not_stop_the_polls() {
    let shop = integration(Tz::UTC, &[("website", 2 * MINUTE)], None);
    let mut agenda = Agenda::new(Arc::new(shop), &ran("2026-06-01 10:00:00"), at("2026-06-01 10:00:00"));
    assert!(agenda.fire(at("2026-06-01 10:02:00")).is_some());
    assert_eq!(agenda.fire(at("2026-06-01 08:00:10")), None);
    assert_eq!(agenda.next_wake(at("2026-06-01 08:00:10")), Some(at("2026-06-01 08:02:00")));
}

#[test]
fn a_clock_put_back_delays_nothing_by_the_jump() {
    let shop = integration(Tz::UTC, &[], Some((2 * MINUTE, 10 * MINUTE)));
    let daily = Schedule { full_read: Some(secs(24 * HOUR)), ..Schedule::default() };
    let full = Integration { schedule: daily, ..integration(Tz::UTC, &[], None) };
    let (now, back) = (at("2026-06-01 10:00:00"), at("2026-06-01 04:00:00"));
    let read = Remembered { read_in_full: Some(now), ..ran("2026-06-01 10:00:00") };
    let agenda = |integration: &Integration, remembered: &Remembered, happens: fn(&mut Agenda, DateTime<Utc>)| {
        let mut agenda = Agenda::new(Arc::new(integration.clone()), remembered, now);
        happens(&mut agenda, now);
        agenda
    };
    let fails: fn(&mut Agenda, DateTime<Utc>) = |agenda, now| {
        agenda.run_began(now);
        agenda.run_ended(now, &Ended { again: true, ..Ended::default() });
    };
    let cases = [
        ("a window", agenda(&shop, &ran("2026-06-01 09:00:00"), Agenda::saw_change), "2026-06-01 04:02:00"),
        ("another attempt", agenda(&shop, &ran("2026-06-01 09:00:00"), fails), "2026-06-01 04:15:00"),
        ("a full read", agenda(&full, &read, |_, _| {}), "2026-06-02 04:00:00"),
    ];
    for (what, mut agenda, latest) in cases {
        assert_eq!(agenda.fire(back), None, "{what}");
        assert_eq!(agenda.next_wake(back), Some(at(latest)), "{what}");
    }
}

#[test]
fn a_timetable_is_meant_in_local_time_each_weekday_and_through_daylight_saving() {
    // Each weekday: 2026-06-01 is a Monday.
    let check = |zone: Tz, translated: &str, from: &str, expected: &[&str]| {
        let schedule = cron::Schedule::from_str(translated).unwrap();
        let mut now = at(from);
        for wanted in expected {
            now = times::next_cron(zone, &schedule, now).unwrap();
            let local = now.with_timezone(&zone);
            assert_eq!(format!("{} {}", local.format("%a %d %H:%M"), local.format("%z")), *wanted, "{translated}");
        }
    };
    let auckland = Tz::Pacific__Auckland;
    for (day, date) in [("MON", 8), ("TUE", 2), ("WED", 3), ("THU", 4), ("FRI", 5), ("SAT", 6), ("SUN", 7)] {
        let wanted = format!("{}{} {date:02} 06:00 +1200", &day[..1], day[1..].to_lowercase());
        check(auckland, &format!("0 0 6 * * {day}"), "2026-06-01 10:00:00", &[&wanted]);
    }
    // 2026-09-27: 02:00 to 03:00 does not exist.
    let spring = "2026-09-25 13:00:00";
    check(auckland, "0 30 2 * * *", spring, &["Sat 26 02:30 +1200", "Sun 27 03:00 +1300", "Mon 28 02:30 +1300"]);
    check(auckland, "0 0,20,40 2 * * *", "2026-09-26 13:00:00", &["Sun 27 03:00 +1300", "Mon 28 02:00 +1300"]);
    check(auckland, "0 0 2,3 * * *", "2026-09-26 13:00:00", &["Sun 27 03:00 +1300", "Mon 28 02:00 +1300"]);
    // 2026-04-05: 02:00 to 03:00 comes twice.
    let autumn = "2026-04-03 13:00:00";
    check(auckland, "0 30 2 * * *", autumn, &["Sat 04 02:30 +1300", "Sun 05 02:30 +1300", "Mon 06 02:30 +1200"]);
    check(
        auckland,
        "0 0 * * * *",
        "2026-04-04 11:30:00",
        &["Sun 05 01:00 +1300", "Sun 05 02:00 +1300", "Sun 05 03:00 +1200"],
    );
}

#[test]
fn polls_sit_on_multiples_from_local_midnight_through_daylight_saving() {
    let check = |zone: Tz, every: u64, from: &str, expected: &[&str]| {
        let mut now = at(from);
        for wanted in expected {
            now = next_poll(zone, secs(every), now);
            let local = now.with_timezone(&zone);
            assert_eq!(format!("{} {}", local.format("%d %H:%M"), local.format("%z")), *wanted, "every {every}");
        }
    };
    let auckland = Tz::Pacific__Auckland;
    check(
        auckland,
        7 * HOUR,
        "2026-06-01 12:00:00",
        &["02 07:00 +1200", "02 14:00 +1200", "02 21:00 +1200", "03 00:00 +1200"],
    );
    check(auckland, 24 * HOUR, "2026-06-01 12:00:00", &["03 00:00 +1200", "04 00:00 +1200"]);
    check(Tz::UTC, 48 * HOUR, "2026-06-01 12:00:00", &["02 00:00 +0000", "04 00:00 +0000"]);
    check(Tz::Asia__Kolkata, 2 * HOUR, "2026-06-01 18:29:59", &["02 00:00 +0530", "02 02:00 +0530"]);
    // Spring: 02:00 to 03:00 is skipped.
    check(auckland, 2 * HOUR, "2026-09-26 11:00:00", &["27 00:00 +1200", "27 03:00 +1300", "27 04:00 +1300"]);
    check(auckland, 30 * MINUTE, "2026-09-26 13:00:00", &["27 01:30 +1200", "27 03:00 +1300", "27 03:30 +1300"]);
    // Autumn: 02:00 to 03:00 comes twice; a quick rhythm goes on, a slow one keeps to the first.
    check(auckland, 2 * HOUR, "2026-04-04 11:00:00", &["05 02:00 +1300", "05 04:00 +1200"]);
    check(
        auckland,
        30 * MINUTE,
        "2026-04-04 12:45:00",
        &["05 02:00 +1300", "05 02:30 +1300", "05 02:00 +1200", "05 02:30 +1200", "05 03:00 +1200"],
    );
    // A midnight that does not exist.
    check(Tz::Africa__Cairo, 24 * HOUR, "2026-04-23 12:00:00", &["24 01:00 +0300", "25 00:00 +0300"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// On days without a change of the clocks the grid is a plain one; on every day each step is forward, none is
    /// longer than the interval and the change together, and asking from anywhere between two polls names the second.
    #[test]
    fn no_poll_is_missed_or_doubled(
        day in 0_i64..3_000,
        offset in 0_i64..86_400,
        every in prop_oneof![Just(20_u64), Just(120), Just(600), Just(1_800), Just(3_600), Just(7_200), Just(21_600)],
        zone in prop_oneof![
            Just(Tz::UTC), Just(Tz::Pacific__Auckland), Just(Tz::Europe__Berlin), Just(Tz::America__New_York),
            Just(Tz::Australia__Lord_Howe), Just(Tz::Africa__Cairo)
        ],
        between in 0.0_f64..1.0,
    ) {
        let start = at("2024-01-01 00:00:00") + TimeDelta::days(day) + TimeDelta::seconds(offset);
        let shift = TimeDelta::hours(1);
        let span = TimeDelta::seconds(every.try_into().unwrap());
        let mut now = start;
        for _ in 0..40 {
            let next = next_poll(zone, secs(every), now);
            prop_assert!(next > now);
            prop_assert!(next - now <= span + shift, "{now} to {next}");
            let moved = zone_offset(zone, now) != zone_offset(zone, next);
            let on_grid = |at: DateTime<Utc>| {
                let local = at.with_timezone(&zone).naive_local();
                (local - local.date().and_time(chrono::NaiveTime::MIN)).num_seconds() % span.num_seconds() == 0
            };
            // A poll at the end of a gap makes up for a skipped one and is off the grid.
            if now != start && !moved && on_grid(now) && span <= shift {
                prop_assert_eq!(next - now, span);
            }
            prop_assert!(on_grid(next) || moved, "{next}");
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
            let inside = now + TimeDelta::milliseconds(((next - now).num_milliseconds() as f64 * between * 0.999) as i64);
            prop_assert_eq!(next_poll(zone, secs(every), inside), next);
            now = next;
        }
    }
}

fn zone_offset(zone: Tz, at: DateTime<Utc>) -> TimeDelta {
    at.with_timezone(&zone).naive_local() - at.naive_utc()
}

#[test]
fn the_polls_of_a_connection_are_its_own() {
    let shop = integration(Tz::UTC, &[("website", 2 * MINUTE), ("xero", 3 * MINUTE)], None);
    let mut agenda = Agenda::new(Arc::new(shop), &ran("2026-06-01 10:00:00"), at("2026-06-01 10:00:00"));
    let did = drive(&mut agenda, "2026-06-01 10:00:00", "2026-06-01 10:06:01", &[]);
    let mut counted = BTreeMap::new();
    for line in &did {
        *counted.entry(line.rsplit(' ').next().unwrap()).or_insert(0) += 1;
    }
    assert_eq!(counted, BTreeMap::from([("website", 3), ("xero", 2)]), "{did:?}");
}

#[test]
fn what_a_black_out_left_is_run_when_it_is_over_and_once() {
    use crate::config::{Blackout, Moment};
    let moment = |text: &str| Moment::parse(text).unwrap();
    let mut integration = integration(Tz::UTC, &[], None);
    integration.blackouts = vec![Blackout { from: moment("last 18:00"), to: moment("2 08:00") }];
    let remembered = Remembered { last_run: Some(at("2026-06-30 17:00:00")), ..Remembered::default() };
    let mut agenda = Agenda::new(Arc::new(integration), &remembered, at("2026-06-30 17:30:00"));
    assert_eq!(agenda.next_wake(at("2026-06-30 17:30:00")), None, "the last run was before it");
    let mut runs = Vec::new();
    for hour in 0..72 {
        let now = at("2026-06-30 18:00:00") + chrono::TimeDelta::hours(hour);
        if hour == 2 {
            agenda.saw_change(now);
        }
        while let Some(action) = agenda.fire(now) {
            runs.push((now, action));
            agenda.run_ended(now, &Ended::default());
        }
    }
    let run = |at, why: &str| (at, Action::Run { why: why.to_owned(), full: false });
    let over = run(at("2026-07-02 08:00:00"), "the black-out is over");
    assert_eq!(runs, [run(at("2026-06-30 20:00:00"), "changes were seen"), over]);
}
