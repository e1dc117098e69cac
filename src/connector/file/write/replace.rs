//! A new file in the place of an old one.

use std::{
    fs::{self, File, Metadata, Permissions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown},
    path::Path,
};

use super::failed;
use crate::connector::CallError;

/// Puts a new file in the place of the old one, with its owner and rights. Whatever fails before the rename changed
/// nothing.
///
/// # Errors
///
/// When nothing was done, or it is not known whether the new file is durable.
pub(in crate::connector::file) fn replace(path: &Path, bytes: &[u8]) -> Result<(), CallError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let made = (|| {
        // As any program makes a file: what others may do with it, the umask says.
        let rights = Permissions::from_mode(0o666);
        let mut new = tempfile::Builder::new().prefix(".").suffix(".new").permissions(rights).tempfile_in(folder)?;
        new.write_all(bytes)?;
        if let Ok(old) = fs::metadata(path) {
            hand_over(new.as_file(), &old)?;
        }
        new.as_file().sync_all()?;
        Ok(new)
    })();
    let new = made.map_err(|error| failed("write beside", path, &error))?;
    new.persist(path).map_err(|error| failed("replace", path, &error.error))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| {
        CallError::Unknown(format!("{} was replaced, and the disk did not say for good: {error}", path.display()))
    })
}

/// Gives a new file to whom the old one belongs: it must still be theirs to write. Where that is not ours to give, a
/// group that may write does as well.
fn hand_over(new: &File, old: &Metadata) -> io::Result<()> {
    let made = new.metadata()?;
    let same_owner = made.uid() == old.uid() || fchown(new, Some(old.uid()), None).is_ok();
    let same_group = made.gid() == old.gid() || fchown(new, None, Some(old.gid())).is_ok();
    let shared = same_group && old.mode() & 0o060 == 0o060;
    if !same_owner && !shared {
        return Err(io::Error::other(format!(
            "it belongs to the user {}, who could not write it any more when we ({}) replace it; let the group of both \
             write it (chgrp, chmod g+rw), or give it to us (chown)",
            old.uid(),
            made.uid()
        )));
    }
    // After the owner: a change of that takes rights away.
    new.set_permissions(old.permissions())
}
