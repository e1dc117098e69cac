//! What must hold in any world: ten thousand of them, made from numbers. A failure names its number; `one` runs it.

use fastrand::Rng;
use serde_json::{Value, json};

use super::{
    build::*,
    remote::{Quirk, Remote},
    world::World,
};
use crate::{
    config::{
        Blanks, Conflicts, Content, Creates, Deletes, Differences, Drift, Fallback, Flow, OnLeave, Pipeline, Then,
        Transform, WriteWhen,
    },
    record::Side,
};

const WORLDS: u64 = 10_000;

/// How many of the worlds carry a deletion over, at least.
const DELETED: u32 = 150;

const QUIRKS: [Quirk; 4] = [Quirk::Ignores, Quirk::Trims, Quirk::Lowers, Quirk::Cuts];

#[test]
fn ten_thousand_worlds() {
    let halves = [0, 1]
        .map(|half| std::thread::spawn(move || (0..WORLDS).filter(|seed| seed % 2 == half).map(told).sum::<u32>()));
    let deleted = halves.map(|half| half.join().ok());
    assert!(deleted.iter().all(Option::is_some), "what went wrong stands above");
    assert!(deleted.into_iter().flatten().sum::<u32>() >= DELETED, "too few deletions are carried over: {deleted:?}");
}

fn told(seed: u64) -> u32 {
    let run = std::panic::catch_unwind(|| one(seed));
    run.unwrap_or_else(|_| panic!("world {seed}; what went wrong stands above"))
}

/// A world from its number: some edits, synced until quiet, a few times over. How many deletions were carried over.
fn one(seed: u64) -> u32 {
    let mut rng = Rng::with_seed(seed);
    let pipeline = any_pipeline(&mut rng);
    let remotes = [any_remote(&mut rng, &pipeline, Side::Source), any_remote(&mut rng, &pipeline, Side::Target)];
    let mut world = World::new(pipeline, remotes, rng);
    for _ in 0..world.rng.usize(1..5) {
        run(&mut world);
        for _ in 0..world.rng.usize(0..6) {
            event(&mut world);
        }
    }
    run(&mut world);
    world.deleted
}

/// Rounds until nothing is left to do; soon.
fn run(world: &mut World) {
    world.mischief = world.rng.u32(..3);
    let limit = 5 + world.mischief;
    for _ in 0..limit {
        if !world.round() {
            world.check_quiet();
            return;
        }
    }
    panic!("not quiet after {limit} rounds");
}

/// Something that people do.
fn event(world: &mut World) {
    match world.rng.u8(..20) {
        0 => new_record(world),
        1 | 7 => gone(world),
        2 => resolve(world),
        3 => world.pull(),
        4 => reconfigure(world),
        5 => pause(world),
        6 => phone(world),
        _ => edit(world),
    }
}

fn any_record(world: &mut World, side: Side) -> Option<String> {
    let ids: Vec<_> = world.remotes[side.index()].records.keys().cloned().collect();
    (!ids.is_empty()).then(|| ids[world.rng.usize(..ids.len())].clone())
}

fn edit(world: &mut World) {
    let side = any_side(&mut world.rng);
    let Some(id) = any_record(world, side) else { return };
    let position = world.rng.usize(..world.pipeline.fields.len());
    let value = any_value(&mut world.rng);
    world.type_value(side, &id, position, &value);
}

fn new_record(world: &mut World) {
    let side = any_side(&mut world.rng);
    let id = format!("late{}", world.rng.u32(..));
    let record = any_object(&mut world.rng, &world.pipeline, side);
    world.remotes[side.index()].records.insert(id, record);
}

fn phone(world: &mut World) {
    if let Some(id) = any_record(world, Side::Target) {
        world.type_phone(&id);
    }
}

/// A record is deleted, or comes back.
fn gone(world: &mut World) {
    let side = any_side(&mut world.rng);
    let Some(id) = any_record(world, side) else { return };
    let remote = &mut world.remotes[side.index()];
    if !remote.gone.remove(&id) {
        remote.gone.insert(id);
    }
}

/// A person decides about something that is parked.
fn resolve(world: &mut World) {
    let winner = any_side(&mut world.rng);
    for link in &mut world.links {
        for state in link.fields.values_mut().filter(|state| state.parked.is_some()) {
            state.winner = Some(winner);
        }
    }
}

/// A person edits the configuration.
fn reconfigure(world: &mut World) {
    let position = world.rng.usize(..world.pipeline.fields.len());
    let field = &mut world.pipeline.fields[position];
    field.differences = any_differences(&mut world.rng);
    field.definition += u32::from(world.rng.bool());
    world.pipeline.hash += 1;
}

fn pause(world: &mut World) {
    let side = any_side(&mut world.rng);
    for link in &mut world.links {
        link.marks[side.index()].paused ^= true;
    }
}

fn any_side(rng: &mut Rng) -> Side {
    Side::BOTH[rng.usize(..2)]
}

/// Mostly short texts that collide under one equivalence or another, sometimes anything.
fn any_value(rng: &mut Rng) -> Value {
    const TEXTS: [&str; 12] = ["a", "a", "A", " a", "b", "B ", "long text", "long tail", "", " ", "no", "c"];
    match rng.u8(..12) {
        0 => Value::Null,
        1 => any_json(rng, 2),
        _ => json!(TEXTS[rng.usize(..TEXTS.len())]),
    }
}

fn any_json(rng: &mut Rng, depth: u8) -> Value {
    match rng.u8(..if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => json!(rng.bool()),
        2 => json!(rng.i32(-3..1000)),
        3 => json!("1.50"),
        4 => json!(f64::from(rng.i32(..100)) / 10.0),
        5 => (0..rng.usize(..3)).map(|_| any_json(rng, depth - 1)).collect(),
        _ => json!({ "x": any_json(rng, depth - 1), "T": any_json(rng, depth - 1) }),
    }
}

fn any_object(rng: &mut Rng, pipeline: &Pipeline, side: Side) -> Value {
    let mut record = json!({ "flag": rng.u8(..4) > 0 });
    for field in &pipeline.fields {
        if let Some(path) = field.end(side).paths.first().filter(|_| rng.u8(..5) > 0) {
            let _ = path.write(&mut record, &any_value(rng).into());
        }
    }
    if rng.u8(..10) == 0 {
        record["Phones"] = any_json(rng, 2);
    }
    record
}

fn any_remote(rng: &mut Rng, pipeline: &Pipeline, side: Side) -> Remote {
    let mut remote = Remote { answers: rng.u8(..5) > 0, ..Remote::default() };
    remote.refuses = (rng.u8(..8) == 0).then(|| "long".to_owned());
    for field in &pipeline.fields {
        let name = field.end(side).paths.first().map_or("", |path| path.as_str().trim_start_matches("$."));
        if field.end(side).masked {
            remote.masked.insert(name.to_owned());
        }
        if rng.u8(..4) == 0 {
            remote.quirks.insert(name.to_owned(), QUIRKS[rng.usize(..4)]);
        }
    }
    for number in 0..rng.usize(..5) {
        remote.records.insert(format!("r{number}"), any_object(rng, pipeline, side));
    }
    remote
}

fn any_differences(rng: &mut Rng) -> Differences {
    use Differences::{FillBlanks, Park, SourceWins, TargetWins};
    [FillBlanks, FillBlanks, FillBlanks, Park, SourceWins, TargetWins][rng.usize(..6)]
}

fn any_conflicts(rng: &mut Rng) -> Conflicts {
    let otherwise = [Fallback::Park, Fallback::SourceWins, Fallback::TargetWins][rng.usize(..3)];
    let newest = Conflicts::NewestWins { skew: std::time::Duration::from_secs(5), otherwise };
    [Conflicts::Park, Conflicts::Park, Conflicts::SourceWins, Conflicts::TargetWins, newest][rng.usize(..5)]
}

fn any_flow(rng: &mut Rng) -> Flow {
    [Flow::TwoWay, Flow::TwoWay, Flow::TwoWay, Flow::ToTarget, Flow::ToSource][rng.usize(..5)]
}

fn any_pipeline(rng: &mut Rng) -> Pipeline {
    let mut pipeline = pipeline();
    pipeline.flow = any_flow(rng);
    pipeline.drift = [Drift::Leave, Drift::Leave, Drift::Report, Drift::PutBack][rng.usize(..4)];
    pipeline.creates = Creates { to_target: rng.u8(..4) > 0, to_source: rng.u8(..4) > 0 };
    if rng.bool() {
        let only = [None, None, Some(Side::Source), Some(Side::Target)][rng.usize(..4)];
        let on = |side: Side, rng: &mut Rng| pipeline.flow.writes(side) && rng.u8(..4) > 0;
        let (to_source, to_target) = (on(Side::Source, rng), on(Side::Target, rng));
        pipeline.deletes = Deletes { to_target, to_source, only };
    }
    pipeline.on_leave = [OnLeave::Keep, OnLeave::Keep, OnLeave::Pause][rng.usize(..3)];
    for name in ["$.a", "$.b", "$.c", "$.d"].into_iter().take(rng.usize(1..5)) {
        any_field(rng, &mut pipeline, name, name);
    }
    if rng.u8(..4) == 0 {
        any_field(rng, &mut pipeline, "$.p", "$.Phones[?(@.T=='M')].N");
    }
    if rng.u8(..6) == 0 {
        constant(&mut pipeline, json!("X"), "$.type");
    }
    tier(&mut pipeline, "$.a", "$.a", Then::Link);
    if rng.u8(..4) == 0 {
        tier(&mut pipeline, "$.b", "$.b", Then::Propose);
    }
    for side in Side::BOTH {
        if rng.u8(..4) == 0 {
            only(&mut pipeline, side, "$.flag", json!(true));
        }
    }
    pipeline
}

fn any_field(rng: &mut Rng, pipeline: &mut Pipeline, source: &str, target: &str) {
    let field = add(pipeline, source, target);
    field.flow = any_flow(rng);
    field.write = match rng.u8(..10) {
        0 => WriteWhen::OnCreate,
        1 => WriteWhen::IfBlank,
        _ => WriteWhen::Always,
    };
    field.blanks = if rng.u8(..4) == 0 { Blanks::Propagate } else { Blanks::Keep };
    field.conflicts = any_conflicts(rng);
    field.differences = any_differences(rng);
    if rng.u8(..3) == 0 {
        let step = [Transform::Trim, Transform::Lowercase][rng.usize(..2)].clone();
        field.content =
            Content::Mapped { join: None, forward: vec![step], backward: Some(Vec::new()), reference: None };
    }
    for end in &mut field.ends {
        end.canon.trim = rng.u8(..4) == 0;
        end.canon.ignore_case = rng.u8(..4) == 0;
        end.canon.max = (rng.u8(..6) == 0).then_some(3);
        end.canon.blanks_distinct = rng.u8(..8) == 0;
        end.read_only = rng.u8(..12) == 0;
    }
    if target.starts_with("$.d") {
        field.ends[1].masked = rng.u8(..3) == 0;
    }
}
