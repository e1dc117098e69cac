//! Places with a short and a long form.

/// Short (`2m`) or long form of something with a duration.
macro_rules! short_or_long {
    ($(#[doc = $doc:literal])* $name:ident, $long:ident, $field:ident: $type:ty, $wanted:literal, $forms:literal) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug)]
        pub(crate) struct $name(pub $long);

        impl $crate::config::written::Decode for $name {
            fn decode(node: &Node, report: &Report) -> Option<Self> {
                if matches!(&node.value, NodeValue::Map(_)) {
                    return $long::decode(node, report).map(Self);
                }
                let scalar = $crate::config::written::text_of(node, $wanted, report)?;
                match <$type>::from_text(&scalar.text, scalar.plain) {
                    Ok(value) => Some(Self($long {
                        span: node.span,
                        $field: Some(At { value, span: node.span }),
                        ..$long::default()
                    })),
                    Err((why, _)) => {
                        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
                        report.add(
                            error(<$type>::CODE, node.span, format!("`{}` is not {}{why}", scalar.shown(), $wanted))
                                .help($forms),
                        );
                        None
                    }
                }
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let (short, long) = (generator.subschema_for::<At<$type>>(), generator.subschema_for::<$long>());
                json_schema!({ "anyOf": [short, long] })
            }
        }
    };
}

pub(crate) use short_or_long;

/// A map, or a single value that stands for one key of it.
macro_rules! or_short {
    ($(#[doc = $doc:literal])* $name:ident, $map:ident, $key:ident: $type:ty) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug)]
        pub(crate) struct $name(pub $map);

        impl $crate::config::written::Decode for $name {
            fn decode(node: &Node, report: &Report) -> Option<Self> {
                match &node.value {
                    NodeValue::Map(_) => $map::decode(node, report).map(Self),
                    _ => At::<$type>::decode(node, report).map(|value| {
                        Self($map { span: node.span, $key: Some(value), ..$map::default() })
                    }),
                }
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let (short, long) = (generator.subschema_for::<At<$type>>(), generator.subschema_for::<$map>());
                schemars::json_schema!({ "anyOf": [short, long] })
            }
        }
    };
}

pub(crate) use or_short;

/// A word, or a map of which `word` is one key.
macro_rules! or_word {
    ($(#[doc = $doc:literal])* $name:ident, $map:ident, $key:ident: $word:ty) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug)]
        pub(crate) struct $name(pub $map);

        impl Decode for $name {
            fn decode(node: &Node, report: &Report) -> Option<Self> {
                match &node.value {
                    NodeValue::Map(_) => $map::decode(node, report).map(Self),
                    _ => At::<$word>::decode(node, report)
                        .map(|word| Self($map { span: node.span, $key: Some(word), ..$map::default() })),
                }
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).trim_end_matches('W').into()
            }
            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let (short, long) = (generator.subschema_for::<At<$word>>(), generator.subschema_for::<$map>());
                schemars::json_schema!({ "anyOf": [short, long] })
            }
        }
    };
}

pub(crate) use or_word;
