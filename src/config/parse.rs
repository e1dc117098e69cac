//! YAML text to tree.
//!
//! Built on the events of `granit-parser`, the parser inside `serde-saphyr`, so that one pass gives the place and
//! the raw text of every value, and so that the size of what aliases expand to can be counted while it happens.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, Span as YamlSpan, StructureStyle};

use super::{
    diagnostic::{Report, error},
    source::Span,
    traps,
    tree::{Key, Map, Node, NodeValue, Scalar},
};

/// Most values a file may hold, those that aliases stand for included.
const MAX_NODES: usize = 100_000;
/// Deepest nesting.
const MAX_DEPTH: usize = 48;

/// Parses one file. `None` when it is empty or cannot be read; the latter is reported.
pub(crate) fn parse(file: u32, text: &str, report: &Report) -> Option<Node> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut builder =
        Builder { file, text, report, stack: Vec::new(), anchors: HashMap::new(), nodes: 0, root: None, documents: 0 };
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => {
                if !builder.event(event, span) {
                    return None;
                }
            }
            Err(failure) => {
                let offset = failure.marker().byte_offset().unwrap_or_default();
                report.add(traps::syntax(file, text, offset, &failure));
                return None;
            }
        }
    }
    builder.root
}

/// A collection under construction.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<Key>,
    /// Keys so far, with their places.
    known: HashMap<String, Span>,
    /// Nodes in it, with what aliases stand for.
    weight: usize,
}

struct Builder<'a> {
    file: u32,
    text: &'a str,
    report: &'a Report,
    stack: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    root: Option<Node>,
    documents: usize,
}

impl Builder<'_> {
    /// Takes one event; false to give up on the file.
    fn event(&mut self, event: Event<'_>, span: YamlSpan) -> bool {
        let here = self.span(span);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.report.add(
                        error("config::several_documents", here, "a configuration file holds one YAML document")
                            .help("put the second document into a file of its own"),
                    );
                    return false;
                }
                true
            }
            Event::Scalar(text, style, anchor, tag) => {
                if tag.is_some() {
                    self.report.add(
                        error("config::tag", here, "YAML tags (`!…`) have no meaning here")
                            .help("remove the tag; put quotes around text that begins with `!`"),
                    );
                }
                let plain = style == ScalarStyle::Plain;
                let scalar = Scalar { text: text.into_owned(), written: None, holes: Vec::new(), plain };
                self.count(1, here)
                    && self.value(Node { span: here, owner: None, value: NodeValue::Scalar(scalar) }, anchor, 1)
            }
            Event::SequenceStart(_, anchor, _) => self.open(here, NodeValue::Seq(Vec::new()), anchor),
            Event::MappingStart(style, anchor, _) => {
                let flow = style == StructureStyle::Flow;
                self.open(here, NodeValue::Map(Map { entries: Vec::new(), flow }), anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(mut open) = self.stack.pop() else { return true };
                open.node.span.end = here.end.max(open.node.span.start);
                self.value(open.node, open.anchor, open.weight)
            }
            Event::Alias(id) => {
                let Some((node, weight)) = self.anchors.get(&id).cloned() else {
                    self.report.add(error("config::alias", here, "this alias stands inside what it stands for"));
                    return false;
                };
                self.count(weight, here) && self.value(node, 0, weight)
            }
            _ => true,
        }
    }

    fn span(&self, span: YamlSpan) -> Span {
        let start = span.start.byte_offset().unwrap_or_default().min(self.text.len());
        let end = span.end.byte_offset().unwrap_or(start).clamp(start, self.text.len());
        let trimmed = self.text.get(start..end).map_or(end, |piece| start + piece.trim_end().len());
        Span { file: self.file, start, end: trimmed.max(start) }
    }

    fn open(&mut self, span: Span, value: NodeValue, anchor: usize) -> bool {
        if self.stack.len() >= MAX_DEPTH {
            self.report.add(
                error("config::too_deep", span, format!("values are nested more than {MAX_DEPTH} deep"))
                    .help("no configuration needs that; look for indentation that slipped"),
            );
            return false;
        }
        if !self.count(1, span) {
            return false;
        }
        self.stack.push(Open {
            node: Node { span, owner: None, value },
            anchor,
            key: None,
            known: HashMap::new(),
            weight: 1,
        });
        true
    }

    /// Counts values, each once and again for every alias that stands for it; false when there are too many.
    fn count(&mut self, values: usize, span: Span) -> bool {
        self.nodes += values;
        if self.nodes > MAX_NODES {
            self.report.add(
                error("config::too_big", span, format!("this file stands for more than {MAX_NODES} values"))
                    .help("aliases (`*name`) that contain aliases multiply; write out what is really needed"),
            );
        }
        self.nodes <= MAX_NODES
    }

    /// Puts a finished value where it belongs.
    fn value(&mut self, node: Node, anchor: usize, weight: usize) -> bool {
        if anchor != 0 {
            // What aliases may stand for is kept beside what it is part of.
            if !self.count(weight, node.span) {
                return false;
            }
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return true;
        };
        open.weight += weight;
        match &mut open.node.value {
            NodeValue::Seq(items) => items.push(node),
            NodeValue::Map(map) => match open.key.take() {
                Some(key) => add_entry(self.report, &mut open.known, map, key, node),
                None => open.key = Some(self::key(self.report, node)),
            },
            NodeValue::Scalar(_) => {}
        }
        true
    }
}

fn key(report: &Report, node: Node) -> Key {
    match node.value {
        NodeValue::Scalar(scalar) => Key { text: scalar.text, span: node.span },
        NodeValue::Seq(_) | NodeValue::Map(_) => {
            report.add(
                error("config::key", node.span, "a key must be a plain word, not a list or a map")
                    .help("a placeholder or text that begins with `{` or `[` needs quotes: \"${env:NAME}\""),
            );
            Key { text: String::new(), span: node.span }
        }
    }
}

fn add_entry(report: &Report, known: &mut HashMap<String, Span>, map: &mut Map, key: Key, mut node: Node) {
    if matches!(&node.value, NodeValue::Map(inner) if !inner.flow) {
        node.owner = Some(key.span);
    }
    if key.text == "<<" {
        report.add(
            error("config::merge_key", key.span, "merge keys (`<<`) are not part of YAML 1.2 and are not read")
                .help("repeat the keys, or give the whole map as an alias"),
        );
        return;
    }
    if let Some(first) = known.get(&key.text) {
        report.add(
            error("config::duplicate_key", key.span, format!("`{}` is given twice", key.text))
                .label("given again")
                .also(*first, "given first")
                .help("remove one of them; the later one would silently win otherwise"),
        );
        return;
    }
    known.insert(key.text.clone(), key.span);
    map.entries.push((key, node));
}
