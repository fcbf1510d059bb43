//! What a scrape shows when nothing but the builder has asked for metrics. The recorder is the process's, so
//! this is a process of its own.
#![expect(clippy::unwrap_used, reason = "a test ends with a panic")]

use axum::body::Body;
use axum::http::{Request, StatusCode};
use springhare::prelude::*;
use springhare::test::Harness;
use springhare::web;
use tower::ServiceExt as _;

#[rabbit_listener(id = "y.early", queue = "y.early")]
async fn early() {}

async fn scrape(app: &Springhare) -> (StatusCode, String) {
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let response = web::routes(app).oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn what_happened_before_the_first_scrape_is_counted_and_routes_install_nothing() {
    let h = Harness::start(|app| app.listeners(listeners![early])).await.unwrap();
    let (status, body) = scrape(h.app()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("`.metrics()`"), "{body}");
    h.stop().await.unwrap();
    let h = Harness::start(|app| app.metrics().listeners(listeners![early])).await.unwrap();
    h.rabbit().convert_and_send("y.early", "tea").await.unwrap();
    h.listener("y.early").await_calls(1).await;
    let (status, body) = scrape(h.app()).await;
    assert_eq!(status, StatusCode::OK);
    let line = |start: &str| body.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
    assert!(line("rabbitmq_consumed_total{").ends_with(" 1"), "{body}");
    assert!(line("spring_rabbitmq_listener_active{").ends_with(" 0"), "{body}");
    h.stop().await.unwrap();
}
