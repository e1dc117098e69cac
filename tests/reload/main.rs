//! Editing the configuration of a running daemon, and everything that people and their machines do to it meanwhile,
//! through the built program.
//!
//! What must hold, and what shows it:
//!
//! | | shown by |
//! | --- | --- |
//! | every way in which editors and deployments write files, with events and by the poll alone | `patterns` |
//! | same content under a new time, comments, order: nothing restarts | `last_good::comments_order_and_times_do_not_count`, `many` |
//! | a mistake in one of fifty files touches no other and is told once; the mended file recovers | `last_good::a_typo_in_one_of_fifty_files_…` |
//! | wrong, right, wrong in a row ends with the last right one | `last_good::wrong_right_wrong_…`, `fuzz` |
//! | a run ends with the configuration it began with | `swap::a_run_ends_with_…` |
//! | a stuck remote: others take over at once, the stuck one at its deadline | `swap::a_stuck_remote_delays_nobody_…` |
//! | an emptied or unmounted folder stops nothing | `last_good::a_folder_that_is_emptied_…`, `…many_files_that_vanish_…` |
//! | a removed file stops what it defined; what it remembered is kept for 30 days, and forgotten here alone | `swap::what_is_removed_runs_no_more_…`, `moved::what_was_removed_…` |
//! | a definition that moves to another file, or says `moved_from`, is the same one | `patterns::a_file_renamed_…`, `whole`, `moved` (in-process), `fuzz` |
//! | an edit is judged by its effect, and an approval is for exactly what was shown | `judged`, in-process; `whole` |
//! | an edit of a template goes to some clients first, and to the others when all was well there | `rollout`, in-process |
//! | `edit`, `config diff`, `config restore` | `editing` |
//! | a start with no configuration, and with no folder | `life::a_start_with_no_configuration_…`, `life::a_folder_that_is_not_there_…` |
//! | one edit among a thousand pipelines restarts one | `many` |
//! | `reload` fails and names the file; the service manager hears the beginning and the end of each reload | `life::reload_says_…`, `control::the_service_manager_…` |
//! | a storm of signals is one look per settle; signals during start and stop | `life::a_storm_…`, `life::a_signal_during_…` |
//! | a start with a broken file runs what was good last, and says so | `last_good::a_start_with_a_broken_file_…` |
//! | the watchdog is fed while a remote is slow, and starves when the store or the loop hangs | `control::the_watchdog_…`; in-process: `tests/daemon/watchdog.rs` |
//! | a kill during an edit leaves the old one or the new one | `odd::a_kill_in_the_middle_…`, `fuzz` |
//! | a rotated secret is used by the next request, and no secret is printed | `life::a_rotated_secret_…`; `Live` looks through every log when it ends |
//! | `status`, `reload`, `config diff` and the log tell the same hash of what runs | `life::everybody_tells_the_same_hash_…` |
//! | a clock that jumps, a machine that slept, daylight saving | in-process: `tests/daemon/jumps.rs` |
//! | a second daemon exits 75 and says who holds the state | `life::a_second_daemon_…` |
//! | a folder that cannot be written, no events of the system | `odd` |
//! | bombs, 50 MB, NUL, byte order marks, CRLF, tabs, doubled keys, FIFOs, sockets, dangling links, no rights | `patterns::what_cannot_be_read_…`, `patterns::what_is_no_file_…`, `odd::a_bomb_…` |
//! | a full disk stops remote writes, and is got over without a hand | `disk` |
//! | commands work while a pipeline is stuck; pauses, log levels, who may | `control` |
//! | people are told what goes wrong once, and once more when it is right again; also over a restart | `notices` |
//! | random edits, renames, truncations and kills under load: what runs is the last good set | `fuzz` |
#![allow(clippy::pedantic, clippy::type_complexity, reason = "pedantic lints are for the library")]

mod checkup;
mod control;
mod disk;
mod editing;
mod forget;
mod fuzz;
mod judged;
mod last_good;
mod life;
mod many;
mod moved;
mod notices;
mod odd;
mod patterns;
mod rollout;
mod support;
mod swap;
#[path = "../support/mod.rs"]
mod systems;
mod whole;
