//! One suite for every store. Each test gets a fresh, empty store.

use reconciled::store::{Group, Key, MemoryStore, SledStore, Space, Store};

type Entry = (Key, Vec<u8>);

pub fn key(parts: &[&str]) -> Key {
    Key::new(Space::Link, parts)
}

pub fn put(parts: &[&str], value: impl Into<Vec<u8>>) -> Group {
    let mut group = Group::default();
    group.put(key(parts), value.into());
    group
}

pub async fn all(store: &dyn Store) -> Vec<Entry> {
    store.scan(&key(&[]), None, usize::MAX).await.unwrap()
}

async fn values_come_back_in_the_order_asked_for(store: &dyn Store) {
    store.commit(vec![put(&["a"], "1"), put(&["b"], "2")]).await.unwrap();
    let found = store.get(&[key(&["b"]), key(&["none"]), key(&["a"]), key(&["b"])]).await.unwrap();
    assert_eq!(found, [Some(b"2".to_vec()), None, Some(b"1".to_vec()), Some(b"2".to_vec())]);
    assert_eq!(store.get(&[]).await.unwrap(), Vec::<Option<Vec<u8>>>::new());
}

async fn a_scan_keeps_to_its_prefix_its_start_and_its_limit(store: &dyn Store) {
    let rows: [&[&str]; 6] = [&["p", "1"], &["p", "1", "x"], &["p", "2"], &["p", "3"], &["pp", "1"], &["q"]];
    store.commit(rows.iter().map(|row| put(row, row.join("/"))).collect()).await.unwrap();
    let mut other = Group::default();
    other.put(Key::new(Space::LinkByTarget, &["p", "0"]), b"another space".to_vec());
    store.commit(vec![other]).await.unwrap();

    let scan = async |prefix: &[&str], after: Option<&[&str]>, limit: usize| -> Vec<String> {
        let after = after.map(key);
        let found = store.scan(&key(prefix), after.as_ref(), limit).await.unwrap();
        for (key, value) in &found {
            assert_eq!(key.parts().join("/").as_bytes(), value);
        }
        found.into_iter().map(|(key, _)| key.parts().join("/")).collect()
    };
    assert_eq!(scan(&["p"], None, 9).await, ["p/1", "p/1/x", "p/2", "p/3"], "pp is no part of p");
    assert_eq!(scan(&["p"], None, 2).await, ["p/1", "p/1/x"]);
    assert_eq!(scan(&["p"], None, 0).await, [""; 0]);
    assert_eq!(scan(&["p"], Some(&["p", "1"]), 2).await, ["p/1/x", "p/2"], "after excludes itself only");
    assert_eq!(scan(&["p"], Some(&["p", "15"]), 9).await, ["p/2", "p/3"], "after need not exist");
    assert_eq!(scan(&["p"], Some(&["a"]), 9).await.len(), 4, "an after before the prefix changes nothing");
    assert_eq!(scan(&["p"], Some(&["p", "3"]), 9).await, [""; 0]);
    assert_eq!(scan(&["p"], Some(&["q"]), 9).await, [""; 0], "an after behind the prefix leaves nothing");
    assert_eq!(scan(&["p", "1"], None, 9).await, ["p/1", "p/1/x"], "a key is its own prefix");
    assert_eq!(scan(&[], None, 99).await.len(), 6, "other spaces are not seen");
    assert_eq!(scan(&["none"], None, 9).await, [""; 0]);
}

async fn groups_apply_in_order_and_within_a_group_the_last_write_wins(store: &dyn Store) {
    let mut group = put(&["a"], "first");
    group.delete(key(&["b"]));
    group.put(key(&["b"]), b"put after delete".to_vec());
    group.put(key(&["a"]), b"second".to_vec());
    let mut removal = Group::default();
    removal.delete(key(&["c"]));
    removal.delete(key(&["never there"]));
    store.commit(vec![put(&["b"], "x"), put(&["c"], "y"), group, removal, Group::default()]).await.unwrap();
    let expected = [(key(&["a"]), b"second".to_vec()), (key(&["b"]), b"put after delete".to_vec())];
    assert_eq!(all(store).await, expected);
    store.commit(vec![]).await.unwrap();
}

async fn values_of_any_size_can_be_put_replaced_and_deleted(store: &dyn Store) {
    let value = |seed: u64, len: usize| {
        let mut bytes = vec![0; len];
        fastrand::Rng::with_seed(seed).fill(&mut bytes);
        bytes
    };
    let sizes = [0, 1, 4_000, 4_095, 4_096, 4_097, 8_192, 50_000, 130_000, 600_000, 1 << 20];
    for round in 0..3 {
        for (at, _) in sizes.iter().enumerate() {
            // Another size under the same key each round: a value grows, shrinks, and is replaced.
            let size = sizes[(at + round * 5) % sizes.len()];
            let mut group = put(&["big", &at.to_string()], value(size as u64, size));
            group.put(key(&["note", &at.to_string()]), size.to_string().into_bytes());
            store.commit(vec![group]).await.unwrap();
        }
        store.flush().await.unwrap();
        for (key_read, bytes) in store.scan(&key(&["big"]), None, 99).await.unwrap() {
            let note = store.get(&[key(&["note", &key_read.parts()[1]])]).await.unwrap().remove(0).unwrap();
            assert_eq!(note, bytes.len().to_string().into_bytes());
            assert!(bytes == value(bytes.len() as u64, bytes.len()), "{key_read:?}");
        }
    }
    assert_eq!(all(store).await.len(), 2 * sizes.len());
    let one = store.get(&[key(&["big", "3"])]).await.unwrap().remove(0).unwrap();
    assert!(one == value(one.len() as u64, one.len()));
    for (key, _) in all(store).await {
        let mut group = Group::default();
        group.delete(key);
        store.commit(vec![group]).await.unwrap();
    }
    assert_eq!(all(store).await, []);
}

async fn many_keys_are_found_page_by_page(store: &dyn Store) {
    const MANY: usize = 5_000;
    let mut order: Vec<usize> = (0..MANY).collect();
    fastrand::Rng::with_seed(7).shuffle(&mut order);
    let groups = order.iter().map(|n| {
        let mut group = put(&["many", &format!("{n:06}")], n.to_string());
        group.put(Key::new(Space::LinkByTarget, &["many", &n.to_string()]), format!("{n:06}").into_bytes());
        group
    });
    store.commit(groups.collect()).await.unwrap();
    let mut found = Vec::new();
    loop {
        let page = store.scan(&key(&["many"]), found.last(), 333).await.unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page.into_iter().map(|(key, _)| key));
    }
    let expected: Vec<Key> = (0..MANY).map(|n| key(&["many", &format!("{n:06}")])).collect();
    assert!(found == expected, "{} of {MANY}", found.len());
    let by_target = store.scan(&Key::new(Space::LinkByTarget, &["many"]), None, usize::MAX).await.unwrap();
    assert_eq!(by_target.len(), MANY);
}

async fn any_text_can_be_a_key(store: &dyn Store) {
    let long = "l".repeat(2_000);
    let texts = ["", "\0", "\u{1}", "é", "日本語", "a/b", "A", "a", "\u{10ffff}", "e-mail+tag@exämple.com", &long];
    store.commit(texts.iter().map(|text| put(&["t", text], *text)).collect()).await.unwrap();
    let mut sorted = texts;
    sorted.sort_unstable();
    let found: Vec<String> = all(store).await.into_iter().map(|(key, _)| key.parts().remove(1)).collect();
    assert_eq!(found, sorted);
    for text in texts {
        assert_eq!(store.get(&[key(&["t", text])]).await.unwrap(), [Some(text.as_bytes().to_vec())]);
    }
}

async fn the_largest_group_is_committed(store: &dyn Store) {
    let mut group = Group::default();
    for n in 0..Group::MAX {
        group.put(key(&[&n.to_string()]), vec![0; 300]);
    }
    store.commit(vec![put(&["before"], "1"), group, put(&["behind"], "1")]).await.unwrap();
    assert_eq!(all(store).await.len(), Group::MAX + 2);
}

async fn tasks_may_share_a_store(store: &dyn Store) {
    const EACH: usize = 50;
    let task = async |task: usize| {
        for n in 0..EACH {
            let mut group = put(&["shared", &format!("{task}-{n}")], "1");
            group.put(key(&["last", &task.to_string()]), n.to_string().into_bytes());
            store.commit(vec![group]).await.unwrap();
            store.flush().await.unwrap();
        }
    };
    futures_util::join!(task(0), task(1), task(2), task(3));
    assert_eq!(store.scan(&key(&["shared"]), None, usize::MAX).await.unwrap().len(), 4 * EACH);
    assert!(store.size_on_disk().await.unwrap() > 0);
}

macro_rules! for_every_store {
    ($($test:ident),* $(,)?) => {
        mod memory_store {
            $(#[tokio::test]
            async fn $test() {
                super::$test(&super::MemoryStore::new()).await;
            })*
        }
        mod sled_store {
            $(#[tokio::test]
            async fn $test() {
                let dir = tempfile::tempdir().unwrap();
                super::$test(&super::SledStore::open(dir.path(), 8 << 20).unwrap()).await;
            })*
        }
    };
}

for_every_store!(
    values_come_back_in_the_order_asked_for,
    a_scan_keeps_to_its_prefix_its_start_and_its_limit,
    groups_apply_in_order_and_within_a_group_the_last_write_wins,
    values_of_any_size_can_be_put_replaced_and_deleted,
    many_keys_are_found_page_by_page,
    any_text_can_be_a_key,
    the_largest_group_is_committed,
    tasks_may_share_a_store,
);
