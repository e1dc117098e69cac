//! The folders: who may read them, and how much room there is.

use std::{
    fs::Metadata,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use chrono::{TimeDelta, Utc};

use crate::{cli::checkup::Finding, config::Settings, store::snapshot};

/// Below this the store may fail at any time, in bytes.
const LITTLE: u64 = 16 << 20;
/// Below this it is time to make room, in bytes.
const SOME: u64 = 512 << 20;

/// Whether everybody on this machine may read a folder.
pub(super) fn is_open_to_all(dir: &Path) -> bool {
    std::fs::metadata(dir).is_ok_and(|data| data.permissions().mode() & 0o007 != 0)
}

/// The state folder and its snapshots.
pub(super) fn look(settings: &Settings) -> Vec<Finding> {
    let dir = &settings.state_dir;
    let about = "state folder";
    let mut findings = Vec::new();
    match std::fs::metadata(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            findings.push(Finding::warning(
                about,
                format!("{} is not there yet", dir.display()),
                "the first start makes it",
            ));
            return findings;
        }
        Err(error) => {
            let help = "it belongs to the daemon's user; ask as root to see more";
            findings.push(Finding::warning(about, format!("{}: {error}", dir.display()), help));
            return findings;
        }
        Ok(data) => findings.extend(rights(dir, &data)),
    }
    findings.extend(room(dir));
    findings.extend(snapshots(settings));
    findings
}

fn rights(dir: &Path, data: &Metadata) -> Option<Finding> {
    let mode = data.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let found = format!("others than its owner may use {} (mode {mode:o})", dir.display());
        return Some(Finding::warning("state folder", found, format!("chmod 700 {}", dir.display())));
    }
    // The daemon's own process cannot be asked for its user by everybody; the files tell.
    let db = std::fs::metadata(dir.join("db")).ok()?;
    (db.uid() != data.uid()).then(|| {
        let found = format!("{} belongs to another user than the store in it", dir.display());
        let help = format!("chown -R --reference={0} {0}, with the daemon stopped", dir.display());
        Finding::bad("state folder", found, help)
    })
}

fn room(dir: &Path) -> Vec<Finding> {
    let Ok(found) = rustix::fs::statvfs(dir) else { return Vec::new() };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let mut findings = vec![judge_room(free)];
    // Some file systems count none.
    if found.f_files > 0 && found.f_favail < 1000 {
        findings.push(Finding::bad("disk", "hardly any file can be made there any more", "remove files nobody needs"));
    }
    findings
}

fn judge_room(free: u64) -> Finding {
    let text = format!("{} MiB free for the state", free >> 20);
    match free {
        ..LITTLE => Finding::bad("disk", text, "make room; the daemon goes on by itself then"),
        LITTLE..SOME => Finding::warning("disk", text, "make room before it is full"),
        _ => Finding::ok("disk", text),
    }
}

fn snapshots(settings: &Settings) -> Option<Finding> {
    let backup = &settings.backup;
    if backup.keep == 0 {
        return Some(Finding::warning(
            "snapshots",
            "none are made (`keep = 0`)",
            "export the state now and then yourself",
        ));
    }
    let late = TimeDelta::from_std(backup.every.saturating_mul(3)).unwrap_or(TimeDelta::MAX);
    match snapshot::newest(&backup.dir).ok()? {
        Some((at, _)) if Utc::now() - at > late => {
            let found = format!("the last one is of {}", at.format("%Y-%m-%d %H:%M UTC"));
            Some(Finding::warning(
                "snapshots",
                found,
                "does the daemon run? Its log says why one failed: `snapshot.failed`",
            ))
        }
        Some((at, _)) => {
            Some(Finding::ok("snapshots", format!("the last one is of {}", at.format("%Y-%m-%d %H:%M UTC"))))
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::checkup::Level;

    #[test]
    fn little_room_is_told_before_there_is_none() {
        assert_eq!(judge_room(0).level, Level::Bad);
        assert_eq!(judge_room(100 << 20).level, Level::Warning);
        assert_eq!(judge_room(10 << 30).level, Level::Ok);
    }
}
