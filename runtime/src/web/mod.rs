//! What an application shows of itself over HTTP: feature `axum`.
//!
//! | route | answer |
//! |---|---|
//! | `/health` | 200 while every listener that is to consume does and every broker is there, else 503; which does what |
//! | `/health/live` | 200 until the application is stopped: a broker that is away is no reason to restart |
//! | `/health/ready` | as `/health`, in one word |
//! | `/metrics` | feature `prometheus`: what was measured, if the builder says `.metrics()` |
//!
//! The bodies are those of Spring Boot's actuator in small.

use std::sync::Weak;

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, extract};
use serde::Serialize;

use crate::app::{Running, Springhare};
use crate::listener::health::Health;

/// The routes of `app`, to be merged into or nested under a router of the program's own. They do not
/// keep the application alive.
///
/// ```
/// use springhare::prelude::*;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let app = Springhare::builder().start().await?;
/// let routes = axum::Router::new().nest("/actuator", springhare::web::routes(&app));
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// tokio::spawn(async move { axum::serve(listener, routes).await });
/// app.run().await
/// # }
/// ```
pub fn routes(app: &Springhare) -> Router {
    let routes = Router::new()
        .route("/health", get(health))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready));
    #[cfg(feature = "prometheus")]
    let routes = routes.route("/metrics", get(metrics));
    routes.with_state(App(app.weak()))
}

#[derive(Clone)]
struct App(Weak<Running>);

impl App {
    /// None once it is stopped.
    fn health(&self) -> Option<Health> {
        self.0.upgrade().filter(|running| !running.is_stopped()).map(|running| running.health())
    }
}

type State = extract::State<App>;

/// What all answers say.
#[derive(Serialize)]
struct Answer<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    listeners: Vec<ListenerAnswer<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    brokers: Vec<BrokerAnswer<'a>>,
}

#[derive(Serialize)]
struct BrokerAnswer<'a> {
    name: &'a str,
    status: &'static str,
    /// What it is, in words: `is connected`.
    details: String,
}

#[derive(Serialize)]
struct ListenerAnswer<'a> {
    id: &'a str,
    broker: &'a str,
    status: &'static str,
    /// What it does, in words: `consumes`, `is recovering: its queue was deleted`.
    details: String,
}

async fn health(app: State) -> Response {
    let Some(health) = app.0.health() else { return out_of_service() };
    let listeners = health.listeners().iter().map(|listener| ListenerAnswer {
        id: listener.id(),
        broker: listener.broker(),
        status: word(listener.is_up()),
        details: listener.status().to_string(),
    });
    let brokers = health.brokers().iter().map(|broker| BrokerAnswer {
        name: broker.name(),
        status: word(broker.is_up()),
        details: broker.status().to_string(),
    });
    let (listeners, brokers) = (listeners.collect(), brokers.collect());
    answer(code(health.is_up()), &Answer { status: word(health.is_up()), listeners, brokers })
}

async fn live(app: State) -> Response {
    match app.0.health() {
        Some(_) => bare(StatusCode::OK, "UP"),
        None => out_of_service(),
    }
}

async fn ready(app: State) -> Response {
    match app.0.health() {
        Some(health) => bare(code(health.is_up()), word(health.is_up())),
        None => out_of_service(),
    }
}

#[cfg(feature = "prometheus")]
async fn metrics() -> Response {
    let unavailable = |why: String| (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    match crate::metrics::installed() {
        Some(Ok(prometheus)) => {
            let content_type = "text/plain; version=0.0.4; charset=utf-8";
            ([(CONTENT_TYPE, content_type)], prometheus.render()).into_response()
        }
        Some(Err(taken)) => unavailable(taken.to_string()),
        None => {
            unavailable("nothing is measured: the builder does not say `.metrics()`".to_owned())
        }
    }
}

fn word(is_up: bool) -> &'static str {
    if is_up { "UP" } else { "DOWN" }
}

fn code(is_up: bool) -> StatusCode {
    if is_up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

fn out_of_service() -> Response {
    bare(StatusCode::SERVICE_UNAVAILABLE, "OUT_OF_SERVICE")
}

fn bare(code: StatusCode, status: &'static str) -> Response {
    answer(code, &Answer { status, listeners: Vec::new(), brokers: Vec::new() })
}

fn answer(code: StatusCode, answer: &Answer<'_>) -> Response {
    let body = serde_json::to_string(answer).unwrap_or_default();
    (code, [(CONTENT_TYPE, "application/json")], body).into_response()
}
