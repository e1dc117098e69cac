//! Editing the configuration of a running daemon, and everything that people and their machines do to it meanwhile,
//! through the built program.
//!
//! What must hold, and what shows it, is listed in [`checklist`]. Beside it:
//!
//! | | shown by |
//! | --- | --- |
//! | an edit of a template goes to some clients first, and to the others when all was well there | `rollout`, in-process |
//! | what people decided holds where an export is read into a new store | `brought`, in-process |
//! | `edit`, `config diff`, `config restore` | `editing` |
//! | a start with no configuration, and with no folder | `life` |
//! | a full disk stops remote writes, and is got over without a hand | `disk` |
//! | commands work while a pipeline is stuck; pauses, log levels, who may | `control` |
//! | people are told what goes wrong once, and once more when it is right again; also over a restart | `notices` |
//! | an edit of a field's definition | `defined` |
//! | an edit while a run stands in line, or while the store fails for a moment | `between`, in-process |
//! | mails go over TLS, only to the server that is meant, and a password never in the clear | `mail` |
//! | random edits, renames, truncations and kills under load: what runs is the last good set | `fuzz` |
#![allow(clippy::pedantic, clippy::type_complexity, reason = "pedantic lints are for the library")]

mod between;
mod brought;
mod checklist;
mod checkup;
mod control;
mod defined;
mod disk;
mod editing;
mod forget;
mod fuzz;
mod judged;
mod jumps;
mod killed;
mod last_good;
mod life;
mod mail;
mod many;
mod moved;
mod notices;
mod odd;
mod patterns;
mod rollout;
mod stranger;
mod support;
mod swap;
#[path = "../support/mod.rs"]
mod systems;
mod whole;
