//! The description of the API, made from the same table that serves it.

use serde_json::{Map, Value, json};

use super::{
    access,
    api::{BELOW, Kind, Method, Param, ROUTES, Route},
};

/// The document (`OpenAPI` 3.1), as served at `/api/v1/openapi.json`.
#[must_use]
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let path = paths.entry(format!("{BELOW}{}", route.path)).or_insert_with(|| json!({}));
        let method = match route.method {
            Method::Get => "get",
            Method::Post => "post",
        };
        if let Some(path) = path.as_object_mut() {
            path.insert(method.to_owned(), operation(route, method));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "reconciled",
            "version": "1",
            "description": "What a running daemon tells and does. Answers are those that commands print with `--json`.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "security": [{ "token": [] }, { "session": [], "csrf": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "A token of `[admin.tokens]`." },
                "session": { "type": "apiKey", "in": "cookie", "name": "reconciled" },
                "csrf": { "type": "apiKey", "in": "header", "name": "x-csrf-token" },
            },
            "schemas": {
                "Failure": {
                    "type": "object",
                    "required": ["kind", "message"],
                    "properties": {
                        "kind": { "type": "string" },
                        "message": { "type": "string", "description": "What happened, with its causes, for people." },
                    },
                },
            },
        },
    })
}

fn operation(route: &Route, method: &str) -> Value {
    let role = route.sample().map(|request| access::need(&request).word()).unwrap_or_default();
    let mut operation = json!({
        "operationId": format!("{method}-{}", route.does),
        "summary": route.about,
        "description": format!("Takes the role `{role}`."),
        "x-role": role,
        "responses": responses(route),
    });
    let example: Value = serde_json::from_str(route.example).unwrap_or_default();
    let Some(fields) = operation.as_object_mut() else { return operation };
    match route.method {
        Method::Get => {
            let parameter = |param: &Param| {
                let mut described = json!({
                    "name": param.name,
                    "in": "query",
                    "required": param.needed,
                    "description": param.about,
                    "schema": schema(param.kind),
                });
                if let (Some(described), Some(example)) = (described.as_object_mut(), example.get(param.name)) {
                    described.insert("example".to_owned(), example.clone());
                }
                described
            };
            let parameters: Vec<Value> = route.params.iter().map(parameter).collect();
            fields.insert("parameters".to_owned(), parameters.into());
        }
        Method::Post => {
            let properties: Map<String, Value> =
                route.params.iter().map(|param| (param.name.to_owned(), described(param))).collect();
            let needed: Vec<&str> = route.params.iter().filter(|param| param.needed).map(|param| param.name).collect();
            let body = json!({
                "required": !needed.is_empty(),
                "content": { "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": properties,
                        "required": needed,
                        "additionalProperties": false,
                    },
                    "example": example,
                } },
            });
            fields.insert("requestBody".to_owned(), body);
        }
    }
    operation
}

fn described(param: &Param) -> Value {
    let mut schema = schema(param.kind);
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), param.about.into());
    }
    schema
}

fn schema(kind: Kind) -> Value {
    match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Number => json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX }),
        Kind::Truth => json!({ "type": "boolean" }),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Side => json!({ "enum": ["source", "target"] }),
        Kind::Mode => json!({ "enum": ["sync", "plan", "poll"] }),
        Kind::Revert => json!({
            "type": "object",
            "required": ["run"],
            "properties": {
                "run": { "type": "string", "description": "Its name, as `runs` gives it." },
                "record": { "type": "string", "description": "Only the record with this id, of either side." },
            },
        }),
        Kind::Pairs => json!({
            "type": "array",
            "items": { "type": "array", "items": { "type": "string" }, "minItems": 2, "maxItems": 2 },
        }),
    }
}

fn responses(route: &Route) -> Value {
    let failure = |text: &str| {
        json!({
            "description": text,
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Failure" } } },
        })
    };
    json!({
        "200": {
            "description": "Done.",
            "content": { "application/json": { "schema": {
                "type": "object",
                "required": ["is"],
                "properties": { "is": { "enum": route.answers }, "value": {} },
            } } },
        },
        "400": failure("The request cannot be read."),
        "401": failure("Nobody knows who asks."),
        "403": failure("Whoever asks may not."),
        "404": failure("What was named does not exist, or is not theirs."),
        "409": failure("It exists and does not allow what was asked."),
        "502": failure("A system failed."),
        "503": failure("The store failed, or the daemon is stopping."),
        "504": failure("It took too long; it may still happen."),
    })
}
