//! What a daemon that follows its files must do, point by point, and the tests that show it. A name that no test has (any
//! more) fails.

use std::{collections::BTreeSet, fs, path::Path};

/// The point, and the tests of it: the file below `tests`, and the name or how it begins.
const POINTS: &[(&str, &[&str])] = &[
    (
        "every way in which editors and deployments write files, with events, and by the poll alone",
        &[
            "reload/patterns.rs a_file_written_in_place",
            "reload/patterns.rs a_file_replaced_by_a_rename",
            "reload/patterns.rs a_file_backed_up_and_written_anew",
            "reload/patterns.rs a_file_with_an_older_time",
            "reload/patterns.rs a_file_deleted_and_written_again",
            "reload/patterns.rs a_file_renamed_with_another_content",
            "reload/patterns.rs a_kubernetes_config_map",
            "reload/patterns.rs a_folder_that_is_a_link_and_is_turned",
            "reload/patterns.rs a_file_written_in_two_halves_is_taken_as_a_whole",
            "reload/patterns.rs what_is_no_file_of_ours_is_left_alone",
            "reload/patterns.rs what_cannot_be_read_goes_on",
        ],
    ),
    (
        "the same content under another time restarts nothing",
        &["reload/last_good.rs comments_order_and_times_do_not_count"],
    ),
    ("comments do not count", &["reload/last_good.rs comments_order_and_times_do_not_count"]),
    (
        "a mistake in one of fifty files: 49 untouched, one goes on as it was, the number is 0, one alert; mended, all is over",
        &["reload/last_good.rs a_typo_in_one_of_fifty_files_touches_nothing_and_is_told_once"],
    ),
    (
        "wrong, right, wrong in a row ends with the last right one",
        &["reload/last_good.rs wrong_right_wrong_ends_with_the_last_right_one", "reload/fuzz.rs whatever_is_edited"],
    ),
    ("a run ends with what it began with", &["reload/swap.rs a_run_ends_with_the_configuration_it_began_with"]),
    (
        "a stuck remote: others take over at once, the stuck one at its deadline, or before if nothing it sent is open",
        &[
            "reload/swap.rs a_stuck_remote_delays_nobody_else_and_is_given_up",
            "reload/swap.rs a_write_without_an_answer_is_waited_for_until_the_deadline_and_then_dropped",
        ],
    ),
    (
        "an emptied or unmounted folder stops nothing",
        &[
            "reload/last_good.rs a_folder_that_is_emptied_stops_nothing_until_a_person_says_so",
            "reload/last_good.rs many_files_that_vanish_are_believed_at_the_second_look_and_few_at_once",
            "reload/last_good.rs a_start_on_an_empty_folder_runs_what_was_good_last",
            "reload/life.rs a_folder_that_is_not_there_is_no_reason_to_be_down",
        ],
    ),
    (
        "a removed file stops what it defined, writes nothing, keeps the links; brought back it makes nothing twice",
        &[
            "reload/swap.rs what_is_removed_runs_no_more_and_what_it_remembered_stays",
            "reload/moved.rs what_was_removed_is_kept_for_thirty_days_and_then_forgotten_here_alone",
        ],
    ),
    (
        "a renamed file, and a new name with `moved_from`, match nothing anew",
        &[
            "reload/moved.rs an_integration_that_moved_goes_on_with_its_links",
            "reload/whole.rs a_new_name_keeps_every_link_over_a_kill",
        ],
    ),
    (
        "an edit of a filter, a key or a direction is held, with its records",
        &["reload/judged.rs whatever_key_was_edited", "reload/whole.rs an_edit_of_many_records_waits"],
    ),
    (
        "one edit among a thousand pipelines restarts one",
        &["reload/many.rs one_edit_among_a_thousand_pipelines_restarts_one"],
    ),
    (
        "`systemctl reload`, of both kinds: fails where a file is refused, names it, and always ends",
        &[
            "reload/control.rs a_reload_by_the_service_manager_fails_where_a_file_is_refused_and_always_ends",
            "reload/control.rs the_service_manager_is_told_of_the_start_of_every_reload_and_of_the_end",
            "reload/life.rs reload_says_what_came_of_every_file",
        ],
    ),
    (
        "a storm of signals is one look per settle, and the last state wins",
        &["reload/life.rs a_storm_of_signals_is_one_look_per_settle_and_the_last_state_wins"],
    ),
    ("signals during start and stop", &["reload/life.rs a_signal_during_start_or_stop_does_no_harm"]),
    (
        "a start with a broken file runs what was good last, and says so",
        &["reload/last_good.rs a_start_with_a_broken_file_runs_what_was_good_last_and_says_so"],
    ),
    (
        "the watchdog starves when the control loop or the store hangs, and not when a remote is slow",
        &[
            "reload/control.rs the_watchdog_starves_when_the_control_loop_hangs",
            "reload/control.rs the_watchdog_is_fed_while_a_remote_is_slow",
            "daemon/watchdog.rs a_daemon_that_hangs_feeds_the_watchdog_no_more",
        ],
    ),
    (
        "a kill during a take-over leaves the old or the new, and never a mixture",
        &[
            "reload/killed.rs a_kill_at_any_step_of_a_take_over",
            "reload/odd.rs a_kill_in_the_middle_of_an_edit_leaves_the_old_one_or_the_new_one",
            "reload/fuzz.rs whatever_is_edited",
        ],
    ),
    (
        "a rotated secret is used by the next request and shown nowhere",
        &["reload/life.rs a_rotated_secret_is_used_by_the_next_request_and_shown_nowhere"],
    ),
    (
        "`status`, `reload`, `config diff` and the log tell the same hash of what runs",
        &["reload/life.rs everybody_tells_the_same_hash_of_what_runs"],
    ),
    ("no secret in any output", &["canary.rs secrets_appear_in_nothing_that_is_said_logged_stored_or_exported"]),
    ("a second daemon exits 75 and says who holds the state", &["reload/life.rs a_second_daemon_is_turned_away"]),
    (
        "a folder that cannot be written, and no events of the system: the poll works, with one warning",
        &["reload/odd.rs without_any_events_of_the_system", "reload/odd.rs a_folder_that_cannot_be_written_is_enough"],
    ),
    (
        "bombs, 50 MB, NUL, byte order marks, CRLF, tabs, doubled keys, wrong words: clear mistakes",
        &["reload/odd.rs a_bomb_a_doubled_key", "reload/patterns.rs what_cannot_be_read_goes_on"],
    ),
    ("an edit of a template touches many clients: one plan", &["reload/judged.rs whatever_key_was_edited"]),
    (
        "a clock that jumps, a machine that slept, daylight saving",
        &[
            "reload/jumps.rs a_clock_that_jumps_delays_nothing_and_makes_nothing_twice",
            "daemon/jumps.rs a_machine_that_slept_makes_up_for_what_it_missed_once",
            "daemon/jumps.rs a_nightly_run_happens_once_a_night_through_daylight_saving",
        ],
    ),
];

#[test]
fn every_point_has_a_test_that_exists() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let (mut points, mut lacking) = (BTreeSet::new(), Vec::new());
    for (point, shown_by) in POINTS {
        assert!(points.insert(point) && !shown_by.is_empty(), "{point}");
        for test in *shown_by {
            let (file, name) = test.split_once(' ').unwrap();
            let text = fs::read_to_string(tests.join(file)).unwrap_or_default();
            let mut lines = text.lines().map(str::trim_start);
            let begins = |line: &str| {
                let line = line.strip_prefix("async ").unwrap_or(line);
                line.strip_prefix("fn ").is_some_and(|line| line.starts_with(name))
            };
            let is_test = text.contains("#[test]") || text.contains("#[tokio::test");
            if !(is_test && lines.any(begins)) {
                lacking.push(format!("{point}: {test}"));
            }
        }
    }
    assert!(lacking.is_empty(), "no such test: {lacking:#?}");
}
