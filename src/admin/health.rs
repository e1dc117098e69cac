//! For whoever starts, stops and routes: is it there, and does it take work.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};

use super::server::Lobby;
use crate::daemon::protocol::Request;

/// 200 as long as the daemon answers at all. A system that cannot be reached, or a mistake in a file, is no reason to
/// restart it.
pub(super) async fn healthy(State(lobby): State<Arc<Lobby>>) -> (StatusCode, &'static str) {
    match lobby.daemon.call(Request::Ping).await {
        Ok(_) => (StatusCode::OK, "healthy\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "not healthy\n"),
    }
}

/// 200 from the moment it takes work until it begins to stop.
pub(super) async fn ready(State(lobby): State<Arc<Lobby>>) -> (StatusCode, &'static str) {
    if lobby.daemon.is_stopping() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    (StatusCode::OK, "ready\n")
}
