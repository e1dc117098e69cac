//! Where a file goes once it was taken, under a name that a full read finds.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, SystemTime},
};

use chrono::{DateTime, Utc};

use super::place::{Found, Stamp, fits, marked};
use crate::connector::FileTable;

/// Moves a file that was taken to where such files are kept, and removes its marker. A name that is there already gets
/// a number. The time of its last change becomes that of its taking, which is later than of all that were taken before.
///
/// # Errors
///
/// When the disk does not let it: then it stays where it is.
pub(super) fn put_away(folder: &Path, table: &FileTable, found: &Found, now: DateTime<Utc>) -> io::Result<()> {
    let Some(done) = &table.done else { return Ok(()) };
    let done = folder.join(done);
    // Another file by now: it was not taken.
    if Stamp::of(&found.path).ok().flatten() != Some(found.stamp) || found.path.parent() == Some(done.as_path()) {
        return Ok(());
    }
    fs::create_dir_all(&done)?;
    let newest = fs::read_dir(&done)?.filter_map(|entry| entry.ok()?.metadata().ok()?.modified().ok()).max();
    let later = newest.map(|newest| newest + Duration::from_millis(1));
    let taken = SystemTime::from(now).max(later.unwrap_or(SystemTime::UNIX_EPOCH));
    let to = done.join(taken_name(folder, table, &found.path));
    let mark = table.marker.as_ref().map(|marker| marked(&found.path, marker));
    leave(&found.path, &to, mark.as_deref())?;
    if let Err(error) = stamp(&to, taken, File::set_modified) {
        // It was moved, and those behind it must not stay for that.
        tracing::warn!(event = "file.time_not_kept", file = %to.display(), %error);
    }
    Ok(())
}

/// Moves a file and removes its marker, or does neither. The marker goes first: one that outlived its file, also when we die in
/// between, would say that the next file of that name is finished.
fn leave(from: &Path, to: &Path, mark: Option<&Path>) -> io::Result<()> {
    let Some(mark) = mark else { return fs::rename(from, to) };
    let mut name = std::ffi::OsString::from(".");
    name.push(mark.file_name().unwrap_or_default());
    let aside = mark.with_file_name(name);
    if let Err(error) = fs::rename(mark, &aside)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    if let Err(error) = fs::rename(from, to) {
        // As finished as before; where that fails as well, the first error says why.
        let _ = fs::rename(&aside, mark);
        return Err(error);
    }
    // Hidden, it marks nothing.
    let _ = fs::remove_file(&aside);
    Ok(())
}

/// Gives a file the time of its taking. Of another user's file only that user may say when it was changed: it becomes
/// a copy of our own.
fn stamp(file: &Path, taken: SystemTime, set: impl Fn(&File, SystemTime) -> io::Result<()>) -> io::Result<()> {
    let mut old = File::open(file)?;
    match set(&old, taken) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        other => return other,
    }
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut copy = tempfile::Builder::new().prefix(".").suffix(".new").tempfile_in(folder)?;
    io::copy(&mut old, &mut copy)?;
    // Who might read it may do so; nobody runs it as us.
    copy.as_file().set_permissions(Permissions::from_mode(old.metadata()?.permissions().mode() & 0o666))?;
    copy.as_file().set_modified(taken)?;
    copy.as_file().sync_all()?;
    copy.persist(file).map_err(|error| error.error)?;
    Ok(())
}

/// The name of a file once it was taken: its own, with a number where that is there already.
pub(super) fn taken_name(folder: &Path, table: &FileTable, path: &Path) -> String {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let done = table.done.as_ref().map(|done| folder.join(done));
    let Some(done) = done.filter(|done| path.parent() != Some(done.as_path())) else { return name.to_owned() };
    let pattern = table.path.rsplit('/').next().unwrap_or_default();
    let mut names = std::iter::once(name.to_owned()).chain((2..).map(|number| numbered(pattern, name, number)));
    names.find(|name| !done.join(name).exists()).unwrap_or_default()
}

/// A name with a number before its ending; where it would not fit its pattern then, at the end of what the last `*` stands for.
fn numbered(pattern: &str, name: &str, number: u32) -> String {
    let (stem, ending) = parted(name);
    let plain = format!("{stem}-{number}{ending}");
    if fits(pattern, &plain) {
        return plain;
    }
    let last = pattern.rsplit('*').next().unwrap_or_default();
    name.strip_suffix(last).map_or(plain, |front| format!("{front}-{number}{last}"))
}

/// Whether a file that was taken is of a collection. One whose name does not fit was put away by an earlier version, if what
/// it has a number after is there.
pub(super) fn is_of(done: &Path, pattern: &str, name: &str) -> bool {
    let (stem, ending) = parted(name);
    let first = || {
        let (first, number) = stem.rsplit_once('-')?;
        number.parse::<u32>().is_ok_and(|number| number > 1).then(|| format!("{first}{ending}"))
    };
    fits(pattern, name) || first().is_some_and(|first| fits(pattern, &first) && done.join(first).exists())
}

/// A name before its ending, and that with its point.
fn parted(name: &str) -> (&str, &str) {
    name.rfind('.').and_then(|at| name.split_at_checked(at)).unwrap_or((name, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_where_the_name_still_fits() {
        for (pattern, name, second) in [
            ("sales-*.csv", "sales-1.csv", "sales-1-2.csv"),
            ("*-orders.csv", "20260601-orders.csv", "20260601-2-orders.csv"),
            ("*_a_*_z.csv", "1_a_2_z.csv", "1_a_2-2_z.csv"),
            ("*.tar.csv", "x.tar.csv", "x-2.tar.csv"),
            ("sales.*", "sales.csv", "sales.csv-2"),
            ("sales*", "sales", "sales-2"),
        ] {
            assert_eq!(numbered(pattern, name, 2), second, "{pattern}");
            assert!(fits(pattern, second), "{pattern} {second}");
        }
    }

    #[test]
    fn another_users_file_becomes_ours_with_the_time_of_its_taking() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sales.csv");
        fs::write(&file, "1;2").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o4755)).unwrap();
        let taken = SystemTime::UNIX_EPOCH + Duration::from_hours(1);
        stamp(&file, taken, |_, _| Err(io::ErrorKind::PermissionDenied.into())).unwrap();
        let data = fs::metadata(&file).unwrap();
        assert_eq!((data.modified().unwrap(), data.permissions().mode() & 0o7777), (taken, 0o644));
        assert_eq!(fs::read(&file).unwrap(), b"1;2");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        // Anything else is told.
        assert!(stamp(&file, taken, |_, _| Err(io::ErrorKind::Unsupported.into())).is_err());
    }

    #[test]
    fn a_marker_goes_with_its_file_and_stays_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let (file, mark) = (folder.path().join("sales.csv"), folder.path().join("sales.csv.done"));
        fs::write(&file, "1;2").unwrap();
        fs::write(&mark, "3 bytes").unwrap();
        assert!(leave(&file, &folder.path().join("nowhere/sales.csv"), Some(&mark)).is_err());
        assert_eq!((fs::read(&file).unwrap(), fs::read(&mark).unwrap()), (b"1;2".to_vec(), b"3 bytes".to_vec()));
        leave(&file, &folder.path().join("taken.csv"), Some(&mark)).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
