use std::{collections::BTreeMap, fmt::Debug, time::Duration};

use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::*;
use crate::{
    config::{ConnectionName, FieldId, PipelineName},
    connector::{PreparedCall, WriteKind},
    mapping::each::ElementPair,
    record::{Cell, Projection},
    store::{Intent, IntentItem, Key, Space, frame},
    sync::{
        Belief, Born, FieldPark, FieldState, FieldWrite, Fresh, Link, Mark, Motion, Observation, ParkCode, RecordWrite,
        Undeleted, Why,
    },
};

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        "-?(0|[1-9][0-9]{0,30})([.][0-9]{1,20})?([eE][+-]?[0-9]{1,3})?".prop_map(|text| number(&text)),
        ".{0,10}".prop_map(Value::String),
        (220_usize..230, any::<char>()).prop_map(|(length, c)| Value::String(c.to_string().repeat(length))),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(".{0,6}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn cells() -> impl Strategy<Value = Cell> {
    prop_oneof![
        1 => Just(Cell::Absent),
        1 => any::<usize>().prop_map(Cell::Several),
        8 => values().prop_map(Cell::Value),
    ]
}

fn bases() -> impl Strategy<Value = Option<[Cell; 2]>> {
    prop_oneof![
        1 => Just(None),
        3 => cells().prop_map(|cell| Some([cell.clone(), cell])),
        1 => [cells(), cells()].prop_map(Some),
    ]
}

fn instants() -> impl Strategy<Value = DateTime<Utc>> {
    (-8_000_000_000_000_i64..8_000_000_000_000, 0_u32..2_000_000_000)
        .prop_filter_map("not an instant", |(seconds, nanos)| DateTime::from_timestamp(seconds, nanos))
}

fn ids() -> impl Strategy<Value = RecordId> {
    "[a-z0-9\0-\u{2}ü]{0,40}".prop_map(RecordId::from)
}

fn sides() -> impl Strategy<Value = Side> {
    prop::sample::select(&Side::BOTH[..])
}

fn marks() -> impl Strategy<Value = Mark> {
    let carried = prop::collection::btree_map("[$.a-z]{1,8}", cells(), 0..2);
    let rest = (any::<[bool; 3]>(), carried, prop::option::of(ids()));
    (any::<u64>(), prop::option::of(".{0,9}"), prop::option::of(instants()), rest).prop_map(
        |(hash, version, edited_at, ([gone, missing, paused], carried, merged))| Mark {
            hash,
            version,
            edited_at,
            gone,
            merged,
            missing,
            paused,
            carried,
        },
    )
}

fn codes() -> impl Strategy<Value = ParkCode> {
    use ParkCode as P;
    prop::sample::select(vec![
        P::Conflict,
        P::Difference,
        P::Ambiguous,
        P::Taken,
        P::Proposed,
        P::Unmappable,
        P::Refused,
        P::NotTaken,
        P::Reshaped,
        P::Unknown,
        P::IdTaken,
        P::Expectation,
        P::Unchangeable,
        P::FlipFlop,
        P::Reverted,
        P::LeftOut,
    ])
}

fn motion(wrote: u32) -> Motion {
    serde_json::from_value(json!([-5, [wrote, 2], [3, 4], 5, 6])).unwrap()
}

fn states() -> impl Strategy<Value = FieldState> {
    let parked = (codes(), ".{0,9}", [cells(), cells()], any::<u64>())
        .prop_map(|(code, message, seen, config)| FieldPark { code, message, seen, config });
    let pairs = (".{0,5}", prop::option::of(".{0,5}")).prop_map(|(source, target)| ElementPair { source, target });
    let believed = (sides(), bases(), any::<bool>(), cells())
        .prop_map(|(side, base, uneven, before)| Box::new(Belief { side, base, uneven, before }));
    let rare = (
        prop::option::weighted(0.2, parked),
        prop::option::weighted(0.2, sides()),
        prop::collection::vec(pairs, 0..2),
        prop::option::weighted(0.2, believed),
        prop::bool::weighted(0.2),
        prop::option::weighted(0.2, any::<u32>().prop_map(|wrote| Box::new(motion(wrote)))),
    );
    let pending = || prop::option::weighted(0.3, cells());
    (any::<u32>(), bases(), pending(), pending(), rare).prop_map(
        |(definition, base, pending_source, pending_target, (parked, winner, pairs, believed, uneven, motion))| {
            FieldState {
                definition,
                base,
                pending_source,
                pending_target,
                parked,
                winner,
                pairs,
                uneven,
                believed,
                motion,
            }
        },
    )
}

fn links() -> impl Strategy<Value = Link> {
    let born = prop::sample::select(vec![Born::Matched, Born::OnSource, Born::OnTarget, Born::ByHand]);
    let fields = prop::collection::btree_map(any::<u32>().prop_map(FieldId), states(), 0..5);
    let beside = prop::collection::vec((any::<usize>(), ".{0,9}".prop_map(String::from)), 0..2);
    let undeleted = (".{0,9}", any::<u64>(), any::<u64>())
        .prop_map(|(message, hash, config)| Box::new(Undeleted { message, hash, config }));
    let figures = prop::collection::btree_map(".{0,9}", [cells(), cells()], 0..3);
    let ends = (prop::option::of(sides()), prop::option::of(undeleted), figures);
    (ids(), ids(), born, ".{0,20}", any::<u64>(), [marks(), marks()], (fields, beside, ends)).prop_map(
        |(source, target, born, label, revision, marks, (fields, beside, (deleted, undeleted, figures)))| Link {
            source,
            target,
            born,
            label,
            revision,
            marks,
            fields,
            beside,
            deleted,
            undeleted,
            figures,
        },
    )
}

fn records() -> impl Strategy<Value = Fresh> {
    let projection = prop::collection::vec(cells(), 0..6).prop_map(|cells| Projection { cells });
    let observation = (
        ids(),
        projection,
        ".{0,9}",
        prop::option::of(".{0,9}"),
        prop::option::of(instants()),
        any::<bool>(),
        prop::option::of(ids()),
    )
        .prop_map(|(id, projection, label, version, edited_at, gone, merged)| Observation {
            id,
            projection,
            label,
            version,
            edited_at,
            gone,
            merged,
        });
    (observation, any::<u32>(), any::<[bool; 5]>()).prop_map(
        |(observation, spec_hash, [admitted, suffixed, released, doubted, late])| Fresh {
            observation,
            spec_hash,
            admitted,
            suffixed,
            released,
            doubted,
            late,
        },
    )
}

fn writes() -> impl Strategy<Value = RecordWrite> {
    let why = (0_usize..9, sides()).prop_map(|(kind, side)| {
        let with_side = [Why::Changed, Why::ConflictWon, Why::Resolved, Why::FirstDifference, Why::Deleted];
        match kind {
            0 => Why::Created,
            1 => Why::FilledBlank,
            2 => Why::PutBack,
            8 => Why::Reverted,
            kind => with_side[kind - 3](side),
        }
    });
    let from = prop::option::of(cells());
    let field = (any::<u32>(), cells(), cells(), from, why).prop_map(|(field, value, before, from, why)| FieldWrite {
        field: FieldId(field),
        from: from.unwrap_or_else(|| value.clone()),
        value,
        before,
        why,
    });
    (sides(), prop::option::of(ids()), prop::option::of(".{0,9}"), prop::collection::vec(field, 0..4), any::<bool>())
        .prop_map(|(side, id, version, fields, delete)| RecordWrite { side, id, version, fields, delete })
}

fn intents() -> impl Strategy<Value = Intent> {
    let kind = prop::sample::select(vec![WriteKind::Create, WriteKind::Update, WriteKind::Delete]);
    let lives = prop::option::of((any::<u64>(), 0_u32..1_000_000_000).prop_map(|(s, n)| Duration::new(s, n)));
    let headers = prop::collection::vec((".{0,9}", ".{0,9}"), 0..3);
    let call = (kind, ".{0,9}", headers, ".{0,200}", prop::collection::vec(prop::option::of(ids()), 0..3), lives)
        .prop_map(|(kind, target, headers, body, ids, key_lives)| PreparedCall {
            resource: "contacts".to_owned(),
            kind,
            method: "POST".to_owned(),
            target,
            headers,
            body,
            ids,
            key_lives,
        });
    let item = (ids(), ".{0,9}", writes(), any::<bool>()).prop_map(|(origin, label, write, done)| IntentItem {
        origin,
        label,
        write,
        done,
    });
    let items = prop::collection::vec(item, 0..3);
    (".{0,9}", any::<u64>(), sides(), instants(), prop::option::of(instants()), call, items).prop_map(
        |(account, config, side, first_sent, unknown_since, call, items)| Intent {
            connection: ConnectionName::parse("acme-xero").unwrap(),
            account,
            pipeline: PipelineName::parse("acme/contacts").unwrap(),
            config,
            side,
            first_sent,
            unknown_since,
            call,
            items,
        },
    )
}

/// It comes back; so it does where it was written as JSON; and neither damage nor a cut passes for another.
fn check<T: Pack + PartialEq + Debug + Serialize + DeserializeOwned>(value: &T, at: prop::sample::Index, byte: u8) {
    let key = Key::new(Space::Link, &["clients", "42"]);
    let framed = frame::pack(value);
    assert_eq!(&frame::unpack::<T>(&key, &framed).unwrap(), value);
    assert_eq!(&frame::unpack::<T>(&key, &frame::encode(value)).unwrap(), value, "as JSON");

    let packed = &framed[5..];
    let cut = at.index(packed.len());
    assert!(T::unpack_all(&packed[..cut]).is_err(), "cut off at {cut}");
    assert!(T::unpack_all(&[packed, &[byte]].concat()).is_err(), "something behind it");
    let mut damaged = packed.to_vec();
    damaged[cut] ^= byte;
    let _ = T::unpack_all(&damaged);
}

proptest! {
    #[test]
    fn links_come_back(link in links(), at: prop::sample::Index, byte: u8) {
        check(&link, at, byte);
    }

    #[test]
    fn records_come_back(fresh in records(), at: prop::sample::Index, byte: u8) {
        check(&fresh, at, byte);
    }

    #[test]
    fn intents_come_back(intent in intents(), at: prop::sample::Index, byte: u8) {
        check(&intent, at, byte);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = Link::unpack_all(&bytes);
        let _ = Fresh::unpack_all(&bytes);
        let _ = Intent::unpack_all(&bytes);
    }
}

/// The form is in people's stores: another one needs another number in `frame`.
#[test]
fn the_form_of_a_link_stays_as_it_is() {
    let agreed = FieldState {
        definition: 0x0102_0304,
        base: Some([Cell::from("Jane"), Cell::from("Jane")]),
        ..FieldState::default()
    };
    let open = FieldState {
        base: Some([Cell::Value(number("1.10")), Cell::Absent]),
        pending_target: Some(Cell::Value(json!([null, true, {}]))),
        winner: Some(Side::Target),
        ..FieldState::default()
    };
    let link = Link {
        source: RecordId::from("17"),
        target: RecordId::from("t"),
        born: Born::OnSource,
        label: "Jane Doe".to_owned(),
        revision: 300,
        marks: [
            Mark { hash: 7, edited_at: DateTime::from_timestamp(-1, 5), ..Mark::default() },
            Mark { gone: true, ..Mark::default() },
        ],
        fields: [(FieldId(1), agreed), (FieldId(0xffff_ffff), open)].into_iter().collect(),
        beside: vec![(2, "key".to_owned())],
        deleted: None,
        undeleted: None,
        figures: BTreeMap::new(),
    };
    let mut packed = Vec::new();
    link.pack(&mut packed);
    let expected = [
        b"\x0217\x01t\x01\x08Jane Doe\xac\x02".as_slice(),
        b"\x02\x07\0\0\0\0\0\0\0\x01\x05",
        b"\x04\0\0\0\0\0\0\0\0",
        b"\x02\x01\0\0\0\x01\x04\x03\x02\x01\x24Jane",
        b"\xff\xff\xff\xff\x1b\0\0\0\0\x03\x041.10\x07\x05\x03\0\x02\x06\0\x14{\"d\":0,\"w\":\"target\"}",
        b"\x01\x02\x03key\0",
    ]
    .concat();
    assert_eq!(packed, expected, "{}", packed.escape_ascii());
}

#[test]
fn what_cannot_be_read_says_why() {
    let reason = |bytes: &[u8]| Cell::unpack_all(bytes).unwrap_err().to_string();
    assert_eq!(reason(&[]), "it ends too early");
    assert_eq!(reason(&[0x25, b'a']), "it ends too early");
    assert_eq!(reason(&[5, 0xff, 0xff, 0xff, 0xff, 0x0f]), "it ends too early", "no room is made for them");
    assert_eq!(reason(&[0x21, 0xff]), "a text in it is not UTF-8");
    assert_eq!(reason(&[3, 1, b'x']), "a number in it is none");
    assert_eq!(reason(&[9]), "it is no kind of value");
    assert_eq!(reason(&[0, 0]), "something is left over behind it");
    assert_eq!(reason(&[4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), "a number in it is too large");
    let deep: Vec<u8> = std::iter::repeat_n([5, 1], 200).flatten().chain([0]).collect();
    assert_eq!(reason(&deep), "a value in it is nested too deeply");
    assert_eq!(Mark::unpack_all(&[0x80]).unwrap_err().to_string(), "it has a flag without a meaning");
}
