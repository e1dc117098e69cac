//! A child process that writes is killed with SIGKILL; whatever it had flushed must be there, in order, whole.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use reconciled::store::{Group, Key, SledStore, Space, Store};

use crate::conformance::{all, key};

const DIR: &str = "RECONCILED_TEST_KILL_DIR";
const CACHE: u64 = 8 << 20;
const KILLS: u64 = 20;

/// Group `n`: its number, an entry of its own (large every tenth time), an index entry, and the removal of an earlier one.
fn group(n: u64) -> Group {
    let mut group = Group::default();
    let id = format!("{n:08}");
    let size = if n % 10 == 3 { 20_000 } else { 200 };
    group.put(key(&["last"]), n.to_string().into_bytes());
    group.put(key(&["entry", &id]), vec![b'v'; size]);
    group.put(Key::new(Space::LinkByTarget, &[&fastrand::Rng::with_seed(n).u64(..).to_string()]), id.into_bytes());
    if n >= 30 {
        group.delete(key(&["entry", &format!("{:08}", n - 30)]));
    }
    group
}

/// Checks that the store holds exactly the groups 1 to n, and returns n.
async fn check(store: &SledStore) -> u64 {
    let last = store.get(&[key(&["last"])]).await.unwrap().remove(0);
    let last: u64 = last.map_or(0, |text| String::from_utf8(text).unwrap().parse().unwrap());
    let entries = store.scan(&key(&["entry"]), None, usize::MAX).await.unwrap();
    let expected: Vec<Key> =
        (last.saturating_sub(29).max(1)..=last).map(|n| key(&["entry", &format!("{n:08}")])).collect();
    assert_eq!(entries.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), expected, "after group {last}");
    for (key, value) in entries {
        let n: u64 = key.parts()[1].parse().unwrap();
        assert_eq!(value.len(), if n % 10 == 3 { 20_000 } else { 200 }, "{key:?}");
    }
    let index = store.scan(&Key::new(Space::LinkByTarget, &[]), None, usize::MAX).await.unwrap();
    assert_eq!(index.len() as u64, last, "one index entry for each group");
    last
}

/// The child: writes until it is killed, and says what it flushed.
#[tokio::test]
async fn the_child_that_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let store = SledStore::open(dir.as_ref(), CACHE).unwrap();
    let mut n = check(&store).await;
    println!("opened {n}");
    loop {
        let many = fastrand::u64(1..=9);
        store.commit((n + 1..=n + many).map(group).collect()).await.unwrap();
        n += many;
        if fastrand::u8(..) < 80 {
            store.flush().await.unwrap();
            println!("flushed {n}");
        }
    }
}

#[tokio::test]
async fn a_killed_process_leaves_a_prefix_of_whole_groups_with_all_that_was_flushed() {
    let dir = tempfile::tempdir().unwrap();
    let mut flushed = 0;
    for round in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["kill::the_child_that_is_killed", "--exact", "--nocapture", "--test-threads=1"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        // Killed after a random number of its messages, so at any point between two of them; sometimes while opening.
        let wanted = fastrand::Rng::with_seed(round).usize(0..12);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut said = |flushed: &mut u64| {
            let line = lines.find(|line| line.contains("opened ") || line.contains("flushed "))?;
            *flushed = line.rsplit(' ').next()?.parse().ok()?;
            Some(())
        };
        for _ in 0..wanted {
            assert!(said(&mut flushed).is_some(), "the child ended by itself");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        while said(&mut flushed).is_some() {}

        let store = SledStore::open(dir.path(), CACHE).unwrap();
        let found = check(&store).await;
        assert!(found >= flushed, "group {flushed} was flushed, but the store ends with {found}");
        flushed = found;
    }
    assert!(flushed > 100, "the child hardly wrote: {flushed}");
    let store = SledStore::open(dir.path(), CACHE).unwrap();
    assert!(!all(&store).await.is_empty());
}
