//! The definition of a field is edited: pairs that agree under the new one are left alone, the others are shown first.

use reconciled::{
    config::PipelineName,
    daemon::{
        protocol::{Request, Response},
        reload::IntegrationOutcome,
    },
};

use crate::judged::{BASE, Live, Yaml};

/// The integration with another definition of the name, and the usual rule for what has no history.
fn named(definition: &str) -> String {
    let field = "- { source: $.name, target: $.name, direction: source-to-target }";
    let yaml = Yaml { guards: "config_edit: 3", ..BASE }.plain();
    assert!(yaml.contains(field) && yaml.contains("differences: source-wins"));
    let edited = format!("- {{ source: $.name, target: $.name, direction: source-to-target{definition} }}");
    yaml.replace(field, &edited).replace("differences: source-wins", "differences: fill-blanks")
}

/// Fields of `acme/contacts` that are put aside.
async fn aside(live: &Live) -> usize {
    let pipeline = PipelineName::parse("acme/contacts").unwrap();
    match live.call(Request::Conflicts { pipeline: Some(pipeline) }).await.unwrap() {
        Response::Conflicts(listed) => listed.len(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn pairs_that_agree_under_the_new_definition_are_neither_asked_about_nor_put_aside() {
    let live = Live::start(&named("")).await;
    let (before, writes) = (live.running(), live.writes());
    // All names are capitals already.
    let (outcome, why) = live.edit(&named(", transform: [ uppercase ]")).await;
    assert_eq!((outcome, why.as_str()), (Some(IntegrationOutcome::Changed), ""));
    assert_ne!(live.running(), before);
    live.agreed().await;
    assert_eq!((live.writes(), aside(&live).await), (writes, 0));
    // They have a base again: who edits one side now has it carried over, and is not asked who is right.
    let id =
        live.shop.all("contacts").iter().find(|one| one["name"] == "N1").unwrap()["id"].as_str().unwrap().to_owned();
    live.shop.edit("contacts", &id, serde_json::json!({ "name": "other" }));
    live.agreed().await;
    assert_eq!((live.writes(), aside(&live).await), ((writes.0, writes.1 + 1), 0));
    assert!(live.books.all("contacts").iter().any(|one| one["name"] == "OTHER"));
    live.daemon.stop().await;
}

#[tokio::test]
async fn pairs_that_differ_under_the_new_definition_are_shown_before_any_of_them_is_put_aside() {
    let live = Live::start(&named("")).await;
    let (before, writes) = (live.running(), live.writes());
    let lower = named(", transform: [ { prefix: \"Dr \" } ]");
    let (outcome, why) = live.edit(&lower).await;
    assert_eq!(outcome, Some(IntegrationOutcome::Held));
    assert!(why.contains("puts aside 25"), "{why}");
    live.agreed().await;
    assert_eq!((live.running(), aside(&live).await), (before.clone(), 0));
    let [held] = live.held().await.try_into().unwrap();
    live.approve(&held.id, &[]).await.unwrap();
    live.taken_over(&before).await;
    live.agreed().await;
    assert_eq!((live.writes(), aside(&live).await), (writes, 25), "nobody said which side is right");
    // The rule says it: then they are written, and that is shown before, too.
    let decided = lower.replace("differences: fill-blanks", "differences: source-wins");
    let (outcome, why) = live.edit(&decided).await;
    assert_eq!(outcome, Some(IntegrationOutcome::Held));
    assert!(why.contains("rewrites 25"), "{why}");
    let [held] = live.held().await.try_into().unwrap();
    let before = live.running();
    live.approve(&held.id, &[]).await.unwrap();
    live.taken_over(&before).await;
    live.agreed().await;
    assert_eq!((live.writes(), aside(&live).await), ((writes.0, writes.1 + 25), 0));
    live.daemon.stop().await;
}
