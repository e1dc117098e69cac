use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

use serde_json::json;

use super::*;
use crate::{
    config::PipelineName,
    record::Side,
    store::{Changes, Ledger, MemoryStore, Operation},
};

const AT: &str = "2026-03-01T10:00:00Z";

async fn sample() -> MemoryStore {
    let store = MemoryStore::new();
    let mut groups = Vec::new();
    for n in 0..1_200 {
        let mut group = Group::default();
        let id = format!("{n:04}");
        group.put(Key::new(Space::Link, &["clients", &id]), frame::encode(&json!({ "n": n, "price": 1.5 })));
        group.put(Key::new(Space::LinkByTarget, &["clients", "\0 ü\n", &id]), frame::encode(&id));
        groups.push(group);
    }
    // Indexes have keys only.
    let mut group = Group::default();
    group.put(Key::new(Space::MatchKey, &["clients", "t", "0", "jane@x.example", "7"]), Vec::new());
    group.put(Key::new(Space::MatchKey, &["clients", "t", "0", "null", "7"]), frame::encode(&json!(null)));
    groups.push(group);
    store.commit(groups).await.unwrap();
    put_meta(&store, lineage_key(), Some(&"line-1")).await.unwrap();
    store
}

fn without_meta(store: &MemoryStore) -> Vec<(Key, Vec<u8>)> {
    store.entries().into_iter().filter(|(key, _)| key.space() != Some(Space::Meta)).collect()
}

#[tokio::test]
async fn an_export_comes_back_whole_into_an_empty_store() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state.jsonl");
    let store = sample().await;
    assert_eq!(export(&store, &file, AT).await.unwrap(), 2_402);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("{\"format\":1,\"lineage\":\"line-1\",\"exported_at\":\"2026-03-01T10:00:00Z\"}\n"));
    assert!(text.contains(r#"{"space":"link","key":["clients","0007"],"value":{"n":7,"price":1.5}}"#));

    let other = MemoryStore::new();
    assert_eq!(import(&other, &file, false).await.unwrap(), 2_402);
    assert_eq!(without_meta(&other), without_meta(&store));
    assert_eq!(other.unflushed(), 0, "an import that returned is durable");
    assert!(!is_unfinished(&other).await.unwrap());
    let restored = Restored { lineage: "line-1".into(), exported_at: AT.into() };
    assert_eq!(restored_from(&other).await.unwrap(), Some(restored));
    assert_eq!(restored_from(&store).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_stored_in_its_compact_form_is_json_in_an_export() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state.jsonl");
    let pipeline = PipelineName::parse("acme/contacts").unwrap();
    let link = json!({ "s": "17", "t": "T", "o": "matched", "n": "Jane Doe", "r": 3, "m": [{ "h": 7 }, { "h": 8 }],
        "f": { "5": { "d": 6, "b": [["Jane"]] } } });
    let observation = json!({ "id": "18", "projection": [["Joe"], []], "label": "Joe" });
    let fresh = json!({ "observation": observation, "spec_hash": 1, "admitted": true });
    let link: Link = serde_json::from_value(link).unwrap();
    let fresh: Fresh = serde_json::from_value(fresh).unwrap();
    let (store, other) = (Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new()));
    let mut changes = Changes::new();
    changes.together(|atomic| {
        atomic.link(&pipeline, &link);
        atomic.fresh(&pipeline, Side::Source, &fresh);
    });
    Ledger::new(store.clone()).commit(changes).await.unwrap();
    assert!(without_meta(&store).iter().any(|(_, value)| value.first() == Some(&frame::PACKED)));

    export(&*store, &file, AT).await.unwrap();
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(r#""n":"Jane Doe""#) && text.contains(r#""label":"Joe""#), "{text}");
    import(&*other, &file, false).await.unwrap();
    let ledger = Ledger::new(other);
    assert_eq!(ledger.link(&pipeline, Side::Target, &"T".into()).await.unwrap(), Some(link));
    assert_eq!(ledger.fresh(&pipeline, Side::Source, &["18".into()]).await.unwrap(), [Some(fresh)]);
}

#[tokio::test]
async fn a_store_with_content_is_replaced_only_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("empty.jsonl");
    assert_eq!(export(&MemoryStore::new(), &file, AT).await.unwrap(), 0);
    let store = sample().await;
    let before = store.entries();
    assert!(matches!(import(&store, &file, false).await, Err(TransferError::NotEmpty)));
    assert_eq!(store.entries(), before);
    assert_eq!(import(&store, &file, true).await.unwrap(), 0);
    assert_eq!(without_meta(&store), []);
}

#[tokio::test]
async fn a_file_that_is_not_a_whole_export_is_refused_with_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state.jsonl");
    export(&sample().await, &file, AT).await.unwrap();
    let whole = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let without = |from: usize, to: usize| [&lines[..from], &lines[to..]].concat().concat();
    let swapped = [&lines[..5], &[lines[6], lines[5]], &lines[7..]].concat().concat();
    let (half, _) = whole.split_at(whole.len() / 2 - 3);
    let half_line = half.matches('\n').count() as u64 + 1;
    let table = [
        (String::new(), 1, "not an export"),
        ("{\"hello\": 1}\n".into(), 1, "not an export"),
        (whole.replacen("\"format\":1", "\"format\":2", 1), 1, "format 2"),
        (without(2_403, 2_404), 2_404, "cut off"),
        (half.to_owned(), half_line, "cut off in the middle"),
        (without(7, 8), 2_403, "should have 2402 entries, it has 2401"),
        (whole.replacen("\"n\":7,", "\"n\":8,", 1), 2_404, "checksum"),
        (whole.replacen("\"space\":\"link\"", "\"space\":\"lonk\"", 1), 2, "no space \"lonk\""),
        (whole.replacen("\"space\":\"link\"", "\"space\":\"meta\"", 1), 2, "of the store itself"),
        (whole.replacen("\"key\":", "\"kay\":", 1), 2, "unknown field"),
        (swapped, 7, "not in its place"),
        (whole.clone() + lines[1], 2_405, "behind the export's last line"),
    ];
    for (text, at, part) in table {
        fs::write(&file, text).unwrap();
        let store = MemoryStore::new();
        let error = import(&store, &file, false).await.unwrap_err();
        assert!(
            matches!(&error, TransferError::Line { line, reason, .. } if *line == at && reason.contains(part)),
            "{part}: {error}"
        );
        assert_eq!(store.entries(), []);
    }
}

#[tokio::test]
async fn an_interrupted_import_is_noticed_and_can_be_done_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state.jsonl");
    let whole = sample().await;
    export(&whole, &file, AT).await.unwrap();
    let reference = MemoryStore::new();
    import(&reference, &file, false).await.unwrap();
    let commits = reference.counts().commits;
    for k in 1..=commits {
        let store = MemoryStore::new();
        store.fail_at(Some(Operation::Commit), k);
        import(&store, &file, false).await.unwrap_err();
        let found = store.crash(k);
        assert_eq!(is_unfinished(&found).await.unwrap(), k > 1, "after commit {k}");
        if k > 1 {
            assert!(matches!(import(&found, &file, false).await, Err(TransferError::NotEmpty)));
        }
        import(&found, &file, true).await.unwrap();
        assert_eq!(without_meta(&found), without_meta(&whole));
    }
}

#[tokio::test]
async fn a_failing_export_leaves_the_file_that_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state.jsonl");
    fs::write(&file, "before").unwrap();
    let store = sample().await;
    store.fail_at(Some(Operation::Scan), 4);
    assert!(matches!(export(&store, &file, AT).await, Err(TransferError::Store(_))));
    let mut damaged = Group::default();
    damaged.put(Key::new(Space::Seen, &["x"]), b"no frame".to_vec());
    store.commit(vec![damaged]).await.unwrap();
    let error = export(&store, &file, AT).await.unwrap_err().to_string();
    assert!(error.contains("s:x"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "before");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
}

async fn holding(entries: &[(Space, &[&str], &str)]) -> MemoryStore {
    let store = MemoryStore::new();
    let mut group = Group::default();
    for (space, parts, value) in entries {
        group.put(Key::new(*space, parts), frame::encode(value));
    }
    store.commit(vec![group]).await.unwrap();
    store
}

/// What there is, but for what an import notes itself.
fn held(store: &MemoryStore) -> Vec<String> {
    let restored = restored_key();
    let entries = store.entries().into_iter().filter(|(key, _)| *key != restored);
    entries
        .map(|(key, value)| {
            let value: String = frame::decode(&key, &value).unwrap();
            format!("{} {} {value}", key.space().unwrap().name(), key.parts().join(" "))
        })
        .collect()
}

#[tokio::test]
async fn what_people_decided_goes_along_and_no_text_of_the_configuration_does() {
    use Space::Meta;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state.jsonl");
    let store = holding(&[
        (Meta, &["paused", "acme"], "by jane"),
        (Meta, &["config", "held", "acme"], "waits"),
        (Meta, &["config", "rollout", "shop"], "waits"),
        (Meta, &["config", "removed", "acme/old"], "since"),
        (Meta, &["config", "left", "zeta"], "used"),
        (Meta, &["notice", "office"], "told"),
        (Meta, &["moving", "acme/new"], "from"),
        (Meta, &["config", "text", "1f"], "canary-secret"),
        (Meta, &["config", "generation", "1"], "texts"),
        (Meta, &["config", "running", "acme"], "1"),
        (Meta, &["runs", "acme"], "7"),
        (Meta, &["before-bytes"], "7"),
        (Meta, &["start"], "7"),
        (Meta, &["program"], "7"),
    ])
    .await;
    assert_eq!(export(&store, &file, AT).await.unwrap(), 7);
    assert!(!fs::read_to_string(&file).unwrap().contains("canary"));
    let other = MemoryStore::new();
    import(&other, &file, false).await.unwrap();
    let expected = [
        "meta config held acme waits",
        "meta config left zeta used",
        "meta config removed acme/old since",
        "meta config rollout shop waits",
        "meta moving acme/new from",
        "meta notice office told",
        "meta paused acme by jane",
    ];
    assert_eq!(held(&other), expected);
}

#[tokio::test]
async fn logins_and_pauses_of_the_store_outlive_an_import_and_what_was_counted_does_not() {
    use Space::{Grant, Meta, Run};
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state.jsonl");
    let old = holding(&[
        (Grant, &["office"], "an old pair"),
        (Grant, &["second"], "another pair"),
        (Meta, &["paused", "acme"], "by joe"),
        (Meta, &["paused", "bravo"], "by joe"),
        (Meta, &["config", "held", "acme"], "waits"),
        (Run, &["acme", "1"], "a run"),
    ])
    .await;
    export(&old, &file, AT).await.unwrap();
    let store = holding(&[
        (Grant, &["office"], "the pair that is valid"),
        (Meta, &["paused", "bravo"], "by jane"),
        (Meta, &["config", "generation", "1"], "what runs"),
        (Meta, &["config", "held", "bravo"], "rejected"),
        (Meta, &["moving", "acme/new"], "of what is replaced"),
        (Meta, &["runs", "acme"], "1000"),
        (Meta, &["before-bytes"], "1000"),
        (Run, &["acme", "2"], "a later run"),
    ])
    .await;
    let expected = [
        "grant office the pair that is valid",
        "grant second another pair",
        "meta config generation 1 what runs",
        "meta config held bravo rejected",
        "meta paused acme by joe",
        "meta paused bravo by jane",
        "run acme 1 a run",
    ];
    // Twice it is the same as once.
    for _ in 0..2 {
        import(&store, &file, true).await.unwrap();
        assert_eq!(held(&store), expected);
    }
}
