//! Reading what became of each item of a write.
//!
//! A status of 2xx says that the call was understood, not that every item was written: each item is judged by its own
//! part of the answer, and one whose part cannot be told for certain is unknown. Unknown items are looked up later;
//! a wrong guess here would link the wrong records or write a second one.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    HttpConnector, body,
    calls::Verdict,
    extract,
    list::last_part,
    messages,
    prepare::{self, batch_of},
    sent::{self, Texts},
    transport::Reply,
};
use crate::{
    connector::{
        Answer, AnswerKind, Batch, Bodies, BodyKind, CallError, Correlate, ItemAnswer, PreparedCall, RemoteRecord,
        Resource, VersionHeader, Write, WriteKind,
    },
    record::{Path, RecordId},
};

/// Answers and what they are read with.
struct Reading<'a> {
    connector: &'a HttpConnector,
    resource: &'a Resource,
    write: &'a Write,
    call: &'a PreparedCall,
    reply: &'a Reply,
}

impl HttpConnector {
    pub(super) async fn send_prepared(&self, resource: &Resource, call: &PreparedCall) -> Result<Answer, CallError> {
        let Some(write) = resource.write(call.kind) else {
            return Err(CallError::NotDone(format!("the manifest has no such call for `{}` any more", resource.name)));
        };
        let reply = self.write(call).await?;
        let reading = Reading { connector: self, resource, write, call, reply: &reply };
        let batch = batch_of(write, call.ids.len());
        if !reply.ok() || self.verdict_of(&reply) == Verdict::Refused {
            return reading.refusal(batch.is_some());
        }
        let mut answer = if write.answer == AnswerKind::Empty {
            reading.silent()
        } else {
            match self.parse(&reply, None).await {
                Ok(read) => {
                    let items = match batch {
                        Some(batch) => reading.batch(batch, read.body),
                        None => vec![reading.single(&read.body)],
                    };
                    Answer { items }
                }
                // Done, and not a word about it: an update still names its record.
                Err(message) => reading.all_unknown(&message),
            }
        };
        if write.read_back {
            self.read_back(resource, &mut answer).await;
        }
        self.complete(resource, &mut answer).await;
        Ok(answer)
    }

    /// Reads what an answer does not hold because it has a call of its own (`also:`). Where that fails, the answer tells
    /// nothing but that the record was written: a part of it would look like a value that was cleared.
    async fn complete(&self, resource: &Resource, answer: &mut Answer) {
        if !resource.reads_more() {
            return;
        }
        for item in &mut answer.items {
            if let ItemAnswer::Written { record, body } = item
                && *body
                && self.with_also(resource, std::slice::from_mut(record)).await.is_err()
            {
                *body = false;
            }
        }
    }

    /// Reads what was written without an answer that holds it. A read that fails changes nothing: it was written.
    async fn read_back(&self, resource: &Resource, answer: &mut Answer) {
        for item in &mut answer.items {
            if let ItemAnswer::Written { record, body } = item
                && !*body
                && let Ok(Some(found)) = self.get_one(resource, &record.id).await
            {
                (**record, *body) = (found, true);
            }
        }
    }
}

impl Reading<'_> {
    /// A status other than 2xx that is neither a redirect, a login problem, a limit nor a server error.
    fn refusal(&self, batch: bool) -> Result<Answer, CallError> {
        let status = self.reply.status;
        let gone = self.write.deletion.as_ref().is_some_and(|deletion| deletion.gone.contains(&status));
        if gone && self.call.ids.len() == 1 {
            // Somebody was faster. Whoever asked looks whether that is true.
            return Ok(self.silent());
        }
        let message = self.connector.words(self.reply);
        // The code that says so may stand beside the words.
        let duplicate = self.is_duplicate(&message) || self.is_duplicate(&self.reply.text());
        // A key that is still being worked on is no refusal of the record.
        if status == 409 && !duplicate && message.to_lowercase().contains("idempoten") {
            return Err(CallError::Unknown(format!("answered 409: {message}")));
        }
        // Of one item, the refusal of the whole is its own.
        if batch && self.call.ids.len() > 1 {
            return Err(CallError::Refused { status, message });
        }
        let stale = self.is_stale(status.into(), &self.reply.text());
        Ok(Answer { items: vec![ItemAnswer::Refused { message, duplicate, stale }] })
    }

    fn is_duplicate(&self, message: &str) -> bool {
        self.write.duplicate.as_ref().is_some_and(|pattern| pattern.is_match(message))
    }

    /// Whether a status, of the whole or of one item, says that the version was stale.
    fn is_stale(&self, status: u64, text: &str) -> bool {
        let says = |version: &VersionHeader| {
            u64::from(version.stale) == status
                && version.stale_text.as_ref().is_none_or(|pattern| pattern.is_match(text))
        };
        status == 412 || self.write.version.as_ref().is_some_and(says)
    }

    /// The remote answers nothing: an update is taken at its word, a create has an id to go by only in a header.
    fn silent(&self) -> Answer {
        let made = self.id_of_header();
        let item = |id: &Option<RecordId>| match id.as_ref().or(made.as_ref()) {
            Some(id) => ItemAnswer::Written { record: Box::new(echo(id.clone())), body: false },
            None => unknown("the answer to a create holds no id"),
        };
        Answer { items: self.call.ids.iter().map(item).collect() }
    }

    /// The id in a header of the answer, which speaks of one record only.
    fn id_of_header(&self) -> Option<RecordId> {
        let name = self.write.id_header.as_ref().filter(|_| self.call.ids.len() == 1)?;
        last_part(&RecordId::from(self.reply.header(name)?.trim())).filter(|id| !id.as_str().is_empty())
    }

    fn all_unknown(&self, reason: &str) -> Answer {
        let reason = self.reply.scrub(reason);
        Answer { items: self.call.ids.iter().map(|_| unknown(&reason)).collect() }
    }

    fn single(&self, body: &Value) -> ItemAnswer {
        let sent = self.call.ids.first().and_then(Option::as_ref);
        let Some(found) = self.write.record.read(body).value().cloned() else {
            let words = messages::of(&self.connector.shared.connection.manifest.error_messages, body);
            let words = words.map_or_else(String::new, |words| format!("; it says: {words}"));
            return self.unknown(&format!("there is no record at `{}`{words}", self.write.record.as_str()));
        };
        self.written(found, sent)
    }

    /// The record of an item that went well.
    fn written(&self, found: Value, sent: Option<&RecordId>) -> ItemAnswer {
        let record = match self.write.answer {
            AnswerKind::Body => match extract::record(self.resource, &self.connector.codec(self.resource), found) {
                Ok(record) => record,
                Err(message) => return self.unknown(&format!("the answered record {message}")),
            },
            AnswerKind::Id | AnswerKind::Empty => {
                let id = self.resource.id.find(&found).and_then(extract::id_of);
                match id.or_else(|| sent.cloned()).or_else(|| self.id_of_header()) {
                    Some(id) => echo(id),
                    None => return self.unknown("the answer holds no id"),
                }
            }
        };
        if let Some(sent) = sent
            && !same(sent, &record.id)
        {
            return self.unknown(&format!("the answer is about the record {}", record.id));
        }
        let record = RemoteRecord { version: self.version(record.version), ..record };
        ItemAnswer::Written { record: Box::new(record), body: self.write.answer == AnswerKind::Body }
    }

    /// The version of an answered record: its own, or the answer's where it holds this one record alone.
    fn version(&self, own: Option<String>) -> Option<String> {
        let alone = batch_of(self.write, self.call.ids.len()).is_none();
        own.or_else(|| extract::etag(self.resource, self.reply).filter(|_| alone))
    }

    fn batch(&self, batch: &Batch, mut body: Value) -> Vec<ItemAnswer> {
        let number = self.call.ids.len();
        let answered = match &batch.correlate {
            Correlate::ObjectKey(path) => self.by_key(batch, path, &mut body),
            _ => extract::take_array(&batch.items, &mut body),
        };
        let Some(answered) = answered else {
            let words = messages::of(&self.connector.shared.connection.manifest.error_messages, &body);
            let words = words.map_or_else(String::new, |words| format!("; it says: {words}"));
            return self.all_unknown(&format!("there are no items at `{}`{words}", batch.items.as_str())).items;
        };
        let places = match (&batch.correlate, self.call.kind) {
            (Correlate::ObjectKey(_), _) => (0..number).map(Some).collect(),
            (Correlate::Number(path), _) => {
                let numbers: Vec<_> =
                    (0..number).map(|position| Some(Value::String(prepare::number(position)))).collect();
                places_by(&numbers, path, &answered)
            }
            (Correlate::Field(path), _) => {
                let keys: Vec<_> = self.sent_items(batch).iter().map(|item| path.find(item).cloned()).collect();
                places_by(&keys, path, &answered)
            }
            (Correlate::Position, WriteKind::Update | WriteKind::Delete) => self.places_by_id(batch, &answered),
            (Correlate::Position, WriteKind::Create) => self.places_by_position(batch, &answered),
        };
        let places = places.into_iter().chain(std::iter::repeat(None));
        let mut answered: Vec<Option<Value>> = answered.into_iter().map(Some).collect();
        let mut items = Vec::with_capacity(number);
        for (sent, place) in self.call.ids.iter().zip(places) {
            let item = place.and_then(|place| answered.get_mut(place)).and_then(Option::take);
            items.push(match item {
                Some(item) => self.item(batch, item, sent.as_ref()),
                None => self.unknown("the answer does not say which of its parts belongs to this record"),
            });
        }
        items
    }

    /// What became of one item.
    fn item(&self, batch: &Batch, mut item: Value, sent: Option<&RecordId>) -> ItemAnswer {
        let word = batch.ok.as_ref().and_then(|ok| ok.path.find(&item));
        let said = batch.ok.as_ref().map(|ok| word.map(|word| ok.values.contains(word)));
        let good = match said {
            Some(Some(good)) => good,
            Some(None) => false,
            None => self.id_in(batch, &item).is_some(),
        };
        if good {
            return match extract::take(&batch.item_record, &mut item) {
                Some(found) => self.written(found, sent),
                None => self.unknown(&format!("there is no record at `{}`", batch.item_record.as_str())),
            };
        }
        let stale = word.and_then(Value::as_u64).is_some_and(|status| self.is_stale(status, &item.to_string()));
        let words = messages::of_item(&batch.messages, &item);
        match words {
            Some(words) => {
                let message = self.reply.scrub(&words);
                ItemAnswer::Refused { duplicate: self.is_duplicate(&message), message, stale }
            }
            // It said "no" in its own place, only without a reason.
            None if matches!(said, Some(Some(false))) => {
                ItemAnswer::Refused { message: "the remote gave no reason".to_owned(), duplicate: false, stale }
            }
            None => self.unknown("the answer says neither that it was written nor why not"),
        }
    }

    fn id_in(&self, batch: &Batch, item: &Value) -> Option<RecordId> {
        let record = batch.item_record.find(item)?;
        self.resource.id.find(record).and_then(extract::id_of)
    }

    /// For updates: the part that names the record; a part that names none only where all others stand in their
    /// places.
    fn places_by_id(&self, batch: &Batch, answered: &[Value]) -> Vec<Option<usize>> {
        let sent = &self.call.ids;
        let ids: Vec<Option<RecordId>> = answered.iter().map(|item| self.id_in(batch, item)).collect();
        let in_place = ids.len() == sent.len()
            && ids.iter().zip(sent).all(|(id, sent)| match (id, sent) {
                (Some(id), Some(sent)) => same(id, sent),
                _ => true,
            });
        if in_place {
            return (0..sent.len()).map(Some).collect();
        }
        let mut by_id = BTreeMap::new();
        for (place, id) in ids.iter().enumerate() {
            if let Some(id) = id {
                by_id.entry(id.as_str().to_ascii_lowercase()).or_insert(place);
            }
        }
        sent.iter().map(|id| by_id.get(&id.as_ref()?.as_str().to_ascii_lowercase()).copied()).collect()
    }

    /// For creates: the position, unless the number or the contents speak against it. Then nothing can be told apart
    /// with certainty.
    fn places_by_position(&self, batch: &Batch, answered: &[Value]) -> Vec<Option<usize>> {
        let number = self.call.ids.len();
        if answered.len() != number || self.out_of_order(batch, answered) {
            return vec![None; number];
        }
        (0..number).map(Some).collect()
    }

    /// Whether a part with an id holds more of what was sent at another place than of what was sent at its own, or
    /// what was sent stands elsewhere. Only texts that come back as they were sent can tell: a remote may write a date
    /// in another form, or trim a name. Parts without an id are refusals, which need not repeat what they refuse, or
    /// repeat it as it was sent: they are no place where a record stands.
    fn out_of_order(&self, batch: &Batch, answered: &[Value]) -> bool {
        let items;
        let plain = self.form() == BodyKind::Json && batch.wrap.is_none();
        let sent: Vec<Texts<'_>> = if plain {
            let Some(sent) = sent::texts(&self.call.body, batch.array.as_deref()) else { return false };
            sent
        } else {
            items = self.sent_items(batch);
            items.iter().map(sent::texts_of).collect()
        };
        let parts: Vec<&Value> =
            answered.iter().map(|item| batch.item_record.find(item).unwrap_or(&Value::Null)).collect();
        let has_id: Vec<bool> = answered.iter().map(|item| self.id_in(batch, item).is_some()).collect();
        let made: Vec<&Value> =
            parts.iter().zip(&has_id).filter(|(_, has_id)| **has_id).map(|(part, _)| *part).collect();
        sent.iter().zip(&parts).zip(&has_id).any(|((own, part), has_id)| {
            let here = alike(part, own);
            *has_id
                && here < own.len()
                && (sent.iter().any(|other| alike(part, other) > here)
                    || made.iter().any(|other| alike(other, own) > here))
        })
    }

    /// How the call's body is written.
    fn form(&self) -> BodyKind {
        self.write.body.unwrap_or(self.connector.shared.connection.manifest.bodies.write)
    }

    /// The records as they were sent.
    fn sent_items(&self, batch: &Batch) -> Vec<Value> {
        let bodies = &self.connector.shared.connection.manifest.bodies;
        let bodies = Bodies { read: self.form(), ..bodies.clone() };
        let Ok(mut sent) = body::parse(&bodies, self.call.body.as_bytes()) else { return Vec::new() };
        let array = match &batch.array {
            Some(name) => sent.get_mut(name).map(Value::take),
            None => Some(sent),
        };
        let Some(Value::Array(items)) = array else { return Vec::new() };
        match &batch.wrap {
            Some(name) => {
                items.into_iter().map(|mut item| item.get_mut(name).map(Value::take).unwrap_or_default()).collect()
            }
            None => items,
        }
    }

    /// The parts of an answer that is an object with the records' keys for names, in the order of the call.
    fn by_key(&self, batch: &Batch, path: &Path, body: &mut Value) -> Option<Vec<Value>> {
        let Value::Object(mut parts) = extract::take(&batch.items, body)? else { return None };
        let key = |item: &Value| path.find(item).and_then(extract::id_of);
        let sent = self.sent_items(batch);
        Some(sent.iter().map(|item| key(item).and_then(|key| parts.remove(key.as_str())).unwrap_or_default()).collect())
    }

    fn unknown(&self, reason: &str) -> ItemAnswer {
        unknown(&self.reply.scrub(reason))
    }
}

/// For each key that was sent: the one part that holds it. Of two parts with one key, or two items with one, nothing
/// can be said.
fn places_by(keys: &[Option<Value>], path: &Path, answered: &[Value]) -> Vec<Option<usize>> {
    let text = |value: &Value| extract::id_of(value);
    let found: Vec<Option<RecordId>> = answered.iter().map(|item| path.find(item).and_then(text)).collect();
    let wanted: Vec<Option<RecordId>> = keys.iter().map(|key| key.as_ref().and_then(text)).collect();
    let only = |all: &[Option<RecordId>], key: &RecordId| {
        let mut places = all.iter().enumerate().filter(|(_, known)| known.as_ref() == Some(key)).map(|(at, _)| at);
        places.next().filter(|_| places.next().is_none())
    };
    wanted
        .iter()
        .map(|key| key.as_ref().filter(|key| only(&wanted, key).is_some()).and_then(|key| only(&found, key)))
        .collect()
}

/// How many of the plain texts that were sent an answered part holds.
fn alike(part: &Value, sent: &Texts<'_>) -> usize {
    sent.iter().filter(|(name, text)| part.get(&**name).and_then(Value::as_str) == Some(text)).count()
}

fn same(a: &RecordId, b: &RecordId) -> bool {
    a.as_str().eq_ignore_ascii_case(b.as_str())
}

fn unknown(reason: &str) -> ItemAnswer {
    ItemAnswer::Unknown { reason: reason.to_owned() }
}

/// A record of which only the id is known.
fn echo(id: RecordId) -> RemoteRecord {
    RemoteRecord {
        label: id.as_str().to_owned(),
        id,
        body: Value::Object(serde_json::Map::new()),
        updated_at: None,
        version: None,
        gone: false,
        merged_into: None,
    }
}
