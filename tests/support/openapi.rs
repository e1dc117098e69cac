//! Turns an `OpenAPI` file into JSON Schema validators.
//!
//! All components are embedded under `components` in each root schema, so that `#/components/schemas/…` resolves, also
//! where schemas refer to themselves. (Some validators skip such recursive schemas silently; the tests prove that
//! this way they bite.)

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Map, Value, json};

/// What a schema says about properties that it does not name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// As written in the file.
    AsWritten,
    /// Refused; used for answers.
    Refused,
    /// Refused, and so is what only the server may set; used for requests.
    RefusedAndReadOnly,
}

pub struct Spec {
    pub file: Value,
}

impl Spec {
    pub fn load(path: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let text = fs::read_to_string(&path).unwrap();
        // The file is ours and large; the limits are for strangers' files.
        let options = serde_saphyr::options! { budget: None };
        Self { file: serde_saphyr::from_str_with_options(&text, options).unwrap() }
    }

    /// The operation that a request is, its path below the file's servers. Of several the one whose ids are most closely described.
    pub fn operation(&self, method: &str, path: &str) -> Option<Operation<'_>> {
        let method = method.to_lowercase();
        let paths = self.file["paths"].as_object().unwrap();
        let fitting = paths.iter().filter(|(_, calls)| calls[&method].is_object()).filter_map(|(template, calls)| {
            let own = self.all([&calls[&method], calls]);
            let (mut there, mut here) = (template.split('/'), path.split('/'));
            let mut close = 0;
            loop {
                match (there.next(), here.next()) {
                    (None, None) => break,
                    (Some(there), Some(here)) if there == here => close += 2,
                    (Some(there), Some(here)) if there.starts_with('{') && !here.is_empty() => {
                        let described = own.iter().find(|one| {
                            one["in"] == "path" && there == format!("{{{}}}", one["name"].as_str().unwrap())
                        });
                        if described.is_some_and(|one| one["schema"]["format"] == "uuid") {
                            uuid::Uuid::parse_str(here).ok()?;
                            close += 1;
                        }
                    }
                    _ => return None,
                }
            }
            Some((close, Operation { template, described: &calls[&method], parameters: own }))
        });
        let fitting: Vec<_> = fitting.collect();
        let closest = fitting.iter().map(|(close, _)| *close).max()?;
        let mut best = fitting.into_iter().filter(|(close, _)| *close == closest);
        let found = best.next().map(|(_, operation)| operation);
        assert!(best.next().is_none(), "{path} is two operations");
        found
    }

    /// The parameters of an operation and of its path.
    fn all<'s>(&'s self, places: [&'s Value; 2]) -> Vec<&'s Value> {
        let written = places.into_iter().flat_map(|place| place["parameters"].as_array().into_iter().flatten());
        written.map(|one| self.meant(one)).collect()
    }

    /// What is meant, where the file refers to one of its components.
    pub fn meant<'s>(&'s self, written: &'s Value) -> &'s Value {
        match written["$ref"].as_str() {
            Some(to) => self.file.pointer(to.trim_start_matches('#')).unwrap_or_else(|| panic!("no {to}")),
            None => written,
        }
    }

    /// The components, each `allOf` of them put together into one object.
    pub fn components(&self) -> Map<String, Value> {
        let written = self.file["components"]["schemas"].as_object().unwrap();
        written.iter().map(|(name, schema)| (name.clone(), whole(schema, written))).collect()
    }

    /// A validator for a component, after `change` had a look at all of them.
    pub fn validator(&self, name: &str, unknown: Unknown, change: impl Fn(&mut Map<String, Value>)) -> Validator {
        let mut schemas = match unknown {
            Unknown::AsWritten => self.file["components"]["schemas"].as_object().unwrap().clone(),
            // Closed one by one, the parts of an `allOf` would refuse each other's properties.
            Unknown::Refused | Unknown::RefusedAndReadOnly => self.components(),
        };
        assert!(schemas.contains_key(name), "no component {name}");
        change(&mut schemas);
        for schema in schemas.values_mut() {
            convert(schema, unknown);
        }
        let root = json!({ "$ref": format!("#/components/schemas/{name}"), "components": { "schemas": schemas } });
        let options = jsonschema::options().with_draft(jsonschema::Draft::Draft202012).should_validate_formats(true);
        Validator { name: name.to_owned(), inner: options.build(&root).unwrap() }
    }
}

/// An operation of the file that a request is.
pub struct Operation<'s> {
    pub template: &'s str,
    pub described: &'s Value,
    parameters: Vec<&'s Value>,
}

impl Operation<'_> {
    /// The component of a request's body, or of an answer's.
    pub fn component(described: &Value) -> Option<&str> {
        let schema = &described["content"]["application/json"]["schema"];
        schema["$ref"].as_str()?.rsplit('/').next()
    }

    /// Method and path below the server, with `{}` for ids.
    pub fn name(&self, method: &str) -> String {
        let blank = self.template.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
        format!("{method} {}", blank.collect::<Vec<_>>().join("/"))
    }

    /// The parameters in the query, or in the headers.
    pub fn parameters(&self, place: &str) -> Vec<&Value> {
        self.parameters.iter().copied().filter(|one| one["in"] == place).collect()
    }

    /// What is wrong with the parameters in a place: they have to be known, of their types, there once, and none missing.
    pub fn wrong(&self, place: &str, given: Vec<(String, String)>) -> Vec<String> {
        let (known, mut faults, mut seen) = (self.parameters(place), Vec::new(), BTreeSet::new());
        for (name, value) in given {
            let Some(parameter) = known.iter().find(|known| known["name"] == name.as_str()) else {
                faults.push(format!("no parameter `{name}`"));
                continue;
            };
            let schema = &parameter["schema"];
            let fits = match (schema["type"].as_str(), schema["format"].as_str()) {
                (Some("boolean"), _) => value.parse::<bool>().is_ok(),
                (Some("integer"), _) => value.parse::<i32>().is_ok(),
                (Some("string"), Some("date-time")) => chrono::DateTime::parse_from_rfc3339(&value).is_ok(),
                (Some("string" | "array"), _) => true,
                other => panic!("parameter {name} of type {other:?}"),
            };
            if !fits {
                faults.push(format!("`{value}` is no {schema} for `{name}`"));
            }
            if !seen.insert(name.clone()) {
                faults.push(format!("`{name}` is given twice"));
            }
        }
        let missing = known.iter().filter(|known| known["required"] == true);
        let missing = missing.filter_map(|known| known["name"].as_str()).filter(|name| !seen.contains(*name));
        faults.extend(missing.map(|name| format!("parameter `{name}` is missing")));
        faults
    }
}

pub struct Validator {
    name: String,
    inner: jsonschema::Validator,
}

impl Validator {
    #[track_caller]
    pub fn accepts(&self, value: &Value) {
        let errors = self.errors(value);
        let first: Vec<&String> = errors.iter().take(5).collect();
        assert!(errors.is_empty(), "not a {}: {} errors, first {first:#?}", self.name, errors.len());
    }

    /// Where and why the value does not fit.
    pub fn errors(&self, value: &Value) -> Vec<String> {
        self.inner.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    /// Fails unless some error is about `place`.
    #[track_caller]
    pub fn refuses(&self, value: &Value, place: &str) {
        let errors = self.errors(value);
        assert!(errors.iter().any(|error| error.contains(place)), "{place} was not refused: {errors:#?}");
    }
}

/// A schema with the parts of its `allOf` put together. Only objects are understood, and every keyword of them.
fn whole(schema: &Value, among: &Map<String, Value>) -> Value {
    let schema = match schema["$ref"].as_str() {
        Some(to) => return whole(&among[to.rsplit('/').next().unwrap()], among),
        None => schema,
    };
    let Some(parts) = schema["allOf"].as_array() else { return schema.clone() };
    let own: Map<String, Value> =
        schema.as_object().unwrap().clone().into_iter().filter(|(k, _)| k != "allOf").collect();
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for part in parts.iter().map(|part| whole(part, among)).chain([Value::Object(own)]) {
        for (keyword, value) in part.as_object().unwrap() {
            match (keyword.as_str(), value) {
                ("properties", Value::Object(more)) => {
                    for (name, property) in more {
                        let before = properties.insert(name.clone(), property.clone());
                        assert!(before.is_none_or(|before| before == *property), "two kinds of `{name}`");
                    }
                }
                ("required", Value::Array(more)) => required.extend(more.clone()),
                ("type", Value::String(kind)) => assert_eq!(kind, "object", "only objects are put together"),
                ("additionalProperties" | "description" | "example" | "title", _) => {}
                (other, _) => panic!("`{other}` in an allOf is not understood"),
            }
        }
    }
    let mut object = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        object["required"] = required.into();
    }
    object
}

/// `OpenAPI` 3.0 to JSON Schema: `nullable`, the sizes of numbers, and the closing of objects.
fn convert(schema: &mut Value, unknown: Unknown) {
    match schema {
        Value::Object(object) => {
            // Inside a property of this name stands a schema, not a keyword.
            assert!(
                unknown == Unknown::AsWritten || !object.get("allOf").is_some_and(Value::is_array),
                "an allOf below a component is not understood"
            );
            if object.remove("nullable") == Some(Value::Bool(true)) {
                if let Some(kind) = object.get_mut("type").filter(|kind| kind.is_string()) {
                    *kind = json!([kind.clone(), "null"]);
                    if let Some(Value::Array(choices)) = object.get_mut("enum") {
                        choices.push(Value::Null);
                    }
                } else if let Some(Value::Array(choices)) = object.get_mut("oneOf") {
                    choices.push(json!({ "type": "null" }));
                }
            }
            if object.get("format") == Some(&json!("int32")) && object.contains_key("type") {
                object.entry("minimum").or_insert(i32::MIN.into());
                object.entry("maximum").or_insert(i32::MAX.into());
            }
            if unknown == Unknown::RefusedAndReadOnly
                && let Some(Value::Object(properties)) = object.get_mut("properties")
            {
                properties.retain(|_, property| property.get("readOnly") != Some(&Value::Bool(true)));
            }
            if unknown != Unknown::AsWritten && object.get("properties").is_some_and(Value::is_object) {
                object.insert("additionalProperties".to_owned(), false.into());
            }
            object.remove("example");
            object.remove("default");
            for value in object.values_mut() {
                convert(value, unknown);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| convert(item, unknown)),
        _ => {}
    }
}

/// Sends one request and gives status and JSON body.
pub async fn send(method: &str, url: &str, headers: &[(&str, &str)], body: Option<&Value>) -> (u16, Value) {
    // Plain HTTP, but the client wants a TLS provider all the same; a second installation changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.request(method.parse().unwrap(), url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or(Value::Null))
}
