//! Unix users: who is at the other end of the socket, and whether they may give commands.

use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt};

use tokio::net::unix::UCred;

/// Whoever connected, as the kernel tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub uid: u32,
    /// Their groups, the first one and the others.
    groups: BTreeSet<u32>,
}

impl Person {
    /// The other end of a connection.
    pub fn of(peer: &UCred) -> Self {
        let mut groups = peer.pid().map(supplementary).unwrap_or_default();
        groups.insert(peer.gid());
        Self { uid: peer.uid(), groups }
    }

    /// Root, the daemon's user, and members of the socket's group. The kernel has checked the file's mode already; this
    /// holds also where a file system or an operator gave the file wider rights.
    pub fn may(&self, owner: u32, group: u32) -> bool {
        self.uid == 0 || self.uid == owner || self.groups.contains(&group)
    }

    /// The name of the user, else the number.
    pub fn name(&self) -> String {
        name_of(self.uid)
    }
}

/// The name of the user this process runs as.
#[must_use]
pub fn own_name() -> String {
    fs::metadata("/proc/self").map_or_else(|_| "somebody".to_owned(), |data| name_of(data.uid()))
}

/// Looks a user up in `/etc/passwd`. Users of a directory service have their number for a name.
fn name_of(uid: u32) -> String {
    let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = text.lines().find_map(|line| {
        let mut parts = line.split(':');
        let (name, number) = (parts.next()?, parts.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| format!("user {uid}"))
}

/// The further groups of a process, as Linux tells them.
fn supplementary(pid: i32) -> BTreeSet<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap_or_default();
    line.split_whitespace().filter_map(|group| group.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_the_daemons_user_and_the_group_of_the_socket_may() {
        let person = |uid, groups: &[u32]| Person { uid, groups: groups.iter().copied().collect() };
        assert!(person(0, &[0]).may(990, 980));
        assert!(person(990, &[1]).may(990, 980));
        assert!(person(1_000, &[1_000, 27, 980]).may(990, 980));
        assert!(!person(1_000, &[1_000, 27]).may(990, 980));
        assert!(!person(980, &[990]).may(990, 980), "a user is no group");
    }

    #[test]
    fn users_have_names() {
        assert_eq!(name_of(0), "root");
        assert_eq!(name_of(u32::MAX - 7), "user 4294967288");
        assert!(!own_name().is_empty());
    }
}
