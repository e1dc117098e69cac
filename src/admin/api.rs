//! The API: one table of routes, one way to carry them out.
//!
//! A route stands for a [`Request`], whose fields are its parameters: of the query of a GET, of the JSON body of a POST. The
//! answer is the daemon's [`Response`](crate::daemon::protocol::Response) as JSON, the same that the commands print with `--json`.

mod routes;

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response as HttpResponse,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

pub(super) use routes::{Kind, Method, Param, ROUTES, Route};

use super::{hearing, openapi, server::Lobby, visitor::Visitor};
use crate::daemon::protocol::{Failure, FailureKind, Frame, Request};

/// Below this everything of the API is.
pub(super) const BELOW: &str = "/api/v1";

/// An answer that is no.
#[derive(Debug)]
pub(super) struct Refusal {
    pub status: StatusCode,
    pub body: Value,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let status = match failure.kind {
            FailureKind::BadRequest => StatusCode::BAD_REQUEST,
            FailureKind::NoSuch => StatusCode::NOT_FOUND,
            FailureKind::NotPossible => StatusCode::CONFLICT,
            FailureKind::Store | FailureKind::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            FailureKind::Remote => StatusCode::BAD_GATEWAY,
            FailureKind::Deadline => StatusCode::GATEWAY_TIMEOUT,
        };
        let body = serde_json::to_value(&failure);
        Self { status, body: body.unwrap_or_else(|_| json!({ "message": failure.message })) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> HttpResponse {
        let mut response = (self.status, Json(self.body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Every route of the table, and the description of it.
pub(super) fn router() -> Router<Arc<Lobby>> {
    let mut router = Router::new().route(&format!("{BELOW}/openapi.json"), get(async || Json(openapi::document())));
    for route in ROUTES {
        let path = format!("{BELOW}{}", route.path);
        router = match route.method {
            Method::Get => router.route(
                &path,
                get(
                    async move |State(lobby): State<Arc<Lobby>>,
                                visitor: Visitor,
                                Query(query): Query<BTreeMap<String, String>>| {
                        let request = from_query(route, &query)?;
                        answer(&lobby, &visitor, request).await
                    },
                ),
            ),
            Method::Post => router.route(
                &path,
                post(
                    async move |State(lobby): State<Arc<Lobby>>, visitor: Visitor, headers: HeaderMap, body: Bytes| {
                        if !visitor.may_send(&headers) {
                            return Err(Refusal {
                                status: StatusCode::FORBIDDEN,
                                body: json!({
                                    "kind": "forged",
                                    "message": "a change takes a token, or a session with its `x-csrf-token`",
                                }),
                            });
                        }
                        let request = from_body(route, &visitor, &headers, &body)?;
                        if hearing::text(&headers, "accept").is_some_and(|accept| accept.contains("text/event-stream"))
                        {
                            return Ok(stream(&lobby, visitor, request));
                        }
                        answer(&lobby, &visitor, request).await
                    },
                ),
            ),
        };
    }
    router
}

impl Visitor {
    /// Whether a request that changes something was meant by whoever sent it.
    fn may_send(&self, headers: &HeaderMap) -> bool {
        self.is_own_form(hearing::text(headers, "x-csrf-token").unwrap_or_default())
    }
}

async fn answer(lobby: &Arc<Lobby>, visitor: &Visitor, request: Request) -> Result<HttpResponse, Refusal> {
    let allowed = super::access::need(&request);
    match lobby.carry_out(visitor, request).await {
        Ok(response) => Ok(Json(serde_json::to_value(response).unwrap_or_default()).into_response()),
        Err(failure) => {
            let forbidden = !visitor.may(allowed);
            let mut refusal = Refusal::from(failure);
            if forbidden {
                refusal.status = StatusCode::FORBIDDEN;
            }
            Err(refusal)
        }
    }
}

/// Carries out a request and tells how far it is: events `progress`, then one `done` or `failed`. It goes on when nobody
/// listens any more.
fn stream(lobby: &Arc<Lobby>, visitor: Visitor, request: Request) -> HttpResponse {
    let (sender, receiver) = mpsc::unbounded_channel::<Frame>();
    let lobby = Arc::clone(lobby);
    tokio::spawn(async move {
        let steps = sender.clone();
        let done =
            lobby.carry_out_telling(&visitor, request, move |step| drop(steps.send(Frame::Progress(step)))).await;
        let _ = sender.send(done.map_or_else(Frame::Failed, Frame::Done));
    });
    let events = futures_util::stream::unfold(receiver, async |mut receiver| {
        let frame = receiver.recv().await?;
        let name = match &frame {
            Frame::Progress(_) => "progress",
            Frame::Done(_) => "done",
            Frame::Failed(_) => "failed",
        };
        let data = serde_json::to_string(&frame).unwrap_or_default();
        Some((Ok::<_, Infallible>(Event::default().event(name).data(data)), receiver))
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

fn bad(text: String) -> Failure {
    Failure::new(FailureKind::BadRequest, text)
}

/// The request of a GET: every parameter is text there.
fn from_query(route: &Route, query: &BTreeMap<String, String>) -> Result<Request, Failure> {
    let mut fields = Map::new();
    for (name, text) in query {
        let param = known(route, name)?;
        let value = match param.kind {
            Kind::Number => Value::from(text.parse::<u64>().map_err(|_| bad(format!("`{name}` is a whole number")))?),
            Kind::Truth => Value::from(text.parse::<bool>().map_err(|_| bad(format!("`{name}` is true or false")))?),
            Kind::Text | Kind::Side | Kind::Mode => Value::from(text.as_str()),
            Kind::Texts | Kind::Pairs | Kind::Revert => {
                return Err(bad(format!("`{name}` goes into the body of a POST")));
            }
        };
        fields.insert(name.clone(), value);
    }
    route.request(fields)
}

/// The request of a POST.
fn from_body(route: &Route, visitor: &Visitor, headers: &HeaderMap, body: &[u8]) -> Result<Request, Failure> {
    // A form of another site cannot say that it holds JSON.
    let kind = hearing::text(headers, "content-type").unwrap_or_default();
    if !body.is_empty() && kind.split(';').next().is_none_or(|kind| kind.trim() != "application/json") {
        return Err(bad("the body is JSON: send `Content-Type: application/json`".to_owned()));
    }
    let parsed = if body.is_empty() { Ok(Value::Object(Map::new())) } else { serde_json::from_slice(body) };
    let Value::Object(mut fields) = parsed.map_err(|error| bad(format!("the body is no JSON: {error}")))? else {
        return Err(bad("the body is an object with the parameters".to_owned()));
    };
    for (name, value) in &fields {
        known(route, name)?;
        if value.is_null() {
            return Err(bad(format!("`{name}` is null; leave it out where nothing is meant")));
        }
    }
    if route.does == "run" {
        fields.insert("why".to_owned(), format!("by hand, by {}", visitor.name).into());
    }
    route.request(fields)
}

fn known<'r>(route: &'r Route, name: &str) -> Result<&'r Param, Failure> {
    route.params.iter().find(|param| param.name == name).ok_or_else(|| {
        let names: Vec<&str> = route.params.iter().map(|param| param.name).collect();
        let can = if names.is_empty() { "it takes none".to_owned() } else { format!("it takes {}", names.join(", ")) };
        bad(format!("{} has no parameter `{name}`; {can}", route.path))
    })
}

impl Route {
    /// The request with these fields.
    pub fn request(&self, mut fields: Map<String, Value>) -> Result<Request, Failure> {
        if self.does == "runs" {
            fields.entry("limit").or_insert_with(|| Value::from(20));
        }
        fields.insert("do".to_owned(), self.does.into());
        serde_json::from_value(Value::Object(fields)).map_err(|error| bad(error.to_string()))
    }

    /// The request with the parameters of its example.
    pub fn sample(&self) -> Result<Request, Failure> {
        let mut fields: Map<String, Value> =
            serde_json::from_str(self.example).map_err(|error| bad(error.to_string()))?;
        if self.does == "run" {
            fields.insert("why".to_owned(), "by hand".into());
        }
        self.request(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_a_sound_example() {
        for route in ROUTES {
            route.sample().unwrap_or_else(|error| panic!("{}: {error}", route.path));
            let example: Map<String, Value> = serde_json::from_str(route.example).unwrap();
            for name in example.keys() {
                known(route, name).unwrap();
            }
            for param in route.params.iter().filter(|param| param.needed) {
                assert!(example.contains_key(param.name), "{} lacks {}", route.path, param.name);
            }
        }
    }

    #[test]
    fn a_parameter_that_is_needed_is_asked_for_and_one_that_is_unknown_refused() {
        let of = |path: &str| ROUTES.iter().find(|route| route.path == path).unwrap();
        for route in ROUTES {
            for param in route.params {
                let mut fields: Map<String, Value> = serde_json::from_str(route.example).unwrap();
                if route.does == "run" {
                    fields.insert("why".to_owned(), "".into());
                }
                fields.remove(param.name);
                assert_eq!(route.request(fields).is_err(), param.needed, "{} without {}", route.path, param.name);
            }
        }
        let query = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let wrong = from_query(of("/runs"), &query(&[("integration", "acme"), ("limit", "many")])).unwrap_err();
        assert!(wrong.message.contains("`limit` is a whole number"), "{wrong}");
        let unknown = from_query(of("/status"), &query(&[("pipeline", "acme/contacts")])).unwrap_err();
        assert_eq!(unknown.message, "/status has no parameter `pipeline`; it takes none");
    }
}
